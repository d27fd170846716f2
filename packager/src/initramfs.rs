//! Plan -> bytes: the archives, compressed, between those that the recipe puts before and behind them.
//!
//! The kernel unpacks several archives in a row, each compressed in its own way or not at all; what comes later replaces
//! what came before. An uncompressed one begins at a multiple of 4 (`init/initramfs.c`); here, of 512.

use std::path::{Path, PathBuf};

use codec::EncodeError;
use codec::file::ReadError;
use rayon::prelude::*;

use crate::cache::{self, Cache};
use crate::compression::Compression;
use crate::cpio::WriteError;
use crate::inspect::{self, InspectError};
use crate::recipe::Segments;
use crate::timing::Timings;
use crate::{Plan, Recipe};

/// The kernel must hold it in memory, twice.
const SEGMENT_LIMIT: u64 = 2 << 30;

/// A finished image.
#[derive(Clone, Debug)]
pub struct Initramfs {
    /// What the boot loader gives to the kernel.
    pub bytes: Vec<u8>,
    /// The size of its own archives before compression, in bytes.
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
    /// Writes the plan's archives, compresses them, and joins them with the recipe's other archives.
    ///
    /// # Errors
    /// See [`InitramfsError`].
    pub fn new(
        plan: &Plan,
        recipe: &Recipe,
        timings: &mut Timings,
    ) -> Result<Self, InitramfsError> {
        Self::with_cache(plan, recipe, None, timings)
    }

    /// As [`new`](Self::new), with the same bytes; what the cache has is not compressed again.
    ///
    /// # Errors
    /// See [`InitramfsError`].
    pub fn with_cache(
        plan: &Plan,
        recipe: &Recipe,
        cache: Option<&Cache>,
        timings: &mut Timings,
    ) -> Result<Self, InitramfsError> {
        let archives = timings.measure("archive", || archives(plan, recipe))?;
        let unpacked = archives.iter().map(Vec::len).sum();
        let own = timings.measure("compression", || {
            archives
                .into_par_iter()
                .map(|archive| compress(archive, plan.compression, cache))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let mut image = Image::default();
        if let Some(early) = &plan.early {
            image.join(early.clone());
        }
        for path in &recipe.prepend {
            image.join(segment(path)?);
        }
        image.join_all(own);
        for path in &recipe.append {
            image.join(segment(path)?);
        }
        let bytes = image.bytes;
        match recipe.size_limit {
            Some(limit) if bytes.len() as u64 > limit => Err(InitramfsError::TooLarge {
                length: bytes.len(),
                limit,
            }),
            _ => Ok(Self { bytes, unpacked }),
        }
    }
}

/// The image's own archives. Without a compressor there is nothing to gain from several.
fn archives(plan: &Plan, recipe: &Recipe) -> Result<Vec<Vec<u8>>, WriteError> {
    if plan.compression.format.is_none() || recipe.segments == Segments::One {
        return Ok(vec![plan.archive(recipe.archive)?]);
    }
    let write = |paths: &Vec<&str>| plan.archive_of(paths, recipe.archive);
    plan.segments().par_iter().map(write).collect()
}

/// What the cache has, or the compressor's work, which the cache keeps.
fn compress(
    archive: Vec<u8>,
    compression: Compression,
    cache: Option<&Cache>,
) -> Result<Vec<u8>, EncodeError> {
    let Some(cache) = cache.filter(|_| compression.format.is_some()) else {
        return compression.apply(archive);
    };
    let key = cache::key(&archive, compression);
    if let Some(bytes) = cache.get(&key) {
        return Ok(bytes);
    }
    let bytes = compression.apply(archive)?;
    cache.put(&key, &bytes);
    Ok(bytes)
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

/// An image that grows.
#[derive(Default)]
struct Image {
    bytes: Vec<u8>,
}

impl Image {
    /// Appends an archive, compressed or not, from a multiple of 512 on. There are zeros before it, since the kernel would take
    /// what follows an lz4 container at once for its next block (`lib/decompress_unlz4.c`).
    fn join(&mut self, segment: Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = segment;
            return;
        }
        let end = (self.bytes.len() + 4).next_multiple_of(512);
        self.bytes.resize(end, 0);
        self.bytes.extend_from_slice(&segment);
    }

    /// Appends the image's own archives with nothing between them: where zeros follow a member, gunzip(1) and others end.
    fn join_all(&mut self, segments: Vec<Vec<u8>>) {
        let mut segments = segments.into_iter();
        if let Some(first) = segments.next() {
            self.join(first);
        }
        for segment in segments {
            self.bytes.extend_from_slice(&segment);
        }
    }
}
