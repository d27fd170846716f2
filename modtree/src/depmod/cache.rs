//! What was read of each module and each directory, kept for the next run (`--incremental`).
//!
//! One file beside the indexes. What is kept of a module is used again if its file has the same device, inode, size,
//! modification time and change time as when it was read; [`listing`](super::listing) tells of directories. What was changed
//! at about the time of that reading may change again without a new change time (clocks of file systems tick slowly), so
//! it is read again, as git does it. Damaged modules are not kept. [`reuse`](super::reuse) tells what else is used again.
//! The file may be deleted at any time; a corrupt one, or one of another version, counts as missing.
//!
//! A run with few changes adds a segment, and what it says of a place holds from then on. Each knows the one before it by its
//! checksum: of two runs at a time, the segment that comes second follows none, and is not believed.
//!
//! ```text
//! segment      "modtree\0"  version u32  length u64
//! before u64                              the checksum of the segment before it
//! time i64                                when the files were looked at, in ns
//! basis        order u64  exports u64  aliases u64
//! directories  count u32                  each: place  stamp  listing
//! modules      count u32                  each: place  stamp  line u32  aliases  softdeps  weakdeps  needs  imports  exports
//!                                         fingerprints u64 of the aliases and of the exports
//! names                                   imported symbols, each once, each ended by NUL
//! outputs      count u32                  each: name  fingerprint u64
//! checksum u64                            over everything before it in the segment
//! ```
//! Numbers are little-endian, a stamp is five of 64 bits; everything else is a string, its length (u32) before it. In the
//! first segment, imports are numbers (u32) of names: many modules import the same few thousand symbols. In the others they
//! are names. Needs are numbers (u32) of modules.

mod write;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use codec::{Mapped, map};
use rayon::prelude::*;

use super::fingerprint::Fingerprint;
use super::reuse::Basis;
use super::stamp::Stamp;
use crate::elf::{Imports, Names, Record, ended};
use crate::fast_hash::FastMap;

pub(crate) use write::Update;
pub(super) use write::{Draft, Run};

/// The file's name in the output directory.
pub(super) const NAME: &str = "modules.modtree-cache";

const MAGIC: &[u8] = b"modtree\0";
/// To be raised with every change of the layout, of what a record holds, and of what the outputs are.
const VERSION: u32 = 4;
const LIMIT: u64 = 1 << 30;

/// The bytes of the cache in a directory; none where there is no such file.
pub(super) fn load(dir: &Path) -> Option<Mapped> {
    map(&dir.join(NAME), LIMIT).ok()
}

/// What earlier runs have kept.
#[derive(Debug, Default)]
pub(super) struct Cache<'a> {
    /// What the last run's outputs were made of.
    pub(super) basis: Basis,
    /// The last run's outputs.
    pub(super) outputs: Vec<(&'a [u8], Fingerprint)>,
    /// The symbols for which the imports of records have numbers, each ended by NUL.
    names: &'a [u8],
    directories: Vec<Directory<'a>>,
    modules: Vec<Kept<'a>>,
    /// The numbers of the directories and of the modules.
    places: [FastMap<&'a [u8], usize>; 2],
    chain: Chain,
}

/// How the file continues.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    /// The length of the first segment.
    first: usize,
    /// The length of all that are believed.
    length: usize,
    /// Whether there is nothing else.
    is_whole: bool,
    /// The last one's checksum.
    checksum: u64,
}

#[derive(Debug)]
struct Directory<'a> {
    place: &'a [u8],
    time: i64,
    stamp: Stamp,
    listing: &'a [u8],
}

#[derive(Debug)]
struct Kept<'a> {
    place: &'a [u8],
    time: i64,
    stamp: Stamp,
    line: u32,
    aliases: &'a [u8],
    softdeps: &'a [u8],
    weakdeps: &'a [u8],
    needs: &'a [[u8; 4]],
    /// Numbers of names in the first segment, names in the others.
    imports: &'a [u8],
    is_first: bool,
    exports: &'a [u8],
    prints: [Fingerprint; 2],
}

/// What files or directories look like now, by their numbers.
pub(super) type Looks = Vec<Option<Stamp>>;

impl<'a> Directory<'a> {
    fn parse(rest: &mut &'a [u8], time: i64) -> Option<Self> {
        Some(Self {
            time,
            place: string(rest)?,
            stamp: Stamp::parse(rest)?,
            listing: string(rest)?,
        })
    }
}

impl<'a> Kept<'a> {
    fn parse(rest: &mut &'a [u8], time: i64, is_first: bool) -> Option<Self> {
        Some(Self {
            time,
            place: string(rest)?,
            stamp: Stamp::parse(rest)?,
            line: u32::from_le_bytes(take(rest)?),
            aliases: string(rest)?,
            softdeps: string(rest)?,
            weakdeps: string(rest)?,
            needs: string(rest)?.as_chunks().0,
            imports: string(rest)?,
            is_first,
            exports: string(rest)?,
            prints: [Fingerprint::parse(rest)?, Fingerprint::parse(rest)?],
        })
    }
}

