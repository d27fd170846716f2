//! Images as input.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cli::Failure;
use codec::Mapped;
use packager::inspect::{Files, InspectError, Segment, segments};

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
    let segments = segments(&bytes).map_err(|error| at_fault(path, error))?;
    let files = Files::new(&segments).map_err(|error| at_fault(path, error))?;
    work(&segments, &files)
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
    let mut sector = [0; 512];
    let file = File::open(path).ok()?;
    file.read_exact_at(&mut sector, 0).ok()?;
    if sector.starts_with(b"MZ") {
        return Some("a kernel or an EFI program, which `packager check` looks into");
    }
    let is_disk = sector.ends_with(&[0x55, 0xAA]);
    is_disk.then_some("a disk image, which `packager check`, `boot` and `write` take")
}
