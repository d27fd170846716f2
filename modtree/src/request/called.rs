//! What a module's own code asks for, by the calls that [`call_sites`] finds.
//!
//! A call with a fixed string asks for exactly that. One with a conversion in it (`nls_%s`) may ask for any module that
//! fits, which is worth knowing and no reason to take them all; nor is one that hardly ever runs ([`is_rare_request`]).

use super::{Addition, Requests, is_rare_request};
use crate::ModuleName;
use crate::calls::{CallSite, call_sites, may_ask};
use crate::graph::RuleReason;
use crate::tree::{Entry, Resolution, TreeError};

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
    pub(super) fn called(&mut self, module: &Entry) -> Result<Vec<Addition>, TreeError> {
        if !may_ask(&self.tree.symbols(module)?.imports) {
            return Ok(Vec::new());
        }
        let bytes = self.tree.bytes(module)?;
        let sites = call_sites(&bytes).map_err(|source| TreeError::Elf {
            path: self.tree.shown(&self.tree.dir().join(&module.relative)),
            source,
        })?;
        let mut additions = Vec::new();
        for site in sites {
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
