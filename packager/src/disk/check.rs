//! Will this disk image start a PC? The links of the chain from the firmware to the initramfs, on images that anybody made. Of a CD,
//! what UEFI starts is looked at; of a GUID partition table, the first copy.
//!
//! A BIOS needs the boot code, an active partition, a boot record, syslinux with its map of sectors, and a configuration
//! that names files which are there. UEFI needs a FAT file system with a program, and that one its kernel. A broken link is
//! a [finding](crate::finding::Finding); what lies behind it is checked all the same, as far as it can be found.

mod bios;
mod cd;
pub mod codes;
mod payload;
mod uefi;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::fat::read::{FatError, Medium, Reader};
use super::gpt::{self, GptPartition, Guid};
use super::mbr::{Mbr, MbrError, Partition, PartitionType};
use super::pe::Program;
use super::{SECTOR_SIZE, Sector};

pub use crate::finding::Report;

/// What shall start the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// It must start by a BIOS.
    pub bios: bool,
    /// It must start by UEFI.
    pub uefi: bool,
}

/// Checks an image of `length` bytes. What is there at all is checked; what is expected must be there.
///
/// # Errors
/// [`FatError::Io`] where the medium cannot be read; everything else is a finding.
pub fn check<M: Medium + ?Sized>(
    medium: &M,
    length: u64,
    expected: Expected,
) -> Result<Report, FatError> {
    let mut report = Report::default();
    let mut sector = [0; SECTOR_SIZE as usize];
    if length < SECTOR_SIZE {
        report.find(
            &codes::NO_SIGNATURE,
            format_args!("the image has {length} bytes"),
        );
        return Ok(report);
    }
    read(medium, 0, &mut sector)?;
    if cd::is_cd(medium) {
        match cd::check(medium, length, expected, &mut report) {
            Err(error) if is_end(&error) => report.find(&codes::NO_EL_TORITO, error),
            result => result?,
        }
        check_stick(&sector, length, &mut report);
        return Ok(report);
    }
    let Some(place) = place(medium, &sector, length, &mut report)? else {
        return Ok(report);
    };
    let start = place.first;
    let reader = match Reader::open(medium, start) {
        Ok(reader) => reader,
        Err(error @ FatError::Io { .. }) if !is_end(&error) => return Err(error),
        Err(error) => {
            report.find(&codes::FAT_UNREADABLE, error);
            return Ok(report);
        }
    };
    report.facts.push(format!(
        "{} at {start}, {} MiB, label {}",
        reader.kind,
        reader.total.bytes() >> 20,
        reader.label()
    ));
    volume(&reader, start, length, &mut report);
    let volume = Volume::new(&reader, length);
    let is_bios = bios::check(&volume, &sector, place, expected.bios, &mut report)?;
    let is_uefi = uefi::check(&volume, expected.uefi, &mut report)?;
    if !is_bios && !is_uefi && !expected.bios && !expected.uefi {
        report.find(
            &codes::NO_BOOT_LOADER,
            "neither ldlinux.sys nor EFI/BOOT/BOOTX64.EFI is there",
        );
    }
    Ok(report)
}

/// Checks a unified kernel image, which is a file by itself; `None` where the bytes are none. `name` is what findings call it.
pub fn check_uki(name: &str, bytes: &[u8]) -> Option<Report> {
    let mut report = Report::default();
    let is_disk = bytes.get(510..512) == Some(&[0x55, 0xaa]);
    match Program::parse(bytes) {
        Ok(program) => uefi::unified(name, &program, &mut report).then_some(report),
        Err(_) if is_disk || !bytes.starts_with(b"MZ") => None,
        Err(error) => {
            report.find(&codes::BAD_EFI_PROGRAM, format_args!("{name}: {error}"));
            Some(report)
        }
    }
}

