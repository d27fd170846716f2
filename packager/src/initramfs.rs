//! Plan -> bytes: the archives, compressed, between those that the recipe puts before and behind them.
//!
//! The kernel unpacks several archives in a row, each compressed in its own way or not at all; what comes later replaces
//! what came before. An uncompressed one begins at a multiple of 4 (`init/initramfs.c`); here, of 512.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use codec::file::ReadError;
use codec::{EncodeError, Format};
use rayon::prelude::*;

use crate::cache::{self, Cache, Key};
use crate::compression::Compression;
use crate::cpio::{self, Archive, WriteError};
use crate::finding::Report;
use crate::inspect::check::{Booted, check, check_plan};
use crate::inspect::{self, InspectError};
use crate::plan::Data;
use crate::recipe::Segments;
use crate::timing::Timings;
use crate::{Plan, Recipe};

/// The kernel must hold it in memory, twice.
const SEGMENT_LIMIT: u64 = 2 << 30;

/// As many as ever stand between two archives.
const ZEROS: [u8; 516] = [0; 516];

/// A finished image: in pieces, of which the files' contents lie where the plan has them.
#[derive(Debug)]
pub struct Initramfs<'plan> {
    parts: Vec<Part<'plan>>,
    /// What the cache shall keep.
    fresh: Vec<(Key, Data)>,
    /// The size of its own archives before compression, in bytes.
    pub unpacked: usize,
}

/// What an image is made of, in order.
#[derive(Debug)]
enum Part<'plan> {
    /// An archive that was there before: the microcode's, or one that the recipe names.
    Given(Data),
    /// An archive of the plan.
    Archive(Archive<&'plan Data>),
    /// Compressed archives of the plan.
    Compressed(Data),
    /// Zeros between archives.
    Zeros(&'static [u8]),
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
    /// A compressor's stream does not give back what went in.
    #[error(
        "the {format} stream just made does not decode to what was compressed: this machine's memory or processor is at fault; test them, or choose another --compress"
    )]
    Unsound {
        /// How it is compressed.
        format: Format,
    },
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

impl<'plan> Initramfs<'plan> {
    /// Writes the plan's archives, compresses them, and joins them with the recipe's other archives.
    ///
    /// # Errors
    /// See [`InitramfsError`].
    pub fn new(
        plan: &'plan Plan,
        recipe: &Recipe,
        timings: &mut Timings,
    ) -> Result<Self, InitramfsError> {
        Self::with_cache(plan, recipe, None, timings)
    }

    /// As [`new`](Self::new), with the same bytes; what the cache has is not compressed again. What it lacks is for
    /// [`keep`](Self::keep).
    ///
    /// # Errors
    /// See [`InitramfsError`].
    pub fn with_cache(
        plan: &'plan Plan,
        recipe: &Recipe,
        cache: Option<&Cache>,
        timings: &mut Timings,
    ) -> Result<Self, InitramfsError> {
        let archives = timings.measure("archive", || archives(plan, recipe))?;
        let mut image = Self {
            parts: Vec::new(),
            fresh: Vec::new(),
            unpacked: archives.iter().map(Archive::length).sum(),
        };
        let own = timings.measure("compression", || {
            if let Some(cache) = cache.filter(|_| plan.compression.format.is_some()) {
                let data: Vec<_> = plan.items().map(|(_, item)| &item.data).collect();
                cache.tell_hashes(&data, plan.begun);
            }
            let parts = archives.into_par_iter();
            let parts = parts.map(|archive| compress(archive, plan.compression, cache));
            parts.collect::<Result<Vec<_>, _>>()
        })?;
        let (own, fresh): (Vec<_>, Vec<_>) = own.into_iter().unzip();
        image.fresh = fresh.into_iter().flatten().collect();
        match image.assemble(plan, recipe, own) {
            Ok(()) => Ok(image),
            Err(error) => {
                // Another limit, or another archive beside them, and they are wanted again.
                if let Some(cache) = cache {
                    image.keep(cache);
                }
                Err(error)
            }
        }
    }

    /// Puts the plan's own archives between the others.
    fn assemble(
        &mut self,
        plan: &Plan,
        recipe: &Recipe,
        own: Vec<Part<'plan>>,
    ) -> Result<(), InitramfsError> {
        self.join(plan.early.iter().cloned().map(Part::Given));
        for path in &recipe.prepend {
            self.join([Part::Given(segment(path)?)]);
        }
        // Nothing stands between these: where zeros follow a member, gunzip(1) and others end.
        self.join(own);
        for path in &recipe.append {
            self.join([Part::Given(segment(path)?)]);
        }
        match recipe.size_limit {
            Some(limit) if self.length() as u64 > limit => Err(InitramfsError::TooLarge {
                length: self.length(),
                limit,
            }),
            _ => Ok(()),
        }
    }

