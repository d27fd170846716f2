//! From what was found to the closure: the load order, and each module's reasons.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::Builder;
use crate::closure::{Closure, ClosureError, Planned};
use crate::request::passed_over;

impl Builder<'_> {
    pub(super) fn finish(mut self) -> Result<Closure, ClosureError> {
        let order = self.graph.load_order().map_err(ClosureError::Cycle)?;
        for error in self.tree.damaged() {
            self.note(passed_over(error));
        }
        let modules = order.into_iter().map(|node| self.planned(node)).collect();
        Ok(Closure {
            modules,
            builtins: self.builtins,
            excluded: self.excluded,
            possible: self.requests.take_possible(),
            notes: self.notes,
            graph: self.graph,
        })
    }

    fn planned(&self, node: NodeIndex) -> Planned {
        let member = &self.modules[node.index()];
        let mut reasons = member.asked.clone();
        let mut needs: Vec<_> = self
            .graph
            .graph
            .edges_directed(node, Direction::Incoming)
            .collect();
        needs.sort_by_key(|edge| edge.id());
        reasons.extend(needs.into_iter().map(|edge| edge.weight().clone()));
        Planned {
            name: member.entry.name.clone(),
            path: self.tree.dir().join(&member.entry.relative),
            relative: place(&member.entry.relative),
            info: Arc::clone(&member.info),
            reasons,
        }
    }
}

/// A module's place below the modules directory; for a file from elsewhere, where `make modules_install` puts such ones.
fn place(relative: &Path) -> PathBuf {
    match relative.file_name() {
        Some(name) if relative.is_absolute() => Path::new("updates").join(name),
        _ => relative.to_path_buf(),
    }
}
