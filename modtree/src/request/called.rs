//! What a module's own code asks for, by the calls that [`call_sites`] finds.
//!
//! A call with a fixed string asks for exactly that. One with a conversion in it (`nls_%s`) may ask for any module that
//! fits, which is worth knowing and no reason to take them all; nor is one that hardly ever runs ([`is_rare_request`]).

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
    /// What calls with fixed strings ask for, as far as it is there; the others are kept, and so are the rare ones.
    pub(super) fn called(
        &mut self,
        module: &Entry,
        calls: Vec<CallSite>,
    ) -> Result<Vec<Addition>, TreeError> {
        let mut additions = Vec::new();
        if let Some(site) = calls.iter().find(|site| site.is_open()) {
            let known = |name: &String| calls.iter().any(|site| site.asks.contains(name));
            for asked in self.tabled(module)?.into_iter().filter(|name| !known(name)) {
                let (by, site) = (module.name.clone(), site.clone());
                self.possible.push(Possible { by, asked, site });
            }
        }
        for site in calls {
            for asked in &site.asks {
                if !is_certain(module, asked) {
                    self.possible.push(Possible {
                        by: module.name.clone(),
                        asked: asked.clone(),
                        site: site.clone(),
                    });
                    continue;
                }
                // Much that is asked for was never there, or is made by the kernel itself (a cipher's template).
                let resolution = self.resolve(asked)?;
                if !matches!(resolution, Resolution::Unknown) && !is_own(&resolution, module) {
                    additions.push(addition(asked, resolution, &site));
                }
            }
        }
        Ok(additions)
    }

    /// What a module asks for by a string that the call does not show may stand in a table: the names in its data of modules that
    /// use its symbols, as the parts of a driver do that it loads for some devices or protocols only.
    fn tabled(&self, module: &Entry) -> Result<Vec<String>, TreeError> {
        let mut found = Vec::new();
        for name in self.tree.names_in_data(module)? {
            let Some(entry) = self.tree.find_in_order(&ModuleName::new(&name))? else {
                continue;
            };
            // One that is damaged is told when it is asked for.
            let info = self.tree.modinfo(&entry);
            let uses = |needed: &str| ModuleName::new(needed) == module.name;
            if info.is_ok_and(|info| info.depends().any(uses)) {
                found.push(name);
            }
        }
        Ok(found)
    }
}

/// Whether a module that asks for this means exactly this, and always.
pub(super) fn is_certain(module: &Entry, asked: &str) -> bool {
    !asked.contains('*') && !is_rare_request(&module.name, asked)
}

/// The calls by which a module asks for others.
pub(super) fn calls_of(tree: &Tree, module: &Entry) -> Result<Vec<CallSite>, TreeError> {
    let symbols = tree.symbols(module)?;
    match may_ask(|symbol| symbols.is_import(symbol)) {
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
