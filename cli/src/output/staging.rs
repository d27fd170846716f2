//! A new file beside its target, from its first byte to its last: where it goes, without a name as long as that is possible, and with
//! room made in advance.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FallocateFlags, OFlags, fallocate, linkat};
use tempfile::TempPath;

use super::{New, Staged, cannot_write, directory, is_in_memory};
use crate::Failure;

/// A new file that nothing has been written to yet: what becomes a [`Staged`] one.
#[derive(Debug)]
pub struct Staging {
    /// Where the file system has files without a name. One with a name would be left behind by a run that is killed, so that is not made
    /// before it is written.
    nameless: Option<File>,
    path: PathBuf,
    target: PathBuf,
    stream: Option<Stream>,
    has_room: bool,
}

/// What nothing can take the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Named,
    StandardOutput,
}

impl Staging {
    /// An empty file beside `path`.
    ///
    /// # Errors
    /// As [`write_atomically`](crate::write_atomically).
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let (target, stream) = resolve(path)?;
        let folder = directory(&target);
        let failed = |error| cannot_write(path, folder, &error);
        let nameless = if stream.is_some() {
            Some(tempfile::tempfile().map_err(failed)?)
        } else {
            fs::metadata(folder).map_err(failed)?;
            nameless(folder)
        };
        Ok(Self {
            nameless,
            path: path.to_path_buf(),
            target,
            stream,
            has_room: false,
        })
    }

    /// What standard output gets when it is complete.
    ///
    /// # Errors
    /// [`Fault::Machine`](crate::Fault::Machine) where there is no room for temporary files.
    pub fn standard_output() -> Result<Self, Failure> {
        let path = PathBuf::from("/dev/stdout");
        let file = tempfile::tempfile();
        let folder = std::env::temp_dir();
        let file = file.map_err(|error| cannot_write(&path, &folder, &error))?;
        Ok(Self {
            nameless: Some(file),
            target: path.clone(),
            path,
            stream: Some(Stream::StandardOutput),
            has_room: false,
        })
    }

    /// Room for as many bytes as the target has now, if both are in memory (tmpfs(5)): a new version of a file is about as long as
    /// the old one. What is not needed in the end is given back.
    pub fn room(&mut self) -> Option<Room> {
        if self.stream.is_some() {
            return None;
        }
        let found = fs::metadata(&self.target).ok()?;
        // Of a file with holes, what it takes.
        let length = found.len().min(found.blocks() * 512).min(Room::MOST);
        let file = self.nameless.as_ref();
        let file = file.filter(|file| is_in_memory(file))?;
        let file = file.try_clone().ok()?;
        self.has_room = true;
        Some(Room {
            file,
            made: 0,
            length,
        })
    }

    /// Writes the file, and to the disk.
    ///
    /// # Errors
    /// As [`write_atomically`](crate::write_atomically).
    pub fn finish(self, write: impl FnOnce(&File) -> io::Result<()>) -> Result<Staged, Failure> {
        let (path, target) = (self.path, self.target);
        let failed = |error: io::Error| cannot_write(&path, directory(&target), &error);
        let fill = |file: &File| {
            write(file)?;
            if self.has_room {
                file.set_len(file.metadata()?.len())?;
            }
            file.sync_all()
        };
        let file = match self.nameless {
            Some(file) => {
                fill(&file).map_err(failed)?;
                match self.stream {
                    Some(stream) => New::Elsewhere(file, stream),
                    None => New::Nameless(file),
                }
            }
            None => {
                let permissions = Permissions::from_mode(0o644);
                let mut named = names();
                let named = named.permissions(permissions);
                let file = named.tempfile_in(directory(&target)).map_err(failed)?;
                fill(file.as_file()).map_err(failed)?;
                New::Named(file.into_temp_path())
            }
        };
        Ok(Staged { file, path, target })
    }
}

/// Pages of memory for a file that is not written yet, which take a quarter of the time of writing. See [`Staging::room`].
#[derive(Debug)]
pub struct Room {
    file: File,
    made: u64,
    length: u64,
}

