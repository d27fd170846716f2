//! Images as input.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cli::Failure;
use codec::Mapped;
use packager::inspect::{Files, InspectError, Segment, readable_segments};

use crate::report;

/// Larger than any initramfs that a machine has the memory for.
const IMAGE_LIMIT: u64 = 4 << 30;

/// The image's bytes.
pub(crate) fn read(path: &Path) -> Result<Mapped, Failure> {
    codec::map(path, IMAGE_LIMIT).map_err(report::read)
}

/// The image's file, and its bytes.
pub(crate) fn open(path: &Path) -> Result<(File, Mapped), Failure> {
    codec::map_opened(path, IMAGE_LIMIT).map_err(report::read)
}

/// Does something with the image's file tree.
pub(crate) fn with_files<T>(
    path: &Path,
    work: impl FnOnce(&[Segment<'_>], &Files<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let bytes = read(path)?;
    let segments = segments(path, &bytes)?;
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
    cli::tell!(
        "note: `{}`: {junk}; the kernel reads no further",
        path.display()
    );
}

/// The kernel takes an archive without its end, and cannot know whether something is missing.
pub(crate) fn tell_no_trailer(path: &Path) {
    cli::tell!(
        "note: `{}` ends without a trailer: it may have been cut off between two files",
        path.display()
    );
}

/// The image is wrong, or the machine that does not give it.
pub(crate) fn at_fault(path: &Path, error: InspectError) -> Failure {
    let name = path.display();
    match error {
        InspectError::Read { .. } => Failure::machine(format_args!("`{name}`: {error}")),
        InspectError::Unknown { offset: 0 } => match other_kind(path) {
            Some(kind) => Failure::input(format_args!("`{name}` is {kind}, and no initramfs")),
            None => Failure::input(format_args!("`{name}`: {error}")),
        },
        _ => Failure::input(format_args!("`{name}`: {error}")),
    }
}

/// What an image is that is no initramfs.
fn other_kind(path: &Path) -> Option<&'static str> {
    let file = File::open(path).ok()?;
    if is_program(&file) {
        return Some("a kernel or an EFI program, which `packager check` looks into");
    }
    has_boot_signature(&file)
        .then_some("a disk image, which `packager check`, `boot` and `write` take")
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
