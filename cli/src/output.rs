//! Output is all or nothing: a file without a name in the target's own directory, synced, then named and renamed over the target.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use rustix::fs::{AtFlags, CWD, OFlags, linkat};

use crate::Failure;

/// Writes `bytes` to `path` so that the file is either the old one or the whole new one, also after a power cut.
///
/// A target that is a symbolic link keeps being one: the file it points to is replaced. The new file has mode 0644 less
/// the umask.
///
/// # Errors
/// [`Fault::Input`](crate::Fault::Input) where `path` cannot be an output file (it is a directory, or something other
/// than a regular file); [`Fault::Machine`](crate::Fault::Machine) where writing fails. Nothing is left behind then.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    commit([Staged::new(path, bytes)?])
}

/// As [`write_atomically`], for what is written piece by piece: `write` gets the new file, empty. What it leaves out of a file
/// that it makes longer stays a hole.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_atomically_with(
    path: &Path,
    write: impl FnOnce(&File) -> io::Result<()>,
) -> Result<(), Failure> {
    commit([Staged::with(path, write)?])
}

/// A new file beside its target, whole and on the disk, but not yet in the target's place. Dropped, it is gone.
#[derive(Debug)]
pub struct Staged {
    /// Closed: many may be staged at a time.
    file: TempPath,
    /// What the caller calls the target, for messages.
    path: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// Writes `bytes` to a new file beside `path`.
    ///
    /// # Errors
    /// As [`write_atomically`].
    pub fn new(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        Self::with(path, |mut file| file.write_all(bytes))
    }

    fn with(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> Result<Self, Failure> {
        let target = resolve(path)?;
        let file = temporary(directory(&target), write)
            .map_err(|error| cannot_write(path, directory(&target), &error))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            target,
        })
    }
}

/// Puts new files in their targets' places, one after the other. Up to the first nothing has changed; each replaces its target
/// as a whole.
///
/// # Errors
/// [`Fault::Machine`](crate::Fault::Machine). The files that have not been put in their places are gone then.
pub fn commit(files: impl IntoIterator<Item = Staged>) -> Result<(), Failure> {
    let mut directories = BTreeMap::new();
    for Staged { file, path, target } in files {
        file.persist(&target)
            .map_err(|failed| cannot_write(&path, directory(&target), &failed.error))?;
        directories.insert(directory(&target).to_path_buf(), path);
    }
    for (directory, path) in directories {
        let synced = File::open(&directory).and_then(|opened| opened.sync_all());
        synced.map_err(|error| cannot_write(&path, &directory, &error))?;
    }
    Ok(())
}

fn directory(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn cannot_write(path: &Path, directory: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::NotFound => format!(" (is `{}` a directory?)", directory.display()),
        _ => String::new(),
    };
    Failure::machine(format_args!(
        "cannot write `{}`: {error}{hint}",
        path.display()
    ))
}

/// Writes `bytes` to standard output. A reader that has gone away (`modtree closure … | head -1`) is no error.
///
/// # Errors
/// [`Fault::Machine`](crate::Fault::Machine) where writing fails for another reason.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::machine(format_args!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// The file that `path` stands for, symbolic links followed, checked to be replaceable by a regular file.
fn resolve(path: &Path) -> Result<std::path::PathBuf, Failure> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(Failure::input(format_args!(
            "cannot write `{}`: it is a directory; name a file in it",
            path.display()
        ))),
        Ok(found) if !found.is_file() => Err(Failure::input(format_args!(
            "cannot write `{}`: it is not a regular file",
            path.display()
        ))),
        Ok(_) => fs::canonicalize(path).map_err(|error| {
            Failure::machine(format_args!("cannot write `{}`: {error}", path.display()))
        }),
        Err(_) => Ok(path.to_path_buf()),
    }
}

fn temporary(
    directory: &Path,
    write: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<TempPath> {
    let mut names = tempfile::Builder::new();
    names.prefix(".tmp-");
    let Some(file) = nameless(directory) else {
        let permissions = Permissions::from_mode(0o644);
        let file = names.permissions(permissions).tempfile_in(directory)?;
        write(file.as_file())?;
        file.as_file().sync_all()?;
        return Ok(file.into_temp_path());
    };
    write(&file)?;
    file.sync_all()?;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |path: &Path| linkat(CWD, &*open, CWD, path, AtFlags::SYMLINK_FOLLOW);
    let named = names.make_in(directory, |path| Ok(link(path)?))?;
    Ok(named.into_temp_path())
}

/// A new file that has no name until it is complete, so that nothing is left of a run that is killed; `None` where the file
/// system has no such files (open(2), `O_TMPFILE`).
fn nameless(directory: &Path) -> Option<File> {
    let has_proc = Path::new("/proc/self/fd").is_dir();
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o644)
        .custom_flags(OFlags::TMPFILE.bits() as i32);
    has_proc.then(|| options.open(directory).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    #[test]
    fn replaces_a_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("es.bmap");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_staged_and_not_committed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| dir.path().join(name));
        fs::write(&paths[0], b"old").unwrap();
        drop(Staged::new(&paths[0], b"new").unwrap());
        assert_eq!(fs::read(&paths[0]).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        commit(
            paths
                .each_ref()
                .map(|path| Staged::new(path, b"new").unwrap()),
        )
        .unwrap();
        assert!(paths.iter().all(|path| fs::read(path).unwrap() == b"new"));
    }

    #[test]
    fn follows_a_symbolic_link() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("real"), b"old").unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        write_atomically(&dir.path().join("link"), b"new").unwrap();
        assert_eq!(fs::read(dir.path().join("real")).unwrap(), b"new");
        assert!(dir.path().join("link").is_symlink());
    }

    #[test]
    fn a_directory_and_a_missing_directory_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_atomically(dir.path(), b"x").unwrap_err();
        assert_eq!(error.fault(), Fault::Input);
        let error = write_atomically(&dir.path().join("none/x"), b"x").unwrap_err();
        assert_eq!(error.fault(), Fault::Machine);
        assert!(error.message().unwrap().contains("none"), "{error:?}");
    }
}
