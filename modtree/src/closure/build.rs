//! Building a closure: a work list of modules whose needs are not known yet, and rules until nothing is new.

mod ahead;
mod finish;
mod roots;

use std::collections::VecDeque;
use std::sync::Arc;

use petgraph::graph::NodeIndex;

use super::{Closure, ClosureError, ClosureOptions, Excluded, PlannedBuiltin, softdeps};
use crate::fast_hash::FastSet;
use crate::graph::undeclared;
use crate::request::{Addition, Question, Requests, Rules};
use crate::tree::{Entry, Resolution, Tree, TreeError};
use crate::{Graph, ModInfo, ModuleName, Reason, ReasonKind};

/// A closure in the making.
pub(super) struct Builder<'a> {
    tree: &'a Tree,
    options: &'a ClosureOptions,
    requests: Requests<'a>,
    runtime: bool,
    graph: Graph,
    /// By node number: the entry, its fields once they are read, and the reason of a root.
    modules: Vec<Member>,
    builtins: Vec<PlannedBuiltin>,
    excluded: Vec<Excluded>,
    notes: Vec<String>,
    /// Modules whose own needs are not known yet.
    fresh: VecDeque<NodeIndex>,
    /// Modules that have been read ahead, or are not to be.
    ahead: FastSet<ModuleName>,
    /// What will be asked, and has not been.
    waiting: Vec<Question>,
}

struct Member {
    entry: Entry,
    info: Arc<ModInfo>,
    asked: Vec<Reason>,
    /// Whether its needs are those of depmod's index, which has them by the symbols.
    is_indexed: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(tree: &'a Tree, options: &'a ClosureOptions) -> Result<Self, ClosureError> {
        let runtime = options.runs();
        let mut rules = match &options.rules {
            Some(rules) => rules.clone(),
            None if runtime => Rules::embedded()?,
            None => Rules::default(),
        };
        let more = options.goals.iter().flat_map(|goal| &goal.rules);
        rules.rules.extend(more.cloned());
        let requests = Requests::new(tree, rules);
        Ok(Self {
            tree,
            options,
            requests,
            runtime,
            graph: Graph::default(),
            modules: Vec::new(),
            builtins: Vec::new(),
            excluded: options.exclude.iter().map(without_reason).collect(),
            notes: Vec::new(),
            fresh: VecDeque::new(),
            // What is left out is not read.
            ahead: options.exclude.iter().cloned().collect(),
            waiting: Vec::new(),
        })
    }

    /// Finds everything for the roots and the goals.
    pub(super) fn build(mut self) -> Result<Closure, ClosureError> {
        for goal in &self.options.goals {
            self.goal(goal)?;
        }
        self.settle()?;
        self.finish()
    }

    fn take_notes(&mut self) {
        for note in self.requests.take_notes() {
            self.note(note);
        }
    }

    /// Takes the modules' own needs in, and what the rules say about them, until nothing is new.
    fn settle(&mut self) -> Result<(), ClosureError> {
        let (mut ruled, mut prepared) = (0, 0);
        loop {
            while let Some(node) = self.fresh.pop_front() {
                self.hard_needs(node)?;
                self.soft_needs(node)?;
            }
            if !self.runtime || ruled == self.modules.len() {
                return Ok(());
            }
            if ruled == prepared {
                self.prepare(prepared);
                prepared = self.modules.len();
            }
            self.runtime_needs(NodeIndex::new(ruled))?;
            ruled += 1;
        }
    }

    fn hard_needs(&mut self, node: NodeIndex) -> Result<(), ClosureError> {
        let (by, info) = self.member(node);
        let needed: Vec<ModuleName> = info.depends().map(ModuleName::new).collect();
        self.tree.prefetch(&needed, self.options.wanted());
        for (depends, missing) in info.depends().zip(needed) {
            let reason = Reason {
                kind: ReasonKind::Hard,
                by: Some(by.clone()),
                asked: depends.to_owned(),
                rule: None,
            };
            if let Some(entry) = self.tree.find(&missing)? {
                self.needed(&entry, Some(node), reason)?;
            } else if self.tree.builtins()?.contains(&missing) {
                self.builtin(missing, reason);
            } else if self.lacks_no_symbol(node)? {
                self.note(format!(
                    "{by} names {missing} in its depends=, which is not there and of which it uses no symbol"
                ));
            } else {
                let dir = self.tree.shown(self.tree.dir());
                return Err(ClosureError::Missing { by, missing, dir });
            }
        }
        self.undeclared_needs(node)
    }

    fn lacks_no_symbol(&self, node: NodeIndex) -> Result<bool, TreeError> {
        let Member { entry, info, .. } = &self.modules[node.index()];
        self.tree.lacks_no_symbol(entry, info)
    }

