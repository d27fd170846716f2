//! Files as input: regular ones only, read up to a limit, decompressed by their magic bytes.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::{DecodeError, decode};

/// Why a file could not be read. Each text names the path.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refuses, for example because there is no such file.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A directory, a FIFO, a socket or a device: reading it could block or never end.
    #[error("cannot read `{}`: it is a {kind}, and a regular file is needed", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
        /// `directory`, `FIFO`, `socket` or `device`.
        kind: &'static str,
    },
    /// The file is larger than the caller allows.
    #[error("cannot read `{}`: it is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The file's compressed stream cannot be decoded.
    #[error("cannot read `{}`: {source}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong with the stream.
        source: DecodeError,
    },
}

impl ReadError {
    /// What becomes of the operating system's error for a file.
    pub fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            ReadError::Io { path, .. }
            | ReadError::NotRegular { path, .. }
            | ReadError::TooLarge { path, .. }
            | ReadError::Decode { path, .. } => path,
        }
    }

    /// Whether the file's contents are at fault; otherwise its path or the machine is.
    pub fn is_content(&self) -> bool {
        matches!(self, ReadError::Decode { .. })
    }

    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ReadError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Opens a regular file. Never blocks, not even on a FIFO without a writer.
///
/// # Errors
/// [`ReadError::Io`], [`ReadError::NotRegular`].
pub fn open(path: &Path) -> Result<File, ReadError> {
    Ok(open_known(path)?.0)
}

/// As [`open`], with what is known of the file.
///
/// # Errors
/// As [`open`].
fn open_known(path: &Path) -> Result<(File, Metadata), ReadError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
        .open(path)
        .map_err(ReadError::io(path))?;
    let found = file.metadata().map_err(ReadError::io(path))?;
    let kind = found.file_type();
    if kind.is_file() {
        return Ok((file, found));
    }
    let kind = if kind.is_dir() {
        "directory"
    } else if kind.is_fifo() {
        "FIFO"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    };
    Err(ReadError::NotRegular {
        path: path.to_path_buf(),
        kind,
    })
}

/// As [`open`], with what is known of the file, which has at most `limit` bytes.
///
/// # Errors
/// As [`open`]; [`ReadError::TooLarge`].
pub fn open_within(path: &Path, limit: u64) -> Result<(File, Metadata), ReadError> {
    let (file, found) = open_known(path)?;
    within(path, found.len(), limit)?;
    Ok((file, found))
}

/// Refuses more bytes than the caller allows.
pub(crate) fn within(path: &Path, length: u64, limit: u64) -> Result<(), ReadError> {
    match length <= limit {
        true => Ok(()),
        false => Err(ReadError::TooLarge {
            path: path.to_path_buf(),
            limit,
        }),
    }
}

/// Reads a whole regular file of at most `limit` bytes, as it is.
///
/// # Errors
/// See [`ReadError`].
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    Ok(read_known(path, limit)?.0)
}

/// As [`read`], with what was known of the file when it was opened.
///
/// # Errors
/// See [`ReadError`].
pub fn read_known(path: &Path, limit: u64) -> Result<(Vec<u8>, Metadata), ReadError> {
    let (file, found) = open_known(path)?;
    let mut bytes = Vec::with_capacity(found.len().min(limit) as usize);
    read_into(&mut bytes, file, path, limit)?;
    Ok((bytes, found))
}

/// Reads a stream, such as standard input, of at most `limit` bytes to its end; `path` is what errors call it.
///
/// # Errors
/// [`ReadError::Io`], [`ReadError::TooLarge`].
pub fn read_stream(stream: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    read_into(&mut bytes, stream, path, limit)?;
    Ok(bytes)
}

fn read_into(
    bytes: &mut Vec<u8>,
    stream: impl Read,
    path: &Path,
    limit: u64,
) -> Result<(), ReadError> {
    let mut stream = stream.take(limit.saturating_add(1));
    let read = stream.read_to_end(bytes).map_err(ReadError::io(path))?;
    within(path, read as u64, limit)
}

/// Reads a regular file and decompresses it where its magic bytes say that it is compressed. `limit` bounds both the file
/// and what comes out of it.
///
/// # Errors
/// See [`ReadError`].
pub fn read_decoded(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let bytes = read(path, limit)?;
    if crate::detect(&bytes).is_none() {
        return Ok(bytes);
    }
    decode(&bytes, limit)
        .map(std::borrow::Cow::into_owned)
        .map_err(|source| ReadError::Decode {
            path: path.to_path_buf(),
            source,
        })
}
