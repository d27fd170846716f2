//! An image's files on disk, below a folder and nowhere else.
//!
//! The tree is made in memory first, where links are followed and `..` cannot climb out. On disk, directories come first, then files,
//! many at a time, then symbolic links, so that nothing is ever written through a link.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown, lchown, symlink};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, UTIME_OMIT, futimens, makedev, mknodat,
    utimensat,
};
use rustix::io::Errno;

use super::files::{File, Files};
use crate::cpio::Kind;
use crate::names;

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

/// How many files were extracted, and what was passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Names of files, directories, links and device nodes that were made.
    pub made: usize,
    /// Device nodes that only root may make.
    pub devices_skipped: usize,
    /// Symbolic links without a target, which only the kernel makes.
    pub links_skipped: usize,
    /// Files of which root may not choose the owner: where it is root of a user namespace (user_namespaces(7)) only.
    pub owners_skipped: usize,
}

/// Extracts all files below `folder`, which is made, or must be empty. Owners and device nodes need root; without it, files
/// are the caller's, and device nodes are left out.
///
/// Where it fails, what it has made is removed again, so that the folder can be named once more.
///
/// Nobody else may read a file before it has its owner and mode.
///
/// # Errors
/// See [`ExtractError`].
pub fn extract(files: &Files<'_>, folder: &Path) -> Result<Extracted, ExtractError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| ExtractError::Io { path, source }
    };
    let above: Vec<_> = folder
        .ancestors()
        .take_while(|above| !above.exists())
        .collect();
    fs::create_dir_all(folder).map_err(failed(folder))?;
    if fs::read_dir(folder)
        .map_err(failed(folder))?
        .next()
        .is_some()
    {
        return Err(ExtractError::NotEmpty(folder.to_path_buf()));
    }
    let parts = Parts::of(files);
    let made = make_all(&parts, files.root(), folder);
    if let Err(ExtractError::Io { path, source }) = &made {
        // What is there already, somebody else has made meanwhile.
        let others = (source.kind() == ErrorKind::AlreadyExists).then_some(path.as_path());
        parts.remove(folder, others);
        // Only what is empty goes.
        for folder in above {
            let _left = fs::remove_dir(folder);
        }
    }
    made
}

/// The place of a file of the image.
fn place(folder: &Path, name: &str) -> PathBuf {
    folder.join(OsStr::from_bytes(&names::bytes(name)))
}

fn make_all(
    parts: &Parts<'_, '_>,
    root: Option<&File<'_>>,
    folder: &Path,
) -> Result<Extracted, ExtractError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| ExtractError::Io { path, source }
    };
    let place = |name: &str| place(folder, name);
    let is_root = rustix::process::geteuid().is_root();
    let make_one = |&(name, file): &(&str, &File<'_>)| {
        let path = place(name);
        make(&path, file, is_root).map_err(failed(&path))
    };
    let mut done = Extracted::default();
    for directory in &parts.directories {
        make_one(directory)?;
    }
    // Each of these takes the system some time, and none has to do with another one.
    let of_others: Vec<_> = parts.others.par_iter().map(make_one).collect();
    for one in of_others {
        done.count(one?);
    }
    for (name, first, file) in &parts.names {
        let path = place(name);
        let linked = match fs::hard_link(place(first), &path).map_err(|error| error.kind()) {
            Ok(()) => Ok(Made::Whole),
            // A device node that could not be made.
            Err(ErrorKind::NotFound) => Ok(Made::Not),
            // Not every file system has hard links, or any number of them.
            Err(_) => make(&path, file, is_root),
        };
        done.count(linked.map_err(failed(&path))?);
    }
    for link in &parts.links {
        done.count(make_one(link)?);
    }
    // A directory's mode may forbid writing into it, and writing into it changes its time: so the deepest come first.
    let directories = parts.directories.iter().rev();
    let directories = directories.map(|&(name, file)| (place(name), file));
    let root = root.map(|file| (folder.to_path_buf(), file));
    for (path, file) in directories.chain(root) {
        let opened = fs::File::open(&path);
        let finished = opened.and_then(|directory| finish(&directory, file, is_root));
        done.count(finished.map_err(failed(&path))?);
    }
    Ok(done)
}

