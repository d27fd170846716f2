//! Who needs whom, and why: modules as nodes, reasons as edges.

mod order;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeFiltered, EdgeRef};

use crate::ModuleName;
use crate::fast_hash::FastMap;
use order::LoadOrder;

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
    /// The name or alias that was asked for, as it is written there; `symbol:NAME` for a hard dependency that shows by a symbol
    /// alone, and is not in `depends=`.
    pub asked: String,
    /// For [`ReasonKind::Runtime`] and [`ReasonKind::Goal`]: the rule or the goal, and its reason.
    pub rule: Option<RuleReason>,
}

/// A hard dependency of which `depends=` says nothing, by the symbol that shows it.
pub(crate) fn undeclared(by: &ModuleName, symbol: &str) -> Reason {
    Reason {
        kind: ReasonKind::Hard,
        by: Some(by.clone()),
        asked: format!("symbol:{symbol}"),
        rule: None,
    }
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

impl Reason {
    /// Reasons as text, separated by semicolons. Different ones may read alike, such as two aliases for one need, and stand once.
    pub fn all(reasons: &[Self]) -> String {
        let mut texts: Vec<String> = Vec::new();
        for reason in reasons {
            let text = reason.to_string();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts.join("; ")
    }
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
            (ReasonKind::Hard, _) => match self.asked.strip_prefix("symbol:") {
                Some(symbol) => write!(
                    f,
                    "{by} uses its symbol {symbol}, which its depends= does not name"
                ),
                None => write!(f, "{by} uses its symbols"),
            },
            (ReasonKind::SoftPre, _) => write!(f, "{by} wants {} before it (softdep)", self.asked),
            (ReasonKind::SoftPost, _) => write!(f, "{by} wants {} after it (softdep)", self.asked),
            (ReasonKind::Weak, _) => write!(f, "{by} may ask for {} (weakdep)", self.asked),
            (ReasonKind::Runtime, None) => write!(f, "{by} asks for {} while running", self.asked),
        }
    }
}

/// The modules of a closure and every reason between them: an edge leads from the module that needs to the one needed.
///
/// ```
/// use modtree::{Graph, Reason, ReasonKind};
/// use petgraph::algo::is_cyclic_directed;
///
/// let mut graph = Graph::default();
/// let (vfat, _) = graph.add(&"vfat".into());
/// let (fat, _) = graph.add(&"fat".into());
/// let reason = Reason { kind: ReasonKind::Hard, by: Some("vfat".into()), asked: "fat".to_owned(), rule: None };
/// graph.connect(vfat, fat, reason);
/// // What a module uses is loaded first.
/// assert_eq!(graph.load_order(), Ok(vec![fat, vfat]));
/// // Any algorithm of petgraph works on the graph inside.
/// assert!(!is_cyclic_directed(&graph.graph));
/// let chain = graph.chain(&["vfat".into()], &"fat".into()).unwrap();
/// assert_eq!(chain[0].1.to_string(), "vfat uses its symbols");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The graph itself, for petgraph's algorithms. Nodes are in the order of discovery.
    pub graph: DiGraph<ModuleName, Reason>,
    nodes: FastMap<ModuleName, NodeIndex>,
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
    /// `post:` softdeps. Softdeps that contradict each other or a hard dependency do not count. Of several hard
    /// dependencies of one module, the one that needs the longest chain of others comes first, and equal ones come by name;
    /// otherwise the order is the one in which modules and reasons were added.
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
