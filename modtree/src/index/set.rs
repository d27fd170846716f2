//! The modules of an index and how they hang together: who exports what, who needs whom, in which order.
//!
//! A module depends on the owners of the symbols that it imports. depmod numbers the modules so that users come before what
//! they use, and sorts the dependencies of each by these numbers (`tools/depmod.c`, `depmod_calculate_dependencies`).

use std::borrow::Cow;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::hash::superfast;
use crate::elf::{Imports, Record};
use crate::fast_hash::{FastMap, FastSet};

/// kmod's table of symbols has this many buckets.
const SYMBOL_BUCKETS: u32 = 2048;

/// A module as an index sees it.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// Its name, dashes already underscores.
    pub(crate) name: Cow<'a, [u8]>,
    /// Its file below the modules directory; the whole path where it is outside.
    pub(crate) place: Cow<'a, [u8]>,
    pub(crate) record: Record<'a>,
}

/// The modules in depmod's order, with their dependencies.
pub(crate) struct Set<'a> {
    pub(crate) items: &'a [Item<'a>],
    pub(crate) needs: Needs,
    prefix: Option<u8>,
    owners: OnceLock<Owners<'a>>,
    symbols: OnceLock<Vec<(&'a [u8], u32)>>,
}

/// For each module the direct dependencies, in the order of its first use of each.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    all: Vec<u32>,
    ends: Vec<usize>,
}

impl Needs {
    pub(crate) fn of(&self, module: usize) -> &[u32] {
        let start = module.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[start..self.ends[module]]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.ends.len()).map(|module| self.of(module))
    }

    /// Adds a module; `seen` has room for every number, and tells in which turn it was last met.
    fn push(&mut self, needed: impl Iterator<Item = u32>, seen: &mut [usize]) {
        let turn = self.ends.len() + 1;
        let first = |&one: &u32| std::mem::replace(&mut seen[one as usize], turn) != turn;
        self.all.extend(needed.filter(first));
        self.ends.push(self.all.len());
    }

    fn append(&mut self, other: &Self) {
        let start = self.all.len();
        self.all.extend_from_slice(&other.all);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }
}

/// Who exports a symbol. Where two modules export one, the later one has it, as in depmod.
struct Owners<'a> {
    owners: FastMap<&'a [u8], u32>,
    prefix: Option<u8>,
}

impl<'a> Owners<'a> {
    /// Those of all symbols, or of some.
    fn new(items: &'a [Item<'a>], prefix: Option<u8>, wanted: Option<&FastSet<&[u8]>>) -> Self {
        let mut owners = FastMap::default();
        for (at, item) in (0..).zip(items) {
            for symbol in item.record.exports.iter() {
                let symbol = without(symbol, prefix);
                if wanted.is_none_or(|wanted| wanted.contains(symbol)) {
                    owners.insert(symbol, at);
                }
            }
        }
        Self { owners, prefix }
    }

    /// The module that exports a symbol.
    fn of(&self, symbol: &[u8]) -> Option<u32> {
        self.owners.get(bare(symbol, self.prefix)).copied()
    }
}

/// An imported symbol as its owner has it. 64-bit PowerPC puts a dot in front of functions.
pub(crate) fn bare(symbol: &[u8], prefix: Option<u8>) -> &[u8] {
    without(without(symbol, Some(b'.')), prefix)
}

/// An exported symbol without the byte that symbols may begin with.
pub(crate) fn without(symbol: &[u8], prefix: Option<u8>) -> &[u8] {
    match (symbol, prefix) {
        ([first, rest @ ..], Some(prefix)) if *first == prefix => rest,
        _ => symbol,
    }
}

