//! What of an earlier run's work holds still, where few modules changed (`--incremental`).
//!
//! Who needs whom and `modules.symbols` follow from what modules export, and `modules.alias` from their aliases: where that
//! is as it was ([`Basis`]), nothing of it need be made again. Where modules only came, their aliases are added to the files
//! that are there. A file is only believed if it has the very bytes that were written.

use std::hash::Hasher;
use std::path::Path;

use codec::{Mapped, map};

use super::cache::Cache;
use super::fingerprint::Fingerprint;
use super::record::All;
use super::write::is_like_ours;
use super::{Compat, DepmodOptions};
use crate::fast_hash::{FastSet, Folded};
use crate::index::set::{Item, Set, bare, without};

/// No index of kmod's may be larger: its links have 28 bits.
const LIMIT: u64 = 1 << 28;

/// What a run's outputs are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Basis {
    /// `modules.order`, and what it means.
    pub(super) order: Fingerprint,
    /// What each module exports, in the modules' order.
    exports: Fingerprint,
    /// The aliases of each.
    aliases: Fingerprint,
}

impl Basis {
    pub(super) fn parse(rest: &mut &[u8]) -> Option<Self> {
        Some(Self {
            order: Fingerprint::parse(rest)?,
            exports: Fingerprint::parse(rest)?,
            aliases: Fingerprint::parse(rest)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for one in [self.order, self.exports, self.aliases] {
            one.write(out);
        }
    }
}

/// What became of a part of the basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    /// Modules came, and all others have the numbers that they had.
    Added,
    Anything,
}

/// What an output follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Exports,
    Aliases,
    /// It is made anew each time.
    Anything,
}

/// What of an earlier run's work holds still.
pub(super) struct Reuse<'a> {
    pub(super) basis: Basis,
    /// Of each module's aliases and exports.
    pub(super) prints: Vec<[Fingerprint; 2]>,
    dir: Option<&'a Path>,
    cache: &'a Cache<'a>,
    pub(super) all: &'a All<'a>,
    prefix: Option<u8>,
    compat: Compat,
    exports: Change,
    aliases: Change,
}

impl<'a> Reuse<'a> {
    /// `order` is of `modules.order`. Without a directory of an earlier run, nothing holds.
    pub(super) fn new(
        options: &'a DepmodOptions,
        order: Fingerprint,
        cache: &'a Cache<'a>,
        all: &'a All<'a>,
    ) -> Self {
        let prints: Vec<_> = all
            .items
            .iter()
            .zip(&all.kept)
            .map(|(item, kept)| {
                let kept = kept.and_then(|number| cache.prints(number));
                kept.unwrap_or_else(|| prints(item))
            })
            .collect();
        let [aliases, exports] =
            [0, 1].map(|part| sums(all, prints.iter().map(|prints| prints[part])));
        let basis = Basis {
            order,
            exports: exports.all.with(options.meaning()),
            aliases: aliases.all.with(options.meaning()),
        };
        let change = |now: Fingerprint, kept: Fingerprint, before: Fingerprint| match before {
            _ if options.cache_dir().is_none() => Change::Anything,
            before if now == before => Change::Nothing,
            before if kept.with(options.meaning()) == before => Change::Added,
            _ => Change::Anything,
        };
        let mut reuse = Self {
            dir: options.cache_dir(),
            cache,
            all,
            prefix: options.symbol_prefix,
            compat: options.compat,
            exports: change(basis.exports, exports.kept, cache.basis.exports),
            aliases: change(basis.aliases, aliases.kept, cache.basis.aliases),
            basis,
            prints,
        };
        if reuse.exports == Change::Added && !reuse.only_strangers() {
            reuse.exports = Change::Anything;
        }
        reuse
    }

    /// Whether nobody that was there before knows the symbols of those who came.
    fn only_strangers(&self) -> bool {
        let exports = |item: &'a Item<'a>| item.record.exports.iter();
        let fresh = self.fresh().flat_map(|(_, item)| exports(item));
        let fresh: FastSet<&[u8]> = fresh.map(|name| without(name, self.prefix)).collect();
        let kept = self.all.items.iter().zip(&self.all.kept);
        let kept = kept.filter(|(_, kept)| kept.is_some());
        let mut exported = kept.flat_map(|(item, _)| exports(item));
        // Also those of modules that are not there now: they may come back.
        let mut imported = self.cache.imports();
        !exported.any(|name| fresh.contains(without(name, self.prefix)))
            && !imported.any(|name| fresh.contains(bare(name, self.prefix)))
    }

