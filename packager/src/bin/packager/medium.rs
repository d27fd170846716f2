//! Disk images as input: their bytes as they are, or the disk in a qcow2 image.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use cli::Failure;
use packager::disk::ImageFormat;
use packager::disk::fat::read::{FatError, Medium, is_end};
use packager::disk::qcow2::{Qcow2, Qcow2Error};

use crate::convert::{not_plain, raw_needed, unreadable};

/// A disk in a file.
pub(crate) enum Disk<'f> {
    /// The file, and its length in bytes.
    Plain(&'f File, u64),
    /// The disk, and the file's length in bytes.
    Qcow2(Qcow2<'f, File>, u64),
}

impl<'f> Disk<'f> {
    /// The disk in a file that is taken for its image. Formats of virtual machines but qcow2 are refused.
    pub(crate) fn open(path: &Path, file: &'f File) -> Result<Self, Failure> {
        match Self::find(path, file)? {
            Some(disk) => Ok(disk),
            None => Ok(Self::Plain(file, length(path, file)?)),
        }
    }

    /// As [`open`](Self::open); `None` for a file that has the signs of no image.
    pub(crate) fn find(path: &Path, file: &'f File) -> Result<Option<Self>, Failure> {
        let format = ImageFormat::detect(file).map_err(|error| unreadable(path, &error))?;
        let Some(format) = format else {
            return Ok(None);
        };
        let length = length(path, file)?;
        match format {
            ImageFormat::Qcow2 => match Qcow2::open(file) {
                Ok(disk) => Ok(Some(Self::Qcow2(disk, length))),
                Err(error) => Err(refused(path, &error)),
            },
            format if format.is_plain() => Ok(Some(Self::Plain(file, length))),
            format => Err(not_plain(path, format)),
        }
    }

    /// Bytes of the disk.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Plain(_, length) => *length,
            Self::Qcow2(disk, _) => disk.length,
        }
    }
}

impl Medium for Disk<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(file, _) => Medium::read_exact_at(*file, buffer, offset),
            Self::Qcow2(disk, _) => disk.read_exact_at(buffer, offset),
        }
    }

    fn kept(&self, length: u64) -> u64 {
        match self {
            Self::Plain(..) => length,
            Self::Qcow2(_, file) => length.min(*file),
        }
    }
}

fn length(path: &Path, file: &File) -> Result<u64, Failure> {
    let metadata = file.metadata();
    Ok(metadata.map_err(|error| unreadable(path, &error))?.len())
}

/// What became of a qcow2 image that cannot be read.
fn refused(path: &Path, error: &Qcow2Error) -> Failure {
    match error {
        Qcow2Error::Unsupported(_) => raw_needed(path, error),
        Qcow2Error::Damaged(_) => damaged(path, error),
        Qcow2Error::Io(source) if is_end(source) => {
            damaged(path, &"it is a qcow2 image that is cut off")
        }
        Qcow2Error::Io(source) => unreadable(path, source),
    }
}

/// What became of a disk that cannot be read: a format is the image's fault, and so is its end; else the machine is at fault.
pub(crate) fn failed(path: &Path, error: &FatError) -> Failure {
    match error {
        FatError::Io { source, .. } if source.kind() == ErrorKind::Unsupported => {
            raw_needed(path, error)
        }
        FatError::Io { source, .. } if is_end(source) => {
            damaged(path, &format_args!("it is damaged or cut off: {error}"))
        }
        error => unreadable(path, error),
    }
}

fn damaged(path: &Path, error: &dyn Display) -> Failure {
    Failure::input(format_args!(
        "`{}`: {error}; copy or make it anew",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use cli::Fault;

    use super::*;

    /// A qcow2 image of one table, for a disk of 1 MiB, in a file of `length` bytes.
    fn file(length: u64, changes: &[(u64, &[u8])]) -> File {
        let file = tempfile::tempfile().unwrap();
        let header: [(u64, &[u8]); 5] = [
            (0, b"QFI\xfb\0\0\0\x03"),
            (20, &16_u32.to_be_bytes()),
            (24, &(1_u64 << 20).to_be_bytes()),
            (36, &1_u32.to_be_bytes()),
            (40, &4096_u64.to_be_bytes()),
        ];
        for (at, bytes) in header.iter().chain(changes) {
            file.write_all_at(bytes, *at).unwrap();
        }
        file.set_len(length).unwrap();
        file
    }

    #[test]
    fn an_image_at_fault_is_told_from_the_machine() {
        for (length, at, byte, words) in [
            (
                8192,
                79,
                2,
                "a damaged qcow2 image: it is marked as corrupt; ",
            ),
            (100, 79, 0, "a qcow2 image that is cut off; "),
            (8192, 40, 0x80, "a qcow2 image that is cut off; "),
            (
                8192,
                79,
                4,
                "with its data in another file, which is not read here, and a raw one",
            ),
        ] {
            let file = file(length, &[(at, &[byte])]);
            let failure = Disk::open(Path::new("x"), &file).err().unwrap();
            let message = failure.message().unwrap();
            assert!(message.contains(words), "{message}");
            assert_eq!(failure.fault(), Fault::Input);
        }
        // The first cluster's table is behind the end.
        let file = file(8192, &[(4096, &(1_u64 << 30).to_be_bytes())]);
        let disk = Disk::open(Path::new("x"), &file).unwrap();
        let source = disk.read_exact_at(&mut [0], 0).unwrap_err();
        let failure = failed(Path::new("x"), &FatError::Io { offset: 0, source });
        assert_eq!(failure.fault(), Fault::Input);
        assert!(failure.message().unwrap().contains("damaged or cut off"));
    }

    #[test]
    fn a_disk_is_believed_no_more_bytes_than_its_file_has() {
        let file = file(8192, &[]);
        let disk = Disk::open(Path::new("x"), &file).unwrap();
        assert_eq!(disk.length(), 1 << 20);
        assert_eq!(disk.kept(disk.length()), 8192);
        let plain = Disk::Plain(&file, 8192);
        assert_eq!(plain.kept(plain.length()), 8192);
    }
}
