//! isolinux: syslinux for CDs. It is told where it lies before it is started.

use std::path::{Path, PathBuf};

use codec::file::ReadError;
use memchr::memmem;

use super::{DESCRIPTORS, SECTORS};
use crate::disk::mbr::CODE_SIZE;
use crate::disk::places::places;
use crate::disk::syslinux::module_problem;

/// Larger than any of isolinux's files.
const LIMIT: u64 = 16 << 20;

/// Where distributions put isolinux, and the `ldlinux.c32` of the same build.
const FOLDERS: [&str; 5] = [
    "/usr/lib/ISOLINUX",
    "/usr/lib/syslinux/modules/bios",
    "/usr/lib/syslinux/bios",
    "/usr/share/syslinux",
    "/usr/lib/syslinux",
];

/// The boot code of an ISO, behind which it is told where isolinux is.
pub(in crate::disk) const MBR_MAX: usize = CODE_SIZE - 8;

/// Where isolinux has its boot-info table, and how many bytes that is; the sum in it is that of everything behind it.
pub(in crate::disk) const INFO: usize = 8;
pub(in crate::disk) const INFO_END: usize = 64;

/// What the boot code of an ISO says when it fails.
pub(in crate::disk) const BOOT_CODE: &[u8] = b"isolinux.bin missing";

/// What starts a CD by a BIOS.
#[derive(Clone, Debug)]
pub struct Isolinux {
    /// `isolinux.bin` without the boot-info table.
    pub(super) loader: Vec<u8>,
    pub(super) core_module: Vec<u8>,
    mbr: Vec<u8>,
    /// The files that all this is from.
    pub files: Vec<PathBuf>,
}

/// Why there is no isolinux.
#[derive(Debug, thiserror::Error)]
pub enum IsolinuxError {
    /// A file of isolinux is not there.
    #[error(
        "`{name}` was not found (looked in {places}); install the packages isolinux and syslinux-common, name a directory that has it with --isolinux, or make an image for UEFI only with --firmware uefi"
    )]
    NotFound {
        /// The file.
        name: &'static str,
        /// Where.
        places: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is not what its name says.
    #[error(
        "`{name}` is damaged, or of a kind of isolinux that is not known here: {reason}; install the packages isolinux and syslinux-common anew, or name another directory with --isolinux"
    )]
    Damaged {
        /// The file.
        name: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Isolinux {
    /// The installed one, or the one in a directory, which may be the root of another system.
    ///
    /// # Errors
    /// See [`IsolinuxError`].
    pub fn find(directory: Option<&Path>) -> Result<Self, IsolinuxError> {
        let folders = places(directory, &FOLDERS);
        let mut files = Vec::new();
        let mut read = |name: &'static str, is_right: fn(&[u8]) -> bool, reason| {
            let path = first(&folders, name)?;
            let bytes = codec::file::read(&path, LIMIT)?;
            files.push(path);
            match is_right(&bytes) {
                true => Ok(bytes),
                false => Err(IsolinuxError::Damaged { name, reason }),
            }
        };
        Ok(Self {
            loader: read("isolinux.bin", |it| it.len() > 2048, "it is too short")?,
            core_module: read(
                "ldlinux.c32",
                |it| module_problem(it).is_none(),
                "it is not a whole ELF file for i386",
            )?,
            mbr: read(
                "isohdpfx.bin",
                |it| (1..=MBR_MAX).contains(&it.len()) && memmem::find(it, BOOT_CODE).is_some(),
                "boot code in front of an ISO has 1 to 432 bytes, and looks for isolinux",
            )?,
            files,
        })
    }

    /// `isolinux.bin` with its boot-info table, as `mkisofs -boot-info-table` makes it: the block of the primary volume
    /// descriptor, its own block and length, and the sum of its 32-bit words behind the table.
    pub(super) fn loader_at(&self, block: u32) -> Vec<u8> {
        let mut out = self.loader.clone();
        let sum = checksum(&out);
        out[INFO..INFO_END].fill(0);
        let numbers = [DESCRIPTORS as u32, block, out.len() as u32, sum];
        for (place, number) in out[INFO..].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        out
    }

    /// The MBR's code, which is told the sector of isolinux.
    pub(super) fn boot_code(&self, block: u32) -> Vec<u8> {
        let mut out = self.mbr.clone();
        out.resize(MBR_MAX, 0);
        out.extend((u64::from(block) * SECTORS).to_le_bytes());
        out
    }
}

/// The sum of the words behind the boot-info table.
pub(in crate::disk) fn checksum(loader: &[u8]) -> u32 {
    let words = loader.get(INFO_END..).unwrap_or_default().chunks(4);
    let words = words.map(|word| {
        let mut bytes = [0; 4];
        bytes[..word.len()].copy_from_slice(word);
        u32::from_le_bytes(bytes)
    });
    words.fold(0_u32, u32::wrapping_add)
}

fn first(folders: &[PathBuf], name: &'static str) -> Result<PathBuf, IsolinuxError> {
    let mut paths = folders.iter().map(|folder| folder.join(name));
    paths.find(|path| path.is_file()).ok_or_else(|| {
        let places = folders.iter().map(|folder| folder.display().to_string());
        let places = places.collect::<Vec<_>>().join(", ");
        IsolinuxError::NotFound { name, places }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_isolinux_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let put =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let error = || Isolinux::find(Some(folder.path())).unwrap_err().to_string();
        put("isolinux.bin", &[0; 2048]);
        assert!(error().contains("`isolinux.bin` is damaged"));
        put("isolinux.bin", &[0; 4096]);
        put("ldlinux.c32", b"\x7fELF\x02\x01");
        assert!(error().contains("`ldlinux.c32` is damaged"));
        // An ELF file of 32 bits for i386, without segments and sections.
        let mut module = [0; 52];
        module[..6].copy_from_slice(b"\x7fELF\x01\x01");
        module[16..20].copy_from_slice(&[3, 0, 3, 0]);
        put("ldlinux.c32", &module);
        put("isohdpfx.bin", &[7; 432]);
        assert!(error().contains("`isohdpfx.bin` is damaged"));
        put("isohdpfx.bin", BOOT_CODE);
        assert!(Isolinux::find(Some(folder.path())).is_ok());
    }
}
