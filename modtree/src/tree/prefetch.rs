//! Decoding compressed modules that are wanted soon, on all cores.
//!
//! A closure goes from one module to the next; here each is decoded as soon as any other one says that it is needed. Plain
//! files are left: only some sections of them are read.

use std::collections::HashSet;
use std::sync::Mutex;

use rayon::Scope;
use rayon::prelude::*;

use super::{Entry, Tree, lock};
use crate::{Detail, ModuleName};

/// The work of one call.
struct Prefetch<'a> {
    tree: &'a Tree,
    /// What is asked for, which an index may tell.
    detail: Detail,
    begun: Mutex<HashSet<ModuleName>>,
}

impl Tree {
    /// Reads the fields of some modules and of all that they depend on. Those are left for which an index may answer where no more than
    /// `detail` will be asked for. What goes wrong will be told by [`modinfo`](Self::modinfo).
    pub(crate) fn prefetch(&self, names: &[ModuleName], detail: Detail) {
        let work = Prefetch {
            tree: self,
            detail,
            begun: Mutex::default(),
        };
        let compressed = names.iter().filter_map(|name| work.compressed(name));
        let compressed: Vec<Entry> = compressed.collect();
        let begin = |entry| work.begin(entry);
        // A glance at each, where they are some.
        let mut wanted: Vec<Entry> = match detail == Detail::Notes && compressed.len() > 1 {
            true => compressed.into_par_iter().filter_map(begin).collect(),
            false => compressed.into_iter().filter_map(begin).collect(),
        };
        // No thread is started for one module, or for a chain.
        while let [only] = wanted.as_slice() {
            wanted = work.fetch(only);
        }
        if !wanted.is_empty() {
            rayon::scope(|scope| work.spawn(scope, wanted));
        }
    }
}

impl<'a> Prefetch<'a> {
    fn spawn<'scope>(&'scope self, scope: &Scope<'scope>, wanted: Vec<Entry>)
    where
        'a: 'scope,
    {
        for entry in wanted {
            scope.spawn(move |scope| self.spawn(scope, self.fetch(&entry)));
        }
    }

    /// Reads a module; gives what has to be read because of it.
    fn fetch(&self, entry: &Entry) -> Vec<Entry> {
        let Ok(info) = self.tree.modinfo(entry) else {
            return Vec::new();
        };
        let needed = info.depends().map(ModuleName::new);
        let needed = needed.filter_map(|name| self.compressed(&name));
        needed.filter_map(|entry| self.begin(entry)).collect()
    }

    /// The module of this name, if it is compressed.
    fn compressed(&self, name: &ModuleName) -> Option<Entry> {
        let entry = self.tree.find(name).ok().flatten()?;
        (!entry.is_plain()).then_some(entry)
    }

    /// The module, if it is to be read and nobody has begun to.
    fn begin(&self, entry: Entry) -> Option<Entry> {
        let name = &entry.name;
        let known = || lock(&self.tree.infos).contains_key(name);
        let indexed = || matches!(self.tree.indexed_needs(&entry, self.detail), Ok(Some(_)));
        let wanted = !known() && !indexed();
        (wanted && lock(&self.begun).insert(name.clone())).then_some(entry)
    }
}
