//! Applying rules: a module's traces are looked for, cheapest first, and what they lead to is found in the tree.

use std::collections::HashMap;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::{Possible, Rule, Rules, Selector, Traces};
use crate::alias::Pattern;
use crate::calls::CallSite;
use crate::graph::RuleReason;
use crate::tree::{Entry, Resolution, Tree, TreeError};
use crate::{ModInfo, Symbols};

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

/// Rules at work on a tree. Keeps what it has found, since providers are the same for every module that needs one.
#[derive(Debug)]
pub struct Requests<'a> {
    pub(super) tree: &'a Tree,
    rules: Arc<[Rule]>,
    providers: HashMap<Traces, Arc<[Provider]>>,
    notes: Vec<String>,
    pub(super) possible: Vec<Possible>,
    /// The calls of modules that have been prepared, by their paths.
    pub(super) calls: HashMap<PathBuf, Result<Vec<CallSite>, TreeError>>,
}

#[derive(Debug)]
struct Provider {
    entry: Entry,
    evidence: Vec<String>,
}

/// The result of looking for something: the evidence, if it was found.
type Found = Option<Vec<String>>;

/// What a selector finds: what was asked for, what that stands for, and the evidence.
pub(crate) type Selected = (String, Resolution, Vec<String>);

impl<'a> Requests<'a> {
    /// Prepares to apply `rules` to modules of `tree`.
    pub fn new(tree: &'a Tree, rules: Rules) -> Self {
        Self {
            tree,
            rules: rules.rules.into(),
            providers: HashMap::new(),
            notes: Vec::new(),
            possible: Vec::new(),
            calls: HashMap::new(),
        }
    }

