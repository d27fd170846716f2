//! Output is all or nothing: a file without a name in the target's own directory, synced, then named and renamed over the target.

mod staging;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{CWD, FsWord, Mode, OFlags, fstatfs, openat};
use tempfile::TempPath;

use crate::Failure;
pub use staging::{Room, Staging};
use staging::{Stream, link, named};

/// Writes `bytes` to `path` so that the file is either the old one or the whole new one, also after a power cut.
///
/// A target that is a symbolic link keeps being one: the file it points to is replaced. The new file has mode 0644 less
/// the umask. A pipe, or a device such as `/dev/null`, gets all bytes when they are complete, as far as somebody reads them.
///
/// # Errors
/// [`Fault::Input`](crate::Fault::Input) where `path` cannot be an output file (it is a directory, a disk, or a socket); [`Fault::Machine`](crate::Fault::Machine) where writing fails. Nothing is left behind then.
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

/// A new file, whole and on the disk, but not yet in the target's place. Dropped, it is gone; and where the file system has files
/// without a name, also when the run is killed.
#[derive(Debug)]
pub struct Staged {
    file: New,
    /// What the caller calls the target, for messages.
    path: PathBuf,
    target: PathBuf,
}

#[derive(Debug)]
enum New {
    /// Open, with no name yet.
    Nameless(File),
    /// Closed, beside the target.
    Named(TempPath),
    /// Open, elsewhere: the target is a stream.
    Elsewhere(File, Stream),
}

impl Staged {
    /// Writes `bytes` to a new file beside `path`.
    ///
    /// # Errors
    /// As [`write_atomically`].
    pub fn new(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        Self::with(path, |mut file| file.write_all(bytes))
    }

    /// As [`new`](Self::new), for what is written piece by piece; see [`write_atomically_with`].
    ///
    /// # Errors
    /// As [`write_atomically`].
    pub fn with(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> Result<Self, Failure> {
        Staging::new(path)?.finish(write)
    }

    /// Gives the file a name beside its target, and closes it: for more files than may be open at a time. A run that is killed
    /// then leaves it behind.
    ///
    /// # Errors
    /// [`Fault::Machine`](crate::Fault::Machine).
    pub fn closed(self) -> Result<Self, Failure> {
        let Self { file, path, target } = self;
        let file = match file {
            New::Nameless(file) => named(&file, directory(&target))
                .map(New::Named)
                .map_err(|error| cannot_write(&path, directory(&target), &error))?,
            file => file,
        };
        Ok(Self { file, path, target })
    }

    /// Puts the file in its target's place, and gives the file that was there.
    fn commit(self) -> io::Result<Option<Replaced>> {
        let mut replaced = Replaced::open(&self.target);
        let file = match self.file {
            New::Named(file) => file,
            New::Elsewhere(mut file, stream) => {
                file.rewind()?;
                let mut stream: Box<dyn Write> = match stream {
                    Stream::Named => Box::new(File::options().write(true).open(&self.target)?),
                    Stream::StandardOutput => Box::new(io::stdout().lock()),
                };
                let copied = io::copy(&mut file, &mut stream);
                return while_read(copied.and_then(|_| stream.flush())).map(|_| None);
            }
            // linkat(2) replaces nothing.
            New::Nameless(file) if replaced.is_some() => named(&file, directory(&self.target))?,
            New::Nameless(file) => match link(&file, &self.target) {
                Ok(()) => return Ok(None),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    replaced = Replaced::open(&self.target);
                    named(&file, directory(&self.target))?
                }
                Err(error) => return Err(error),
            },
        };
        file.persist(&self.target).map_err(|failed| failed.error)?;
        Ok(replaced)
    }
}

/// A file that has lost its name. Its blocks are free when it is closed, which takes as long as syncing where the file system
/// tells the disk of each (mount option `discard`): 12 ms for 13 MB.
struct Replaced(OwnedFd);

impl Replaced {
    fn open(path: &Path) -> Option<Self> {
        openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .ok()
            .map(Self)
    }
}

/// Whether a file is on a tmpfs(5).
fn is_in_memory(file: impl AsFd) -> bool {
    fstatfs(file).is_ok_and(|found| found.f_type == TMPFS_MAGIC)
}

/// `linux/magic.h`.
const TMPFS_MAGIC: FsWord = 0x0102_1994;

/// How many replaced files are held at most, of the 1024 that a process may have open.
const HELD: usize = 64;

/// Puts new files in their targets' places, one after the other. Up to the first nothing has changed; each replaces its target
/// as a whole.
///
/// # Errors
/// [`Fault::Machine`](crate::Fault::Machine). The files that have not been put in their places are gone then.
pub fn commit(files: impl IntoIterator<Item = Staged>) -> Result<(), Failure> {
    let mut directories = BTreeMap::new();
    let mut replaced = Vec::new();
    for file in files {
        let (path, directory) = (file.path.clone(), directory(&file.target).to_path_buf());
        let is_stream = matches!(file.file, New::Elsewhere(..));
        let old = file
            .commit()
            .map_err(|error| cannot_write(&path, &directory, &error))?;
        replaced.extend(old.filter(|_| replaced.len() < HELD));
        // Nothing has come or gone where a stream is.
        if !is_stream {
            directories.insert(directory, path);
        }
    }
    // In memory, closing takes no longer than starting a thread, and there is nothing to wait for meanwhile.
    replaced.retain(|Replaced(file)| !is_in_memory(file));
    thread::scope(|scope| {
        if !replaced.is_empty() {
            scope.spawn(|| drop(replaced));
        }
        sync(directories)
    })
}