/// Whether a CD can be written to a stick as it is.
fn check_stick(sector: &[u8; SECTOR_SIZE as usize], length: u64, report: &mut Report) {
    match Mbr::parse(sector) {
        Ok(mbr) if mbr.partitions().next().is_some() => {
            inside(&mbr, length, report);
            let fact = "a hybrid: it can be written to a stick";
            report.facts.push(fact.to_owned());
        }
        _ => report.find(&codes::CD_ONLY, "the first sector has no partition table"),
    }
}

/// Where the file system is.
#[derive(Clone, Copy)]
struct Place {
    first: Sector,
    /// In a GUID partition table: whether the boot code for a BIOS would start it.
    is_marked: bool,
}

impl Place {
    /// Without such a table no mark is needed.
    fn at(first: Sector) -> Self {
        Self {
            first,
            is_marked: true,
        }
    }
}

/// The volume with what the checks read from it.
struct Volume<'a, 'm, M: ?Sized> {
    reader: &'a Reader<'m, M>,
    /// The bytes that may still be read: a volume can name one file under many names.
    left: Cell<u64>,
    /// What has been checked: kernels and initramfs images that several entries name.
    checked: RefCell<BTreeSet<String>>,
}

/// How often all of an image is read at most.
const READINGS: u64 = 16;

/// What a configuration may have meant.
enum File {
    Bytes(Vec<u8>),
    Missing,
    /// A finding says why.
    Unreadable,
}

impl File {
    fn bytes(self) -> Option<Vec<u8>> {
        match self {
            File::Bytes(bytes) => Some(bytes),
            File::Missing | File::Unreadable => None,
        }
    }
}

impl<'a, 'm, M: Medium + ?Sized> Volume<'a, 'm, M> {
    fn new(reader: &'a Reader<'m, M>, length: u64) -> Self {
        Self {
            reader,
            left: Cell::new(length.saturating_mul(READINGS)),
            checked: RefCell::default(),
        }
    }

    /// Notes that something is checked; tells whether it was before.
    fn is_checked(&self, what: String) -> bool {
        !self.checked.borrow_mut().insert(what)
    }

    /// A file's bytes. A broken chain is a finding.
    fn file(&self, path: &str, report: &mut Report) -> Result<File, FatError> {
        let mut unreadable = |error: &dyn std::fmt::Display| {
            report.find(&codes::FILE_UNREADABLE, format_args!("`{path}`: {error}"));
            Ok(File::Unreadable)
        };
        let result = self.reader.find(path).and_then(|entry| match entry {
            Some(entry) if !entry.is_directory() => {
                let Some(left) = self.left.get().checked_sub(entry.size.into()) else {
                    return Ok(None);
                };
                self.left.set(left);
                let bytes = self.reader.contents(&entry)?;
                Ok(Some(File::Bytes(bytes)))
            }
            _ => Ok(Some(File::Missing)),
        });
        match result {
            Err(error @ FatError::Io { .. }) if !is_end(&error) => Err(error),
            Err(error) => unreadable(&error),
            Ok(Some(file)) => Ok(file),
            Ok(None) => {
                unreadable(&"the files named so far are many times what the image can hold")
            }
        }
    }
}

/// A count of a menu's entries, for people.
fn entries(count: usize) -> String {
    match count {
        1 => "1 entry".to_owned(),
        _ => format!("{count} entries"),
    }
}

/// The image is shorter than its file system says; an offset may even be one that no file can have.
fn is_end(error: &FatError) -> bool {
    use std::io::ErrorKind::{InvalidInput, UnexpectedEof};
    matches!(error, FatError::Io { source, .. } if matches!(source.kind(), UnexpectedEof | InvalidInput))
}

fn read<M: Medium + ?Sized>(medium: &M, offset: u64, buffer: &mut [u8]) -> Result<(), FatError> {
    medium
        .read_exact_at(buffer, offset)
        .map_err(|source| FatError::Io { offset, source })
}

