//! What a BIOS starts from a CD, where that is isolinux: the loader, its core module and its configuration.

use memchr::memmem;

use super::bios::core_module;
use super::files::{Files, Tree};
use super::{Report, codes, configuration};
use crate::disk::fat::read::{FatError, Medium, read_at};
use crate::disk::iso::read::{Entry, Reader};
use crate::disk::iso::{BLOCK, BOOT_CODE, DESCRIPTORS, INFO, INFO_END, MBR_MAX, SECTORS, checksum};
use crate::disk::mbr::CODE_SIZE;
use crate::disk::syslinux::CORE_MODULE;

/// What isolinux says of itself in its first block.
const SAYS: &[u8] = b"ISOLINUX ";

/// Where isolinux is installed and looks for its configuration, in this order, but for the place where it is.
const FOLDERS: [&str; 5] = ["boot/isolinux", "isolinux", "boot/syslinux", "syslinux", ""];
const CONFIGS: [&str; 2] = ["isolinux.cfg", "syslinux.cfg"];

/// The name that it has on every CD.
const LOADER: &str = "isolinux.bin";

impl<M: Medium + ?Sized> Tree for Reader<'_, M> {
    fn size(&self, path: &str) -> Result<Option<u64>, FatError> {
        Ok(self.find(path)?.map(|entry| entry.size.into()))
    }

    fn contents(&self, path: &str) -> Result<Vec<u8>, FatError> {
        match self.find(path)? {
            Some(entry) => Reader::contents(self, &entry),
            None => Ok(Vec::new()),
        }
    }

    fn names(&self, _: &str) -> Result<Vec<String>, FatError> {
        // What a BIOS starts is named by a configuration.
        Ok(Vec::new())
    }
}

/// Checks what the catalogue names for a BIOS, at `block`; gives whether it is isolinux.
pub(super) fn check<M: Medium + ?Sized>(
    medium: &M,
    length: u64,
    block: u32,
    report: &mut Report,
) -> Result<bool, FatError> {
    let mut first = [0; BLOCK as usize];
    read_at(medium, u64::from(block) * BLOCK, &mut first)?;
    let reader = Reader::open(medium)?;
    let installed = installed(&reader, block)?;
    let is_isolinux = memmem::find(&first, SAYS).is_some();
    if !is_isolinux && (installed.is_some() || first.iter().all(|byte| *byte == 0)) {
        let seen = format!("what the catalogue names, at block {block}, is not isolinux");
        report.find(&codes::NO_ISOLINUX, seen);
        return Ok(installed.is_some());
    }
    if !is_isolinux {
        report.facts.push(format!(
            "BIOS: El Torito, from block {block}; what that loads is not looked at"
        ));
        return Ok(false);
    }
    let files = Files::new(&reader, medium.kept(length));
    let mut folders = FOLDERS.to_vec();
    if let Some((folder, entry)) = &installed {
        loader(&reader.contents(entry)?, block, report);
        folders.insert(0, folder);
    }
    let modules = folders
        .iter()
        .map(|folder| format!("{folder}/{CORE_MODULE}"));
    let module = modules.into_iter().find(|path| files.is_there(path));
    let module = module.unwrap_or_else(|| CORE_MODULE.to_owned());
    // Before version 5 everything was in one file.
    if memmem::find(&first, b"ISOLINUX 4.").is_none() {
        core_module(&files, module.trim_start_matches('/'), report)?;
    }
    let core = module.rsplit_once('/').map_or("", |(folder, _)| folder);
    let found = configuration::check(&files, &configurations(), core, report)?;
    let fact = found.map_or_else(String::new, |fact| format!(", {fact}"));
    report
        .facts
        .push(format!("BIOS: El Torito, isolinux at block {block}{fact}"));
    Ok(true)
}

/// Where isolinux looks for its configuration, in this order.
pub(super) fn configurations() -> Vec<String> {
    let paths = FOLDERS.iter().flat_map(|folder| {
        let paths = CONFIGS.map(|name| format!("{folder}/{name}"));
        paths.map(|path| path.trim_start_matches('/').to_owned())
    });
    paths.collect()
}

/// The file at a block that is called as isolinux is, and its folder.
fn installed<M: Medium + ?Sized>(
    reader: &Reader<'_, M>,
    block: u32,
) -> Result<Option<(&'static str, Entry)>, FatError> {
    for folder in FOLDERS.into_iter().chain(["boot", "boot/x86_64/loader"]) {
        let found = reader.find(&format!("{folder}/{LOADER}"))?;
        if let Some(entry) = found.filter(|entry| entry.block == block) {
            return Ok(Some((folder, entry)));
        }
    }
    Ok(None)
}

/// The boot-info table: the block of the descriptors, its own, its length, and the sum of what is behind the table. Without one isolinux finds
/// its block by itself.
fn loader(bytes: &[u8], block: u32, report: &mut Report) {
    let Some(table) = bytes.get(INFO..INFO_END) else {
        report.find(&codes::NO_ISOLINUX, "isolinux.bin is cut off");
        return;
    };
    let number = |index: usize| {
        let chunk = table.get(index * 4..).and_then(|rest| rest.first_chunk());
        chunk.map_or(0, |chunk| u32::from_le_bytes(*chunk))
    };
    let (descriptors, own, length, sum) = (number(0), number(1), number(2), number(3));
    if own == 0 {
        return;
    }
    let problem = if u64::from(descriptors) != DESCRIPTORS {
        format!("the volume descriptor is at block {descriptors}, and it is at {DESCRIPTORS}")
    } else if own != block {
        format!("it is itself at block {own}, and it is at {block}")
    } else if length as usize > bytes.len() {
        format!("it has {length} bytes, and it has {}", bytes.len())
    } else if checksum(bytes.get(..length as usize).unwrap_or_default()) != sum {
        "it has another check sum".to_owned()
    } else {
        return;
    };
    let seen = format!("isolinux.bin says that {problem}");
    report.find(&codes::ISOLINUX_DAMAGED, seen);
}

/// What a BIOS starts from a stick: code that knows where isolinux is.
pub(super) fn check_boot_code(sector: &[u8; 512], block: u32, report: &mut Report) {
    let (code, rest) = sector[..CODE_SIZE].split_at(MBR_MAX);
    let place = rest.first_chunk().map_or(0, |it| u64::from_le_bytes(*it));
    let right = u64::from(block) * SECTORS;
    let seen = if code.iter().all(|byte| *byte == 0) {
        "the first sector has no boot code".to_owned()
    } else if memmem::find(code, BOOT_CODE).is_none() {
        return;
    } else if place != right {
        format!("the boot code looks for isolinux in sector {place}, and it is in {right}")
    } else {
        return;
    };
    report.find(&codes::NO_HYBRID_CODE, seen);
}
