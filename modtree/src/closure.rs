//! From a few names to everything that has to be loaded, in order, with the reasons.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use crate::request::{Addition, Requests, Rules, RulesError};
use crate::tree::{Entry, Resolution, Tree, TreeError};
use crate::{Graph, ModInfo, ModuleName, Reason, ReasonKind, When};

/// Which of a module's `softdep=` lines count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoftdepLines {
    /// All of them, which is what the modules mean.
    #[default]
    All,
    /// Only the first, as kmod's modprobe has it (<https://github.com/kmod-project/kmod/issues/33>).
    First,
}

/// What a closure takes in.
#[derive(Clone, Debug, Default)]
pub struct ClosureOptions {
    /// Add what the modules ask for while running, by the rules.
    pub runtime: bool,
    /// Add weak dependencies, which are otherwise left to whoever asks for them.
    pub weak: bool,
    /// Which softdep lines count.
    pub softdeps: SoftdepLines,
    /// Rules to use in place of the ones that come with this crate.
    pub rules: Option<Rules>,
}

/// Why there is no closure.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// A root is neither a module nor an alias of one, nor part of the kernel.
    #[error("no module and no alias `{name}` in `{}`{}", dir.display(), suggestion(near))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The modules directory.
        dir: PathBuf,
        /// Names which are spelled like it.
        near: Vec<ModuleName>,
    },
    /// A module needs another one which is not there.
    #[error("module {by} depends on {missing}, which is neither in `{}` nor part of the kernel", dir.display())]
    Missing {
        /// The module that cannot be loaded.
        by: ModuleName,
        /// The module that it needs.
        missing: ModuleName,
        /// The modules directory.
        dir: PathBuf,
    },
    /// Modules need each other in a circle, so that none of them can be loaded first.
    #[error("dependency cycle: {}", circle(.0))]
    Cycle(Vec<ModuleName>),
    /// The tree cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The rules are not well formed.
    #[error(transparent)]
    Rules(#[from] RulesError),
}

impl ClosureError {
    /// Whether the input is at fault, and not the machine.
    pub fn is_input(&self) -> bool {
        match self {
            ClosureError::Tree(error) => error.is_input(),
            _ => true,
        }
    }
}

fn suggestion(near: &[ModuleName]) -> String {
    let names: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

fn circle(names: &[ModuleName]) -> String {
    let all = names.iter().chain(names.first());
    all.map(ModuleName::as_str).collect::<Vec<_>>().join(" -> ")
}

/// A module that has to be loaded.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its name.
    pub name: ModuleName,
    /// Its file, below the directory that the tree was opened with.
    pub path: PathBuf,
    /// Its file below the modules directory: `kernel/fs/fat/vfat.ko`.
    pub relative: PathBuf,
    /// Its `.modinfo` fields.
    pub info: Arc<ModInfo>,
    /// Why it is here: at least one reason.
    pub reasons: Vec<Reason>,
}

impl Planned {
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            name: self.name.clone(),
            relative: self.relative.clone(),
        }
    }
}

/// A needed module that is part of the kernel already.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PlannedBuiltin {
    /// Its name.
    pub name: ModuleName,
    /// Why it is needed: at least one reason.
    pub reasons: Vec<Reason>,
}

/// Everything that has to be loaded for some roots.
#[derive(Clone, Debug)]
pub struct Closure {
    /// The modules in load order: each after the modules whose symbols it uses.
    pub modules: Vec<Planned>,
    /// What is needed and part of the kernel, in the order of discovery.
    pub builtins: Vec<PlannedBuiltin>,
    /// What was not found and is not necessary, and damaged modules that were passed over: lower-case sentences.
    pub notes: Vec<String>,
    /// The modules with all reasons between them.
    pub graph: Graph,
}

impl Closure {
    /// The module of this name.
    pub fn get(&self, name: &ModuleName) -> Option<&Planned> {
        self.modules.iter().find(|planned| planned.name == *name)
    }

    /// The modules that were built for another kernel than `release`, each with the release that it was built for.
    pub fn foreign<'a>(&'a self, release: &'a str) -> impl Iterator<Item = (&'a Planned, String)> {
        self.modules.iter().filter_map(move |planned| {
            let built_for = planned.info.vermagic_release()?;
            (built_for != release).then(|| (planned, built_for.into_owned()))
        })
    }
}

/// Finds everything that has to be loaded for `roots`: names of modules, aliases, or modaliases of devices.
///
/// Hard dependencies are what `depends=` says. Softdeps are looked up as modprobe does, through aliases; one that is not
/// there is a note. Only the files of the closure are opened, unless an alias or a rule makes it necessary to look at all.
///
/// # Errors
/// See [`ClosureError`].
pub fn closure(tree: &Tree, roots: &[&str], options: &ClosureOptions) -> Result<Closure, ClosureError> {
    let mut builder = Builder::new(tree, options)?;
    for root in roots {
        builder.root(root)?;
    }
    builder.settle()?;
    builder.finish()
}

struct Builder<'a> {
    tree: &'a Tree,
    options: &'a ClosureOptions,
    requests: Option<Requests<'a>>,
    graph: Graph,
    /// By node number: the entry, its fields once they are read, and the reason of a root.
    modules: Vec<Member>,
    builtins: Vec<PlannedBuiltin>,
    notes: Vec<String>,
    /// Modules whose own needs are not known yet.
    fresh: VecDeque<NodeIndex>,
}

struct Member {
    entry: Entry,
    info: Arc<ModInfo>,
    asked: Vec<Reason>,
}

