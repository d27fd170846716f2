//! Writing an image to a disk so that it is whole or no image at all.
//!
//! The first MiB, which has all that says what is on a disk, is made zero first and written last: whatever happens in
//! between, no system takes the disk for a whole one. Everything is read back from the disk itself, compared, and hashed, so
//! that people can compare it with the sum that is published beside an image.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

/// What the first block is: every disk's pages are this large or smaller.
const BLOCK: usize = 4096;

/// What is held back: partition tables, the descriptors of a CD (at 32 KiB), the boot record and the first tables of a file
/// system without a partition table. A partition begins behind it.
const HEAD: u64 = 1 << 20;

/// What is written at once. A stick's flash is erased in blocks of about this size.
const CHUNK: usize = 4 << 20;

/// Where the backup of a GUID partition table ends: with the disk.
const BACKUP: u64 = 33 * 512;

/// The SHA-256 of what a disk gave back, over the image's length: what `sha256sum` says of the image's file.
pub type Hash = [u8; 32];

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The image is being written.
    Writing,
    /// The disk is being read back.
    Checking,
}

/// Why an image is not on the disk.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// The disk cannot be opened.
    #[error("cannot open the disk: {0}")]
    Open(io::Error),
    /// The image cannot be read.
    #[error("cannot read the image at offset {offset}: {source}")]
    Image {
        /// In bytes.
        offset: u64,
        /// What the operating system says.
        source: io::Error,
    },
    /// The disk refuses to be written, or was pulled out.
    #[error("cannot write to the disk at offset {offset}: {source}; it holds no image now")]
    Write {
        /// In bytes.
        offset: u64,
        /// What the operating system says.
        source: io::Error,
    },
    /// The disk refuses to be read, or was pulled out.
    #[error("cannot read the disk back at offset {offset}: {source}; it holds no image now")]
    Read {
        /// In bytes.
        offset: u64,
        /// What the operating system says.
        source: io::Error,
    },
    /// The disk does not give back what was written: it is worn out, or smaller than it says.
    #[error(
        "the disk gave back something else than what was written, from offset {offset} on: it is worn out, or smaller than it says; it holds no image now"
    )]
    Differs {
        /// In bytes.
        offset: u64,
    },
}

/// Opens a disk that nobody else uses, past the cache where the file system allows that.
///
/// # Errors
/// [`FlashError::Open`]; `EBUSY` where something is mounted.
pub fn open(path: &Path) -> Result<File, FlashError> {
    let open = |flags: OFlags| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits() as i32)
            .open(path)
    };
    match open(OFlags::EXCL | OFlags::DIRECT) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
            open(OFlags::EXCL).map_err(FlashError::Open)
        }
        result => result.map_err(FlashError::Open),
    }
}

/// Writes `length` bytes of an image to a disk of `size` bytes, reads them back, and gives their hash. `progress` gets the
/// phase, and how many bytes of it are done.
///
/// # Errors
/// See [`FlashError`]. The disk holds no image then, and its first MiB is zero where that could still be written.
pub fn flash(
    image: &File,
    length: u64,
    disk: &File,
    size: u64,
    progress: impl FnMut(Phase, u64),
) -> Result<Hash, FlashError> {
    let mut flash = Flash {
        image,
        length,
        disk,
        buffer: Buffer::new(CHUNK),
        again: Buffer::new(CHUNK),
        progress,
    };
    let head = HEAD.min(size / 512 * 512);
    flash.clear(0, head)?;
    flash.clear_backup(size)?;
    flash.sync(0)?;
    flash.write_rest()?;
    flash.sync(length)?;
    let hash = flash.check_rest()?;
    let result = flash.head();
    if result.is_err() {
        // The disk is failing; what can be done has been done.
        let _ = flash.clear(0, head).and_then(|()| flash.sync(0));
    }
    result.map(|()| hash)
}

struct Flash<'a, P> {
    image: &'a File,
    length: u64,
    disk: &'a File,
    buffer: Buffer,
    again: Buffer,
    progress: P,
}

