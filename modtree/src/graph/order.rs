//! In which order modules can be loaded.
//!
//! Of several modules that one needs, the one with the longest chain below it comes first, and equal ones come by name. So
//! an edge that others imply changes nothing: the direct dependencies of a module (its `depends=`) and all of them (its line
//! in `modules.dep`) give the same order.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeFiltered, EdgeRef};

use super::{Graph, ReasonKind};

/// A depth-first search along "must be loaded after", with its own stack: a chain of 60,000 modules is no problem.
pub(super) struct LoadOrder<'a> {
    graph: &'a Graph,
    /// For each node, what must be loaded before it.
    before: Vec<Vec<NodeIndex>>,
    state: Vec<State>,
    order: Vec<NodeIndex>,
    /// `post:` softdeps which could not be loaded yet when their time came.
    waiting: VecDeque<NodeIndex>,
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
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn run(mut self) -> Vec<NodeIndex> {
        for node in self.graph.graph.node_indices() {
            self.visit(node);
            while let Some(waiting) = self.waiting.pop_front() {
                self.visit(waiting);
            }
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
                    let after = self.graph.targets(node, ReasonKind::SoftPost);
                    // What waits for a module that is still open comes when none is.
                    let (later, now): (Vec<_>, Vec<_>) = after.partition(|&post| self.waits(post));
                    self.waiting.extend(later);
                    steps.extend(now.into_iter().rev().map(Step::Enter));
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
    let edges = |kind: ReasonKind| {
        let edges = graph.graph.edge_references();
        let edges = edges.filter(move |edge| edge.weight().kind == kind);
        edges.map(|edge| (edge.source(), edge.target()))
    };
    // (later, earlier), each kind in an order that does not depend on which hard edges there are.
    let height = heights(graph);
    let mut hard: Vec<_> = edges(ReasonKind::Hard).collect();
    hard.sort_by_key(|&(_, earlier)| (Reverse(height[earlier.index()]), &graph.graph[earlier]));
    let pre: Vec<_> = edges(ReasonKind::SoftPre).collect();
    let mut post: Vec<_> = edges(ReasonKind::SoftPost)
        .map(|(module, later)| (later, module))
        .collect();
    post.sort_by_key(|&(_, earlier)| &graph.graph[earlier]);
    let component = components(graph, [&hard, &pre, &post].into_iter().flatten());
    let mut before = vec![Vec::new(); graph.graph.node_count()];
    for (later, earlier) in hard {
        before[later.index()].push(earlier);
    }
    for (later, earlier) in pre.into_iter().chain(post) {
        // In one group they wait for each other.
        if component[later.index()] != component[earlier.index()] {
            before[later.index()].push(earlier);
        }
    }
    before
}

/// For each node the length of the longest chain of hard dependencies below it. There must be no cycle of them.
fn heights(graph: &Graph) -> Vec<usize> {
    let hard = EdgeFiltered::from_fn(&graph.graph, |edge| edge.weight().kind == ReasonKind::Hard);
    let mut heights = vec![0; graph.graph.node_count()];
    for node in toposort(&hard, None).unwrap_or_default().into_iter().rev() {
        let below = graph.hard_needs(node);
        let below = below.map(|needed| heights[needed.index()] + 1).max();
        heights[node.index()] = below.unwrap_or(0);
    }
    heights
}

/// For each node the number of its group: nodes of one group wait for each other.
fn components<'a>(
    graph: &Graph,
    waits: impl Iterator<Item = &'a (NodeIndex, NodeIndex)>,
) -> Vec<usize> {
    let mut all: DiGraph<(), ()> = DiGraph::new();
    for _ in graph.graph.node_indices() {
        all.add_node(());
    }
    for &(later, earlier) in waits {
        all.add_edge(later, earlier, ());
    }
    let mut component = vec![0; all.node_count()];
    for (number, members) in kosaraju_scc(&all).into_iter().enumerate() {
        for member in members {
            component[member.index()] = number;
        }
    }
    component
}
