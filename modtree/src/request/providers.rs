//! The modules with certain traces: what a rule adds that does not know the names.

use std::sync::Arc;

use rayon::prelude::*;

use super::Traces;
use super::shown::{alias_trace, patterns, symbol_traces};
use crate::tree::{Entry, Tree, TreeError};

/// The modules with certain traces.
#[derive(Debug)]
pub(super) struct Providers {
    pub(super) all: Arc<[Provider]>,
    /// What was passed over; empty once it has been told.
    pub(super) notes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Provider {
    pub(super) entry: Entry,
    pub(super) evidence: Vec<String>,
}

impl Providers {
    /// All modules of the tree with these traces. Aliases are compared first, so that symbols are read of few modules.
    pub(super) fn find(tree: &Tree, traces: &Traces) -> Result<Self, TreeError> {
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

/// The note about a damaged module among all that were looked at.
pub(crate) fn passed_over(error: &TreeError) -> String {
    format!("a damaged module was passed over: {error}")
}