impl<'a> Set<'a> {
    /// Finds out who needs whom. `prefix` is a byte that symbols may begin with (`depmod -P`); `names` is the list in which
    /// the imports that have numbers are.
    pub(crate) fn new(items: &'a [Item<'a>], prefix: Option<u8>, names: &[&[u8]]) -> Self {
        let owners = Owners::new(items, prefix, None);
        // Each name of the list is looked up once, and not for each module that imports it.
        let listed: Vec<Option<u32>> = names.par_iter().map(|name| owners.of(name)).collect();
        let parts = items.par_chunks(256).map_init(
            || vec![0; items.len()],
            |seen, items| {
                seen.fill(0);
                let mut needs = Needs::default();
                for item in items {
                    match &item.record.imports {
                        Imports::Names(names) => {
                            needs.push(names.iter().filter_map(|name| owners.of(name)), seen);
                        }
                        Imports::Numbers(numbers) => {
                            let owner = |number: &[u8; 4]| {
                                *listed.get(u32::from_le_bytes(*number) as usize)?
                            };
                            needs.push(numbers.iter().filter_map(owner), seen);
                        }
                    }
                }
                needs
            },
        );
        let mut needs = Needs::default();
        let parts: Vec<Needs> = parts.collect();
        parts.iter().for_each(|part| needs.append(part));
        Self::with(items, prefix, needs, OnceLock::from(owners))
    }

    /// As [`new`](Self::new), where it is known of some modules whom they need.
    pub(crate) fn known(
        items: &'a [Item<'a>],
        prefix: Option<u8>,
        known: &[Option<&[[u8; 4]]>],
    ) -> Self {
        let unknown = items.iter().zip(known).filter(|(_, known)| known.is_none());
        let imports = unknown.flat_map(|(item, _)| item.record.imports.names());
        let wanted: FastSet<&[u8]> = imports.map(|name| bare(name, prefix)).collect();
        let owners = Owners::new(items, prefix, Some(&wanted));
        let mut needs = Needs::default();
        let mut seen = vec![0; items.len()];
        for (item, known) in items.iter().zip(known) {
            match known {
                Some(known) => {
                    let numbers = known.iter().map(|number| u32::from_le_bytes(*number));
                    let sound = numbers.filter(|&number| (number as usize) < items.len());
                    needs.push(sound, &mut seen);
                }
                None => {
                    let owners = item
                        .record
                        .imports
                        .names()
                        .filter_map(|name| owners.of(name));
                    needs.push(owners, &mut seen);
                }
            }
        }
        Self::with(items, prefix, needs, OnceLock::new())
    }

    fn with(
        items: &'a [Item<'a>],
        prefix: Option<u8>,
        needs: Needs,
        owners: OnceLock<Owners<'a>>,
    ) -> Self {
        Self {
            items,
            needs,
            prefix,
            owners,
            symbols: OnceLock::new(),
        }
    }

    fn owners(&self) -> &Owners<'a> {
        self.owners
            .get_or_init(|| Owners::new(self.items, self.prefix, None))
    }

    /// The exported symbols in the order of kmod's hash table, each with the number of its owner.
    pub(crate) fn symbols(&self) -> &[(&'a [u8], u32)] {
        self.symbols.get_or_init(|| {
            let all = self.owners().owners.iter();
            let bucket = |symbol| superfast(symbol) & (SYMBOL_BUCKETS - 1);
            let all = all.map(|(&symbol, &owner)| (bucket(symbol), symbol, owner));
            let mut all: Vec<_> = all.collect();
            all.par_sort_unstable();
            let all = all.into_iter();
            all.map(|(_, symbol, owner)| (symbol, owner)).collect()
        })
    }

    /// The module that exports a symbol.
    pub(crate) fn owner(&self, symbol: &[u8]) -> Option<u32> {
        self.owners().of(symbol)
    }

    /// depmod's numbers: modules that nobody uses first (taken from the end of the list), then what loses its last user.
    ///
    /// # Errors
    /// The modules that are left over, by number: they are on cycles, or are used from there.
    pub(crate) fn ranks(&self) -> Result<Vec<u32>, Vec<u32>> {
        let count = self.items.len();
        let mut users = vec![0_u32; count];
        for &needed in &self.needs.all {
            users[needed as usize] += 1;
        }
        let mut ready: Vec<usize> = (0..count).filter(|&at| users[at] == 0).collect();
        let mut rank = vec![u32::MAX; count];
        let mut next = 0;
        while let Some(at) = ready.pop() {
            rank[at] = next;
            next += 1;
            for &needed in self.needs.of(at) {
                let needed = needed as usize;
                users[needed] -= 1;
                if users[needed] == 0 {
                    ready.push(needed);
                }
            }
        }
        if next as usize == count {
            return Ok(rank);
        }
        let left = (0..).zip(rank).filter(|&(_, rank)| rank == u32::MAX);
        Err(left.map(|(at, _)| at).collect())
    }

    /// The lines of `modules.dep`: each module with everything that it needs, the deepest dependency last. `rank` is from
    /// [`ranks`](Self::ranks).
    pub(crate) fn lines(&self, rank: &[u32]) -> Lines {
        let mut seen = vec![0; self.items.len()];
        let mut stack = Vec::new();
        let mut all = Vec::new();
        let mut lines = Lines::default();
        for (at, item) in self.items.iter().enumerate() {
            self.reachable(at, &mut seen, &mut stack, &mut all);
            all.sort_unstable_by_key(|&needed| rank[needed as usize]);
            lines.text.extend_from_slice(&item.place);
            lines.text.push(b':');
            for &needed in &all {
                lines.text.push(b' ');
                lines
                    .text
                    .extend_from_slice(&self.items[needed as usize].place);
            }
            lines.ends.push(lines.text.len());
            lines.text.push(b'\n');
        }
        lines
    }

    /// Puts everything that a module needs, directly or not, into `all`. `seen` holds the turn in which a module was last
    /// met, so that it need not be cleared.
    fn reachable(
        &self,
        module: usize,
        seen: &mut [usize],
        stack: &mut Vec<usize>,
        all: &mut Vec<u32>,
    ) {
        let turn = module + 1;
        all.clear();
        stack.push(module);
        while let Some(at) = stack.pop() {
            for &needed in self.needs.of(at) {
                let at = needed as usize;
                if std::mem::replace(&mut seen[at], turn) != turn {
                    all.push(needed);
                    stack.push(at);
                }
            }
        }
    }
}

/// The lines of `modules.dep`.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// All of them, each with its end.
    pub(crate) text: Vec<u8>,
    ends: Vec<usize>,
}

impl Lines {
    /// Each without its end.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        let ends = self.ends.iter();
        ends.map(move |&end| &self.text[std::mem::replace(&mut start, end + 1)..end])
    }
}