/// Where the file system is.
fn place<M: Medium + ?Sized>(
    medium: &M,
    sector: &[u8; 512],
    length: u64,
    report: &mut Report,
) -> Result<Option<Place>, FatError> {
    let protective = |mbr: &Mbr| {
        let mut kinds = mbr.partitions().map(|(_, partition)| partition.kind);
        kinds.any(|kind| kind == PartitionType::PROTECTIVE)
    };
    match Mbr::parse(sector) {
        Ok(mbr) if protective(&mbr) => match gpt::read(medium) {
            Ok(Ok(partitions)) => Ok(gpt_partition(&partitions, length, report)),
            Ok(Err(reason)) => {
                report.find(&codes::BAD_GPT, reason);
                Ok(None)
            }
            Err(error) if is_end(&error) => {
                report.find(&codes::BAD_GPT, error);
                Ok(None)
            }
            Err(error) => Err(error),
        },
        _ => Ok(partition(sector, length, report).map(Place::at)),
    }
}

/// The one that is marked for a BIOS, else the EFI system partition.
fn gpt_partition(partitions: &[GptPartition], length: u64, report: &mut Report) -> Option<Place> {
    report.facts.push("a GUID partition table".to_owned());
    let fat = |it: &&GptPartition| matches!(it.kind, Guid::EFI_SYSTEM | Guid::BASIC_DATA);
    let marked = partitions.iter().find(|it| it.bootable && fat(it));
    let Some(chosen) = marked.or_else(|| partitions.iter().find(fat)) else {
        report.find(
            &codes::NO_FAT_PARTITION,
            "the table has no EFI system partition",
        );
        return None;
    };
    let end = chosen.first.bytes().saturating_add(chosen.count.bytes());
    if end > length {
        let seen = format!("the partition ends at byte {end}, and the image has {length} bytes");
        report.find(&codes::PARTITION_OUTSIDE, seen);
    }
    Some(Place {
        first: chosen.first,
        is_marked: chosen.bootable,
    })
}

/// Where the file system begins: in the active partition, else in the first FAT one, else at once.
fn partition(sector: &[u8; 512], length: u64, report: &mut Report) -> Option<Sector> {
    let mbr = match Mbr::parse(sector) {
        Ok(mbr) => mbr,
        Err(MbrError::FileSystem) => {
            report.find(
                &codes::NO_TABLE,
                "the file system begins in the first sector",
            );
            return Some(Sector(0));
        }
        Err(error) => {
            report.find(&codes::NO_SIGNATURE, error);
            return None;
        }
    };
    layout(&mbr, length, report);
    let fat = |it: &&(usize, &Partition)| it.1.kind.is_fat();
    let active = mbr
        .partitions()
        .find(|it| it.1.active && it.1.kind.is_fat());
    let chosen = active.or_else(|| mbr.partitions().find(|it| fat(&it)));
    if chosen.is_none() {
        let kinds: Vec<_> = mbr
            .partitions()
            .map(|(number, partition)| format!("{number}: 0x{:02x}", partition.kind.0))
            .collect();
        let seen = match kinds.as_slice() {
            [] => "the table has no partition".to_owned(),
            kinds => format!("the table has these types: {}", kinds.join(", ")),
        };
        report.find(&codes::NO_FAT_PARTITION, seen);
    }
    chosen.map(|(_, partition)| partition.first)
}

/// Partitions that leave the image or share sectors. In a hybrid ISO they may: one is the whole, another a file in it.
fn layout(mbr: &Mbr, length: u64, report: &mut Report) {
    inside(mbr, length, report);
    let mut sorted: Vec<_> = mbr.partitions().collect();
    sorted.sort_by_key(|(_, partition)| partition.first);
    for pair in sorted.windows(2) {
        let [(one, first), (two, second)] = pair else {
            continue;
        };
        if first.first + first.count > second.first {
            let seen = format!("partitions {one} and {two} share sectors");
            report.find(&codes::PARTITIONS_OVERLAP, seen);
        }
    }
}