impl Room {
    /// In bytes, larger than any image that is worth it.
    const MOST: u64 = 1 << 30;

    /// Bytes: some 10 microseconds of work.
    const PORTION: u64 = 128 << 10;

    /// Makes some more, and gives whether it did. Who writes to the file meanwhile waits.
    pub fn make(&mut self) -> bool {
        let next = Self::PORTION.min(self.length - self.made);
        let keep = FallocateFlags::KEEP_SIZE;
        // Where there is no room, writing will say so.
        let has_made = next > 0 && fallocate(&self.file, keep, self.made, next).is_ok();
        self.made += next;
        has_made
    }
}

/// The file that `path` stands for, symbolic links followed, checked to be replaceable by a regular file; or a stream, which is
/// told by the second part.
fn resolve(path: &Path) -> Result<(PathBuf, Option<Stream>), Failure> {
    if path == "-" {
        return Err(Failure::usage(
            "this output needs a file, and `-` is none: name one, or `./-` for a file of that name",
        ));
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(Failure::input(format_args!(
            "cannot write `{}`: it is a directory; name a file in it",
            path.display()
        ))),
        Ok(found) if is_stream(found.file_type()) => Ok((path.to_path_buf(), Some(Stream::Named))),
        Ok(found) if !found.is_file() => Err(Failure::input(format_args!(
            "cannot write `{}`: it is a disk or a socket; name a file",
            path.display()
        ))),
        Ok(_) => match fs::canonicalize(path) {
            Ok(target) => Ok((target, None)),
            Err(error) => Err(Failure::machine(format_args!(
                "cannot write `{}`: {error}",
                path.display()
            ))),
        },
        Err(_) if path.as_os_str().as_bytes().ends_with(b"/") => Err(Failure::input(format_args!(
            "cannot write `{}`: that is the name of a directory, which is not there; name a file",
            path.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::read_link(path) {
            // A link to what is not there yet. A circle of links is another error.
            Ok(link) => resolve(&directory(path).join(link)),
            Err(_) => Ok((path.to_path_buf(), None)),
        },
        Err(error) => Err(Failure::machine(format_args!(
            "cannot write `{}`: {error}",
            path.display()
        ))),
    }
}

/// A pipe, a terminal, `/dev/null`.
fn is_stream(kind: fs::FileType) -> bool {
    kind.is_char_device() || kind.is_fifo()
}

fn names<'a>() -> tempfile::Builder<'a, 'a> {
    let mut names = tempfile::Builder::new();
    names.prefix(".tmp-");
    names
}

/// Gives a nameless file a name of its own.
pub(super) fn named(file: &File, directory: &Path) -> io::Result<TempPath> {
    let named = names().make_in(directory, |path| link(file, path))?;
    Ok(named.into_temp_path())
}

pub(super) fn link(file: &File, path: &Path) -> io::Result<()> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, &*open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
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
    use std::io::Write;

    use super::*;
    use crate::commit;

    #[test]
    fn room_that_is_not_needed_is_given_back() {
        // The only place that is in memory everywhere.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("image");
        let blocks = || fs::metadata(&path).unwrap().blocks();
        fs::write(&path, vec![1; 300_000]).unwrap();
        let old = blocks();
        for length in [10_000, 300_000] {
            let mut staging = Staging::new(&path).unwrap();
            let mut room = staging.room().unwrap();
            assert!(room.make() && room.make() && room.make(), "300000 bytes");
            assert!(
                !room.make()
                    && staging
                        .nameless
                        .as_ref()
                        .unwrap()
                        .metadata()
                        .unwrap()
                        .blocks()
                        == old
            );
            let new = vec![2; length];
            let staged = staging.finish(|mut file| file.write_all(&new)).unwrap();
            commit([staged]).unwrap();
            assert_eq!(fs::read(&path).unwrap(), new);
            assert_eq!(blocks(), (length as u64).div_ceil(4096) * 8);
            fs::write(&path, vec![1; 300_000]).unwrap();
        }
        let none = dir.path().join("none");
        assert!(Staging::new(&none).unwrap().room().is_none());
    }
}