impl<P: FnMut(Phase, u64)> Flash<'_, P> {
    fn clear(&mut self, offset: u64, length: u64) -> Result<(), FlashError> {
        let zeros = self.buffer.part(length as usize);
        zeros.fill(0);
        let written = self.disk.write_all_at(zeros, offset);
        written.map_err(|source| FlashError::Write { offset, source })
    }

    /// The backup of an old GUID partition table would make other tools restore that one.
    fn clear_backup(&mut self, size: u64) -> Result<(), FlashError> {
        let start = size.saturating_sub(BACKUP) / BLOCK as u64 * BLOCK as u64;
        // The image may reach into it.
        let start = start.max(self.length.next_multiple_of(512));
        let length = size.saturating_sub(start) / 512 * 512;
        if length == 0 {
            return Ok(());
        }
        let end = self.buffer.part(length as usize);
        let read = self.disk.read_exact_at(end, start);
        read.map_err(|source| FlashError::Read {
            offset: start,
            source,
        })?;
        let has_backup = end
            .chunks(512)
            .any(|sector| sector.starts_with(b"EFI PART"));
        if has_backup {
            self.clear(start, length)?;
        }
        Ok(())
    }

    fn sync(&self, offset: u64) -> Result<(), FlashError> {
        let synced = self.disk.sync_all();
        synced.map_err(|source| FlashError::Write { offset, source })
    }

    fn write_rest(&mut self) -> Result<(), FlashError> {
        let mut offset = HEAD;
        while offset < self.length {
            let part = read_image(self.image, self.length, offset, &mut self.buffer)?;
            let written = self.disk.write_all_at(part, offset);
            written.map_err(|source| FlashError::Write { offset, source })?;
            offset += part.len() as u64;
            (self.progress)(Phase::Writing, offset.min(self.length));
        }
        Ok(())
    }

    /// Compares everything behind the head. That one is hashed as it is in the image: it is compared last.
    fn check_rest(&mut self) -> Result<Hash, FlashError> {
        let first = self.length.min(HEAD);
        let head = read_image(self.image, first, 0, &mut self.buffer)?;
        let mut hash = Sha256::new_with_prefix(&head[..first as usize]);
        let mut offset = HEAD;
        while offset < self.length {
            let expected = read_image(self.image, self.length, offset, &mut self.buffer)?;
            let found = compare(self.disk, offset, expected, &mut self.again)?;
            let end = (offset + found.len() as u64).min(self.length);
            hash.update(&found[..(end - offset) as usize]);
            (self.progress)(Phase::Checking, end);
            offset += found.len() as u64;
        }
        Ok(hash.finalize().into())
    }

    /// What was held back, the first block of it last: by that one a disk is known.
    fn head(&mut self) -> Result<(), FlashError> {
        let end = self.length.min(HEAD);
        let first = end.min(BLOCK as u64);
        if first < end {
            self.put(first, end)?;
        }
        self.put(0, first)
    }

    /// Writes a part of the head, and reads it back.
    fn put(&mut self, offset: u64, end: u64) -> Result<(), FlashError> {
        let part = read_image(self.image, end, offset, &mut self.buffer)?;
        let written = self.disk.write_all_at(part, offset);
        written
            .and_then(|()| self.disk.sync_all())
            .map_err(|source| FlashError::Write { offset, source })?;
        compare(self.disk, offset, part, &mut self.again).map(drop)
    }
}

/// The next part of the image, filled up with zeros to a whole sector.
fn read_image<'b>(
    image: &File,
    length: u64,
    offset: u64,
    buffer: &'b mut Buffer,
) -> Result<&'b [u8], FlashError> {
    let wanted = (length - offset).min(CHUNK as u64) as usize;
    let part = buffer.part(wanted.next_multiple_of(512));
    part[wanted..].fill(0);
    let read = image.read_exact_at(&mut part[..wanted], offset);
    read.map_err(|source| FlashError::Image { offset, source })?;
    Ok(part)
}

/// What the disk gives back, which is what was written.
fn compare<'b>(
    disk: &File,
    offset: u64,
    expected: &[u8],
    buffer: &'b mut Buffer,
) -> Result<&'b [u8], FlashError> {
    let found = buffer.part(expected.len());
    let read = disk.read_exact_at(found, offset);
    read.map_err(|source| FlashError::Read { offset, source })?;
    match expected
        .iter()
        .zip(&*found)
        .position(|(one, two)| one != two)
    {
        None => Ok(found),
        Some(at) => Err(FlashError::Differs {
            offset: offset + at as u64,
        }),
    }
}

