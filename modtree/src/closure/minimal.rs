//! Whether a closure holds anything that it could do without.
//!
//! Everything in a closure answers to demands: somebody asked for it, a module of the closure needs it, a rule or a goal
//! wants it. An alias may be answered by several modules (`crc32c` by a generic and by an accelerated one). A module can be
//! dropped if each demand on it is answered by another one that stays as well; demands of modules that only came along
//! because of it go with it. So for each module the closure without it is walked from the roots, and what is missed there
//! is the proof that it is needed.

use std::collections::{HashMap, HashSet};

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::Closure;
use crate::{ModuleName, Reason, ReasonKind};

/// What keeps a module in a closure.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Necessity {
    /// Nothing else answers to this demand.
    Needed(Reason),
    /// Every demand is answered by other modules as well.
    Alternative {
        /// One such demand.
        reason: Reason,
        /// The others that answer to it.
        others: Vec<ModuleName>,
    },
}

/// A demand: who has it, and what is asked for in which way.
type Key<'a> = (Option<usize>, ReasonKind, &'a str);

struct Demand<'a> {
    by: Option<usize>,
    reason: &'a Reason,
    answers: Vec<usize>,
}

impl Closure {
    /// For each module, in load order, what keeps it here: the proof that it cannot be dropped, or the others that would do
    /// in its place.
    ///
    /// Takes time in proportion to the square of the closure's size.
    pub fn necessities(&self) -> Vec<(&ModuleName, Necessity)> {
        let demands = self.demands();
        let mut of = vec![Vec::new(); self.graph.graph.node_count()];
        for (at, demand) in demands.iter().enumerate() {
            for &answer in &demand.answers {
                of[answer].push(at);
            }
        }
        let nodes = self.modules.iter().filter_map(|module| {
            let node = self.graph.node(&module.name)?.index();
            let necessity = self.necessity(node, &demands, &of[node])?;
            Some((&module.name, necessity))
        });
        nodes.collect()
    }

    fn necessity(&self, node: usize, demands: &[Demand], own: &[usize]) -> Option<Necessity> {
        let kept = kept_without(node, demands, self.graph.graph.node_count());
        let others = |demand: &Demand| -> Vec<usize> {
            let others = demand.answers.iter().copied();
            others.filter(|&answer| answer != node).collect()
        };
        let mut alive = own
            .iter()
            .filter_map(|&at| demands.get(at))
            .filter(|demand| demand.by.is_none_or(|by| kept.contains(&by)));
        let first = alive.clone().next();
        if let Some(only) = alive.find(|demand| others(demand).is_empty()) {
            return Some(Necessity::Needed(only.reason.clone()));
        }
        let demand = first.or_else(|| demands.get(*own.first()?))?;
        let names = others(demand).into_iter().map(NodeIndex::new);
        Some(Necessity::Alternative {
            reason: demand.reason.clone(),
            others: names.map(|at| self.graph.graph[at].clone()).collect(),
        })
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        let graph = &self.graph.graph;
        let asked = self.modules.iter().flat_map(|module| {
            let node = self.graph.node(&module.name);
            let roots = module.reasons.iter().filter(|reason| reason.by.is_none());
            roots.filter_map(move |reason| Some((None, reason, node?.index())))
        });
        let edges = graph.edge_references().map(|edge| {
            let by = Some(edge.source().index());
            (by, edge.weight(), edge.target().index())
        });
        let mut places: HashMap<Key<'_>, usize> = HashMap::new();
        let mut demands: Vec<Demand<'_>> = Vec::new();
        for (by, reason, answer) in asked.chain(edges) {
            let key = (by, reason.kind, reason.asked.as_str());
            let place = *places.entry(key).or_insert(demands.len());
            match demands.get_mut(place) {
                Some(known) if known.answers.contains(&answer) => {}
                Some(known) => known.answers.push(answer),
                None => demands.push(Demand {
                    by,
                    reason,
                    answers: vec![answer],
                }),
            }
        }
        demands
    }
}

/// What is reached from the roots where `dropped` is not there.
fn kept_without(dropped: usize, demands: &[Demand], count: usize) -> HashSet<usize> {
    let mut leads = vec![Vec::new(); count];
    let mut stack = Vec::new();
    for demand in demands {
        match demand.by {
            Some(by) => leads[by].extend(&demand.answers),
            None => stack.extend(&demand.answers),
        }
    }
    let mut kept = HashSet::new();
    while let Some(node) = stack.pop() {
        if node != dropped && kept.insert(node) {
            stack.extend(&leads[node]);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Root;
    use crate::{ClosureOptions, Tree, closure};

    fn necessities(root: &Root, roots: &[&str]) -> Vec<(String, Necessity)> {
        let tree = Tree::open(&root.dir).unwrap();
        let closure = closure(&tree, roots, &ClosureOptions::default()).unwrap();
        let found = closure.necessities().into_iter();
        found.map(|(name, why)| (name.to_string(), why)).collect()
    }

    fn root() -> Root {
        let root = Root::new("1.0");
        root.module("kernel/fs.ko", "depends=lib\nsoftdep=pre: crc32c\n");
        root.module("kernel/lib.ko", "depends=\n");
        root.module("kernel/crc_fast.ko", "depends=simd\nalias=crc32c\n");
        root.module("kernel/crc_generic.ko", "depends=\nalias=crc32c\n");
        root.module("kernel/simd.ko", "depends=\n");
        root
    }

    #[test]
    fn alternatives_are_told_from_what_is_needed() {
        let found = necessities(&root(), &["fs"]);
        let shown: Vec<String> = found
            .iter()
            .map(|(name, why)| match why {
                Necessity::Needed(reason) => format!("{name}: {reason}"),
                Necessity::Alternative { others, .. } => format!("{name} or {}", others[0]),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "lib: fs uses its symbols",
                "simd: crc_fast uses its symbols",
                "crc_fast or crc_generic",
                "crc_generic or crc_fast",
                "fs: asked for as fs",
            ]
        );
    }

    #[test]
    fn a_demand_of_its_own_keeps_an_alternative() {
        let found = necessities(&root(), &["fs", "crc_generic"]);
        let generic = found.iter().find(|(name, _)| name == "crc_generic");
        let (_, Necessity::Needed(reason)) = generic.unwrap() else {
            panic!("{generic:?}");
        };
        assert_eq!(reason.kind, ReasonKind::Root);
    }

    /// What only its own followers ask for is no reason to keep it.
    #[test]
    fn a_circle_does_not_hold_itself() {
        let root = Root::new("1.0");
        root.module("kernel/a.ko", "depends=\nalias=x\nsoftdep=post: helper\n");
        root.module("kernel/helper.ko", "depends=a\n");
        root.module("kernel/b.ko", "depends=\nalias=x\n");
        let found = necessities(&root, &["x"]);
        let of = |wanted: &str| found.iter().find(|(name, _)| name == wanted).unwrap();
        assert!(
            matches!(of("a").1, Necessity::Alternative { .. }),
            "{found:?}"
        );
        assert!(
            matches!(of("b").1, Necessity::Alternative { .. }),
            "{found:?}"
        );
        assert!(matches!(of("helper").1, Necessity::Needed(_)), "{found:?}");
    }
}
