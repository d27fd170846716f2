//! Plan -> bytes: the archive, compressed, between the archives that the recipe puts before and behind it.
//!
//! The kernel unpacks several archives in a row, each compressed in its own way or not at all; what comes later replaces
//! what came before. An uncompressed one begins at a multiple of 4 (`init/initramfs.c`); here, of 512.

use std::path::{Path, PathBuf};

use codec::EncodeError;
use codec::file::ReadError;

use crate::cpio::WriteError;
use crate::inspect::{self, InspectError};
use crate::timing::Timings;
use crate::{Plan, Recipe};

/// The kernel must hold it in memory, twice.
const SEGMENT_LIMIT: u64 = 2 << 30;

/// A finished image.
#[derive(Clone, Debug)]
pub struct Initramfs {
    /// What the boot loader gives to the kernel.
    pub bytes: Vec<u8>,
    /// The size of its own archive before compression, in bytes.
    pub unpacked: usize,
}

/// Why the image cannot be made of its plan.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// The archive cannot hold a file.
    #[error(transparent)]
    Archive(#[from] WriteError),
    /// The compressor refuses.
    #[error(transparent)]
    Compression(#[from] EncodeError),
    /// An archive to prepend or append cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An archive to prepend or append is none.
    #[error("`{}`: {source}", path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: InspectError,
    },
    /// The image is larger than the recipe allows.
    #[error(
        "the image has {length} bytes, and the recipe allows {limit}; leave modules or files out, or choose a stronger --compress"
    )]
    TooLarge {
        /// Its size in bytes.
        length: usize,
        /// The limit in bytes.
        limit: u64,
    },
}

impl Initramfs {
    /// Writes the plan's archive, compresses it, and joins it with the recipe's other archives.
    ///
    /// # Errors
    /// See [`InitramfsError`].
    pub fn new(
        plan: &Plan,
        recipe: &Recipe,
        timings: &mut Timings,
    ) -> Result<Self, InitramfsError> {
        let archive = timings.measure("archive", || plan.archive(recipe.archive))?;
        let unpacked = archive.len();
        let own = timings.measure("compression", || recipe.compression.apply(archive))?;
        let mut bytes = Vec::new();
        for path in &recipe.prepend {
            join(&mut bytes, &segment(path)?);
        }
        if bytes.is_empty() {
            bytes = own;
        } else {
            join(&mut bytes, &own);
        }
        for path in &recipe.append {
            join(&mut bytes, &segment(path)?);
        }
        match recipe.size_limit {
            Some(limit) if bytes.len() as u64 > limit => Err(InitramfsError::TooLarge {
                length: bytes.len(),
                limit,
            }),
            _ => Ok(Self { bytes, unpacked }),
        }
    }
}

/// A file that the kernel can read as a part of an initramfs, to its last entry.
fn segment(path: &Path) -> Result<Vec<u8>, InitramfsError> {
    let bytes = codec::file::read(path, SEGMENT_LIMIT)?;
    inspect::segments(&bytes)
        .and_then(|segments| {
            segments
                .iter()
                .try_for_each(|segment| segment.entries().try_for_each(|entry| entry.map(|_| ())))
        })
        .map_err(|source| InitramfsError::Segment {
            path: path.to_path_buf(),
            source,
        })?;
    Ok(bytes)
}

fn join(bytes: &mut Vec<u8>, segment: &[u8]) {
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend_from_slice(segment);
}
