//! Who needs whom, and why: modules as nodes, reasons as edges.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeFiltered, EdgeRef};

use crate::ModuleName;

/// In which way one module leads to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonKind {
    /// It was asked for.
    Root,
    /// A goal wants it.
    Goal,
    /// The module uses its symbols (`depends=`), and cannot be loaded before it.
    Hard,
    /// `softdep=pre:`: to be loaded before the module, if it is there.
    SoftPre,
    /// `softdep=post:`: to be loaded after the module, if it is there.
    SoftPost,
    /// `weakdep=`: the module may ask for it while running.
    Weak,
    /// A rule says that the module asks for it while running.
    Runtime,
}

/// Why a module is needed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Reason {
    /// In which way.
    pub kind: ReasonKind,
    /// The module that needs it; none for a root.
    pub by: Option<ModuleName>,
    /// The name or alias that was asked for, as it is written there.
    pub asked: String,
    /// For [`ReasonKind::Runtime`] and [`ReasonKind::Goal`]: the rule or the goal, and its reason.
    pub rule: Option<RuleReason>,
}

/// What a rule has to say for itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RuleReason {
    /// The rule's name in `data/rules`, or the goal as it was asked for.
    pub name: String,
    /// Why, in words.
    pub text: String,
    /// What was found in ELF files and in the kernel's configuration.
    pub evidence: Vec<String>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.by.as_ref().map_or("", ModuleName::as_str);
        match (self.kind, &self.rule) {
            (_, Some(rule)) => {
                match self.kind {
                    ReasonKind::Goal => write!(f, "goal {}: {}", rule.name, rule.text)?,
                    _ => write!(f, "{by}: {}", rule.text)?,
                }
                if !rule.evidence.is_empty() {
                    write!(f, " ({})", rule.evidence.join("; "))?;
                }
                Ok(())
            }
            (ReasonKind::Root | ReasonKind::Goal, _) => write!(f, "asked for as {}", self.asked),
            (ReasonKind::Hard, _) => write!(f, "{by} uses its symbols"),
            (ReasonKind::SoftPre, _) => write!(f, "{by} wants {} before it (softdep)", self.asked),
            (ReasonKind::SoftPost, _) => write!(f, "{by} wants {} after it (softdep)", self.asked),
            (ReasonKind::Weak, _) => write!(f, "{by} may ask for {} (weakdep)", self.asked),
            (ReasonKind::Runtime, None) => write!(f, "{by} asks for {} while running", self.asked),
        }
    }
}

/// The modules of a closure and every reason between them: an edge leads from the module that needs to the one needed.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The graph itself, for petgraph's algorithms. Nodes are in the order of discovery.
    pub graph: DiGraph<ModuleName, Reason>,
    nodes: HashMap<ModuleName, NodeIndex>,
}

impl Graph {
    /// The node of a module.
    pub fn node(&self, name: &ModuleName) -> Option<NodeIndex> {
        self.nodes.get(name).copied()
    }

    /// Adds a module, unless it is there already; says whether it is new.
    pub fn add(&mut self, name: &ModuleName) -> (NodeIndex, bool) {
        if let Some(node) = self.node(name) {
            return (node, false);
        }
        let node = self.graph.add_node(name.clone());
        self.nodes.insert(name.clone(), node);
        (node, true)
    }

    /// Adds a reason, unless the same one is there.
    pub fn connect(&mut self, from: NodeIndex, to: NodeIndex, reason: Reason) {
        let mut known = self.graph.edges_connecting(from, to);
        if !known.any(|edge| *edge.weight() == reason) {
            self.graph.add_edge(from, to, reason);
        }
    }

    /// A cycle of hard dependencies, if there is one: each module uses symbols of the next, the last of the first.
    pub fn hard_cycle(&self) -> Option<Vec<ModuleName>> {
        let hard =
            EdgeFiltered::from_fn(&self.graph, |edge| edge.weight().kind == ReasonKind::Hard);
        let components = kosaraju_scc(&hard);
        let cyclic = components
            .into_iter()
            .filter_map(|component| self.cycle_in(&component));
        cyclic.min()
    }

