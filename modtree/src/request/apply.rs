//! Applying rules: what a module's traces lead to is found in the tree.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::called::is_certain;
use super::shown::{Filled, Prepared, Shown, alias_trace, fill, patterns, symbol_traces};
use super::{Possible, Rule, Rules, Selector, Traces};
use crate::ModInfo;
use crate::graph::RuleReason;
use crate::tree::{Entry, Resolution, Tree, TreeError};

/// Something that a rule adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The name or alias that is asked for; for a provider, its name.
    pub asked: String,
    /// What it stands for in the tree.
    pub resolution: Resolution,
    /// The rule, with the evidence.
    pub rule: RuleReason,
}

/// Rules at work on a tree. Keeps what it has found, since that is the same for every module that needs it.
#[derive(Debug)]
pub struct Requests<'a> {
    pub(super) tree: &'a Tree,
    rules: Arc<[Rule]>,
    providers: HashMap<Traces, Providers>,
    /// By the names and aliases that were asked for.
    resolutions: HashMap<String, Resolution>,
    notes: Vec<String>,
    pub(super) possible: Vec<Possible>,
    /// By the modules' paths.
    prepared: HashMap<PathBuf, Prepared>,
}

/// The modules with certain traces.
#[derive(Debug)]
struct Providers {
    all: Arc<[Provider]>,
    /// What was passed over; empty once it has been told.
    notes: Vec<String>,
}

#[derive(Debug)]
struct Provider {
    entry: Entry,
    evidence: Vec<String>,
}

/// What a selector finds: what was asked for, what that stands for, and the evidence.
pub(crate) type Selected = (String, Resolution, Vec<String>);

impl<'a> Requests<'a> {
    /// Prepares to apply `rules` to modules of `tree`.
    pub fn new(tree: &'a Tree, rules: Rules) -> Self {
        Self {
            tree,
            rules: rules.rules.into(),
            providers: HashMap::new(),
            resolutions: HashMap::new(),
            notes: Vec::new(),
            possible: Vec::new(),
            prepared: HashMap::new(),
        }
    }

    /// What `module` asks for while running: by the rules, and by calls with a fixed string. Calls that fill a string in go
    /// to [`take_possible`](Self::take_possible).
    ///
    /// # Errors
    /// [`TreeError`], where the module itself or a listing cannot be read. A damaged module among those that might have
    /// been added is a note.
    pub fn of(&mut self, module: &Entry, info: &ModInfo) -> Result<Vec<Addition>, TreeError> {
        let rules = Arc::clone(&self.rules);
        let Prepared { shown, calls } = match self.prepared.remove(&module.relative) {
            Some(prepared) => prepared,
            None => Prepared::of(self.tree, &rules, module, info),
        };
        let mut additions = Vec::new();
        for (rule, shown) in rules.iter().zip(shown) {
            let asker = format_args!("rule {} for {}", rule.name, module.name);
            let evidence = match shown? {
                Shown::Yes { evidence } => evidence,
                Shown::No => continue,
                Shown::Unclear(why) => {
                    self.note(format!("{asker}: {why}"));
                    continue;
                }
            };
            for selector in &rule.add {
                for (asked, resolution, more) in self.select(asker, selector)? {
                    if resolution == Resolution::Module(module.clone()) {
                        continue;
                    }
                    additions.push(Addition {
                        asked,
                        resolution,
                        rule: RuleReason {
                            name: rule.name.clone(),
                            text: rule.reason.clone(),
                            evidence: all_of(&evidence, more),
                        },
                    });
                }
            }
        }
        additions.extend(self.called(module, calls?)?);
        Ok(additions)
    }