/// Memory that begins at a multiple of a block, as reading and writing past the cache needs it.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    fn new(size: usize) -> Self {
        let bytes = vec![0; size + BLOCK];
        // Where the offset cannot be computed (it can, on every machine that there is) the kernel refuses the write.
        let start = bytes.as_ptr().align_offset(BLOCK).min(BLOCK);
        Self { bytes, start }
    }

    fn part(&mut self, length: usize) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    fn contents(file: &File, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        file.read_exact_at(&mut out, 0).unwrap();
        out
    }

    #[test]
    fn the_image_is_on_the_disk_and_an_old_backup_table_is_gone() {
        let image: Vec<u8> = (0..5_000_000_u32).map(|n| (n / 7) as u8).collect();
        let mut old = vec![0xff; 8 << 20];
        let end = old.len() - 512;
        old[end..end + 8].copy_from_slice(b"EFI PART");
        let (source, disk) = (file(&image), file(&old));
        let mut seen = Vec::new();
        let length = image.len() as u64;
        let hash = flash(&source, length, &disk, 8 << 20, |phase, _| seen.push(phase)).unwrap();
        assert_eq!(hash, <Hash>::from(Sha256::digest(&image)));
        let now = contents(&disk, 8 << 20);
        assert!(now[..image.len()] == image);
        assert_eq!(now[end..end + 8], [0; 8]);
        assert_eq!(now[6 << 20], 0xff);
        assert!(seen.contains(&Phase::Writing) && seen.ends_with(&[Phase::Checking]));
    }

    #[test]
    fn an_old_backup_table_is_gone_also_right_behind_the_image() {
        let image = vec![0x55; (1 << 20) - 4096 - 100];
        let mut old = vec![0xff; 1 << 20];
        let end = old.len() - 512;
        old[end..end + 8].copy_from_slice(b"EFI PART");
        let disk = file(&old);
        flash(&file(&image), image.len() as u64, &disk, 1 << 20, |_, _| {}).unwrap();
        let now = contents(&disk, 1 << 20);
        assert!(now[..image.len()] == image);
        assert_eq!(now[end..end + 8], [0; 8]);
    }

    #[test]
    fn the_hash_is_that_of_the_image_alone() {
        let head = HEAD as usize;
        for length in [1, 512, 4096, 4097, head, head + 1, CHUNK + head + 1] {
            let image: Vec<u8> = (0..length).map(|n| (n / 3) as u8).collect();
            let disk = file(&[0xff; 8 << 20]);
            let hash = flash(&file(&image), length as u64, &disk, 8 << 20, |_, _| {}).unwrap();
            assert_eq!(hash, <Hash>::from(Sha256::digest(&image)), "{length}");
            assert!(contents(&disk, length) == image, "{length}");
        }
    }

    #[test]
    fn a_disk_may_be_smaller_than_what_is_held_back() {
        let disk = file(&[0xff; 8192]);
        let image = [0x55; 5000];
        flash(&file(&image), 5000, &disk, 8192, |_, _| {}).unwrap();
        assert!(contents(&disk, 5000) == image);
    }

    /// Partition tables, the descriptors of a CD, the boot record of a file system: all of them are held back.
    #[test]
    fn after_a_failure_nothing_says_what_is_on_the_disk() {
        let image = vec![0x55; 3 << 20];
        let source = file(&image);
        let head = HEAD as usize;
        // The image is shorter than it was said to be: that is seen while the rest of it is written.
        let disk = file(&[0xaa; 4 << 20]);
        let error = flash(&source, 4 << 20, &disk, 4 << 20, |_, _| {}).unwrap_err();
        assert!(matches!(error, FlashError::Image { .. }), "{error}");
        assert!(contents(&disk, head) == vec![0; head]);
        // The disk gives back something else.
        let disk = file(&[0xaa; 4 << 20]);
        let damage = |phase, done| {
            if phase == Phase::Writing && done == 3 << 20 {
                disk.write_all_at(b"x", 2 << 20).unwrap();
            }
        };
        let error = flash(&source, 3 << 20, &disk, 4 << 20, damage).unwrap_err();
        assert!(matches!(error, FlashError::Differs { .. }), "{error}");
        assert!(contents(&disk, head) == vec![0; head]);
    }
}