    /// A cycle within a strongly connected component, from its first module by name on.
    fn cycle_in(&self, component: &[NodeIndex]) -> Option<Vec<ModuleName>> {
        let members: HashSet<NodeIndex> = component.iter().copied().collect();
        let start = component
            .iter()
            .copied()
            .min_by_key(|&node| &self.graph[node])?;
        let mut path = vec![start];
        let mut at = start;
        loop {
            // Every member has a successor within the component, so this walk comes to a place it knows.
            at = self.hard_needs(at).find(|next| members.contains(next))?;
            if let Some(first) = path.iter().position(|&node| node == at) {
                return Some(
                    path[first..]
                        .iter()
                        .map(|&node| self.graph[node].clone())
                        .collect(),
                );
            }
            path.push(at);
        }
    }

    /// The shortest chain of reasons from one of `from` to a module: each with the module that it leads to. `None` where
    /// there is no chain; an empty one where `to` is among `from`.
    pub fn chain(
        &self,
        from: &[ModuleName],
        to: &ModuleName,
    ) -> Option<Vec<(ModuleName, &Reason)>> {
        let target = self.node(to)?;
        let mut before: HashMap<NodeIndex, Option<(NodeIndex, &Reason)>> = HashMap::new();
        let mut queue = VecDeque::new();
        for root in from.iter().filter_map(|name| self.node(name)) {
            if before.insert(root, None).is_none() {
                queue.push_back(root);
            }
        }
        while let Some(at) = queue.pop_front() {
            let mut edges: Vec<_> = self.graph.edges(at).collect();
            edges.sort_by_key(|edge| edge.id());
            for edge in edges {
                if let Entry::Vacant(new) = before.entry(edge.target()) {
                    new.insert(Some((at, edge.weight())));
                    queue.push_back(edge.target());
                }
            }
        }
        let mut chain = Vec::new();
        let mut at = target;
        while let Some((previous, reason)) = *before.get(&at)? {
            chain.push((self.graph[at].clone(), reason));
            at = previous;
        }
        chain.reverse();
        Some(chain)
    }

    fn hard_needs(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        self.targets(node, ReasonKind::Hard)
    }

    /// The modules that `node` leads to in this way, in the order in which they were added.
    fn targets(&self, node: NodeIndex, kind: ReasonKind) -> impl Iterator<Item = NodeIndex> {
        let edges = self
            .graph
            .edges(node)
            .filter(move |edge| edge.weight().kind == kind);
        // petgraph lists the last edge first.
        let mut targets: Vec<NodeIndex> = edges.map(|edge| edge.target()).collect();
        targets.reverse();
        targets.into_iter()
    }

    /// All modules in an order in which they can be loaded: each after what it uses, after its `pre:` and before its
    /// `post:` softdeps. Softdeps that contradict each other or a hard dependency do not count. The order depends on
    /// nothing but the order in which modules and reasons were added.
    ///
    /// # Errors
    /// A cycle of hard dependencies, as [`hard_cycle`](Self::hard_cycle) gives it.
    pub fn load_order(&self) -> Result<Vec<NodeIndex>, Vec<ModuleName>> {
        if let Some(cycle) = self.hard_cycle() {
            return Err(cycle);
        }
        Ok(LoadOrder::new(self).run())
    }
}