    /// The modules that were read in this run, with their numbers.
    pub(super) fn fresh(&self) -> impl Iterator<Item = (u32, &'a Item<'a>)> + Clone {
        let all = (0..).zip(&self.all.items).zip(&self.all.kept);
        let fresh = all.filter(|(_, kept)| kept.is_none());
        fresh.map(|(numbered, _)| numbered)
    }

    /// Whether what is kept of a module that did not change is right.
    pub(super) fn is_right(&self) -> bool {
        self.exports != Change::Anything && self.basis.order == self.cache.basis.order
    }

    /// Whether another run may come.
    pub(super) fn is_wanted(&self) -> bool {
        self.dir.is_some()
    }

    /// The modules, and who needs whom.
    pub(super) fn set(&self) -> Set<'a> {
        let items = &self.all.items;
        if self.exports == Change::Anything {
            let names: Vec<&[u8]> = self.cache.names().collect();
            return Set::new(items, self.prefix, &names);
        }
        let kept = self.all.kept.iter();
        let known: Vec<_> = kept.map(|kept| self.cache.needs((*kept)?)).collect();
        Set::known(items, self.prefix, &known)
    }

    /// An output that would be the same again.
    pub(super) fn same(&self, name: &str, source: Source) -> Option<(Mapped, Fingerprint)> {
        let change = match source {
            Source::Exports => self.exports,
            Source::Aliases => self.aliases,
            Source::Anything => Change::Anything,
        };
        (change == Change::Nothing).then(|| self.earlier(name))?
    }

    /// The binary index of aliases, where the fresh modules' ones only need be added to it.
    pub(super) fn without_added(&self, name: &str) -> Option<Mapped> {
        let fits = self.aliases == Change::Added && self.compat == Compat::Kmod34;
        let (old, _) = fits.then(|| self.earlier(name))??;
        Some(old)
    }

    /// The text of all aliases, where the fresh modules' ones only need be put behind it.
    pub(super) fn before_added(&self, name: &str) -> Option<Mapped> {
        let all = self.all.items.iter().zip(&self.all.kept);
        let behind = all.skip_while(|(_, kept)| kept.is_some());
        let mut behind = behind.filter(|(_, kept)| kept.is_some());
        let fits =
            self.aliases == Change::Added && behind.all(|(item, _)| item.record.aliases.is_empty());
        let (old, _) = fits.then(|| self.earlier(name))??;
        Some(old)
    }

    /// An output of the last run, if it is still what was written.
    fn earlier(&self, name: &str) -> Option<(Mapped, Fingerprint)> {
        let mut outputs = self.cache.outputs.iter();
        let (_, written) = outputs.find(|(known, _)| *known == name.as_bytes())?;
        let path = self.dir?.join(name);
        is_like_ours(&path)?;
        let file = map(&path, LIMIT).ok()?;
        (Fingerprint::of(&file) == *written).then_some((file, *written))
    }
}

/// The fingerprints of a module's aliases and of its exports; 0 where it has none.
fn prints(item: &Item<'_>) -> [Fingerprint; 2] {
    let parts = [&item.record.aliases, &item.record.exports];
    parts.map(|part| match part.as_bytes() {
        [] => Fingerprint::default(),
        bytes => Fingerprint::of(bytes),
    })
}

/// What modules have, in one number.
#[derive(Default)]
struct Sums {
    all: Fingerprint,
    /// Of those that were not read.
    kept: Fingerprint,
}

/// `prints` are of one thing that modules have. Who has it counts, and where it stands in the order.
fn sums(all: &All<'_>, prints: impl Iterator<Item = Fingerprint>) -> Sums {
    let mut sums = Sums::default();
    let items = (0_u64..).zip(&all.items).zip(&all.kept);
    let having = items
        .zip(prints)
        .filter(|(_, print)| *print != Fingerprint::default());
    for (((number, item), kept), print) in having {
        let mut one = Folded::fixed();
        one.write_u64(number);
        one.write(&item.name);
        one.write_u64(print.0);
        let one = one.finish();
        sums.all.0 = sums.all.0.wrapping_add(one);
        if kept.is_some() {
            sums.kept.0 = sums.kept.0.wrapping_add(one);
        }
    }
    sums
}