    /// Returns a function that reads in advance what [`of`](Self::of) will need of a module itself, for
    /// [`keep_prepared`](Self::keep_prepared): which can be done for many modules at the same time.
    pub(crate) fn preparer(&self) -> impl Fn(&Entry, &ModInfo) -> Prepared + Sync + use<'a> {
        let (tree, rules) = (self.tree, Arc::clone(&self.rules));
        move |module, info| Prepared::of(tree, &rules, module, info)
    }

    /// Whether a module has been prepared.
    pub(crate) fn is_prepared(&self, module: &Entry) -> bool {
        self.prepared.contains_key(&module.relative)
    }

    /// Keeps what has been read in advance, until [`of`](Self::of) is asked about the module.
    pub(crate) fn keep_prepared(&mut self, module: &Entry, prepared: Prepared) {
        self.prepared.insert(module.relative.clone(), prepared);
    }

    /// Finds at the same time what [`of`](Self::of) will look for one after the other, for some modules that have been prepared,
    /// and what `names` stand for. What goes wrong will be told then. Gives the modules found that are new.
    pub(crate) fn foresee(&mut self, modules: &[Entry], mut names: Vec<String>) -> Vec<Entry> {
        let rules = Arc::clone(&self.rules);
        let mut wanted = Vec::new();
        for module in modules {
            let Some(prepared) = self.prepared.get(&module.relative) else {
                continue;
            };
            for (rule, shown) in rules.iter().zip(&prepared.shown) {
                if let Ok(Shown::Yes { .. }) = shown {
                    wanted.extend(&rule.add);
                }
            }
            let sites = prepared.calls.iter().flatten();
            let asked = sites.flat_map(|site| &site.asks);
            names.extend(asked.filter(|asked| is_certain(module, asked)).cloned());
        }
        let mut traces = Vec::new();
        for selector in wanted {
            match selector {
                Selector::Module(template) | Selector::Alias(template) => {
                    if let Ok(Filled::Text { text, .. }) = fill(self.tree, template) {
                        names.push(text);
                    }
                }
                Selector::Provider(wanted) => traces.push(wanted),
            }
        }
        let mut seen = HashSet::new();
        names.retain(|name| !self.resolutions.contains_key(name) && seen.insert(name.clone()));
        let mut seen = HashSet::new();
        traces.retain(|&wanted| !self.providers.contains_key(wanted) && seen.insert(wanted));
        let tree = self.tree;
        let resolve = || names.iter().map(|name| tree.resolve(name)).collect();
        let find = |traces: &&Traces| Providers::find(tree, traces);
        let (resolutions, providers): (Vec<_>, Vec<_>) = match tree.is_indexed() {
            true => rayon::join(resolve, || traces.par_iter().map(find).collect()),
            // Then a name may ask for all modules, as each trace does: they are read on all cores by the first who asks.
            false => (resolve(), traces.iter().map(find).collect()),
        };
        let mut new = Vec::new();
        for (traces, found) in traces.into_iter().zip(providers) {
            if let Ok(providers) = found {
                new.extend(providers.all.iter().map(|one| one.entry.clone()));
                self.providers.insert(traces.clone(), providers);
            }
        }
        for (name, found) in names.into_iter().zip(resolutions) {
            match &found {
                Ok(Resolution::Module(entry)) => new.push(entry.clone()),
                Ok(Resolution::Aliases(entries)) => new.extend(entries.iter().cloned()),
                _ => {}
            }
            if let Ok(resolution) = found {
                self.resolutions.insert(name, resolution);
            }
        }
        new
    }

    /// What modules may ask for, since the last call.
    pub fn take_possible(&mut self) -> Vec<Possible> {
        mem::take(&mut self.possible)
    }

    /// The notes since the last call: lower-case sentences.
    pub fn take_notes(&mut self) -> Vec<String> {
        mem::take(&mut self.notes)
    }

    /// Finds what a selector stands for: what is asked for, what that is in this tree, and the evidence. `asker` begins
    /// a note where an option of the kernel's configuration is not known.
    ///
    /// # Errors
    /// [`TreeError`], where a listing cannot be read or the machine is at fault.
    pub(crate) fn select(
        &mut self,
        asker: impl Display,
        selector: &Selector,
    ) -> Result<Vec<Selected>, TreeError> {
        match selector {
            Selector::Module(template) | Selector::Alias(template) => {
                match fill(self.tree, template)? {
                    Filled::Text { text, evidence } => {
                        let resolution = self.resolve(&text)?;
                        Ok(vec![(text, resolution, evidence)])
                    }
                    Filled::Unclear(why) => {
                        self.note(format!("{asker}: {why}"));
                        Ok(Vec::new())
                    }
                }
            }
            Selector::Provider(traces) => {
                let providers = self.providers(traces)?;
                let selected = providers.iter().map(|Provider { entry, evidence }| {
                    let name = entry.name.to_string();
                    let evidence = evidence.iter().map(|found| format!("{name}: {found}"));
                    let evidence = evidence.collect();
                    (name, Resolution::Module(entry.clone()), evidence)
                });
                Ok(selected.collect())
            }
        }
    }

    fn providers(&mut self, traces: &Traces) -> Result<Arc<[Provider]>, TreeError> {
        let mut found = match self.providers.remove(traces) {
            Some(found) => found,
            None => Providers::find(self.tree, traces)?,
        };
        for note in mem::take(&mut found.notes) {
            self.note(note);
        }
        let all = Arc::clone(&found.all);
        self.providers.insert(traces.clone(), found);
        Ok(all)
    }

    /// What a name or an alias stands for in the tree.
    pub(crate) fn resolve(&mut self, asked: &str) -> Result<Resolution, TreeError> {
        if let Some(known) = self.resolutions.get(asked) {
            return Ok(known.clone());
        }
        let found = self.tree.resolve(asked)?;
        self.resolutions.insert(asked.to_owned(), found.clone());
        Ok(found)
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl Providers {
    /// All modules of the tree with these traces. Aliases are compared first, so that symbols are read of few modules.
    fn find(tree: &Tree, traces: &Traces) -> Result<Self, TreeError> {
        let mut found = Self {
            all: Arc::default(),
            notes: Vec::new(),
        };
        let Some(patterns) = patterns(traces) else {
            return Ok(found);
        };
        let of_one = |entry: Entry| {
            let Some(mut evidence) = alias_trace(&*tree.modinfo(&entry)?, &patterns) else {
                return Ok(None);
            };
            if !traces.imports.is_empty() || !traces.exports.is_empty() {
                match symbol_traces(&*tree.symbols(&entry)?, traces) {
                    Some(more) => evidence.extend(more),
                    None => return Ok(None),
                }
            }
            Ok(Some(Provider { entry, evidence }))
        };
        let candidates = tree.candidates(&patterns, &traces.imports)?;
        let looked_at: Vec<Result<Option<Provider>, TreeError>> =
            candidates.into_par_iter().map(of_one).collect();
        let mut all = Vec::new();
        for one in looked_at {
            match one {
                Ok(provider) => all.extend(provider),
                Err(error) if error.is_input() => found.notes.push(passed_over(&error)),
                Err(error) => return Err(error),
            }
        }
        found.all = all.into();
        Ok(found)
    }
}

/// Evidence of a rule's condition and of what it adds, each once: both may say the same option of the configuration.
fn all_of(condition: &[String], added: Vec<String>) -> Vec<String> {
    let more = added.into_iter().filter(|one| !condition.contains(one));
    condition.iter().cloned().chain(more).collect()
}

/// The note about a damaged module among all that were looked at.
pub(crate) fn passed_over(error: &TreeError) -> String {
    format!("a damaged module was passed over: {error}")
}
