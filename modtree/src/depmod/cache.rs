//! What was read of each module and each directory, kept for the next run (`--incremental`).
//!
//! One file beside the indexes. What is kept of a module is used again if its file has the same device, inode, size,
//! modification time and change time as when it was read; [`listing`](super::listing) tells of directories. What was changed
//! at about the time of that reading may change again without a new change time (clocks of file systems tick slowly), so
//! it is read again, as git does it. Damaged modules are not kept. The file may be deleted at any time; a corrupt one, or
//! one of another version, counts as missing.
//!
//! ```text
//! "modtree\0"  version u32  time i64      when the files were looked at, in ns
//! directories  count u32                  each: place  stamp  listing
//! modules      count u32                  each: place  stamp  aliases  softdeps  weakdeps  imports  exports
//! names                                   all imported symbols, each once, each ended by NUL
//! checksum u64                            over everything before it
//! ```
//! Numbers are little-endian, a stamp is five of 64 bits; everything else is a string, its length (u32) before it. Imports
//! are numbers (u32) of names: many modules import the same few thousand symbols.

use std::fs::File;
use std::hash::Hasher;
use std::os::fd::AsFd;
use std::path::Path;

use codec::file::read;
use rayon::prelude::*;

use super::listing::Listings;
use super::record::All;
use super::stamp::Stamp;
use crate::elf::{Imports, Names, Record};
use crate::fast_hash::{FastMap, Folded};
use crate::index::set::Item;

/// The file's name in the output directory.
pub(super) const NAME: &str = "modules.modtree-cache";

const MAGIC: &[u8] = b"modtree\0";
/// To be raised with every change of the layout, and of what a record holds.
const VERSION: u32 = 3;
const LIMIT: u64 = 1 << 30;

/// The bytes of the cache in a directory; none where there is no such file.
pub(super) fn load(dir: &Path) -> Vec<u8> {
    read(&dir.join(NAME), LIMIT).unwrap_or_default()
}

/// What an earlier run has kept, by place.
#[derive(Debug, Default)]
pub(super) struct Cache<'a> {
    time: i64,
    names: Vec<&'a [u8]>,
    listings: FastMap<&'a [u8], (Stamp, &'a [u8])>,
    modules: Vec<Kept<'a>>,
    /// The numbers of the modules.
    places: FastMap<&'a [u8], usize>,
}

#[derive(Debug)]
struct Kept<'a> {
    place: &'a [u8],
    stamp: Stamp,
    aliases: &'a [u8],
    softdeps: &'a [u8],
    weakdeps: &'a [u8],
    imports: &'a [[u8; 4]],
    exports: &'a [u8],
}

impl<'a> Cache<'a> {
    /// Takes the bytes of a cache; an empty one where they cannot be believed.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self::parse(bytes).unwrap_or_default()
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk()?;
        if u64::from_le_bytes(*sum) != checksum(body) {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        if u32::from_le_bytes(take(&mut rest)?) != VERSION {
            return None;
        }
        let mut cache = Self {
            time: i64::from_le_bytes(take(&mut rest)?),
            ..Self::default()
        };
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let place = string(&mut rest)?;
            let stamp = Stamp::parse(&mut rest)?;
            cache.listings.insert(place, (stamp, string(&mut rest)?));
        }
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let kept = Kept {
                place: string(&mut rest)?,
                stamp: Stamp::parse(&mut rest)?,
                aliases: string(&mut rest)?,
                softdeps: string(&mut rest)?,
                weakdeps: string(&mut rest)?,
                imports: string(&mut rest)?.as_chunks().0,
                exports: string(&mut rest)?,
            };
            cache.places.insert(kept.place, cache.modules.len());
            cache.modules.push(kept);
        }
        let mut names = string(&mut rest)?;
        while let Some(end) = memchr::memchr(0, names) {
            cache.names.push(&names[..end]);
            names = &names[end + 1..];
        }
        rest.is_empty().then_some(cache)
    }

    /// The listing of a directory that certainly has not changed.
    pub(super) fn listing(&self, place: &[u8], stamp: &Stamp) -> Option<&'a [u8]> {
        let (known, listing) = self.listings.get(place)?;
        (known == stamp && stamp.settled(self.time)).then_some(listing)
    }

    /// What the files of all modules look like now. To be called beside the walk that finds out which of them are there.
    pub(super) fn look(&self, dir: &Path) -> Vec<Option<Stamp>> {
        let Ok(dir) = File::open(dir) else {
            return vec![None; self.modules.len()];
        };
        let all = self.modules.par_iter();
        all.map(|kept| Stamp::at(dir.as_fd(), kept.place)).collect()
    }

    /// What [`look`](Self::look) saw of a module.
    pub(super) fn seen(&self, looks: &[Option<Stamp>], place: &[u8]) -> Option<Stamp> {
        *looks.get(*self.places.get(place)?)?
    }

    /// The record of a module whose file is certainly the one that was read.
    pub(super) fn record(&self, place: &[u8], stamp: &Stamp) -> Option<Record<'_>> {
        let kept = self.modules.get(*self.places.get(place)?)?;
        (kept.stamp == *stamp && stamp.settled(self.time)).then(|| Record {
            aliases: Names::from_bytes(kept.aliases),
            softdeps: Names::from_bytes(kept.softdeps),
            weakdeps: Names::from_bytes(kept.weakdeps),
            imports: Imports::Numbers {
                numbers: kept.imports,
                names: &self.names,
            },
            exports: Names::from_bytes(kept.exports),
            checks: None,
        })
    }

    /// The symbols for which the imports of records have numbers.
    pub(super) fn names(&self) -> &[&'a [u8]] {
        &self.names
    }
}

