//! What changed between two kernels.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::ModuleName;
use crate::tree::{Tree, TreeError};

/// What the second tree has and the first has not, and the other way round. All lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Modules that are new.
    pub added: Vec<ModuleName>,
    /// Modules that are gone, and not built in.
    pub removed: Vec<ModuleName>,
    /// Modules that the second kernel has built in.
    pub became_builtin: Vec<ModuleName>,
    /// Parts of the first kernel that are modules of the second.
    pub became_module: Vec<ModuleName>,
    /// For modules of both: what they need now, and needed no longer.
    pub dependencies: BTreeMap<ModuleName, Changes>,
    /// For modules of both: aliases that are new, and gone.
    pub aliases: BTreeMap<ModuleName, Changes>,
    /// Exported symbols that are new, and gone, in all modules together.
    pub symbols: Changes,
    /// What is wrong with modules of either tree that cannot be read, with their paths. Nothing else is said of these.
    pub damaged: Vec<String>,
}

/// What is new and what is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changes {
    /// Only in the second.
    pub added: BTreeSet<String>,
    /// Only in the first.
    pub removed: BTreeSet<String>,
}

impl Changes {
    fn between(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Self {
        Self {
            added: new.difference(old).cloned().collect(),
            removed: old.difference(new).cloned().collect(),
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// What is compared of a module; what is wrong where it cannot be read.
type Summary = Result<Content, String>;

struct Content {
    depends: BTreeSet<String>,
    aliases: BTreeSet<String>,
    exports: Vec<String>,
}

type Summaries = BTreeMap<ModuleName, Summary>;

/// Compares two trees. Damaged modules count as there, and what is in them is not compared.
///
/// # Errors
/// [`TreeError`], where a listing cannot be read or the machine is at fault.
pub fn diff(old: &Tree, new: &Tree) -> Result<Difference, TreeError> {
    let (before, after) = (summaries(old)?, summaries(new)?);
    let mut difference = Difference::default();
    for (name, of_new) in &after {
        match before.get(name) {
            Some(of_old) => {
                let (Ok(of_old), Ok(of_new)) = (of_old, of_new) else {
                    continue;
                };
                let depends = Changes::between(&of_old.depends, &of_new.depends);
                let aliases = Changes::between(&of_old.aliases, &of_new.aliases);
                if !depends.is_empty() {
                    difference.dependencies.insert(name.clone(), depends);
                }
                if !aliases.is_empty() {
                    difference.aliases.insert(name.clone(), aliases);
                }
            }
            None if old.builtins()?.contains(name) => difference.became_module.push(name.clone()),
            None => difference.added.push(name.clone()),
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        match new.builtins()?.contains(name) {
            true => difference.became_builtin.push(name.clone()),
            false => difference.removed.push(name.clone()),
        }
    }
    let is_damaged = |all: &Summaries, name: &ModuleName| matches!(all.get(name), Some(Err(_)));
    // What one of them does not tell is neither new nor gone.
    let is_told = |name: &ModuleName| !is_damaged(&before, name) && !is_damaged(&after, name);
    let exports = |all: &Summaries, of_told: bool| -> BTreeSet<String> {
        let modules = all.iter().filter(|(name, _)| is_told(name) == of_told);
        let modules = modules.filter_map(|(_, summary)| summary.as_ref().ok());
        modules.flat_map(|one| one.exports.clone()).collect()
    };
    let mut symbols = Changes::between(&exports(&before, true), &exports(&after, true));
    // One that has moved from such a module, or to it, is neither.
    let (had, has) = (exports(&before, false), exports(&after, false));
    symbols.added.retain(|symbol| !had.contains(symbol));
    symbols.removed.retain(|symbol| !has.contains(symbol));
    difference.symbols = symbols;
    let summaries = before.values().chain(after.values());
    difference.damaged = summaries
        .filter_map(|one| one.as_ref().err().cloned())
        .collect();
    Ok(difference)
}

fn summaries(tree: &Tree) -> Result<Summaries, TreeError> {
    let of_one = |entry| {
        let entry: &crate::Entry = entry;
        let module = match tree.module(entry) {
            Ok(module) => module,
            Err(error) if error.is_input() => {
                return Ok((entry.name.clone(), Err(error.to_string())));
            }
            Err(error) => return Err(error),
        };
        let summary = Content {
            depends: module.info.depends().map(ToString::to_string).collect(),
            aliases: module
                .info
                .all("alias")
                .map(|alias| alias.into_owned())
                .collect(),
            exports: module.exports,
        };
        Ok((entry.name.clone(), Ok(summary)))
    };
    tree.modules()?.par_iter().map(of_one).collect()
}