impl<'a> Builder<'a> {
    fn new(tree: &'a Tree, options: &'a ClosureOptions) -> Result<Self, ClosureError> {
        let requests = if options.runtime {
            let rules = match &options.rules {
                Some(rules) => rules.clone(),
                None => Rules::embedded()?,
            };
            Some(Requests::new(tree, rules))
        } else {
            None
        };
        Ok(Self {
            tree,
            options,
            requests,
            graph: Graph::default(),
            modules: Vec::new(),
            builtins: Vec::new(),
            notes: Vec::new(),
            fresh: VecDeque::new(),
        })
    }

    fn root(&mut self, asked: &str) -> Result<(), ClosureError> {
        let reason = Reason {
            kind: ReasonKind::Root,
            by: None,
            asked: asked.to_owned(),
            rule: None,
        };
        if !self.resolved(asked, None, &reason)? {
            return Err(ClosureError::Unknown {
                name: asked.to_owned(),
                dir: self.tree.dir().to_path_buf(),
                near: self.tree.near_names(asked)?,
            });
        }
        Ok(())
    }

    /// Takes the modules' own needs in, and what the rules say about them, until nothing is new.
    fn settle(&mut self) -> Result<(), ClosureError> {
        let mut ruled = 0;
        loop {
            while let Some(node) = self.fresh.pop_front() {
                self.hard_needs(node)?;
                self.soft_needs(node)?;
            }
            if self.requests.is_none() || ruled == self.modules.len() {
                return Ok(());
            }
            self.runtime_needs(NodeIndex::new(ruled))?;
            ruled += 1;
        }
    }

    fn hard_needs(&mut self, node: NodeIndex) -> Result<(), ClosureError> {
        let (by, info) = self.member(node);
        for depends in info.depends() {
            let missing = ModuleName::new(depends);
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
            } else {
                let dir = self.tree.dir().to_path_buf();
                return Err(ClosureError::Missing { by, missing, dir });
            }
        }
        Ok(())
    }

    fn soft_needs(&mut self, node: NodeIndex) -> Result<(), ClosureError> {
        let (by, info) = self.member(node);
        let lines = match self.options.softdeps {
            SoftdepLines::All => usize::MAX,
            SoftdepLines::First => 1,
        };
        let mut wanted: Vec<(ReasonKind, String)> = Vec::new();
        for (when, asked) in info.softdeps().take(lines).flatten() {
            let kind = match when {
                When::Pre => ReasonKind::SoftPre,
                When::Post => ReasonKind::SoftPost,
            };
            wanted.push((kind, asked));
        }
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
                self.note(format!("{by} has a soft dependency on {asked}, which is not there"));
            }
        }
        Ok(())
    }

    fn runtime_needs(&mut self, node: NodeIndex) -> Result<(), ClosureError> {
        let Some(requests) = &mut self.requests else {
            return Ok(());
        };
        let member = &self.modules[node.index()];
        let found = requests.of(&member.entry, &member.info)?;
        self.notes.extend(requests.take_notes());
        let by = member.entry.name.clone();
        for Addition { asked, resolution, rule } in found {
            let reason = Reason {
                kind: ReasonKind::Runtime,
                by: Some(by.clone()),
                asked: asked.clone(),
                rule: Some(rule),
            };
            if !self.take(resolution, Some(node), &reason)? {
                self.note(format!("{by} asks for {asked} while running, and there is no such module"));
            }
        }
        Ok(())
    }

    /// Adds what a name or an alias stands for; says whether it stands for anything.
    fn resolved(&mut self, asked: &str, from: Option<NodeIndex>, reason: &Reason) -> Result<bool, ClosureError> {
        let resolution = self.tree.resolve(asked)?;
        self.take(resolution, from, reason)
    }

    fn take(&mut self, found: Resolution, from: Option<NodeIndex>, reason: &Reason) -> Result<bool, ClosureError> {
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
    fn needed(&mut self, entry: &Entry, from: Option<NodeIndex>, reason: Reason) -> Result<(), ClosureError> {
        let (node, new) = self.graph.add(&entry.name);
        if new {
            self.modules.push(Member {
                entry: entry.clone(),
                info: self.tree.modinfo(entry)?,
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
        match self.builtins.iter_mut().find(|builtin| builtin.name == name) {
            Some(known) if known.reasons.contains(&reason) => {}
            Some(known) => known.reasons.push(reason),
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

    fn finish(mut self) -> Result<Closure, ClosureError> {
        let order = self.graph.load_order().map_err(ClosureError::Cycle)?;
        let damaged: Vec<String> = self
            .tree
            .damaged()
            .iter()
            .map(|error| format!("passed over while looking for aliases: {error}"))
            .collect();
        self.notes.extend(damaged);
        let modules = order.into_iter().map(|node| self.planned(node)).collect();
        Ok(Closure {
            modules,
            builtins: self.builtins,
            notes: self.notes,
            graph: self.graph,
        })
    }

    fn planned(&self, node: NodeIndex) -> Planned {
        let member = &self.modules[node.index()];
        let mut reasons = member.asked.clone();
        let mut needs: Vec<_> = self.graph.graph.edges_directed(node, Direction::Incoming).collect();
        needs.sort_by_key(|edge| edge.id());
        reasons.extend(needs.into_iter().map(|edge| edge.weight().clone()));
        Planned {
            name: member.entry.name.clone(),
            path: self.tree.dir().join(&member.entry.relative),
            relative: member.entry.relative.clone(),
            info: Arc::clone(&member.info),
            reasons,
        }
    }
}
