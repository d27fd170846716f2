//! In which order modules can be loaded.

use std::collections::HashSet;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::{Graph, ReasonKind};

/// A depth-first search along "must be loaded after", with its own stack: a chain of 60,000 modules is no problem.
pub(super) struct LoadOrder<'a> {
    graph: &'a Graph,
    /// For each node, what must be loaded before it.
    before: Vec<Vec<NodeIndex>>,
    state: Vec<State>,
    order: Vec<NodeIndex>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Loaded,
}

enum Step {
    Enter(NodeIndex),
    Load(NodeIndex),
}

impl<'a> LoadOrder<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let count = graph.graph.node_count();
        Self {
            graph,
            before: constraints(graph),
            state: vec![State::New; count],
            order: Vec::with_capacity(count),
        }
    }

    pub(super) fn run(mut self) -> Vec<NodeIndex> {
        for node in self.graph.graph.node_indices() {
            self.visit(node);
        }
        self.order
    }

    fn visit(&mut self, node: NodeIndex) {
        let mut steps = vec![Step::Enter(node)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(node) if self.state[node.index()] == State::New => {
                    self.state[node.index()] = State::Open;
                    steps.push(Step::Load(node));
                    steps.extend(
                        self.before[node.index()]
                            .iter()
                            .rev()
                            .map(|&first| Step::Enter(first)),
                    );
                }
                Step::Enter(_) => {}
                Step::Load(node) => {
                    self.state[node.index()] = State::Loaded;
                    self.order.push(node);
                    let mut after: Vec<_> =
                        self.graph.targets(node, ReasonKind::SoftPost).collect();
                    // What waits for a module that is still open comes later, with the other nodes.
                    after.retain(|&post| !self.waits(post));
                    steps.extend(after.into_iter().rev().map(Step::Enter));
                }
            }
        }
    }

    /// Whether something that must be loaded before `node` is being worked on.
    fn waits(&self, node: NodeIndex) -> bool {
        let mut seen = HashSet::new();
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            match self.state[node.index()] {
                State::Open => return true,
                State::Loaded => {}
                State::New if seen.insert(node) => stack.extend(&self.before[node.index()]),
                State::New => {}
            }
        }
        false
    }
}

/// For each node the modules that come before it: hard dependencies first, then softdeps, less the contradictory ones.
fn constraints(graph: &Graph) -> Vec<Vec<NodeIndex>> {
    // (later, earlier, soft)
    let mut all: DiGraph<(), bool> = DiGraph::new();
    for _ in graph.graph.node_indices() {
        all.add_node(());
    }
    for edge in graph.graph.edge_references() {
        match edge.weight().kind {
            ReasonKind::Hard => all.add_edge(edge.source(), edge.target(), false),
            ReasonKind::SoftPre => all.add_edge(edge.source(), edge.target(), true),
            ReasonKind::SoftPost => all.add_edge(edge.target(), edge.source(), true),
            ReasonKind::Root | ReasonKind::Goal | ReasonKind::Weak | ReasonKind::Runtime => {
                continue;
            }
        };
    }
    let mut component = vec![0; all.node_count()];
    for (number, members) in kosaraju_scc(&all).into_iter().enumerate() {
        for member in members {
            component[member.index()] = number;
        }
    }
    let mut before = vec![Vec::new(); all.node_count()];
    for soft in [false, true] {
        for edge in all.edge_references().filter(|edge| *edge.weight() == soft) {
            let (later, earlier) = (edge.source().index(), edge.target().index());
            if !soft || component[later] != component[earlier] {
                before[later].push(edge.target());
            }
        }
    }
    before
}
