//! What is read and asked ahead, on all cores, of the modules that a closure will need.

use std::sync::Arc;

use rayon::Scope;

use super::Builder;
use crate::closure::ahead::Ahead;
use crate::request::Question;
use crate::{ModuleName, Tree};

impl<'a> Builder<'a> {
    /// Reads modules, and those that they depend on, for all that will be asked of each by itself: which needs no index. Finds out
    /// at the same time whether there are indexes to be believed, and asks what the modules will ask for if there are. What goes
    /// wrong will be told when it is asked for.
    pub(in crate::closure) fn read_ahead(&mut self, names: Vec<ModuleName>) {
        if !self.runtime {
            return;
        }
        self.look_ahead(|tree, ahead, scope| {
            scope.spawn(|scope| ahead.open_indexes(scope));
            tree.open_order();
            if tree.has_open_indexes() {
                ahead.open_indexes(scope);
            }
            ahead.read(scope, names);
        });
    }

    /// Asks what modules that have been looked at ahead will ask for, where no index answers. Each question may take a look at every
    /// module; the first that does reads them on all cores.
    pub(in crate::closure) fn foresee(&mut self) {
        while !self.waiting.is_empty() {
            let mut waiting = std::mem::take(&mut self.waiting);
            waiting.sort_by_key(|question| matches!(question, Question::Providers(_)));
            self.look_ahead(|_, ahead, scope| {
                for question in waiting {
                    ahead.answer(scope, question);
                }
            });
        }
    }

    /// Does some work ahead, and keeps what it finds.
    fn look_ahead(
        &mut self,
        work: impl for<'scope> FnOnce(&'a Tree, &'scope Ahead<'_>, &Scope<'scope>) + Send,
    ) {
        let tree = self.tree;
        let ahead = Ahead::new(tree, self.options, &self.requests, &mut self.ahead);
        rayon::scope(|scope| work(tree, &ahead, scope));
        let (found, waiting) = ahead.finish();
        self.requests.keep(found);
        self.waiting.extend(waiting);
    }

    /// Does for the modules from this number on what has not been done [ahead](Self::read_ahead).
    pub(super) fn prepare(&mut self, first: usize) {
        let new = self.modules[first..].iter();
        let new = new.filter(|member| !self.requests.is_prepared(&member.entry));
        let new: Vec<_> = new
            .map(|member| (member.entry.clone(), Arc::clone(&member.info)))
            .collect();
        let names = new.iter().map(|(entry, _)| entry.name.clone());
        self.ahead.extend(names);
        self.look_ahead(|_, ahead, scope| {
            // The answer is known by now.
            ahead.open_indexes(scope);
            for (entry, info) in new {
                scope.spawn(move |scope| ahead.look_at(scope, &entry, &info));
            }
        });
        self.foresee();
    }
}