/// Syncs directories, each with a file in it for messages.
fn sync(directories: BTreeMap<PathBuf, PathBuf>) -> Result<(), Failure> {
    for (directory, path) in directories {
        let synced = File::open(&directory).and_then(|opened| opened.sync_all());
        synced.map_err(|error| cannot_write(&path, &directory, &error))?;
    }
    Ok(())
}

/// The directory that a file is in; `.` for a bare name.
pub fn directory(target: &Path) -> &Path {
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
    // tempfile adds its own name for the file, which nobody has seen.
    let error = error.to_string();
    let cause = error.split(" at path ").next().unwrap_or_default();
    Failure::machine(format_args!(
        "cannot write `{}`: {cause}{hint}",
        path.display()
    ))
}

/// Whether two paths lead to one file that is there.
pub fn is_same_file(one: &Path, two: &Path) -> bool {
    input_at(one, [two]).is_some()
}

/// What tells a file from all others: device and inode.
fn number(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// The first of `inputs` that is the file at `output`, by whatever name: what would be lost if that were written.
pub fn input_at<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Option<&'a Path> {
    // What is not there yet is no input.
    let output = number(output)?;
    let mut inputs = inputs.into_iter();
    inputs.find(|input| number(input) == Some(output))
}

/// What came of writing to a stream, by whatever name: it breaks where nobody reads it any more, which is no error (`modtree
/// closure … | head -1`).
fn while_read(written: io::Result<()>) -> io::Result<ControlFlow<()>> {
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error),
    }
}

/// Writes `bytes` to standard output. A reader that has gone away is no error.
///
/// # Errors
/// [`Fault::Machine`](crate::Fault::Machine) where writing fails for another reason.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
    print_part(bytes).map(|_| ())
}

/// As [`print()`], of an output that goes on; breaks where nobody reads it any more.
///
/// # Errors
/// As [`print()`].
pub fn print_part(bytes: &[u8]) -> Result<ControlFlow<()>, Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    while_read(written)
        .map_err(|error| Failure::machine(format_args!("cannot write to standard output: {error}")))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use rustix::fs::FileType;

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
        // Also where that is not there yet.
        std::os::unix::fs::symlink("new", dir.path().join("to-new")).unwrap();
        write_atomically(&dir.path().join("to-new"), b"new").unwrap();
        assert!(dir.path().join("to-new").is_symlink());
        assert_eq!(fs::read(dir.path().join("new")).unwrap(), b"new");
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        let error = write_atomically(&dir.path().join("loop"), b"new").unwrap_err();
        assert_eq!(error.fault(), Fault::Machine);
    }

    #[test]
    fn streams_get_what_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        thread::scope(|scope| {
            let read = scope.spawn(|| fs::read(&path).unwrap());
            // What is not committed is not written.
            drop(Staged::new(&path, b"old").unwrap());
            write_atomically(&path, b"new").unwrap();
            assert_eq!(read.join().unwrap(), b"new");
        });
        write_atomically(Path::new("/dev/null"), b"new").unwrap();
        // A directory that cannot be synced.
        let null = File::options().write(true).open("/dev/null").unwrap();
        let open = format!("/proc/self/fd/{}", null.as_raw_fd());
        write_atomically(Path::new(&open), b"new").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let full = write_atomically(Path::new("/dev/full"), b"new").unwrap_err();
        assert_eq!(full.fault(), Fault::Machine);
        let socket = dir.path().join("socket");
        let _kept = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = write_atomically(&socket, b"new").unwrap_err();
        assert_eq!(error.fault(), Fault::Input);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("pipe");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        // More than a pipe holds, so that the reader goes while it is written.
        let bytes = vec![1; 1 << 20];
        thread::scope(|scope| {
            scope.spawn(|| drop(File::open(&fifo).unwrap()));
            write_atomically(&fifo, &bytes).unwrap();
        });
        // One that went before, of a pipe that is named by its descriptor.
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let open = format!("/dev/fd/{}", writer.as_raw_fd());
        write_atomically(Path::new(&open), b"new").unwrap();
    }

    #[test]
    fn a_directory_and_a_missing_directory_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_atomically(dir.path(), b"x").unwrap_err();
        assert_eq!(error.fault(), Fault::Input);
        let error = write_atomically(&dir.path().join("none/x"), b"x").unwrap_err();
        assert_eq!(error.fault(), Fault::Machine);
        let missing = dir.path().join("none");
        assert_eq!(
            error.message().unwrap(),
            format!(
                "cannot write `{0}/x`: No such file or directory (os error 2) (is `{0}` a directory?)",
                missing.display()
            )
        );
    }
}