    /// Takes in what a module needs by its symbols alone.
    fn undeclared_needs(&mut self, node: NodeIndex) -> Result<(), ClosureError> {
        let Member {
            entry,
            info,
            is_indexed: false,
            ..
        } = &self.modules[node.index()]
        else {
            return Ok(());
        };
        let by = entry.name.clone();
        for (name, symbol) in self.tree.undeclared(entry, info)? {
            let reason = undeclared(&by, &symbol);
            self.note(format!(
                "{by} uses {symbol} of {name}, which its depends= does not name"
            ));
            if let Some(entry) = self.tree.find(&name)? {
                self.needed(&entry, Some(node), reason)?;
            }
        }
        Ok(())
    }

    fn soft_needs(&mut self, node: NodeIndex) -> Result<(), ClosureError> {
        let (by, info) = self.member(node);
        let mut wanted: Vec<_> = softdeps(self.options, &info).collect();
        if self.options.weak {
            wanted.extend(info.weakdeps().map(|asked| (ReasonKind::Weak, asked)));
        }
        for (kind, asked) in wanted {
            let reason = Reason {
                kind,
                by: Some(by.clone()),
                asked: asked.clone(),
                rule: None,
            };
            if !self.resolved(&asked, Some(node), &reason)? {
                self.note(format!(
                    "{by} has a soft dependency on {asked}, which is not there"
                ));
            }
        }
        Ok(())
    }

    fn runtime_needs(&mut self, node: NodeIndex) -> Result<(), ClosureError> {
        let member = &self.modules[node.index()];
        let by = member.entry.name.clone();
        let found = self.requests.of(&member.entry, &member.info)?;
        self.take_notes();
        for Addition {
            asked,
            resolution,
            rule,
        } in found
        {
            let reason = Reason {
                kind: ReasonKind::Runtime,
                by: Some(by.clone()),
                asked: asked.clone(),
                rule: Some(rule),
            };
            if !self.take(resolution, Some(node), &reason)? {
                self.note(format!(
                    "{by} asks for {asked} while running, and there is no such module"
                ));
            }
        }
        Ok(())
    }

    /// Adds what a name or an alias stands for; says whether it stands for anything.
    fn resolved(
        &mut self,
        asked: &str,
        from: Option<NodeIndex>,
        reason: &Reason,
    ) -> Result<bool, ClosureError> {
        let resolution = self.requests.resolve(asked)?;
        self.take(resolution, from, reason)
    }

    fn take(
        &mut self,
        found: Resolution,
        from: Option<NodeIndex>,
        reason: &Reason,
    ) -> Result<bool, ClosureError> {
        let entries = match found {
            Resolution::Unknown => return Ok(false),
            Resolution::Module(entry) => vec![entry],
            Resolution::Aliases(entries) => entries,
            Resolution::Builtin(name) => {
                self.builtin(name, reason.clone());
                return Ok(true);
            }
            Resolution::BuiltinAliases(names) => {
                for name in names {
                    self.builtin(name, reason.clone());
                }
                return Ok(true);
            }
        };
        for entry in entries {
            self.needed(&entry, from, reason.clone())?;
        }
        Ok(true)
    }

    /// Adds a module, and the edge to it.
    fn needed(
        &mut self,
        entry: &Entry,
        from: Option<NodeIndex>,
        reason: Reason,
    ) -> Result<(), ClosureError> {
        let mut excluded = self.excluded.iter_mut();
        if let Some(excluded) = excluded.find(|excluded| excluded.name == entry.name) {
            add_reason(&mut excluded.reasons, reason);
            return Ok(());
        }
        let (node, new) = self.graph.add(&entry.name);
        if new {
            if self.runtime {
                self.tree.keep(entry);
            }
            let indexed = self.tree.indexed_needs(entry, self.options.wanted())?;
            self.modules.push(Member {
                entry: entry.clone(),
                is_indexed: indexed.is_some(),
                info: match indexed {
                    Some(info) => Arc::new(info),
                    None => self.tree.modinfo(entry)?,
                },
                asked: Vec::new(),
            });
            self.fresh.push_back(node);
        }
        match from {
            // A module that needs itself is a cycle, but only if it needs its own symbols.
            Some(from) if from == node && reason.kind != ReasonKind::Hard => {}
            Some(from) => self.graph.connect(from, node, reason),
            None => self.modules[node.index()].asked.push(reason),
        }
        Ok(())
    }

    fn builtin(&mut self, name: ModuleName, reason: Reason) {
        let mut known = self.builtins.iter_mut();
        match known.find(|builtin| builtin.name == name) {
            Some(known) => add_reason(&mut known.reasons, reason),
            None => self.builtins.push(PlannedBuiltin {
                name,
                reasons: vec![reason],
            }),
        }
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn member(&self, node: NodeIndex) -> (ModuleName, Arc<ModInfo>) {
        let member = &self.modules[node.index()];
        (member.entry.name.clone(), Arc::clone(&member.info))
    }
}

fn without_reason(name: &ModuleName) -> Excluded {
    Excluded {
        name: name.clone(),
        reasons: Vec::new(),
    }
}

fn add_reason(known: &mut Vec<Reason>, reason: Reason) {
    if !known.contains(&reason) {
        known.push(reason);
    }
}
