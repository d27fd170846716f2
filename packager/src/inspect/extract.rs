//! An image's files on disk, below a folder and nowhere else.
//!
//! The tree is made in memory first, where links are followed and `..` cannot climb out. On disk, directories come first, then files,
//! many at a time, then symbolic links, so that nothing is ever written through a link.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, fchown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rayon::prelude::*;
use rustix::fs::{CWD, FileType, Mode};

use super::files::{File, Files};
use crate::cpio::Kind;

/// Why a file could not be extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The folder has something in it, which could be overwritten, or lead elsewhere.
    #[error("`{}` is not empty; name a folder that is, or a new one", .0.display())]
    NotEmpty(PathBuf),
    /// The file system refuses.
    #[error("cannot make `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// How many files were extracted, and how many were passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Files, directories, links and device nodes that were made.
    pub made: usize,
    /// Device nodes that only root may make.
    pub devices_skipped: usize,
}

/// Extracts all files below `folder`, which is made, or must be empty. Owners and device nodes need root; without it, files
/// are the caller's, and device nodes are left out.
///
/// # Errors
/// See [`ExtractError`].
pub fn extract(files: &Files<'_>, folder: &Path) -> Result<Extracted, ExtractError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| ExtractError::Io { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    if fs::read_dir(folder)
        .map_err(failed(folder))?
        .next()
        .is_some()
    {
        return Err(ExtractError::NotEmpty(folder.to_path_buf()));
    }
    let is_root = rustix::process::geteuid().is_root();
    let (links, others): (Vec<_>, Vec<_>) = files
        .iter()
        .partition(|(_, file)| file.attributes.kind == Kind::Symlink);
    let (directories, others): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|(_, file)| file.attributes.kind == Kind::Directory);
    let make_one = |(name, file): &(&str, &File<'_>)| {
        let path = folder.join(name);
        make(&path, file, is_root).map_err(failed(&path))
    };
    let mut made: Vec<_> = directories.iter().map(make_one).collect::<Result<_, _>>()?;
    // Each of these takes the system some time, and none has to do with another one.
    let of_others: Vec<_> = others.par_iter().map(make_one).collect();
    for one in of_others.into_iter().chain(links.iter().map(make_one)) {
        made.push(one?);
    }
    // A directory's mode may forbid writing into it, and writing into it changes its time: so the deepest come first.
    for (name, file) in directories.iter().rev() {
        let path = folder.join(name);
        let opened = fs::File::open(&path);
        opened
            .and_then(|directory| finish(&directory, file))
            .map_err(failed(&path))?;
    }
    let devices_skipped = made.iter().filter(|&&is_made| !is_made).count();
    Ok(Extracted {
        made: made.len() - devices_skipped,
        devices_skipped,
    })
}

/// Makes one file; false where only root may.
fn make(path: &Path, file: &File<'_>, is_root: bool) -> io::Result<bool> {
    match file.attributes.kind {
        Kind::Directory => fs::create_dir(path)?,
        Kind::File => {
            write(path, file, is_root)?;
            return Ok(true);
        }
        Kind::Symlink => symlink(OsStr::from_bytes(file.data), path)?,
        Kind::Fifo => node(path, FileType::Fifo, 0, 0)?,
        Kind::Socket => node(path, FileType::Socket, 0, 0)?,
        Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } if !is_root => return Ok(false),
        Kind::CharacterDevice { major, minor } => {
            node(path, FileType::CharacterDevice, major, minor)?
        }
        Kind::BlockDevice { major, minor } => node(path, FileType::BlockDevice, major, minor)?,
    }
    if is_root {
        let (uid, gid) = (Some(file.attributes.uid), Some(file.attributes.gid));
        lchown(path, uid, gid)?;
    }
    Ok(true)
}

/// Writes a regular file. All is done while it is open: finding it by its path again would take as long as a small one takes.
fn write(path: &Path, file: &File<'_>, is_root: bool) -> io::Result<()> {
    let mut out = fs::File::create_new(path)?;
    out.write_all(file.data)?;
    if is_root {
        // Before the mode, of which it would clear bits.
        let (uid, gid) = (Some(file.attributes.uid), Some(file.attributes.gid));
        fchown(&out, uid, gid)?;
    }
    finish(&out, file)
}

fn node(path: &Path, kind: FileType, major: u32, minor: u32) -> io::Result<()> {
    let device = rustix::fs::makedev(major, minor);
    Ok(rustix::fs::mknodat(
        CWD,
        path,
        kind,
        Mode::from_raw_mode(0o600),
        device,
    )?)
}

fn finish(made: &fs::File, file: &File<'_>) -> io::Result<()> {
    let time = UNIX_EPOCH + Duration::from_secs(file.mtime.into());
    made.set_times(fs::FileTimes::new().set_modified(time))?;
    made.set_permissions(Permissions::from_mode(file.attributes.permissions))
}
