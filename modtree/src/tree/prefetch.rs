//! Decoding compressed modules that are wanted soon, on all cores.
//!
//! A closure goes from one module to the next; here each is decoded as soon as any other one says that it is needed. Plain
//! files are left: only some sections of them are read.

use std::collections::HashSet;
use std::sync::Mutex;

use rayon::Scope;

use super::{Entry, Tree, lock};
use crate::ModuleName;

/// The work of one call.
struct Prefetch<'a> {
    tree: &'a Tree,
    /// Whether only needs are asked for, which an index may tell.
    needs: bool,
    begun: Mutex<HashSet<ModuleName>>,
}

impl Tree {
    /// Reads the fields of some modules and of all that they depend on. Where `needs` is all that will be asked for, those that
    /// an index knows are left, too. What goes wrong will be told by [`modinfo`](Self::modinfo).
    pub(crate) fn prefetch(&self, names: &[ModuleName], needs: bool) {
        let work = Prefetch {
            tree: self,
            needs,
            begun: Mutex::default(),
        };
        let mut wanted: Vec<Entry> = names.iter().filter_map(|name| work.begin(name)).collect();
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
        let indexed = || self.needs && matches!(self.tree.indexed_needs(&entry), Ok(Some(_)));
        let wanted = !entry.is_plain() && !known() && !indexed();
        (wanted && lock(&self.begun).insert(name.clone())).then_some(entry)
    }
}