    /// The size of the image, in bytes.
    pub fn length(&self) -> usize {
        self.parts.iter().map(Part::length).sum()
    }

    /// Writes the image: what the boot loader gives to the kernel.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write_to(&self, out: impl Write) -> io::Result<()> {
        cpio::write_all(out, &self.pieces())
    }

    /// Keeps what had to be compressed.
    pub fn keep(&self, cache: &Cache) {
        for (key, bytes) in &self.fresh {
            cache.put(key, bytes);
        }
        cache.tidy();
    }

    /// The image's bytes in a row.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pieces().concat()
    }

    /// What `packager check` says of the image. [`Plan::check`] says the same without it, where it can.
    pub fn check(&self, kernel: Booted<'_>) -> Report {
        check(&self.to_bytes(), kernel)
    }

    fn pieces(&self) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        for part in &self.parts {
            match part {
                Part::Given(bytes) => pieces.push(&**bytes),
                Part::Archive(archive) => pieces.extend(archive.pieces()),
                Part::Compressed(bytes) => pieces.push(bytes),
                Part::Zeros(zeros) => pieces.push(zeros),
            }
        }
        pieces
    }

    /// Appends archives, compressed or not, from a multiple of 512 on. There are zeros before them, since the kernel would take
    /// what follows an lz4 container at once for its next block (`lib/decompress_unlz4.c`).
    fn join(&mut self, parts: impl IntoIterator<Item = Part<'plan>>) {
        let mut parts = parts.into_iter().peekable();
        let length = self.length();
        if length > 0 && parts.peek().is_some() {
            let next = start_behind(0, length as u64).unwrap_or_default();
            let zeros = (next as usize).saturating_sub(length);
            self.parts.push(Part::Zeros(&ZEROS[..zeros]));
        }
        self.parts.extend(parts);
    }
}

impl Plan {
    /// What `packager check` will say of the image, without unpacking what will be packed: the plan has the files, and each stream is
    /// compared with them when it is compressed. `None` where other archives [join in](Self::is_joined).
    pub fn check(&self, recipe: &Recipe, kernel: Booted<'_>) -> Option<Report> {
        (!self.is_joined(recipe)).then(|| check_plan(self, kernel))
    }

    /// Whether the image has archives that are not the plan's own.
    pub fn is_joined(&self, recipe: &Recipe) -> bool {
        self.early.is_some() || !recipe.prepend.is_empty() || !recipe.append.is_empty()
    }
}

/// Where an archive begins behind one that begins at `start` and has `size` bytes; `None` where no file is as long.
pub(crate) fn start_behind(start: u64, size: u64) -> Option<u64> {
    let end = start.checked_add(size)?.checked_add(4)?;
    end.checked_next_multiple_of(512)
}

impl Part<'_> {
    fn length(&self) -> usize {
        match self {
            Part::Given(bytes) => bytes.len(),
            Part::Archive(archive) => archive.length(),
            Part::Compressed(bytes) => bytes.len(),
            Part::Zeros(zeros) => zeros.len(),
        }
    }
}

/// The image's own archives. Without a compressor there is nothing to gain from several.
fn archives<'plan>(
    plan: &'plan Plan,
    recipe: &Recipe,
) -> Result<Vec<Archive<&'plan Data>>, WriteError> {
    if plan.compression.format.is_none() {
        plan.items().for_each(|(_, item)| item.data.populate());
    }
    if plan.compression.format.is_none() || recipe.segments == Segments::One {
        return Ok(vec![plan.archive_in_pieces(recipe.archive)?]);
    }
    let write = |paths: &Vec<&'plan str>| plan.archive_of(paths, recipe.archive);
    plan.segments().iter().map(write).collect()
}

/// What the cache has, or the compressor's work, which the cache shall keep.
fn compress<'plan>(
    archive: Archive<&'plan Data>,
    compression: Compression,
    cache: Option<&Cache>,
) -> Result<(Part<'plan>, Option<(Key, Data)>), InitramfsError> {
    let Some(format) = compression.format else {
        return Ok((Part::Archive(archive), None));
    };
    let pieces = archive.pieces();
    let cached = cache.map(|cache| (cache, cache::key(&archive, compression)));
    if let Some((cache, key)) = &cached
        && let Some(bytes) = cache.get(key)
    {
        return Ok((Part::Compressed(bytes), None));
    }
    let bytes = codec::encode_parts(&pieces, format, compression.level)?;
    if !codec::decodes_to(&bytes, &pieces) {
        return Err(InitramfsError::Unsound { format });
    }
    let bytes = Data::from(bytes);
    let fresh = cached.map(|(_, key)| (key, bytes.clone()));
    Ok((Part::Compressed(bytes), fresh))
}

/// A file that the kernel can read as a part of an initramfs, to its last entry.
fn segment(path: &Path) -> Result<Data, InitramfsError> {
    let bytes = Data::read(path, SEGMENT_LIMIT)?;
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
