//! The modules of an index and how they hang together: who exports what, who needs whom, in which order.
//!
//! A module depends on the owners of the symbols that it imports. depmod numbers the modules so that users come before what
//! they use, and sorts the dependencies of each by these numbers (`tools/depmod.c`, `depmod_calculate_dependencies`).

use rayon::prelude::*;

use super::hash::superfast;
use crate::elf::{Imports, Record};
use crate::fast_hash::FastMap;

/// kmod's table of symbols has this many buckets.
const SYMBOL_BUCKETS: u32 = 2048;

/// A module as an index sees it.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// Its name, dashes already underscores.
    pub(crate) name: Vec<u8>,
    /// Its file below the modules directory; the whole path where it is outside.
    pub(crate) place: Vec<u8>,
    pub(crate) record: Record<'a>,
}

/// The modules in depmod's order, with their dependencies.
pub(crate) struct Set<'a> {
    pub(crate) items: &'a [Item<'a>],
    /// The exported symbols in the order of kmod's hash table, each with the number of its owner.
    pub(crate) symbols: Vec<(&'a [u8], u32)>,
    /// For each module the direct dependencies, in the order of its first use of each.
    pub(crate) needs: Vec<Vec<u32>>,
    owners: Owners<'a>,
}

/// Who exports a symbol. Where two modules export one, the later one has it, as in depmod.
struct Owners<'a> {
    owners: FastMap<&'a [u8], u32>,
    prefix: Option<u8>,
}

impl<'a> Owners<'a> {
    fn new(items: &'a [Item<'a>], prefix: Option<u8>) -> Self {
        let mut owners = FastMap::default();
        for (at, item) in (0..).zip(items) {
            for symbol in item.record.exports.iter() {
                owners.insert(without(symbol, prefix), at);
            }
        }
        Self { owners, prefix }
    }

    /// The module that exports a symbol. 64-bit PowerPC puts a dot in front of functions.
    fn of(&self, symbol: &[u8]) -> Option<u32> {
        let symbol = without(without(symbol, Some(b'.')), self.prefix);
        self.owners.get(symbol).copied()
    }
}

/// Each of some numbers once, where it comes first.
fn unique(all: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut unique = Vec::new();
    for one in all {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    unique
}

fn without(symbol: &[u8], prefix: Option<u8>) -> &[u8] {
    match (symbol, prefix) {
        ([first, rest @ ..], Some(prefix)) if *first == prefix => rest,
        _ => symbol,
    }
}

impl<'a> Set<'a> {
    /// Finds out who needs whom. `prefix` is a byte that symbols may begin with (`depmod -P`); `names` is the list in which
    /// the imports that have numbers are.
    pub(crate) fn new(items: &'a [Item<'a>], prefix: Option<u8>, names: &[&[u8]]) -> Self {
        let owners = Owners::new(items, prefix);
        // Each name of the list is looked up once, and not for each module that imports it.
        let listed: Vec<Option<u32>> = names.par_iter().map(|name| owners.of(name)).collect();
        let needs = items
            .par_iter()
            .map(|item| match &item.record.imports {
                Imports::Names(names) => unique(names.iter().filter_map(|name| owners.of(name))),
                Imports::Numbers { numbers, .. } => unique(numbers.iter().filter_map(|number| {
                    let owner = listed.get(u32::from_le_bytes(*number) as usize);
                    owner.copied().flatten()
                })),
            })
            .collect();
        let mut symbols: Vec<_> = owners
            .owners
            .iter()
            .map(|(&symbol, &owner)| (superfast(symbol) & (SYMBOL_BUCKETS - 1), symbol, owner))
            .collect();
        symbols.par_sort_unstable();
        Self {
            items,
            symbols: symbols
                .into_iter()
                .map(|(_, symbol, owner)| (symbol, owner))
                .collect(),
            needs,
            owners,
        }
    }

    /// The module that exports a symbol.
    pub(crate) fn owner(&self, symbol: &[u8]) -> Option<u32> {
        self.owners.of(symbol)
    }

    /// depmod's numbers: modules that nobody uses first (taken from the end of the list), then what loses its last user.
    ///
    /// # Errors
    /// The modules that are left over, by number: they are on cycles, or are used from there.
    pub(crate) fn ranks(&self) -> Result<Vec<u32>, Vec<u32>> {
        let count = self.items.len();
        let mut users = vec![0_u32; count];
        for &needed in self.needs.iter().flatten() {
            users[needed as usize] += 1;
        }
        let mut ready: Vec<usize> = (0..count).filter(|&at| users[at] == 0).collect();
        let mut rank = vec![u32::MAX; count];
        let mut next = 0;
        while let Some(at) = ready.pop() {
            rank[at] = next;
            next += 1;
            for &needed in &self.needs[at] {
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

    /// The lines of `modules.dep`, without their ends: each module with everything that it needs, the deepest
    /// dependency last. `rank` is from [`ranks`](Self::ranks).
    pub(crate) fn lines(&self, rank: &[u32]) -> Vec<Vec<u8>> {
        let scratch = || (vec![0_u32; self.items.len()], Vec::new(), Vec::new());
        let numbered = (1..).zip(self.items).collect::<Vec<_>>();
        let lines = numbered.into_par_iter().map_init(scratch, |state, item| {
            let (turn, item): (u32, &Item<'_>) = item;
            let (seen, stack, all) = state;
            self.reachable(turn, seen, stack, all);
            all.sort_unstable_by_key(|&needed| rank[needed as usize]);
            let mut line = item.place.clone();
            line.push(b':');
            for &needed in all.iter() {
                line.push(b' ');
                line.extend_from_slice(&self.items[needed as usize].place);
            }
            line
        });
        lines.collect()
    }

    /// Puts everything that module `turn - 1` needs, directly or not, into `all`. `seen` holds the turn in which a module
    /// was last met, so that it need not be cleared.
    fn reachable(&self, turn: u32, seen: &mut [u32], stack: &mut Vec<u32>, all: &mut Vec<u32>) {
        all.clear();
        stack.push(turn - 1);
        while let Some(at) = stack.pop() {
            for &needed in &self.needs[at as usize] {
                if std::mem::replace(&mut seen[needed as usize], turn) != turn {
                    all.push(needed);
                    stack.push(needed);
                }
            }
        }
    }
}
