//! Files that are looked into rather than read: the one place with `unsafe` code.
//!
//! An image of 100 MB is listed by its headers. Mapped, only the pages with headers come from the disk; read as a whole, the
//! copy alone takes 50 ms. A kernel of 8 MB that goes into a disk image is copied once, and not twice; so are the modules of an
//! initramfs.
#![allow(unsafe_code)]

use std::fs::{File, Metadata};
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use memmap2::{Advice, Mmap, MmapOptions};

use crate::file::{ReadError, open_within, within};

/// The bytes of a regular file.
///
/// The file must not become shorter meanwhile: a look behind its new end ends the process (`SIGBUS`, mmap(2)), as SIGKILL would.
/// An output has no name before it is complete, so that nothing is left of such a run.
#[derive(Debug)]
pub struct Mapped {
    bytes: Option<Mmap>,
    found: Metadata,
    is_populated: AtomicBool,
}

impl Mapped {
    /// What was known of the file when it was opened.
    pub fn metadata(&self) -> &Metadata {
        &self.found
    }

    fn new(bytes: Option<Mmap>, found: Metadata) -> Self {
        let is_populated = AtomicBool::new(false);
        Self {
            bytes,
            found,
            is_populated,
        }
    }

    /// Maps all pages now, and not each when it is looked at. The kernel writes from such a map in half the time: it does not
    /// stop within a write(2) to find the next page, and begin with half a page of the output anew. Nothing changes where the
    /// kernel does not know how (before Linux 5.14).
    pub fn populate(&self) {
        if let Some(bytes) = &self.bytes
            && !self.is_populated.swap(true, Ordering::Relaxed)
        {
            let _ = bytes.advise(Advice::PopulateRead);
        }
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }
}

/// Maps a regular file of at most `limit` bytes.
///
/// # Errors
/// [`ReadError::Io`], [`ReadError::NotRegular`], [`ReadError::TooLarge`].
pub fn map(path: &Path, limit: u64) -> Result<Mapped, ReadError> {
    let (file, found) = open_within(path, limit)?;
    map_known(&file, found, path)
}

/// As [`map()`], of a file that is open already; `path` is what errors call it.
///
/// # Errors
/// [`ReadError::Io`], [`ReadError::TooLarge`].
pub fn map_file(file: &File, path: &Path, limit: u64) -> Result<Mapped, ReadError> {
    let found = file.metadata().map_err(ReadError::io(path))?;
    within(path, found.len(), limit)?;
    map_known(file, found, path)
}

fn map_known(file: &File, found: Metadata, path: &Path) -> Result<Mapped, ReadError> {
    // There are no maps of nothing.
    if found.len() == 0 {
        return Ok(Mapped::new(None, found));
    }
    // SAFETY: the map is private and read-only, so nothing here changes the bytes. Another process may change the file while it
    // is mapped; all that looks at the bytes takes them for untrusted input, checks every offset against the slice's own
    // length, and keeps no decision about them for a second look.
    let map = unsafe { MmapOptions::new().len(found.len() as usize).map(file) }
        .map_err(ReadError::io(path))?;
    Ok(Mapped::new(Some(map), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_seen_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], b"x", &[7; 100_000]] {
            let path = folder.path().join("file");
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(&*map(&path, 100_000).unwrap(), bytes);
        }
        let path = folder.path().join("file");
        assert!(matches!(
            map(&path, 99_999),
            Err(ReadError::TooLarge { .. })
        ));
        let open = File::open(&path).unwrap();
        assert_eq!(&*map_file(&open, &path, 100_000).unwrap(), [7; 100_000]);
        assert!(matches!(
            map_file(&open, &path, 99_999),
            Err(ReadError::TooLarge { .. })
        ));
        assert!(matches!(
            map(folder.path(), 1),
            Err(ReadError::NotRegular { .. })
        ));
        assert!(
            map(&folder.path().join("none"), 1)
                .unwrap_err()
                .is_not_found()
        );
    }
}
