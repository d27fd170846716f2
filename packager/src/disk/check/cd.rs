//! A CD: the catalogue of El Torito, which says what firmware starts; and the FAT file system among it that UEFI reads.
//!
//! El Torito 1.0: the boot record volume descriptor points to a catalogue of 32-byte entries. The first one validates, the
//! second is what the platform of the first one starts, and headers begin the entries of further platforms.

use super::files::Files;
use super::{Expected, Report, codes, isolinux, place, uefi};
use crate::disk::Sector;
use crate::disk::bytes::u32_at;
use crate::disk::fat::read::{FatError, Medium, Reader, read_at};
use crate::disk::iso::{BLOCK, DESCRIPTORS, SECTORS};
use crate::disk::mbr::Mbr;

/// More descriptors than any CD has.
const DESCRIPTORS_MAX: u64 = 32;

/// What all descriptors have behind their type.
const SIGNATURE: &[u8] = b"CD001";

/// Platforms, as the catalogue numbers them.
const BIOS: u8 = 0;
const UEFI: u8 = 0xef;

/// An entry that can be started.
struct Bootable {
    platform: u8,
    block: u32,
}

impl Bootable {
    fn start(&self) -> Sector {
        Sector(u64::from(self.block) * SECTORS)
    }
}

/// Whether the medium is a CD.
pub(super) fn is_cd<M: Medium + ?Sized>(medium: &M) -> bool {
    let mut bytes = [0; 6];
    read_at(medium, DESCRIPTORS * BLOCK, &mut bytes).is_ok() && bytes[1..] == *SIGNATURE
}

/// Checks what starts the CD, as a CD and as a stick.
pub(super) fn check<M: Medium + ?Sized>(
    medium: &M,
    length: u64,
    sector: &[u8; 512],
    expected: Expected,
    report: &mut Report,
) -> Result<(), FatError> {
    let isolinux = check_catalogue(medium, length, expected, report);
    check_stick(
        sector,
        length,
        isolinux.as_ref().ok().copied().flatten(),
        report,
    );
    isolinux.map(drop)
}

/// Whether a CD can be written to a stick as it is. `isolinux` is the block of what a BIOS shall find there.
fn check_stick(sector: &[u8; 512], length: u64, isolinux: Option<u32>, report: &mut Report) {
    match Mbr::parse(sector) {
        Ok(mbr) if mbr.partitions().next().is_some() => {
            place::inside(&mbr, length, report);
            if let Some(block) = isolinux {
                isolinux::check_boot_code(sector, block, report);
            }
            let fact = "a hybrid: it can be written to a stick";
            report.facts.push(fact.to_owned());
        }
        _ => report.find(&codes::CD_ONLY, "the first sector has no partition table"),
    }
}

/// Gives the block of isolinux, where that is what a BIOS starts.
fn check_catalogue<M: Medium + ?Sized>(
    medium: &M,
    length: u64,
    expected: Expected,
    report: &mut Report,
) -> Result<Option<u32>, FatError> {
    let Some((label, catalogue)) = descriptors(medium)? else {
        report.find(&codes::NO_EL_TORITO, "no volume descriptor points to one");
        return Ok(None);
    };
    report.facts.push(format!("ISO 9660, label {label}"));
    let Some(entries) = entries_at(medium, catalogue)? else {
        let seen = format!("there is none at block {catalogue}");
        report.find(&codes::NO_EL_TORITO, seen);
        return Ok(None);
    };
    let of = |platform| entries.iter().find(|entry| entry.platform == platform);
    let mut isolinux = None;
    match of(BIOS) {
        Some(entry) => {
            let is_isolinux = isolinux::check(medium, length, entry.block, report)?;
            isolinux = is_isolinux.then_some(entry.block);
        }
        None if expected.bios => report.find(&codes::NO_EL_TORITO, "it has no entry for a BIOS"),
        None => {}
    }
    match of(UEFI) {
        Some(entry) => check_uefi(medium, length, entry, report)?,
        None if expected.uefi => report.find(&codes::NO_EL_TORITO, "it has no entry for UEFI"),
        None => {}
    }
    Ok(isolinux)
}

fn check_uefi<M: Medium + ?Sized>(
    medium: &M,
    length: u64,
    entry: &Bootable,
    report: &mut Report,
) -> Result<(), FatError> {
    match Reader::open(medium, entry.start()) {
        Ok(reader) => {
            let (kind, block) = (reader.kind, entry.block);
            report
                .facts
                .push(format!("UEFI: El Torito, {kind} at block {block}"));
            uefi::check(&Files::new(&reader, medium.kept(length)), true, report).map(|_| ())
        }
        // A file system of a few files is small; UEFI reads it, and this does not.
        Err(FatError::Fat12) => {
            report
                .facts
                .push("UEFI: El Torito, FAT12, which is not looked at".to_owned());
            Ok(())
        }
        Err(error) => {
            report.find(&codes::FAT_UNREADABLE, error);
            Ok(())
        }
    }
}

/// Where the file system begins that UEFI reads; `None` where the catalogue has none.
pub(super) fn uefi_start<M: Medium + ?Sized>(medium: &M) -> Result<Option<Sector>, FatError> {
    let Some((_, catalogue)) = descriptors(medium)? else {
        return Ok(None);
    };
    let entries = entries_at(medium, catalogue)?.unwrap_or_default();
    let mut entries = entries.iter();
    let found = entries.find(|entry| entry.platform == UEFI);
    Ok(found.map(Bootable::start))
}

/// The label of the volume, and the block of the catalogue.
fn descriptors<M: Medium + ?Sized>(medium: &M) -> Result<Option<(String, u32)>, FatError> {
    const EL_TORITO: &[u8] = b"EL TORITO SPECIFICATION";
    let (mut label, mut catalogue) = (String::new(), None);
    for number in 0..DESCRIPTORS_MAX {
        let mut bytes = [0; 128];
        read_at(medium, (DESCRIPTORS + number) * BLOCK, &mut bytes)?;
        match bytes[0] {
            _ if bytes[1..6] != *SIGNATURE => break,
            0 if bytes[7..].starts_with(EL_TORITO) => catalogue = Some(u32_at(&bytes, 0x47)),
            1 => {
                label = String::from_utf8_lossy(&bytes[40..72])
                    .trim_end()
                    .to_owned()
            }
            0xff => break,
            _ => {}
        }
    }
    Ok(catalogue.map(|catalogue| (label, catalogue)))
}

/// The entries of the catalogue at a block.
fn entries_at<M: Medium + ?Sized>(
    medium: &M,
    block: u32,
) -> Result<Option<Vec<Bootable>>, FatError> {
    let mut bytes = [0; BLOCK as usize];
    read_at(medium, u64::from(block) * BLOCK, &mut bytes)?;
    Ok(entries(&bytes))
}

/// The entries of a catalogue; `None` where it is none.
fn entries(catalogue: &[u8; BLOCK as usize]) -> Option<Vec<Bootable>> {
    const BOOTABLE: u8 = 0x88;
    let (validation, rest) = catalogue.split_at(32);
    if validation[0] != 1 || validation[30..] != [0x55, 0xaa] {
        return None;
    }
    let mut platform = validation[1];
    let mut out = Vec::new();
    for entry in rest.chunks_exact(32) {
        match entry[0] {
            // A header, and the last one.
            0x90 | 0x91 => platform = entry[1],
            BOOTABLE => out.push(Bootable {
                platform,
                block: u32_at(entry, 8),
            }),
            _ => {}
        }
    }
    Some(out)
}
