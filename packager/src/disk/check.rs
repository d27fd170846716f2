//! Will this disk image start a PC? The links of the chain from the firmware to the initramfs, on images that anybody made: disks and
//! CDs.
//!
//! A BIOS needs the boot code, an active partition, a boot record, syslinux with its map of sectors, and a configuration
//! that names files which are there. UEFI needs a FAT file system with a program, and that one its kernel. A broken link is
//! a [finding](crate::finding::Finding); what lies behind it is checked all the same, as far as it can be found.

mod bios;
mod cd;
pub mod codes;
mod configuration;
mod files;
mod initramfs;
mod isolinux;
mod loader_entries;
mod payload;
mod place;
mod uefi;

use super::build::EFI_PROGRAM;
use super::fat::read::{FatError, Medium, Reader, read_at};
use super::pe::Program;
use super::{SECTOR_SIZE, Sector, fat};
use files::Files;
use place::Place;

pub use crate::finding::Report;
pub use initramfs::{DiskInitramfs, DiskInitramfsError, default_initramfs};
pub use place::{end_outside, has_gpt};

/// What shall start the image, and what is known of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// It must start by a BIOS.
    pub bios: bool,
    /// It must start by UEFI.
    pub uefi: bool,
    /// The boot record of a syslinux at hand, to compare with; some builds are known without it.
    pub boot_record: Option<[u8; SECTOR_SIZE as usize]>,
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
    read_at(medium, 0, &mut sector)?;
    if cd::is_cd(medium) {
        match cd::check(medium, length, &sector, expected, &mut report) {
            Err(error) if is_end(&error) => report.find(&codes::NO_EL_TORITO, error),
            result => result?,
        }
        return Ok(report);
    }
    let places = place::places(medium, &sector, length, &mut report)?;
    let Some((&place, others)) = places.split_first() else {
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
    tell(&reader, start, &mut report);
    volume(&reader, place, length, &mut report)?;
    let files = Files::new(&reader, medium.kept(length));
    let disk = bios::Disk {
        sector: &sector,
        place,
        expected,
    };
    let is_bios = bios::check(&reader, &files, &disk, &mut report)?;
    let is_uefi = if files.is_there(EFI_PROGRAM) {
        uefi::check(&files, expected.uefi, &mut report)?
    } else {
        elsewhere(medium, others, length, expected, &mut report)?
    };
    if !is_bios && !is_uefi && !expected.bios && !expected.uefi {
        report.find(
            &codes::NO_BOOT_LOADER,
            "neither ldlinux.sys nor EFI/BOOT/BOOTX64.EFI is there",
        );
    }
    Ok(report)
}

/// UEFI looks for its program in every FAT file system.
fn elsewhere<M: Medium + ?Sized>(
    medium: &M,
    places: &[Place],
    length: u64,
    expected: Expected,
    report: &mut Report,
) -> Result<bool, FatError> {
    for &place in places {
        let Ok(reader) = Reader::open(medium, place.first) else {
            continue;
        };
        let files = Files::new(&reader, medium.kept(length));
        if files.is_there(EFI_PROGRAM) {
            tell(&reader, place.first, report);
            volume(&reader, place, length, report)?;
            return uefi::check(&files, expected.uefi, report);
        }
    }
    if expected.uefi {
        let seen = format!("there is no {EFI_PROGRAM}");
        report.find(&codes::NO_EFI_PROGRAM, seen);
    }
    Ok(false)
}

/// Checks a unified kernel image, which is a file by itself; `None` where the bytes are none. `name` is what findings call it.
pub fn check_uki(name: &str, bytes: &[u8]) -> Option<Report> {
    let mut report = Report::default();
    let is_disk = bytes.get(510..512) == Some(&[0x55, 0xaa]);
    match Program::parse(bytes) {
        Ok(program) => uefi::unified(name, &program, &mut report).then_some(report),
        Err(_) if is_disk || !bytes.starts_with(b"MZ") => None,
        Err(error) => {
            report.find(&codes::DAMAGED_PROGRAM, format_args!("{name}: {error}"));
            Some(report)
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

/// The image is shorter than its file system says.
fn is_end(error: &FatError) -> bool {
    matches!(error, FatError::Io { source, .. } if fat::read::is_end(source))
}

fn tell<M: Medium + ?Sized>(reader: &Reader<'_, M>, start: Sector, report: &mut Report) {
    report.facts.push(format!(
        "{} at {start}, {} MiB, label {}",
        reader.kind,
        reader.total.bytes() >> 20,
        reader.label()
    ));
}

/// Whether the volume ends within its partition and the image, and agrees with itself.
fn volume<M: Medium + ?Sized>(
    reader: &Reader<'_, M>,
    place: Place,
    length: u64,
    report: &mut Report,
) -> Result<(), FatError> {
    let end = (place.first + reader.total).bytes();
    if end > length {
        let seen = format!("the file system ends at byte {end}, and the image has {length} bytes");
        report.find(&codes::FAT_OUTSIDE, seen);
    } else if reader.total > place.count {
        let (has, count) = (reader.total.0, place.count.0);
        let seen = format!("the file system has {has} sectors, and its partition {count}");
        report.find(&codes::FAT_OUTSIDE, seen);
    }
    match reader.inconsistencies() {
        Ok(found) => {
            for seen in found {
                report.find(&codes::FAT_INCONSISTENT, seen);
            }
            Ok(())
        }
        Err(error) if is_end(&error) => Ok(()),
        Err(error) => Err(error),
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
    fn every_code_has_a_name_of_its_own() {
        let mut names: Vec<_> = codes::ALL.iter().map(|code| code.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), codes::ALL.len());
    }
}