impl<'a> Cache<'a> {
    /// Takes the bytes of a cache, as far as they can be believed.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut cache = Self::default();
        let mut rest = bytes;
        while let Some(segment) = segment(rest, cache.chain.checksum) {
            // The checksum is right, and somebody has made it so.
            if cache.take_in(segment).is_none() {
                return Self::default();
            }
            rest = &rest[segment.len()..];
        }
        cache.chain.is_whole = rest.is_empty() && !bytes.is_empty();
        cache
    }

    fn take_in(&mut self, segment: &'a [u8]) -> Option<()> {
        let (body, sum) = segment.split_last_chunk()?;
        let mut rest = body.get(HEAD..)?;
        let time = i64::from_le_bytes(take(&mut rest)?);
        self.basis = Basis::parse(&mut rest)?;
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let directory = Directory::parse(&mut rest, time)?;
            let place = directory.place;
            put(&mut self.directories, &mut self.places[0], place, directory);
        }
        let count = u32::from_le_bytes(take(&mut rest)?);
        // No more than there is room for.
        let room = (count as usize).min(rest.len() / LEAST);
        self.modules.reserve(room);
        self.places[1].reserve(room);
        let is_first = self.chain.first == 0;
        for _ in 0..count {
            let kept = Kept::parse(&mut rest, time, is_first)?;
            let place = kept.place;
            put(&mut self.modules, &mut self.places[1], place, kept);
        }
        let names = string(&mut rest)?;
        if is_first {
            self.names = names;
        }
        self.outputs.clear();
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let name = string(&mut rest)?;
            self.outputs.push((name, Fingerprint::parse(&mut rest)?));
        }
        let first = match self.chain.first {
            0 => segment.len(),
            first => first,
        };
        self.chain = Chain {
            first,
            length: self.chain.length + segment.len(),
            is_whole: false,
            checksum: u64::from_le_bytes(*sum),
        };
        rest.is_empty().then_some(())
    }

    /// What all directories look like now.
    pub(super) fn look_at_directories(&self, dir: &Path) -> Looks {
        looks(dir, &self.directories, |known| known.place)
    }

    /// What the files of all modules look like now.
    pub(super) fn look_at_modules(&self, dir: &Path) -> Looks {
        looks(dir, &self.modules, |kept| kept.place)
    }

    /// How many modules are kept.
    pub(super) fn modules(&self) -> usize {
        self.modules.len()
    }

    /// The number of a directory.
    pub(super) fn directory(&self, place: &[u8]) -> Option<usize> {
        self.places[0].get(place).copied()
    }

    /// The listing of a directory that certainly has not changed.
    pub(super) fn listing(&self, number: usize, stamp: &Stamp) -> Option<&'a [u8]> {
        let known = self.directories.get(number)?;
        (known.stamp == *stamp && stamp.settled(known.time)).then_some(known.listing)
    }

    /// The number of a module that is kept, and its place there.
    pub(super) fn module(&self, place: &[u8]) -> Option<(usize, &'a [u8])> {
        let number = *self.places[1].get(place)?;
        Some((number, self.modules.get(number)?.place))
    }

    /// The record of a module whose file is certainly the one that was read.
    pub(super) fn record(&self, number: usize, stamp: &Stamp) -> Option<Record<'a>> {
        let kept = self.modules.get(number)?;
        (kept.stamp == *stamp && stamp.settled(kept.time)).then(|| Record {
            aliases: Names::from_bytes(kept.aliases),
            softdeps: Names::from_bytes(kept.softdeps),
            weakdeps: Names::from_bytes(kept.weakdeps),
            imports: match kept.is_first {
                true => Imports::Numbers(kept.imports.as_chunks().0),
                false => Imports::Names(Names::from_bytes(kept.imports)),
            },
            exports: Names::from_bytes(kept.exports),
            checks: None,
        })
    }

    /// A module's line in `modules.order` as of [`Basis::order`].
    pub(super) fn line(&self, number: usize) -> Option<u32> {
        self.modules.get(number).map(|kept| kept.line)
    }

    /// The numbers of the modules that a module needs, in the order of the last run.
    pub(super) fn needs(&self, number: usize) -> Option<&'a [[u8; 4]]> {
        self.modules.get(number).map(|kept| kept.needs)
    }

    /// The fingerprints of a module's aliases and of its exports.
    pub(super) fn prints(&self, number: usize) -> Option<[Fingerprint; 2]> {
        self.modules.get(number).map(|kept| kept.prints)
    }

    /// All symbols that modules in the cache import.
    pub(super) fn imports(&self) -> impl Iterator<Item = &'a [u8]> {
        let later = self.modules.iter().filter(|kept| !kept.is_first);
        self.names()
            .chain(later.flat_map(|kept| ended(kept.imports)))
    }

    /// The symbols for which the imports of records have numbers.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        ended(self.names)
    }
}

fn looks<T: Sync>(dir: &Path, all: &[T], place: impl Fn(&T) -> &[u8] + Sync) -> Looks {
    let Ok(dir) = File::open(dir) else {
        return Looks::default();
    };
    let look = |one| Stamp::at(dir.as_fd(), place(one));
    all.par_iter().map(look).collect()
}

/// Puts what is known of a place into a list, instead of what was known of it before.
fn put<'a, T>(all: &mut Vec<T>, places: &mut FastMap<&'a [u8], usize>, place: &'a [u8], new: T) {
    let number = *places.entry(place).or_insert(all.len());
    match all.get_mut(number) {
        Some(old) => *old = new,
        None => all.push(new),
    }
}

/// The length of a module of which nothing is known.
const LEAST: usize = 88;

/// The length of a segment's head: up to the checksum of the one before it.
const HEAD: usize = 28;

/// The segment at the beginning of some bytes, if it is sound and follows the one with the checksum `before`.
fn segment(bytes: &[u8], before: u64) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    if u32::from_le_bytes(take(&mut rest)?) != VERSION {
        return None;
    }
    let length = usize::try_from(u64::from_le_bytes(take(&mut rest)?)).ok()?;
    if u64::from_le_bytes(take(&mut rest)?) != before {
        return None;
    }
    let segment = bytes.get(..length)?;
    let (body, sum) = segment.split_last_chunk()?;
    (body.len() >= HEAD && u64::from_le_bytes(*sum) == Fingerprint::of(body).0).then_some(segment)
}

pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*bytes)
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (string, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(string)
}
