//! Images as input: an initramfs, or what has one in it.

mod within;

use std::fs::File;
use std::ops::{ControlFlow, Deref, Range};
use std::os::unix::fs::FileExt;
use std::path::Path;

use cli::Failure;
use codec::Mapped;
use packager::cpio::Entry;
use packager::inspect::{
    End, Files, InspectError, Place, Segment, readable_segments, skim, skim_file,
};

use crate::report;

/// Larger than any initramfs that a machine has the memory for.
const IMAGE_LIMIT: u64 = 4 << 30;

/// An initramfs: the bytes of a file, or of what is in it.
pub(crate) struct Image {
    bytes: Bytes,
    /// The file, where it is the initramfs and nothing else.
    file: Option<File>,
    /// Where in the file it was found, for the user.
    note: Option<String>,
}

enum Bytes {
    /// Those of the file at these offsets.
    Mapped(Mapped, Range<usize>),
    Read(Vec<u8>),
}

impl Deref for Image {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(bytes, place) => bytes.get(place.clone()).unwrap_or_default(),
            Bytes::Read(bytes) => bytes,
        }
    }
}

impl Image {
    fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            file: None,
            note: None,
        }
    }

    /// The initramfs of a file, whatever that is.
    pub(crate) fn find(path: &Path) -> Result<Self, Failure> {
        let file = open(path)?;
        if !is_initramfs(&file) {
            if let Some(image) = within::program(path, &file)? {
                return Ok(image);
            }
            if let Some(image) = within::disk(path, &file)? {
                return Ok(image);
            }
        }
        let bytes = map(path, &file)?;
        let all = 0..bytes.len();
        Ok(Self {
            file: Some(file),
            ..Self::new(Bytes::Mapped(bytes, all))
        })
    }

    /// As [`find`](Self::find). What was taken of a disk is told.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let image = Self::find(path)?;
        report::notes(image.note.as_slice());
        Ok(image)
    }

    /// Shows all entries, as [`skim`] does.
    pub(crate) fn skim(
        &self,
        see: impl FnMut(&Entry<'_>, usize, Place) -> ControlFlow<()>,
    ) -> Result<End, InspectError> {
        match &self.file {
            Some(file) => skim_file(file, self, see),
            None => skim(self, see),
        }
    }
}

/// Opens an image; `-` is standard input, which is kept in memory where it is no regular file, as is what comes through a FIFO.
pub(crate) fn open(path: &Path) -> Result<File, Failure> {
    codec::open_or_collect(path, IMAGE_LIMIT).map_err(report::read)
}

/// The bytes of a file that is open already.
pub(crate) fn map(path: &Path, file: &File) -> Result<Mapped, Failure> {
    codec::map_file(file, path, IMAGE_LIMIT).map_err(report::read)
}

/// A file's bytes, which are taken for those of an image.
pub(crate) fn read(path: &Path) -> Result<Mapped, Failure> {
    codec::map(path, IMAGE_LIMIT).map_err(report::read)
}

/// Does something with the image's file tree.
pub(crate) fn with_files<T>(
    path: &Path,
    work: impl FnOnce(&[Segment<'_>], &Files<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    with_files_of(path, &Image::open(path)?, work)
}

/// As [`with_files`], of an image that is open already.
pub(crate) fn with_files_of<T>(
    path: &Path,
    image: &Image,
    work: impl FnOnce(&[Segment<'_>], &Files<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let segments = segments(path, image)?;
    let files = Files::new(&segments).map_err(|error| at_fault(path, error))?;
    work(&segments, &files)
}

/// The segments of an image. What stands behind them, and the kernel does not read, is told.
pub(crate) fn segments<'a>(path: &Path, image: &'a [u8]) -> Result<Vec<Segment<'a>>, Failure> {
    let (segments, end) = readable_segments(image);
    match end {
        Some(error) if !error.is_junk() => Err(at_fault(path, error)),
        Some(junk) => {
            tell_junk(path, &junk);
            Ok(segments)
        }
        None => Ok(segments),
    }
}

/// The kernel says so, and goes on with what it has.
pub(crate) fn tell_junk(path: &Path, junk: &InspectError) {
    cli::note!("`{}`: {junk}; the kernel reads no further", path.display());
}

/// The kernel takes an archive without its end, and cannot know whether something is missing.
pub(crate) fn tell_no_trailer(path: &Path) {
    cli::note!(
        "`{}` ends without a trailer: it may have been cut off between two files",
        path.display()
    );
}

/// The image is wrong, or the machine that does not give it.
pub(crate) fn at_fault(path: &Path, error: InspectError) -> Failure {
    let name = path.display();
    match error {
        InspectError::Read { .. } => Failure::machine(format_args!("`{name}`: {error}")),
        _ => Failure::input(format_args!("`{name}`: {error}")),
    }
}

/// Whether the file begins as an archive or a compressed stream does; no partition table and no file system does so. Zeros may stand
/// before it; images of disks and CDs begin with more of them.
pub(crate) fn is_initramfs(file: &File) -> bool {
    let mut start = [0; 10 << 10];
    let read = file.read_at(&mut start, 0).unwrap_or(0);
    let start = start.get(..read).unwrap_or_default();
    let zeros = start.iter().take_while(|&&byte| byte == 0).count();
    let start = start.get(zeros..).unwrap_or_default();
    start.starts_with(b"07070") || codec::detect(start).is_some()
}

/// Whether a file begins as programs of DOS, Windows and EFI do, and kernels for PCs.
pub(crate) fn is_program(file: &File) -> bool {
    has(file, 0, b"MZ")
}

/// Whether a file's first sector ends as that of a disk does which a BIOS starts from.
pub(crate) fn has_boot_signature(file: &File) -> bool {
    has(file, 510, &[0x55, 0xaa])
}

fn has(file: &File, offset: u64, magic: &[u8; 2]) -> bool {
    let mut there = [0; 2];
    file.read_exact_at(&mut there, offset).is_ok() && there == *magic
}