/// A depth-first search along "must be loaded after", with its own stack: a chain of 60,000 modules is no problem.
struct LoadOrder<'a> {
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
    fn new(graph: &'a Graph) -> Self {
        let count = graph.graph.node_count();
        Self {
            graph,
            before: constraints(graph),
            state: vec![State::New; count],
            order: Vec::with_capacity(count),
        }
    }

    fn run(mut self) -> Vec<NodeIndex> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, ReasonKind, &str)]) -> Graph {
        let mut graph = Graph::default();
        for &(from, kind, to) in edges {
            let (a, _) = graph.add(&from.into());
            let (b, _) = graph.add(&to.into());
            let by = Some(from.into());
            let asked = to.to_owned();
            graph.connect(
                a,
                b,
                Reason {
                    kind,
                    by,
                    asked,
                    rule: None,
                },
            );
        }
        graph
    }

    fn order(edges: &[(&str, ReasonKind, &str)]) -> Vec<String> {
        let graph = graph(edges);
        let order = graph.load_order().unwrap();
        order
            .into_iter()
            .map(|node| graph.graph[node].to_string())
            .collect()
    }

    use ReasonKind::{Hard, Runtime, SoftPost, SoftPre};

    #[test]
    fn dependencies_come_first() {
        assert_eq!(
            order(&[("vfat", Hard, "fat"), ("a", Hard, "vfat")]),
            ["fat", "vfat", "a"]
        );
    }

    #[test]
    fn softdeps_stand_on_their_side() {
        let edges = [("a", Hard, "b"), ("b", SoftPost, "p"), ("a", SoftPre, "s")];
        assert_eq!(order(&edges), ["b", "p", "s", "a"]);
    }

    #[test]
    fn a_softdep_that_needs_its_module_gives_way() {
        assert_eq!(order(&[("a", SoftPre, "b"), ("b", Hard, "a")]), ["a", "b"]);
        assert_eq!(order(&[("a", SoftPre, "b"), ("b", SoftPre, "a")]).len(), 2);
    }

    #[test]
    fn a_post_softdep_waits_for_what_it_uses() {
        let edges = [("a", Hard, "b"), ("b", SoftPost, "p"), ("p", Hard, "a")];
        assert_eq!(order(&edges), ["b", "a", "p"]);
    }

    #[test]
    fn runtime_requests_do_not_order() {
        assert_eq!(
            order(&[("a", Runtime, "b"), ("b", Runtime, "a")]),
            ["a", "b"]
        );
    }

    #[test]
    fn a_cycle_is_named() {
        let edges = [
            ("r", Hard, "b"),
            ("b", Hard, "c"),
            ("c", Hard, "a"),
            ("a", Hard, "b"),
        ];
        let cycle = graph(&edges).hard_cycle().unwrap();
        assert_eq!(cycle, ["a", "b", "c"].map(ModuleName::new));
        let own = graph(&[("a", Hard, "a")]).hard_cycle().unwrap();
        assert_eq!(own, [ModuleName::new("a")]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let names: Vec<String> = (0..50_000).map(|n| format!("m{n}")).collect();
        let edges: Vec<_> = names
            .windows(2)
            .map(|pair| (&*pair[0], Hard, &*pair[1]))
            .collect();
        assert_eq!(order(&edges)[0], "m49999");
    }

    proptest::proptest! {
        /// Hard dependencies always come first, and a softdep does where nothing contradicts it.
        #[test]
        fn every_order_can_be_loaded(edges in proptest::collection::vec((0_u8..20, 0_u8..20, 0_u8..4), 0..60)) {
            let kinds = [Hard, SoftPre, SoftPost, Runtime];
            let names: Vec<String> = (0..20).map(|n| format!("m{n}")).collect();
            let edges: Vec<_> = edges
                .into_iter()
                .filter(|(from, to, _)| from != to)
                // Hard edges lead to higher numbers only, so that there is no cycle of them.
                .filter(|(from, to, kind)| *kind != 0 || from < to)
                .map(|(from, to, kind)| (&*names[from as usize], kinds[kind as usize], &*names[to as usize]))
                .collect();
            let graph = graph(&edges);
            let order = graph.load_order().unwrap();
            assert_eq!(order.len(), graph.graph.node_count());
            let place = |name: &str| {
                let node = graph.node(&name.into()).unwrap();
                order.iter().position(|&other| other == node).unwrap()
            };
            let contradicted = edges.iter().any(|&(from, kind, to)| kind == SoftPost || kind == SoftPre && from > to);
            for &(from, kind, to) in &edges {
                if kind == Hard || kind == SoftPre && !contradicted {
                    assert!(place(to) < place(from), "{from} {kind:?} {to}");
                }
            }
        }
    }
}
