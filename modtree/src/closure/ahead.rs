//! Reading modules on all cores before they are asked for one after the other.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use rayon::Scope;

use crate::request::Prepared;
use crate::tree::{Entry, Tree, lock};
use crate::{ModInfo, ModuleName};

/// Reads some modules and those that they depend on, each as soon as another one says that it is needed.
pub(super) struct ReadAhead<'a, P> {
    tree: &'a Tree,
    prepare: P,
    /// Which have been begun, ever.
    begun: Mutex<&'a mut HashSet<ModuleName>>,
    read: Mutex<Vec<(Entry, Prepared)>>,
}

impl<'a, P> ReadAhead<'a, P>
where
    P: Fn(&Entry, &ModInfo) -> Prepared + Sync,
{
    pub(super) fn new(tree: &'a Tree, prepare: P, begun: &'a mut HashSet<ModuleName>) -> Self {
        Self {
            tree,
            prepare,
            begun: Mutex::new(begun),
            read: Mutex::default(),
        }
    }

    /// Gives those that had not been begun, in no order.
    pub(super) fn read(self, names: Vec<ModuleName>) -> Vec<(Entry, Prepared)> {
        self.tree.open_order();
        rayon::scope(|scope| self.begin(scope, names));
        self.read
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn begin<'scope>(&'scope self, scope: &Scope<'scope>, names: Vec<ModuleName>) {
        for name in names {
            if lock(&self.begun).insert(name.clone()) {
                scope.spawn(move |scope| self.begin(scope, self.read_one(&name)));
            }
        }
    }

    /// Reads a module; gives what it depends on.
    fn read_one(&self, name: &ModuleName) -> Vec<ModuleName> {
        let Ok(Some(entry)) = self.tree.find_in_order(name) else {
            return Vec::new();
        };
        self.tree.keep(&entry);
        let Ok(info) = self.tree.modinfo(&entry) else {
            return Vec::new();
        };
        let prepared = (self.prepare)(&entry, &info);
        self.tree.read_record(&entry);
        lock(&self.read).push((entry, prepared));
        info.depends().map(ModuleName::new).collect()
    }
}
