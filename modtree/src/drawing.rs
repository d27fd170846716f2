//! Pictures of a closure: layers from left to right, each module left of what it needs.
//!
//! The usual method for layered graphs (Sugiyama, Tagawa, Toda 1981): longest paths give the layers, barycentres the order
//! within a layer, and edges over several layers are led through a place of their own in each. Layers are columns, since a
//! module's name is much wider than it is high. What a longer chain of dependencies says already is not drawn again.

mod layers;
mod place;
mod svg;
mod text;

use std::collections::HashMap;

use petgraph::visit::EdgeRef;

use crate::{Closure, ModuleName, Reason, ReasonKind};
pub use svg::svg;
pub use text::{dot, tree};

/// More modules than this make no picture that anybody can read, and take long.
pub const MOST: usize = 1000;

/// A closure is too large to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} modules are too many for a drawing, which has room for {MOST}; --format dot has no limit"
)]
pub struct TooMany(pub usize);

/// How an edge is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Style {
    Hard,
    Soft,
    Runtime,
}

impl Style {
    fn of(kind: ReasonKind) -> Self {
        match kind {
            ReasonKind::Hard => Style::Hard,
            ReasonKind::SoftPre | ReasonKind::SoftPost | ReasonKind::Weak => Style::Soft,
            ReasonKind::Runtime | ReasonKind::Root | ReasonKind::Goal => Style::Runtime,
        }
    }
}

/// An edge of a picture: the strongest of the reasons between two modules, and all of them.
struct Arrow<'a> {
    from: usize,
    to: usize,
    style: Style,
    reasons: Vec<&'a Reason>,
}

fn names(closure: &Closure) -> Vec<&ModuleName> {
    closure.graph.graph.node_weights().collect()
}

/// One arrow for each pair of modules, in the order of discovery.
fn arrows(closure: &Closure) -> Vec<Arrow<'_>> {
    let mut arrows: Vec<Arrow<'_>> = Vec::new();
    let mut places: HashMap<(usize, usize), usize> = HashMap::new();
    for edge in closure.graph.graph.edge_references() {
        let (from, to) = (edge.source().index(), edge.target().index());
        let style = Style::of(edge.weight().kind);
        let place = *places.entry((from, to)).or_insert(arrows.len());
        match arrows.get_mut(place) {
            Some(arrow) => {
                arrow.style = arrow.style.min(style);
                arrow.reasons.push(edge.weight());
            }
            None => arrows.push(Arrow {
                from,
                to,
                style,
                reasons: vec![edge.weight()],
            }),
        }
    }
    arrows
}

/// Takes away the hard dependencies that follow from others: where `a` needs `b` and `b` needs `c`, that `a` needs `c`.
fn without_implied(arrows: &mut Vec<Arrow<'_>>, count: usize) {
    let mut needs = vec![Vec::new(); count];
    for arrow in arrows.iter().filter(|arrow| arrow.style == Style::Hard) {
        needs[arrow.from].push(arrow.to);
    }
    arrows.retain(|arrow| {
        let others = needs[arrow.from].iter().filter(|&&next| next != arrow.to);
        arrow.style != Style::Hard || !reaches(&needs, others.copied().collect(), arrow.to)
    });
}

fn reaches(needs: &[Vec<usize>], mut stack: Vec<usize>, target: usize) -> bool {
    let mut seen = vec![false; needs.len()];
    while let Some(node) = stack.pop() {
        if node == target {
            return true;
        }
        if !std::mem::replace(&mut seen[node], true) {
            stack.extend(&needs[node]);
        }
    }
    false
}

#[cfg(test)]
#[path = "drawing/tests.rs"]
mod tests;
