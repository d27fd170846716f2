//! The chain of a BIOS: boot code, active partition, boot record, `ldlinux.sys`, `ldlinux.c32`, configuration.

use memchr::memmem;
use sha2::{Digest, Sha256};

use super::files::{File, Files};
use super::{Expected, Place, Report, codes, configuration};
use crate::disk::SECTOR_SIZE;
use crate::disk::fat::read::{Entry, FatError, Medium, Reader};
use crate::disk::mbr::{CODE_SIZE, Mbr, PartitionType};
use crate::disk::syslinux::{
    CORE_MODULE, GPT_CODE, LOADER, MBR_CODE, MapProblem, module_problem, record_code, verify,
};

/// What other boot codes say.
const OTHER_CODE: [(&[u8], &str); 4] = [
    (b"GRUB ", "GRUB"),
    (b"Invalid partition table", "Windows"),
    (b"isolinux.bin missing", "isolinux"),
    (b"LILO", "LILO"),
];

/// Boot records, as the SHA-256 of their code before it is fitted to a volume.
const KNOWN_RECORDS: [[u8; 32]; 1] = [
    // 6.04, as Debian has built it since 2019.
    [
        0xad, 0x6a, 0x53, 0x2c, 0x95, 0x9f, 0xa2, 0x82, 0x2a, 0x30, 0x5f, 0x4f, 0x01, 0x58, 0xd7,
        0x61, 0x4a, 0x5f, 0xd3, 0xa9, 0x6c, 0xb1, 0x49, 0xc6, 0x8f, 0xd4, 0xdc, 0x82, 0xd7, 0x0a,
        0x8c, 0x45,
    ],
];

/// Where syslinux can be installed and looks for its configuration; others are found by a search.
const FOLDERS: [&str; 4] = ["", "boot/syslinux", "syslinux", "boot"];
const CONFIGS: [&str; 2] = ["extlinux.conf", "syslinux.cfg"];

/// How deep in the directories, and in how many, ldlinux.sys is looked for.
const DEPTH_MAX: usize = 4;
const DIRECTORIES_MAX: usize = 1000;

/// The first version that has ldlinux.c32.
const WITH_CORE_MODULE: u32 = 5;

/// What the boot record is part of.
pub(super) struct Disk<'a> {
    pub(super) sector: &'a [u8; SECTOR_SIZE as usize],
    pub(super) place: Place,
    pub(super) expected: Expected,
}

/// Gives whether there is a chain at all. Where it is not expected, its absence is no finding.
pub(super) fn check<M: Medium + ?Sized>(
    reader: &Reader<'_, M>,
    files: &Files<'_>,
    disk: &Disk<'_>,
    report: &mut Report,
) -> Result<bool, FatError> {
    let record = &reader.boot_record;
    let has_record = record[3..11] == *b"SYSLINUX";
    let found = find_loader(reader);
    if !disk.expected.bios && !has_record && found.is_none() {
        return Ok(false);
    }
    table(disk.sector, disk.place, report);
    if reader.hidden != disk.place.first {
        let (says, is) = (reader.hidden, disk.place.first);
        let seen = format!("the boot record says that it is at {says}, and it is at {is}");
        report.find(&codes::HIDDEN_SECTORS, seen);
    }
    if !has_record {
        report.find(&codes::NO_BOOT_RECORD, "its system name is not SYSLINUX");
    } else if record[510..] != [0x55, 0xaa] {
        let seen = format!("it ends with {:02x} {:02x}", record[510], record[511]);
        report.find(&codes::RECORD_UNSIGNED, seen);
    }
    let (folder, entry) = found.unzip();
    let folder = folder.unwrap_or_default();
    let mut version = WITH_CORE_MODULE;
    match files.file(&in_folder(&folder, LOADER), report)? {
        File::Unreadable => {}
        File::Missing => report.find(&codes::NO_LDLINUX_SYS, "there is no ldlinux.sys"),
        File::Bytes(file) => {
            let sectors = entry.map(|entry| reader.sectors(&entry));
            let sectors = sectors.transpose().ok().flatten().unwrap_or_default();
            for problem in verify(&file, record, &sectors) {
                map_problem(problem, report);
            }
            if has_record && !is_known(&file, record, disk.expected) {
                report.find(&codes::UNKNOWN_BOOT_RECORD, "its code is not known");
            }
            version = major_version(&file).unwrap_or(version);
        }
    }
    if version >= WITH_CORE_MODULE {
        core_module(files, &in_folder(&folder, CORE_MODULE), report)?;
    }
    if let Some(fact) = configuration::check(files, &configurations(&folder), &folder, report)? {
        report.facts.push(format!("BIOS: syslinux, {fact}"));
    }
    Ok(true)
}

fn in_folder(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// ldlinux.sys and its folder. The boot record loads it by its sectors, wherever it is.
pub(super) fn find_loader<M: Medium + ?Sized>(reader: &Reader<'_, M>) -> Option<(String, Entry)> {
    let mut folders: Vec<_> = FOLDERS.map(str::to_owned).into();
    let (mut at, mut depth, mut end) = (0, 0, folders.len());
    let mut is_searched = false;
    while let Some(folder) = folders.get(at).cloned() {
        let entries = reader.list(&folder).ok().flatten().unwrap_or_default();
        let loader = |it: &&Entry| it.name.eq_ignore_ascii_case(LOADER) && !it.is_directory();
        if let Some(entry) = entries.iter().find(loader) {
            return Some((folder, entry.clone()));
        }
        let below = entries.iter().filter(|it| it.is_directory());
        let below = below.map(|it| in_folder(&folder, &it.name));
        if is_searched && depth < DEPTH_MAX {
            folders.extend(below.take(DIRECTORIES_MAX.saturating_sub(folders.len())));
        }
        at += 1;
        if at == end {
            if !is_searched {
                is_searched = true;
                folders.push(String::new());
            }
            depth += 1;
            end = folders.len();
        }
    }
    None
}

/// Where syslinux looks for its configuration, in this order: beside itself first.
pub(super) fn configurations(folder: &str) -> Vec<String> {
    let folders = [folder, "boot/syslinux", "syslinux", ""];
    let mut out: Vec<String> = Vec::new();
    for folder in folders {
        let paths = CONFIGS.map(|name| in_folder(folder, name));
        if !out.contains(&paths[0]) {
            out.extend(paths);
        }
    }
    out
}

/// `ldlinux.sys` begins with a line break, its name, and its version.
fn major_version(file: &[u8]) -> Option<u32> {
    let text = file.get(b"\r\nSYSLINUX ".len()..)?;
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

/// Whether the boot record's code is that of a build of syslinux that is known.
fn is_known(file: &[u8], record: &[u8; SECTOR_SIZE as usize], expected: Expected) -> bool {
    let code = record_code(file, record);
    let is_at_hand = |record: [u8; 512]| record_code(file, &record) == code;
    expected.boot_record.is_some_and(is_at_hand)
        || KNOWN_RECORDS.contains(&Sha256::digest(&code).into())
}

/// The part of syslinux with the command line.
pub(super) fn core_module(
    files: &Files<'_>,
    path: &str,
    report: &mut Report,
) -> Result<(), FatError> {
    match files.file(path, report)? {
        File::Unreadable => {}
        File::Missing => report.find(&codes::NO_LDLINUX_C32, format_args!("there is no {path}")),
        File::Bytes(module) => {
            if let Some(problem) = module_problem(&module) {
                report.find(&codes::NO_LDLINUX_C32, format_args!("{path} {problem}"));
            }
        }
    }
    Ok(())
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
