//! What a module's own code asks for, by the calls that [`call_sites`] finds.
//!
//! A call with a fixed string asks for exactly that. One with a conversion in it (`nls_%s`) may ask for any module that
//! fits, which is worth knowing and no reason to take them all; nor is one that hardly ever runs ([`is_rare_request`]).

use rayon::prelude::*;

use super::{Addition, Requests, is_rare_request};
use crate::ModuleName;
use crate::calls::{CallSite, may_ask};
use crate::graph::RuleReason;
use crate::tree::{Entry, Resolution, Tree, TreeError};

/// A request that the code fills in while running, or that it makes in rare set-ups only.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Possible {
    /// The module that asks.
    pub by: ModuleName,
    /// What it asks for, with a `*` for each part that is filled in.
    pub asked: String,
    /// The call.
    pub site: CallSite,
}

impl Requests<'_> {
    /// Reads modules at the same time that [`of`](Self::of) will be asked about one after the other.
    pub(crate) fn prepare<'m>(&mut self, modules: impl Iterator<Item = &'m Entry>) {
        let tree = self.tree;
        let unknown = |module: &&Entry| !self.calls.contains_key(&module.relative);
        let modules: Vec<_> = modules.filter(unknown).collect();
        let calls = modules.into_par_iter();
        let calls = calls.map(|module| (module.relative.clone(), calls_of(tree, module)));
        self.calls.par_extend(calls);
    }

    /// What calls with fixed strings ask for, as far as it is there; the others are kept, and so are the rare ones.
    pub(super) fn called(&mut self, module: &Entry) -> Result<Vec<Addition>, TreeError> {
        let calls = self.calls.remove(&module.relative);
        let mut additions = Vec::new();
        for site in calls.unwrap_or_else(|| calls_of(self.tree, module))? {
            for asked in &site.asks {
                if asked.contains('*') || is_rare_request(&module.name, asked) {
                    self.possible.push(Possible {
                        by: module.name.clone(),
                        asked: asked.clone(),
                        site: site.clone(),
                    });
                    continue;
                }
                // Much that is asked for was never there, or is made by the kernel itself (a cipher's template).
                let resolution = self.tree.resolve(asked)?;
                if !matches!(resolution, Resolution::Unknown) && !is_own(&resolution, module) {
                    additions.push(addition(asked, resolution, &site));
                }
            }
        }
        Ok(additions)
    }
}

fn calls_of(tree: &Tree, module: &Entry) -> Result<Vec<CallSite>, TreeError> {
    match may_ask(&tree.symbols(module)?.imports) {
        true => tree.call_sites(module),
        false => Ok(Vec::new()),
    }
}

fn is_own(resolution: &Resolution, module: &Entry) -> bool {
    matches!(resolution, Resolution::Module(entry) if entry.name == module.name)
}

fn addition(asked: &str, resolution: Resolution, site: &CallSite) -> Addition {
    Addition {
        asked: asked.to_owned(),
        resolution,
        rule: RuleReason {
            name: site.symbol.clone(),
            text: format!("its code asks for {asked}"),
            evidence: vec![site.to_string()],
        },
    }
}
