//! Keeping what a run has read, and what it made.

use super::super::fingerprint::Fingerprint;
use super::super::listing::Listings;
use super::super::reuse::{Basis, Reuse};
use super::super::stamp::Stamp;
use super::{Cache, HEAD, MAGIC, VERSION};
use crate::elf::Imports;
use crate::fast_hash::FastMap;
use crate::index::set::{Item, Needs};

/// What is to become of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// It says everything.
    Nothing,
    /// These bytes come behind the ones that are there, so many.
    Append(u64, Vec<u8>),
    /// These are its bytes.
    Whole(Vec<u8>),
}

/// What a run knows before it makes its outputs.
pub(in crate::depmod) struct Run<'a> {
    /// From before the files were looked at.
    pub(in crate::depmod) time: i64,
    /// With the modules, of which one without a stamp is not kept.
    pub(in crate::depmod) reuse: &'a Reuse<'a>,
    pub(in crate::depmod) lines: &'a [u32],
    pub(in crate::depmod) needs: &'a Needs,
    pub(in crate::depmod) listings: &'a Listings<'a>,
}

/// A segment without its outputs.
pub(in crate::depmod) struct Draft {
    bytes: Vec<u8>,
    /// The length of what is before it.
    behind: usize,
    /// Whether it holds modules or directories.
    is_news: bool,
}

impl Draft {
    /// A segment with what is new, else, where that would be most of it, a new file.
    pub(in crate::depmod) fn new(cache: &Cache<'_>, run: &Run<'_>) -> Self {
        let added = run.is_continued(cache).then(|| Self::of(cache, run, true));
        let chain = &cache.chain;
        // A file that has grown by a quarter is read for nothing, as much.
        let room = (chain.first + chain.first / 4).saturating_sub(chain.length);
        match added.filter(|added| added.bytes.len() <= room) {
            Some(added) => added,
            None => Self::of(cache, run, false),
        }
    }

    fn of(cache: &Cache<'_>, run: &Run<'_>, is_added: bool) -> Self {
        let (behind, before) = match is_added {
            true => (cache.chain.length, cache.chain.checksum),
            false => (0, 0),
        };
        let modules = run.modules(is_added);
        let mut bytes = Vec::with_capacity(run.size(&modules));
        bytes.extend_from_slice(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(before.to_le_bytes());
        debug_assert_eq!(bytes.len(), HEAD);
        bytes.extend(run.time.to_le_bytes());
        run.reuse.basis.write(&mut bytes);
        let seen = run.listings.seen.iter();
        let seen: Vec<_> = seen.filter(|seen| !(is_added && seen.is_kept)).collect();
        bytes.extend((seen.len() as u32).to_le_bytes());
        for seen in &seen {
            put(&mut bytes, &seen.place);
            seen.stamp.write(&mut bytes);
            put(&mut bytes, &seen.listing.bytes);
        }
        bytes.extend((modules.len() as u32).to_le_bytes());
        let mut names = (!is_added).then(|| Numbered::new(cache));
        for &(number, stamp) in &modules {
            run.module(number, stamp, names.as_mut(), &mut bytes);
        }
        put(
            &mut bytes,
            &names.map(|names| names.bytes).unwrap_or_default(),
        );
        Self {
            bytes,
            behind,
            is_news: !seen.is_empty() || !modules.is_empty(),
        }
    }

    /// With the outputs that are kept.
    pub(in crate::depmod) fn finish(
        self,
        cache: &Cache<'_>,
        basis: &Basis,
        outputs: &[(&str, Fingerprint)],
    ) -> Update {
        let known = cache.outputs.iter().map(|(name, output)| (*name, *output));
        let is_known = known.eq(outputs
            .iter()
            .map(|(name, output)| (name.as_bytes(), *output)));
        if self.behind > 0 && !self.is_news && is_known && cache.basis == *basis {
            return Update::Nothing;
        }
        let mut bytes = self.bytes;
        bytes.extend((outputs.len() as u32).to_le_bytes());
        for (name, output) in outputs {
            put(&mut bytes, name.as_bytes());
            output.write(&mut bytes);
        }
        let length = bytes.len() as u64 + 8;
        bytes[LENGTH..LENGTH + 8].copy_from_slice(&length.to_le_bytes());
        Fingerprint::of(&bytes).write(&mut bytes);
        match self.behind {
            0 => Update::Whole(bytes),
            behind => Update::Append(behind as u64, bytes),
        }
    }
}

/// Where a segment's length stands.
const LENGTH: usize = 12;

impl Run<'_> {
    /// Whether a segment behind the others would do.
    fn is_continued(&self, cache: &Cache<'_>) -> bool {
        let kept = self.reuse.all.kept.iter().flatten().count();
        // What is not there any more is looked at in vain.
        self.reuse.is_right() && cache.chain.is_whole && kept + kept / 8 >= cache.modules.len()
    }

