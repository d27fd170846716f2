//! A closure as text: Graphviz's language, and a tree for a terminal.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::{Style, arrows, names};
use crate::{Closure, ReasonKind};

/// A closure for Graphviz's `dot`: every module and every edge, softdeps dashed, what is asked for while running dotted.
pub fn dot(closure: &Closure) -> String {
    let mut text = String::from("digraph modules {\n\trankdir=LR;\n\tnode [shape=box];\n");
    let names = names(closure);
    for name in &names {
        let planned = closure.get(name);
        let asked = planned.is_some_and(|planned| planned.reasons.iter().any(|it| it.by.is_none()));
        let style = if asked { " [style=bold]" } else { "" };
        let _ = writeln!(text, "\t{}{style};", quoted(name.as_str()));
    }
    for arrow in arrows(closure) {
        let style = match arrow.style {
            Style::Hard => "",
            Style::Soft => " [style=dashed]",
            Style::Runtime => " [style=dotted]",
        };
        let (from, to) = (names[arrow.from].as_str(), names[arrow.to].as_str());
        let _ = writeln!(text, "\t{} -> {}{style};", quoted(from), quoted(to));
    }
    text.push_str("}\n");
    text
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A closure as a tree, from what was asked for to what that needs. A module that has been shown with its needs already
/// is marked with `(*)`, and what is not a hard dependency says what it is.
pub fn tree(closure: &Closure) -> String {
    let mut tree = TreeText {
        closure,
        needs: HashMap::new(),
        shown: HashSet::new(),
        text: String::new(),
    };
    let graph = &closure.graph.graph;
    for node in graph.node_indices() {
        let mut needs: Vec<(NodeIndex, ReasonKind)> = Vec::new();
        let mut edges: Vec<_> = graph.edges(node).collect();
        edges.sort_by_key(|edge| edge.id());
        for edge in edges {
            match needs
                .iter_mut()
                .find(|(target, _)| *target == edge.target())
            {
                Some((_, kind)) => *kind = edge.weight().kind.min(*kind),
                None => needs.push((edge.target(), edge.weight().kind)),
            }
        }
        tree.needs.insert(node, needs);
    }
    let asked = closure
        .modules
        .iter()
        .filter(|module| module.reasons.iter().any(|reason| reason.by.is_none()));
    let mut roots: Vec<_> = asked
        .filter_map(|module| closure.graph.node(&module.name))
        .collect();
    roots.sort();
    for root in roots {
        tree.root(root);
    }
    tree.text
}

struct TreeText<'a> {
    closure: &'a Closure,
    needs: HashMap<NodeIndex, Vec<(NodeIndex, ReasonKind)>>,
    shown: HashSet<NodeIndex>,
    text: String,
}

impl TreeText<'_> {
    /// A root with everything below it, with a stack of its own: chains may be long.
    fn root(&mut self, root: NodeIndex) {
        let mut stack = vec![(root, ReasonKind::Hard, String::new(), "")];
        while let Some((node, kind, indent, branch)) = stack.pop() {
            let fresh = self.line(node, kind, &indent, branch);
            let below = indent
                + match branch {
                    "├── " => "│   ",
                    "" => "",
                    _ => "    ",
                };
            let needs = match fresh {
                true => self.needs.get(&node).cloned().unwrap_or_default(),
                false => Vec::new(),
            };
            for (at, (target, kind)) in needs.into_iter().rev().enumerate() {
                let branch = if at == 0 { "└── " } else { "├── " };
                stack.push((target, kind, below.clone(), branch));
            }
        }
    }

    /// Writes a module's line; says whether its needs follow.
    fn line(&mut self, node: NodeIndex, kind: ReasonKind, indent: &str, branch: &str) -> bool {
        let way = match kind {
            ReasonKind::SoftPre => " [softdep pre]",
            ReasonKind::SoftPost => " [softdep post]",
            ReasonKind::Weak => " [weakdep]",
            ReasonKind::Runtime => " [while running]",
            ReasonKind::Hard | ReasonKind::Root | ReasonKind::Goal => "",
        };
        let fresh = self.shown.insert(node);
        let needs = self.needs.get(&node).is_some_and(|needs| !needs.is_empty());
        let again = if !fresh && needs { " (*)" } else { "" };
        let name = &self.closure.graph.graph[node];
        let _ = writeln!(self.text, "{indent}{branch}{name}{way}{again}");
        fresh
    }
}
