//! The initramfs that a disk or CD boots with when nobody chooses: the one of the default entry, among all that its boot loaders name.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::files::Files;
use super::payload::joined;
use super::{Report, bios, cd, configuration, is_end, isolinux, loader_entries, place};
use crate::disk::build::EFI_PROGRAM;
use crate::disk::fat::read::{FatError, Medium, Reader, read_at};
use crate::disk::pe::Program;
use crate::disk::uki::Role;
use crate::disk::{SECTOR_SIZE, Sector, iso};

/// Bytes; larger than any initramfs that a machine has the memory for.
const LIMIT: u64 = 4 << 30;

/// Bytes; larger than any boot loader. A program that is larger has an initramfs in it.
const LOADER_MAX: u64 = 16 << 20;

/// More entries than people make; the names of those behind them are not kept.
const OTHERS_MAX: usize = 1000;

/// An initramfs of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskInitramfs {
    /// Its file on the disk, such as `/initrd.img`, or the unified kernel image with it; the files of several parts, with commas.
    pub name: String,
    /// As it is in memory: its parts one behind the other.
    pub bytes: Vec<u8>,
    /// Whether it is the default entry's. Else nobody can tell from the disk which one that is, or it has none, and this is the first.
    pub is_default: bool,
    /// The names of what other entries boot with. They may have the same bytes.
    pub others: Vec<String>,
}

/// Why there is no initramfs.
#[derive(Debug, thiserror::Error)]
pub enum DiskInitramfsError {
    /// The disk cannot be read, or is damaged.
    #[error(transparent)]
    Read(#[from] FatError),
    /// No entry has one.
    #[error(
        "no entry of a boot loader that is known here has an initramfs (syslinux, isolinux, systemd-boot, a unified kernel image)"
    )]
    Absent,
    /// The entry names a file that is not there.
    #[error("its initramfs is to be `/{0}`, which is not there")]
    Missing(String),
    /// It is larger than any real one.
    #[error("its initramfs has more than {LIMIT} bytes")]
    TooLarge,
    /// They name the same bytes again and again.
    #[error("the files that its entries name are many times what it can hold")]
    TooMuch,
}

impl DiskInitramfsError {
    /// Whether the disk's contents are at fault, and not the machine that does not give them.
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Read(error @ FatError::Io { .. }) if !is_end(error))
    }
}

/// The initramfs of the default entry of an image of `length` bytes: what a BIOS boots, else what UEFI boots. Of the image's files,
/// those of configurations and of that initramfs are read, and boot loaders.
///
/// # Errors
/// [`DiskInitramfsError`].
pub fn default_initramfs<M: Medium + ?Sized>(
    medium: &M,
    length: u64,
) -> Result<DiskInitramfs, DiskInitramfsError> {
    let mut search = Search::default();
    match cd::is_cd(medium) {
        true => search.cd(medium, length)?,
        false => search.disk(medium, length)?,
    }
    let taken = search.taken.ok_or(DiskInitramfsError::Absent)?;
    Ok(DiskInitramfs {
        others: search.others,
        ..taken
    })
}

/// What an entry boots with.
pub(super) struct Found {
    pub(super) source: Source,
    /// Whether the entry is the one that is booted when nobody chooses.
    pub(super) is_default: bool,
}

/// What that is; paths are from the root, without a leading `/`.
pub(super) enum Source {
    /// The parts of an initramfs.
    Files(Vec<String>),
    /// A program with an initramfs in it.
    Program(String),
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::Files(parts) => format!("/{}", parts.join(", /")),
            Self::Program(path) => format!("/{path}"),
        }
    }

    /// `None` where there is no initramfs in it.
    fn load(&self, files: &Files<'_>) -> Result<Option<Vec<u8>>, DiskInitramfsError> {
        match self {
            Self::Files(parts) if parts.is_empty() => Ok(None),
            Self::Files(parts) => {
                let mut out = Vec::new();
                for path in parts {
                    let part = contents(files, path, out.len() as u64)?;
                    out = joined(out, part);
                }
                Ok(Some(out))
            }
            Self::Program(path) if path.is_empty() => Ok(None),
            Self::Program(path) => {
                let mut bytes = contents(files, path, 0)?;
                let program = Program::parse(&bytes).ok();
                let place = program.and_then(|it| it.section_place(".initrd"));
                let Some(place) = place.filter(|it| it.end <= bytes.len()) else {
                    return Ok(None);
                };
                bytes.truncate(place.end);
                bytes.drain(..place.start);
                Ok(Some(bytes))
            }
        }
    }
}

