//! Images as input.

use std::fs::File;
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
    let message = format_args!("`{}`: {error}", path.display());
    match error {
        InspectError::Read { .. } => Failure::machine(message),
        _ => Failure::input(message),
    }
}
