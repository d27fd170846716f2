//! syslinux: what boots a FAT file system on a PC with a BIOS, installed in process.
//!
//! The chain has six links, and each knows just enough to find the next one:
//!
//! 1. the BIOS loads the disk's first sector and starts the code in it (`mbr.bin`);
//! 2. that finds the active partition and starts its first sector, the volume's boot record;
//! 3. the boot record has the number of the first sector of `ldlinux.sys`, and loads it;
//! 4. that sector has a map of the file's other sectors, and a check sum over all of them;
//! 5. `ldlinux.sys` can read FAT: it loads `ldlinux.c32`, the part that has a command line and loads kernels;
//! 6. that reads `syslinux.cfg`, and loads kernel and initramfs.
//!
//! The binaries are not part of this project: [`Pieces`] finds them on the machine. [`install`] fills in links 3 and 4 as the
//! program `syslinux` does, to the byte (`libinstaller/` in syslinux's source); [`verify`] checks them in any image;
//! [`config`] is about link 6.

pub mod config;
mod patch;
mod pieces;

pub(super) use patch::record_code;
pub use patch::{InstallError, MapProblem, install, loader_file, verify};
pub(super) use pieces::{GPT_CODE, MBR_CODE, module_problem};
pub use pieces::{Pieces, PiecesError};

use super::fat::{Attributes, Tree, TreeError};

/// The names in the root directory.
pub const LOADER: &str = "ldlinux.sys";
/// The part with the command line.
pub const CORE_MODULE: &str = "ldlinux.c32";

/// Adds the two files of the boot loader; [`install`] must follow when they have their places.
///
/// # Errors
/// [`TreeError::Duplicate`].
pub fn add_files(tree: &mut Tree<'_>, pieces: &Pieces) -> Result<(), TreeError> {
    let attributes = Attributes::READ_ONLY
        .with(Attributes::HIDDEN)
        .with(Attributes::SYSTEM)
        .with(Attributes::ARCHIVE);
    tree.file_with(LOADER, loader_file(pieces), attributes)?;
    tree.file_with(CORE_MODULE, pieces.core_module.clone(), attributes)
}