/// The files in the order of their making.
#[derive(Default)]
struct Parts<'files, 'image> {
    directories: Vec<(&'files str, &'files File<'image>)>,
    others: Vec<(&'files str, &'files File<'image>)>,
    /// Further names of those, with the first one of each.
    names: Vec<(&'files str, &'files str, &'files File<'image>)>,
    links: Vec<(&'files str, &'files File<'image>)>,
}

impl<'files, 'image> Parts<'files, 'image> {
    fn of(files: &'files Files<'image>) -> Self {
        let mut parts = Self::default();
        let mut first_names: HashMap<usize, &str> = HashMap::new();
        for (name, number, file) in files.numbered() {
            match file.attributes.kind {
                Kind::Directory => parts.directories.push((name, file)),
                Kind::Symlink => parts.links.push((name, file)),
                _ => match first_names.entry(number) {
                    Entry::Occupied(first) => parts.names.push((name, *first.get(), file)),
                    Entry::Vacant(place) => {
                        place.insert(name);
                        parts.others.push((name, file));
                    }
                },
            }
        }
        parts
    }

    /// Removes what was made of them: the names, and then the folders, the deepest first.
    fn remove(&self, folder: &Path, others: Option<&Path>) {
        let names = self.names.iter().map(|(name, _, _)| name);
        let of_kind = |files: &'_ [(&'files str, &'files File<'image>)]| -> Vec<PathBuf> {
            files.iter().map(|(name, _)| place(folder, name)).collect()
        };
        let mut files = of_kind(&self.others);
        files.extend(names.map(|name| place(folder, name)));
        files.extend(of_kind(&self.links));
        for file in files.iter().filter(|file| Some(file.as_path()) != others) {
            let _absent = fs::remove_file(file);
        }
        for directory in of_kind(&self.directories).iter().rev() {
            let _absent = fs::remove_dir(directory);
        }
    }
}

/// What became of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Whole,
    /// Its owner is the caller.
    WithoutOwner,
    Not,
    NoLink,
}

impl Extracted {
    fn count(&mut self, made: Made) {
        match made {
            Made::Whole => self.made += 1,
            Made::WithoutOwner => {
                self.made += 1;
                self.owners_skipped += 1;
            }
            Made::Not => self.devices_skipped += 1,
            Made::NoLink => self.links_skipped += 1,
        }
    }
}

/// Makes one file.
fn make(path: &Path, file: &File<'_>, is_root: bool) -> io::Result<Made> {
    let (kind, device) = match file.attributes.kind {
        Kind::Directory => {
            DirBuilder::new().mode(0o700).create(path)?;
            return Ok(Made::Whole);
        }
        Kind::File => return write(path, file, is_root),
        Kind::Symlink if file.data.is_empty() => return Ok(Made::NoLink),
        Kind::Symlink => {
            symlink(OsStr::from_bytes(file.data), path)?;
            let made = own(file, is_root, |uid, gid| lchown(path, uid, gid))?;
            // A file system may have no time for a link.
            let _ = utimensat(CWD, path, &times(file), AtFlags::SYMLINK_NOFOLLOW);
            return Ok(made);
        }
        Kind::Fifo => (FileType::Fifo, None),
        Kind::Socket => (FileType::Socket, None),
        // A tree has none of these.
        Kind::Unknown(_) => return Ok(Made::Not),
        Kind::CharacterDevice { major, minor } => {
            (FileType::CharacterDevice, Some(makedev(major, minor)))
        }
        Kind::BlockDevice { major, minor } => (FileType::BlockDevice, Some(makedev(major, minor))),
    };
    if device.is_some() && !is_root {
        return Ok(Made::Not);
    }
    let mode = Mode::from_raw_mode(0o600);
    match mknodat(CWD, path, kind, mode, device.unwrap_or(0)) {
        Err(Errno::PERM) if device.is_some() => return Ok(Made::Not),
        made => made?,
    }
    let made = own(file, is_root, |uid, gid| lchown(path, uid, gid))?;
    // It is no link: it has just been made, where nobody else may make one.
    fs::set_permissions(path, permissions(file))?;
    utimensat(CWD, path, &times(file), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(made)
}

/// Writes a regular file. All is done while it is open: finding it by its path again would take as long as a small one takes.
fn write(path: &Path, file: &File<'_>, is_root: bool) -> io::Result<Made> {
    let mut options = fs::File::options();
    let mut out = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    out.write_all(file.data)?;
    finish(&out, file, is_root)
}

/// Gives a file or directory its owner, mode and time.
fn finish(made: &fs::File, file: &File<'_>, is_root: bool) -> io::Result<Made> {
    // The owner before the mode, of which it would clear bits.
    let owned = own(file, is_root, |uid, gid| fchown(made, uid, gid))?;
    made.set_permissions(permissions(file))?;
    futimens(made, &times(file))?;
    Ok(owned)
}

/// Gives a file its owner where that can be: a user namespace does not have all.
fn own(
    file: &File<'_>,
    is_root: bool,
    change: impl FnOnce(Option<u32>, Option<u32>) -> io::Result<()>,
) -> io::Result<Made> {
    if !is_root {
        return Ok(Made::Whole);
    }
    let changed = change(Some(file.attributes.uid), Some(file.attributes.gid));
    match changed.as_ref().err().and_then(Errno::from_io_error) {
        Some(Errno::PERM | Errno::INVAL) => Ok(Made::WithoutOwner),
        _ => changed.map(|()| Made::Whole),
    }
}

fn permissions(file: &File<'_>) -> Permissions {
    Permissions::from_mode(file.attributes.permissions)
}

fn times(file: &File<'_>) -> Timestamps {
    let modified = Timespec {
        tv_sec: file.mtime.into(),
        tv_nsec: 0,
    };
    let unchanged = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_OMIT,
    };
    Timestamps {
        last_access: unchanged,
        last_modification: modified,
    }
}
