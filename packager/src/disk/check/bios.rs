//! The chain of a BIOS: boot code, active partition, boot record, `ldlinux.sys`, `ldlinux.c32`, configuration.

use memchr::memmem;

use super::payload::{self, Payload};
use super::{File, Place, Report, Volume, codes, entries};
use crate::disk::fat::read::{FatError, Medium};
use crate::disk::mbr::{CODE_SIZE, Mbr, PartitionType};
use crate::disk::syslinux::config::{Config, PLACES};
use crate::disk::syslinux::{CORE_MODULE, LOADER, MapProblem, verify};

/// What the boot code of syslinux says when it fails: that for an MBR's table, and that for a GUID partition table.
const MBR_CODE: &[u8] = b"Missing operating system";
const GPT_CODE: &[u8] = b"Missing OS";

/// What other boot codes say.
const OTHER_CODE: [(&[u8], &str); 4] = [
    (b"GRUB ", "GRUB"),
    (b"Invalid partition table", "Windows"),
    (b"isolinux.bin missing", "isolinux"),
    (b"LILO", "LILO"),
];

/// Gives whether there is a chain at all. Where it is not expected, its absence is no finding.
pub(super) fn check<M: Medium + ?Sized>(
    volume: &Volume<'_, '_, M>,
    sector: &[u8; 512],
    place: Place,
    expected: bool,
    report: &mut Report,
) -> Result<bool, FatError> {
    let record = &volume.reader.boot_record;
    let has_record = record[3..11] == *b"SYSLINUX";
    let loader = volume.reader.find(LOADER).ok().flatten();
    if !expected && !has_record && loader.is_none() {
        return Ok(false);
    }
    table(sector, place, report);
    if volume.reader.hidden != place.first {
        let (says, is) = (volume.reader.hidden, place.first);
        let seen = format!("the boot record says that it is at {says}, and it is at {is}");
        report.find(&codes::HIDDEN_SECTORS, seen);
    }
    if !has_record {
        report.find(&codes::NO_BOOT_RECORD, "its system name is not SYSLINUX");
    }
    match volume.file(LOADER, report)? {
        File::Unreadable => {}
        File::Missing => report.find(&codes::NO_LDLINUX_SYS, "there is no ldlinux.sys"),
        File::Bytes(file) => {
            let entry = loader.as_ref();
            let sectors = entry.map(|entry| volume.reader.sectors(entry));
            let sectors = sectors.transpose().ok().flatten().unwrap_or_default();
            for problem in verify(&file, record, &sectors) {
                map_problem(problem, report);
            }
        }
    }
    match volume.file(CORE_MODULE, report)? {
        File::Bytes(module) if module.starts_with(b"\x7fELF") => {}
        File::Unreadable => {}
        File::Bytes(_) => report.find(&codes::NO_LDLINUX_C32, "ldlinux.c32 is not an ELF file"),
        File::Missing => report.find(&codes::NO_LDLINUX_C32, "there is no ldlinux.c32"),
    }
    configuration(volume, report)?;
    Ok(true)
}

/// The first sector, where it is not the file system's own.
fn table(sector: &[u8; 512], place: Place, report: &mut Report) {
    let Ok(mbr) = Mbr::parse(sector) else { return };
    let mut kinds = mbr.partitions().map(|(_, partition)| partition.kind);
    let is_gpt = kinds.any(|kind| kind == PartitionType::PROTECTIVE);
    boot_code(sector, is_gpt, report);
    if !is_gpt {
        active(&mbr, report);
    } else if !place.is_marked {
        let seen = "no partition is marked as legacy BIOS bootable";
        report.find(&codes::NO_LEGACY_BOOTABLE, seen);
    }
}

