//! Standard input and FIFOs as input: read to their end into a file in memory, which can be looked into as any other.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::file::{ReadError, open, within};

/// Opens a regular file; `-` is standard input. Waits for all that comes through a FIFO, or from standard input where that is no regular file: at most `limit`
/// bytes, which are in memory then.
///
/// # Errors
/// [`ReadError::Io`], [`ReadError::NotRegular`]; [`ReadError::TooLarge`] of what comes through a stream.
pub fn open_or_collect(path: &Path, limit: u64) -> Result<File, ReadError> {
    if path == Path::new("-") {
        let input = io::stdin().as_fd().try_clone_to_owned();
        let input = File::from(input.map_err(ReadError::io(path))?);
        let kind = input.metadata().map_err(ReadError::io(path))?.file_type();
        if kind.is_file() {
            return Ok(input);
        }
        if kind.is_fifo() || kind.is_socket() {
            return collect(input, path, limit);
        }
        return Err(ReadError::NotRegular {
            path: path.to_path_buf(),
            kind: if kind.is_dir() { "directory" } else { "device" },
        });
    }
    // Opened twice, it would have lost its writer in between.
    if fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
        let stream = File::open(path).map_err(ReadError::io(path))?;
        return collect(stream, path, limit);
    }
    open(path)
}

fn collect(stream: File, path: &Path, limit: u64) -> Result<File, ReadError> {
    let read = || -> io::Result<(File, u64)> {
        let mut memory = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
        let length = io::copy(&mut stream.take(limit.saturating_add(1)), &mut memory)?;
        Ok((memory, length))
    };
    let (memory, length) = read().map_err(ReadError::io(path))?;
    within(path, length, limit)?;
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::thread;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn all_that_comes_through_a_fifo_is_there_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let bytes = vec![7; 100_000];
        for (limit, is_read) in [(100_000, true), (99_999, false)] {
            thread::scope(|scope| {
                // Who reads no more than the limit leaves the writer with an error.
                scope.spawn(|| fs::write(&fifo, &bytes).is_ok());
                match open_or_collect(&fifo, limit) {
                    Ok(file) => {
                        let mut read = vec![0; 100_000];
                        file.read_exact_at(&mut read, 0).unwrap();
                        assert!(is_read && read == bytes);
                        assert_eq!(file.metadata().unwrap().len(), 100_000);
                    }
                    Err(error) => assert!(
                        !is_read && matches!(error, ReadError::TooLarge { .. }),
                        "{error}"
                    ),
                }
            });
        }
        let error = open_or_collect(folder.path(), 1).unwrap_err();
        assert!(matches!(error, ReadError::NotRegular { .. }), "{error}");
    }
}