    /// What `module` asks for while running: by the rules, and by calls with a fixed string. Calls that fill a string in go
    /// to [`take_possible`](Self::take_possible).
    ///
    /// # Errors
    /// [`TreeError`], where the module itself or a listing cannot be read. A damaged module among those that might have
    /// been added is a note.
    pub fn of(&mut self, module: &Entry, info: &ModInfo) -> Result<Vec<Addition>, TreeError> {
        let mut additions = Vec::new();
        for rule in Arc::clone(&self.rules).iter() {
            let asker = format!("rule {} for {}", rule.name, module.name);
            let Some(evidence) = self.shows(&asker, module, info, &rule.when)? else {
                continue;
            };
            for selector in &rule.add {
                for (asked, resolution, more) in self.select(&asker, selector)? {
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
        additions.extend(self.called(module)?);
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

    /// Whether a module shows all traces that a rule wants.
    fn shows(
        &mut self,
        asker: &str,
        module: &Entry,
        info: &ModInfo,
        traces: &Traces,
    ) -> Result<Found, TreeError> {
        let Some(mut evidence) = patterns(traces).and_then(|patterns| alias_trace(info, &patterns))
        else {
            return Ok(None);
        };
        if !traces.imports.is_empty() || !traces.exports.is_empty() {
            let symbols = self.tree.symbols(module)?;
            match symbol_traces(&symbols, traces) {
                Some(more) => evidence.extend(more),
                None => return Ok(None),
            }
        }
        for template in &traces.strings {
            let Some((text, config)) = self.expand(asker, template)? else {
                return Ok(None);
            };
            let Some((section, offset)) = self.tree.find_string(module, &text)? else {
                return Ok(None);
            };
            evidence.push(format!("string `{text}` at {section}+{offset:#x}"));
            evidence.extend(config);
        }
        Ok(Some(evidence))
    }

    /// Finds what a selector stands for: what is asked for, what that is in this tree, and the evidence. `asker` begins
    /// a note where an option of the kernel's configuration is not known.
    ///
    /// # Errors
    /// [`TreeError`], where a listing cannot be read or the machine is at fault.
    pub(crate) fn select(
        &mut self,
        asker: &str,
        selector: &Selector,
    ) -> Result<Vec<Selected>, TreeError> {
        match selector {
            Selector::Module(template) | Selector::Alias(template) => {
                let Some((asked, evidence)) = self.expand(asker, template)? else {
                    return Ok(Vec::new());
                };
                let resolution = self.tree.resolve(&asked)?;
                Ok(vec![(asked, resolution, evidence)])
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

    /// All modules of the tree with these traces. Aliases are compared first, so that symbols are read of few modules.
    fn providers(&mut self, traces: &Traces) -> Result<Arc<[Provider]>, TreeError> {
        if let Some(known) = self.providers.get(traces) {
            return Ok(Arc::clone(known));
        }
        let tree = self.tree;
        let Some(patterns) = patterns(traces) else {
            return Ok(Arc::default());
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
        let found: Vec<Result<Option<Provider>, TreeError>> =
            candidates.into_par_iter().map(of_one).collect();
        let mut providers = Vec::new();
        for one in found {
            match one {
                Ok(provider) => providers.extend(provider),
                Err(error) if error.is_input() => self.note(passed_over(&error)),
                Err(error) => return Err(error),
            }
        }
        let providers: Arc<[Provider]> = providers.into();
        self.providers
            .insert(traces.clone(), Arc::clone(&providers));
        Ok(providers)
    }

    /// Puts the values of options in place of `{CONFIG_X}`; gives the text, and the options as evidence. `None`, with a
    /// note, where the value is not known.
    fn expand(
        &mut self,
        asker: &str,
        template: &str,
    ) -> Result<Option<(String, Vec<String>)>, TreeError> {
        let mut text = String::new();
        let mut evidence = Vec::new();
        let mut rest = template;
        while let Some((before, from)) = rest.split_once('{') {
            let Some((option, behind)) = from.split_once('}') else {
                break;
            };
            let config = self.tree.config()?;
            let Some(value) = config.and_then(|config| config.get(option)) else {
                let why = match config {
                    Some(_) => "the kernel's configuration does not set it",
                    None => "the kernel's configuration was not found",
                };
                self.note(format!("{asker}: {option} is not known: {why}"));
                return Ok(None);
            };
            text.push_str(before);
            text.push_str(value);
            evidence.push(format!("{option}={value}"));
            rest = behind;
        }
        text.push_str(rest);
        Ok(Some((text, evidence)))
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

/// The note about a damaged module among all that were looked at.
pub(crate) fn passed_over(error: &TreeError) -> String {
    format!("a damaged module was passed over: {error}")
}

/// The patterns for aliases. One that is not well formed matches nothing: `None` where that is so of all.
fn patterns(traces: &Traces) -> Option<Vec<Pattern>> {
    let patterns = traces.alias.iter();
    let patterns: Vec<_> = patterns
        .filter_map(|pattern| Pattern::new(pattern.as_bytes()))
        .collect();
    (traces.alias.is_empty() || !patterns.is_empty()).then_some(patterns)
}

/// The first alias of a module that one of the patterns matches; no evidence is needed where there are no patterns.
fn alias_trace(info: &ModInfo, patterns: &[Pattern]) -> Found {
    if patterns.is_empty() {
        return Some(Vec::new());
    }
    let found = info
        .raw("alias")
        .find(|alias| patterns.iter().any(|pattern| pattern.matches(alias)))?;
    Some(vec![format!("alias `{}`", String::from_utf8_lossy(found))])
}

pub(crate) fn symbol_traces(symbols: &Symbols, traces: &Traces) -> Found {
    let mut evidence = Vec::new();
    for (what, wanted, present) in [
        ("imports", &traces.imports, &symbols.imports),
        ("exports", &traces.exports, &symbols.exports),
    ] {
        if !wanted.is_empty() {
            let symbol = wanted.iter().find(|symbol| present.contains(symbol))?;
            evidence.push(format!("{what} `{symbol}`"));
        }
    }
    Some(evidence)
}