/// A file's bytes, where `loaded` bytes of the initramfs are there already.
fn contents(files: &Files<'_>, path: &str, loaded: u64) -> Result<Vec<u8>, DiskInitramfsError> {
    let missing = || DiskInitramfsError::Missing(path.to_owned());
    let size = files.tree.size(path)?.ok_or_else(missing)?;
    if loaded.saturating_add(size) > LIMIT {
        return Err(DiskInitramfsError::TooLarge);
    }
    match files.spend(size) {
        true => Ok(files.tree.contents(path)?),
        false => Err(DiskInitramfsError::TooMuch),
    }
}

/// What is found in one file system after another.
#[derive(Default)]
struct Search {
    /// Without the others.
    taken: Option<DiskInitramfs>,
    others: Vec<String>,
    /// The names of all of them, in small letters.
    seen: BTreeSet<String>,
}

impl Search {
    fn disk<M: Medium + ?Sized>(
        &mut self,
        medium: &M,
        length: u64,
    ) -> Result<(), DiskInitramfsError> {
        let mut sector = [0; SECTOR_SIZE as usize];
        read_at(medium, 0, &mut sector)?;
        for place in place::places(medium, &sector, length, &mut Report::default())? {
            self.fat(medium, place.first, length)?;
        }
        Ok(())
    }

    fn cd<M: Medium + ?Sized>(
        &mut self,
        medium: &M,
        length: u64,
    ) -> Result<(), DiskInitramfsError> {
        let reader = iso::read::Reader::open(medium)?;
        let files = Files::new(&reader, medium.kept(length));
        let found = configuration::sources(&files, &isolinux::configurations())?;
        self.take(&files, found)?;
        match cd::uefi_start(medium) {
            Ok(Some(start)) => self.fat(medium, start, length),
            Err(error) if !is_end(&error) => Err(error.into()),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// What is no FAT file system has nothing.
    fn fat<M: Medium + ?Sized>(
        &mut self,
        medium: &M,
        start: Sector,
        length: u64,
    ) -> Result<(), DiskInitramfsError> {
        let reader = match Reader::open(medium, start) {
            Ok(reader) => reader,
            Err(error @ FatError::Io { .. }) if !is_end(&error) => return Err(error.into()),
            Err(_) => return Ok(()),
        };
        let files = Files::new(&reader, medium.kept(length));
        if let Some((folder, _)) = bios::find_loader(&reader) {
            let found = configuration::sources(&files, &bios::configurations(&folder))?;
            self.take(&files, found)?;
        }
        self.take(&files, of_uefi(&files)?)
    }

    /// Loads the first that there is, and keeps the names of the others.
    fn take(
        &mut self,
        files: &Files<'_>,
        sources: impl IntoIterator<Item = Found>,
    ) -> Result<(), DiskInitramfsError> {
        if self.taken.is_none() {
            // What had none in another file system may have one here.
            self.seen.clear();
        }
        for Found { source, is_default } in sources {
            let name = source.name();
            if name == "/" || !self.seen.insert(name.to_ascii_lowercase()) {
                continue;
            }
            if self.taken.is_none() {
                self.taken = source.load(files)?.map(|bytes| DiskInitramfs {
                    name,
                    bytes,
                    is_default,
                    others: Vec::new(),
                });
            } else if self.others.len() < OTHERS_MAX {
                self.others.push(name);
            } else {
                break;
            }
        }
        Ok(())
    }
}

/// What the program boots with that UEFI starts, and that one's entries.
fn of_uefi(files: &Files<'_>) -> Result<Vec<Found>, FatError> {
    let itself = || {
        vec![Found {
            source: Source::Program(EFI_PROGRAM.to_owned()),
            is_default: true,
        }]
    };
    if files
        .size(EFI_PROGRAM)
        .is_some_and(|size| size > LOADER_MAX)
    {
        return Ok(itself());
    }
    let Some(bytes) = files.file(EFI_PROGRAM, &mut Report::default())?.bytes() else {
        return Ok(Vec::new());
    };
    match Program::parse(&bytes) {
        Ok(program) if program.section(".initrd").is_some() => Ok(itself()),
        Ok(program) if Role::of(&program) == Some(Role::BootLoader) => {
            loader_entries::sources(files)
        }
        _ => Ok(Vec::new()),
    }
}