fn boot_code(sector: &[u8; 512], is_gpt: bool, report: &mut Report) {
    let code = &sector[..CODE_SIZE];
    let has = |text: &[u8]| memmem::find(code, text).is_some();
    let (right, wrong) = match is_gpt {
        true => (GPT_CODE, MBR_CODE),
        false => (MBR_CODE, GPT_CODE),
    };
    if code.iter().all(|byte| *byte == 0) {
        report.find(&codes::NO_MBR_CODE, "the first 440 bytes are zero");
    } else if let Some((_, name)) = OTHER_CODE.iter().find(|other| has(other.0)) {
        report.find(
            &codes::FOREIGN_MBR_CODE,
            format_args!("it is that of {name}"),
        );
    } else if has(wrong) {
        let seen = "it is syslinux's for the other kind of partition table";
        report.find(&codes::FOREIGN_MBR_CODE, seen);
    } else if !has(right) {
        report.find(
            &codes::UNKNOWN_MBR_CODE,
            "the first 440 bytes are none of syslinux, GRUB, Windows, isolinux, LILO",
        );
    }
}

fn active(mbr: &Mbr, report: &mut Report) {
    match mbr.partitions().filter(|it| it.1.active).count() {
        0 => report.find(&codes::NO_ACTIVE_PARTITION, "no partition is marked active"),
        1 => {}
        many => report.find(
            &codes::MANY_ACTIVE_PARTITIONS,
            format_args!("{many} partitions are marked active"),
        ),
    }
}

fn map_problem(problem: MapProblem, report: &mut Report) {
    match problem {
        MapProblem::Damaged(reason) => report.find(&codes::LDLINUX_DAMAGED, reason),
        MapProblem::Short => report.find(&codes::LDLINUX_DAMAGED, "it is shorter than it says"),
        MapProblem::Checksum => report.find(&codes::LDLINUX_DAMAGED, "its check sum is wrong"),
        MapProblem::BootRecord { loads, lies } => report.find(
            &codes::BAD_SECTOR_MAP,
            format_args!(
                "the boot record loads {loads} of the partition, and ldlinux.sys begins at {lies}"
            ),
        ),
        MapProblem::Map {
            index,
            mapped: Some(mapped),
            lies,
        } => report.find(
            &codes::BAD_SECTOR_MAP,
            format_args!("sector {index} of ldlinux.sys is mapped to {mapped}, and lies at {lies}"),
        ),
        MapProblem::Map { index, lies, .. } => report.find(
            &codes::BAD_SECTOR_MAP,
            format_args!("sector {index} of ldlinux.sys is not mapped, and lies at {lies}"),
        ),
    }
}

fn configuration<M: Medium + ?Sized>(
    volume: &Volume<'_, '_, M>,
    report: &mut Report,
) -> Result<(), FatError> {
    let mut found = None;
    for place in PLACES {
        if let Some(bytes) = volume.file(place, report)?.bytes() {
            found = Some((place, bytes));
            break;
        }
    }
    let Some((place, bytes)) = found else {
        let seen = format!("none of {} is there", PLACES.join(", "));
        report.find(&codes::NO_CONFIG, seen);
        return Ok(());
    };
    let config = Config::parse(&String::from_utf8_lossy(&bytes));
    let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
    let absolute = |path: &str| match path.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => format!("{folder}/{path}")
            .trim_start_matches('/')
            .to_owned(),
    };
    let known = |entry: &crate::disk::syslinux::config::Entry| {
        entry.label.eq_ignore_ascii_case(&config.default)
    };
    if !config.default.is_empty() && !config.entries.iter().any(known) {
        let seen = format!("`{place}` has no LABEL {}", config.default);
        report.find(&codes::NO_DEFAULT, seen);
    }
    for file in &config.files {
        payload::exists(volume, place, &absolute(file), report)?;
    }
    for entry in &config.entries {
        let payload = Payload {
            named_in: place,
            kernel: absolute(&entry.kernel),
            initramfs: entry.initramfs.iter().map(|path| absolute(path)).collect(),
        };
        if !entry.kernel.is_empty() && !entry.kernel.to_lowercase().ends_with(".c32") {
            payload.check(volume, false, report)?;
        }
    }
    let count = entries(config.entries.len());
    report
        .facts
        .push(format!("BIOS: syslinux, {count} in {place}"));
    Ok(())
}
