//! Applying rules: what a module's traces lead to is found in the tree.

use std::fmt::Display;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use super::providers::{Provider, Providers};
use super::shown::{Filled, Prepared, Shown, fill};
use super::{Possible, Rule, Rules, Selector, Traces};
use crate::ModInfo;
use crate::fast_hash::FastMap;
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
    pub(super) rules: Arc<[Rule]>,
    pub(super) providers: FastMap<Traces, Providers>,
    /// By the names and aliases that were asked for.
    pub(super) resolutions: FastMap<String, Resolution>,
    notes: Vec<String>,
    pub(super) possible: Vec<Possible>,
    /// By the modules' paths.
    pub(super) prepared: FastMap<PathBuf, Prepared>,
}

/// What a selector finds: what was asked for, what that stands for, and the evidence.
pub(crate) type Selected = (String, Resolution, Vec<String>);

impl<'a> Requests<'a> {
    /// Prepares to apply `rules` to modules of `tree`.
    pub fn new(tree: &'a Tree, rules: Rules) -> Self {
        Self {
            tree,
            rules: rules.rules.into(),
            providers: FastMap::default(),
            resolutions: FastMap::default(),
            notes: Vec::new(),
            possible: Vec::new(),
            prepared: FastMap::default(),
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

/// Evidence of a rule's condition and of what it adds, each once: both may say the same option of the configuration.
fn all_of(condition: &[String], added: Vec<String>) -> Vec<String> {
    let more = added.into_iter().filter(|one| !condition.contains(one));
    condition.iter().cloned().chain(more).collect()
}
