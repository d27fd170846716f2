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
        let begin = |name| work.begin(name);
        // A glance at each module, where they are some.
        let mut wanted: Vec<Entry> = match detail == Detail::Notes && names.len() > 1 {
            true => names.par_iter().filter_map(begin).collect(),
            false => names.iter().filter_map(begin).collect(),
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
        needed.filter_map(|name| self.begin(&name)).collect()
    }

    /// The module of this name, if it is to be read and nobody has begun to.
    fn begin(&self, name: &ModuleName) -> Option<Entry> {
        let entry = self.tree.find(name).ok().flatten()?;
        let known = || lock(&self.tree.infos).contains_key(name);
        let indexed = || matches!(self.tree.indexed_needs(&entry, self.detail), Ok(Some(_)));
        let wanted = !entry.is_plain() && !known() && !indexed();
        (wanted && lock(&self.begun).insert(name.clone())).then_some(entry)
    }
}