    /// The numbers of the modules to be written.
    fn modules(&self, is_added: bool) -> Vec<(usize, &Stamp)> {
        let all = self.reuse.all;
        let stamps = all.stamps.iter().zip(&all.kept).enumerate();
        let wanted = stamps.filter(|(_, (_, kept))| !(is_added && kept.is_some()));
        wanted
            .filter_map(|(number, (stamp, _))| Some((number, stamp.as_ref()?)))
            .collect()
    }

    fn item(&self, number: usize) -> &Item<'_> {
        &self.reuse.all.items[number]
    }

    /// Room for a segment, so that it need not be moved while it grows.
    fn size(&self, modules: &[(usize, &Stamp)]) -> usize {
        let records = modules.iter().map(|&(number, _)| {
            let Item { place, record, .. } = self.item(number);
            let imports = match &record.imports {
                Imports::Numbers(numbers) => numbers.as_flattened(),
                Imports::Names(names) => names.as_bytes(),
            };
            let (aliases, exports) = (record.aliases.as_bytes(), record.exports.as_bytes());
            let parts = [aliases, exports, imports, place].map(<[u8]>::len);
            parts.into_iter().sum::<usize>() + 4 * self.needs.of(number).len() + 128
        });
        records.sum::<usize>() + (1 << 16)
    }

    /// Writes a module, with numbers for its imports where names are collected.
    fn module<'a>(
        &'a self,
        number: usize,
        stamp: &Stamp,
        names: Option<&mut Numbered<'a>>,
        out: &mut Vec<u8>,
    ) {
        let Item { place, record, .. } = self.item(number);
        put(out, place);
        stamp.write(out);
        out.extend(self.lines[number].to_le_bytes());
        for names in [&record.aliases, &record.softdeps, &record.weakdeps] {
            put(out, names.as_bytes());
        }
        let needs = self.needs.of(number).iter();
        let needs: Vec<[u8; 4]> = needs.map(|needed| needed.to_le_bytes()).collect();
        put(out, needs.as_flattened());
        match (&record.imports, names) {
            (Imports::Numbers(numbers), _) => put(out, numbers.as_flattened()),
            (Imports::Names(imports), Some(names)) => {
                let numbers = imports.iter().map(|name| names.number(name));
                put(out, numbers.collect::<Vec<_>>().as_flattened());
            }
            (Imports::Names(imports), None) => put(out, imports.as_bytes()),
        }
        put(out, record.exports.as_bytes());
        for print in self.reuse.prints[number] {
            print.write(out);
        }
    }
}

/// Names with numbers: those that have them already, and more behind.
struct Numbered<'a> {
    bytes: Vec<u8>,
    numbers: FastMap<&'a [u8], u32>,
}

impl<'a> Numbered<'a> {
    fn new(cache: &Cache<'a>) -> Self {
        Self {
            bytes: cache.names.to_vec(),
            numbers: cache.names().zip(0..).collect(),
        }
    }

    fn number(&mut self, name: &'a [u8]) -> [u8; 4] {
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.bytes.extend_from_slice(name);
            self.bytes.push(0);
        }
        number.to_le_bytes()
    }
}

/// Puts a string behind its length.
fn put(out: &mut Vec<u8>, string: &[u8]) {
    out.extend((string.len() as u32).to_le_bytes());
    out.extend_from_slice(string);
}