/// Makes the cache for the next run. `time` is from before the files were looked at; a module without a stamp is left out.
pub(super) fn write(
    time: i64,
    cache: &Cache<'_>,
    listings: &Listings<'_>,
    all: &All<'_>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(size(all, listings));
    out.extend_from_slice(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend(time.to_le_bytes());
    out.extend((listings.seen.len() as u32).to_le_bytes());
    for (place, stamp, listing) in &listings.seen {
        put(&mut out, place);
        stamp.write(&mut out);
        put(&mut out, &listing.bytes);
    }
    let stamped = all.items.iter().zip(&all.stamps);
    let stamped = stamped.filter_map(|(item, stamp)| Some((item, stamp.as_ref()?)));
    out.extend((stamped.clone().count() as u32).to_le_bytes());
    let mut names = Numbered::new(cache.names());
    for (item, stamp) in stamped {
        module(item, stamp, &mut names, &mut out);
    }
    put(&mut out, &names.bytes);
    let sum = checksum(&out);
    out.extend(sum.to_le_bytes());
    out
}

/// Room for a cache, so that it need not be moved while it grows.
fn size(all: &All<'_>, listings: &Listings<'_>) -> usize {
    let records = all.items.iter().map(|item| {
        let record = &item.record;
        let imports = match &record.imports {
            Imports::Numbers { numbers, .. } => numbers.as_flattened(),
            Imports::Names(names) => names.as_bytes(),
        };
        let parts = [
            record.aliases.as_bytes(),
            record.exports.as_bytes(),
            imports,
            &item.place,
        ];
        parts.map(<[u8]>::len).into_iter().sum::<usize>() + 128
    });
    let directories = listings.seen.iter();
    let directories = directories.map(|(place, _, listing)| place.len() + listing.bytes.len() + 64);
    records.sum::<usize>() + directories.sum::<usize>() + (1 << 20)
}

fn module<'a>(item: &'a Item<'_>, stamp: &Stamp, names: &mut Numbered<'a>, out: &mut Vec<u8>) {
    put(out, &item.place);
    stamp.write(out);
    for names in [
        &item.record.aliases,
        &item.record.softdeps,
        &item.record.weakdeps,
    ] {
        put(out, names.as_bytes());
    }
    match &item.record.imports {
        Imports::Numbers { numbers, .. } => put(out, numbers.as_flattened()),
        Imports::Names(imports) => {
            let numbers = imports.iter().map(|name| names.number(name));
            put(out, numbers.collect::<Vec<_>>().as_flattened());
        }
    }
    put(out, item.record.exports.as_bytes());
}

/// Names with numbers: those that have them already, and more behind.
struct Numbered<'a> {
    bytes: Vec<u8>,
    known: &'a [&'a [u8]],
    numbers: FastMap<&'a [u8], u32>,
}

impl<'a> Numbered<'a> {
    fn new(known: &'a [&'a [u8]]) -> Self {
        let mut all = Self {
            bytes: Vec::new(),
            known,
            numbers: FastMap::default(),
        };
        known.iter().for_each(|name| all.put(name));
        all
    }

    fn put(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
    }

    fn number(&mut self, name: &'a [u8]) -> [u8; 4] {
        if self.numbers.is_empty() {
            self.numbers = self.known.iter().copied().zip(0..).collect();
        }
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.put(name);
        }
        number.to_le_bytes()
    }
}

/// Puts a string behind its length.
fn put(out: &mut Vec<u8>, string: &[u8]) {
    out.extend((string.len() as u32).to_le_bytes());
    out.extend_from_slice(string);
}

/// Finds damage, not malice: who can write the cache can write the indexes.
///
/// Four sums, each of every fourth 8 bytes, since a processor multiplies several numbers at a time.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let mut lanes = [Folded::fixed(); 4];
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks().0) {
            lane.write_u64(u64::from_le_bytes(*word));
        }
    }
    let mut all = Folded::fixed();
    lanes.iter().for_each(|lane| all.write_u64(lane.finish()));
    all.write(rest);
    all.finish()
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