/// Where the last partition ends, in bytes, if that is behind the image's end: the image is cut off.
///
/// # Errors
/// [`FatError::Io`] where the medium cannot be read.
pub fn end_outside<M: Medium + ?Sized>(medium: &M, length: u64) -> Result<Option<u64>, FatError> {
    let mut sector = [0; SECTOR_SIZE as usize];
    read(medium, 0, &mut sector)?;
    let Ok(mbr) = Mbr::parse(&sector) else {
        return Ok(None);
    };
    // Of the partition that protects a GUID partition table, the length is often that of the largest disk.
    let mut ends = Vec::new();
    for (_, partition) in mbr.partitions() {
        if partition.kind != PartitionType::PROTECTIVE {
            ends.push((partition.first + partition.count).bytes());
            continue;
        }
        match gpt::read(medium) {
            Ok(table) => {
                let partitions = table.unwrap_or_default();
                ends.extend(partitions.iter().map(|it| (it.first + it.count).bytes()));
            }
            Err(error) if is_end(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ends.into_iter().max().filter(|end| *end > length))
}

/// Partitions that leave the image.
fn inside(mbr: &Mbr, length: u64, report: &mut Report) {
    for (number, partition) in mbr.partitions() {
        let end = (partition.first + partition.count).bytes();
        if end > length {
            let seen =
                format!("partition {number} ends at byte {end}, and the image has {length} bytes");
            report.find(&codes::PARTITION_OUTSIDE, seen);
        }
    }
}

/// Whether the volume ends within the image.
fn volume<M: Medium + ?Sized>(
    reader: &Reader<'_, M>,
    start: Sector,
    length: u64,
    report: &mut Report,
) {
    let end = (start + reader.total).bytes();
    if end > length {
        let seen = format!("the file system ends at byte {end}, and the image has {length} bytes");
        report.find(&codes::FAT_OUTSIDE, seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(image: &[u8]) -> Vec<&'static str> {
        let report = check(image, image.len() as u64, Expected::default()).unwrap();
        let names = report.findings.iter().map(|finding| finding.code.name);
        names.collect()
    }

    #[test]
    fn what_is_no_disk_image_is_named() {
        assert_eq!(names(b""), ["no-boot-signature"]);
        assert_eq!(names(&[0; 1024]), ["no-boot-signature"]);
        let mut table = vec![0; 1024];
        table[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(names(&table), ["no-fat-partition"]);
        table[450] = 0x0c;
        table[454] = 1;
        table[458] = 9;
        assert_eq!(names(&table), ["partition-outside", "fat-unreadable"]);
    }

    #[test]
    fn an_image_that_is_cut_off_is_told_by_its_table() {
        let mut image = vec![0; 4096];
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(end_outside(&image[..], 4096).unwrap(), None);
        // The first partition: FAT, from sector 1, of 7 sectors.
        image[450] = 0x0c;
        image[454] = 1;
        image[458] = 7;
        assert_eq!(end_outside(&image[..], 4096).unwrap(), None);
        assert_eq!(end_outside(&image[..], 4095).unwrap(), Some(4096));
        // One that protects a GUID partition table may be as large as it likes.
        image[450] = 0xee;
        image[458..462].fill(0xff);
        assert_eq!(end_outside(&image[..], 4096).unwrap(), None);
    }

    #[test]
    fn numbers_that_no_disk_has_are_outside() {
        let partition = GptPartition {
            kind: Guid::EFI_SYSTEM,
            first: Sector((1 << 55) + 2048),
            count: Sector(u64::MAX),
            bootable: false,
        };
        let mut report = Report::default();
        assert!(gpt_partition(&[partition], 1 << 20, &mut report).is_some());
        assert_eq!(report.findings[0].code, &codes::PARTITION_OUTSIDE);
        assert_eq!((Sector(u64::MAX) + Sector(1)).bytes(), u64::MAX);
    }

    #[test]
    fn every_code_has_a_name_of_its_own() {
        let mut names: Vec<_> = codes::ALL.iter().map(|code| code.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), codes::ALL.len());
    }
}
