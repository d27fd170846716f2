//! Saying which modules form a cycle.

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::DepmodError;
use crate::index::set::Set;

/// The error for a set that cannot be ordered.
pub(super) fn error(set: &Set<'_>) -> DepmodError {
    let mut graph: DiGraph<u32, ()> = DiGraph::new();
    let nodes: Vec<_> = (0..set.items.len() as u32)
        .map(|at| graph.add_node(at))
        .collect();
    for (&from, needs) in nodes.iter().zip(set.needs.iter()) {
        for &needed in needs {
            graph.add_edge(from, nodes[needed as usize], ());
        }
    }
    let mut cycles: Vec<Vec<NodeIndex>> = tarjan_scc(&graph);
    cycles.retain(|members| {
        members.len() > 1 || members.iter().any(|&node| graph.contains_edge(node, node))
    });
    for members in &mut cycles {
        members.sort();
    }
    cycles.sort();
    let name =
        |node: NodeIndex| String::from_utf8_lossy(&set.items[node.index()].name).into_owned();
    let count = cycles.iter().map(Vec::len).sum();
    let lines = cycles.iter().filter_map(|members| {
        let cycle = shortest(&graph, members)?;
        let mut names: Vec<_> = cycle.iter().map(|&node| name(node)).collect();
        names.extend(names.first().cloned());
        Some(format!("Cycle detected: {}", names.join(" -> ")))
    });
    DepmodError::Cycle {
        lines: lines.collect(),
        count,
    }
}

/// The shortest way from the first member back to itself.
fn shortest(graph: &DiGraph<u32, ()>, members: &[NodeIndex]) -> Option<Vec<NodeIndex>> {
    let start = *members.first()?;
    let mut before: Vec<Option<NodeIndex>> = vec![None; graph.node_count()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in graph.neighbors(at) {
            if next == start {
                let mut cycle = vec![at];
                let mut node = at;
                while let Some(previous) = before[node.index()].filter(|_| node != start) {
                    cycle.push(previous);
                    node = previous;
                }
                cycle.reverse();
                return Some(cycle);
            }
            if before[next.index()].is_none() {
                before[next.index()] = Some(at);
                queue.push_back(next);
            }
        }
    }
    None
}
