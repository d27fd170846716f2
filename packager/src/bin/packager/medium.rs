//! Disk images as input: their bytes as they are, or the disk in a qcow2 image.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use cli::Failure;
use packager::disk::ImageFormat;
use packager::disk::fat::read::{FatError, Medium};
use packager::disk::qcow2::{Qcow2, Qcow2Error};

use crate::convert::{raw_needed, require_plain, unreadable};

/// A disk in a file.
pub(crate) enum Disk<'f> {
    Plain(&'f File, u64),
    Qcow2(Qcow2<'f, File>),
}

impl<'f> Disk<'f> {
    /// The disk in a file that is taken for its image. Formats of virtual machines but qcow2 are refused.
    pub(crate) fn open(path: &Path, file: &'f File) -> Result<Self, Failure> {
        let failed = |error| unreadable(path, &error);
        if ImageFormat::detect(file).map_err(failed)? != Some(ImageFormat::Qcow2) {
            require_plain(path, file)?;
            let length = file.metadata().map_err(failed)?.len();
            return Ok(Self::Plain(file, length));
        }
        Qcow2::open(file)
            .map(Self::Qcow2)
            .map_err(|error| match error {
                Qcow2Error::Io(error) if error.kind() != ErrorKind::UnexpectedEof => failed(error),
                error => raw_needed(path, &error),
            })
    }

    /// Bytes of the disk.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Plain(_, length) => *length,
            Self::Qcow2(disk) => disk.length,
        }
    }
}

impl Medium for Disk<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(file, _) => Medium::read_exact_at(*file, buffer, offset),
            Self::Qcow2(disk) => disk.read_exact_at(buffer, offset),
        }
    }
}

/// What became of a disk that cannot be read: a format is the image's fault, else the machine is at fault.
pub(crate) fn failed(path: &Path, error: &FatError) -> Failure {
    match error {
        FatError::Io { source, .. } if source.kind() == ErrorKind::Unsupported => {
            raw_needed(path, error)
        }
        error => unreadable(path, error),
    }
}
