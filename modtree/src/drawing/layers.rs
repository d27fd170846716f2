//! Which layer a node is in, and in which order the nodes of a layer stand.

/// What stands in a layer: a node, or the place through which an edge passes.
pub(super) struct Layers {
    /// For each item its layer; the nodes come first, with their own numbers.
    pub(super) layer: Vec<usize>,
    /// The items of each layer, in their order.
    pub(super) order: Vec<Vec<usize>>,
    /// For each edge the items that it passes, from its left end to its right one.
    pub(super) chains: Vec<Vec<usize>>,
    /// For each item its neighbours in the layer before and in the one behind.
    pub(super) before: Vec<Vec<usize>>,
    pub(super) behind: Vec<Vec<usize>>,
}

/// The order hardly gets better after this many rounds: measured on closures of 20 to 300 modules.
const ROUNDS: usize = 24;

impl Layers {
    /// Arranges `count` nodes with these edges, which may form cycles.
    pub(super) fn new(count: usize, edges: &[(usize, usize)]) -> Self {
        let forward = without_cycles(count, edges);
        let layer = longest_paths(count, &forward);
        let mut layers = Self {
            order: vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)],
            before: vec![Vec::new(); count],
            behind: vec![Vec::new(); count],
            chains: Vec::with_capacity(edges.len()),
            layer,
        };
        for node in 0..count {
            layers.order[layers.layer[node]].push(node);
        }
        for (from, to) in forward {
            layers.lead(from, to);
        }
        layers.sort();
        layers
    }

    /// Leads an edge through the layers between its ends.
    fn lead(&mut self, from: usize, to: usize) {
        let mut chain = vec![from];
        for layer in self.layer[from] + 1..self.layer[to] {
            let item = self.layer.len();
            self.layer.push(layer);
            self.order[layer].push(item);
            self.before.push(Vec::new());
            self.behind.push(Vec::new());
            chain.push(item);
        }
        chain.push(to);
        for pair in chain.windows(2) {
            self.behind[pair[0]].push(pair[1]);
            self.before[pair[1]].push(pair[0]);
        }
        self.chains.push(chain);
    }

    /// Puts each item at the mean of its neighbours' places, in turns from the left and from the right; keeps the order with
    /// the fewest crossings.
    fn sort(&mut self) {
        let mut best = (self.crossings(), self.order.clone());
        for round in 0..ROUNDS {
            let mut place = self.places();
            for at in 0..self.order.len() {
                let (layer, neighbours) = match round % 2 {
                    0 => (at, &self.before),
                    _ => (self.order.len() - 1 - at, &self.behind),
                };
                let mean = |item: &usize| -> f64 {
                    let near = &neighbours[*item];
                    let sum: f64 = near.iter().map(|&other| place[other]).sum();
                    match near.len() {
                        0 => place[*item],
                        count => sum / count as f64,
                    }
                };
                let mut items = std::mem::take(&mut self.order[layer]);
                items.sort_by(|a, b| mean(a).total_cmp(&mean(b)));
                for (at, &item) in items.iter().enumerate() {
                    place[item] = at as f64;
                }
                self.order[layer] = items;
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.order.clone());
            }
        }
        self.order = best.1;
    }

    fn places(&self) -> Vec<f64> {
        let mut place = vec![0.0; self.layer.len()];
        for items in &self.order {
            for (at, &item) in items.iter().enumerate() {
                place[item] = at as f64;
            }
        }
        place
    }

    /// How many pairs of edges cross, between all neighbouring layers.
    pub(super) fn crossings(&self) -> usize {
        let place = self.places();
        let mut crossings = 0;
        for items in &self.order {
            // With the left ends in order, each pair of right ends in the wrong order is a crossing.
            let mut seen = Counter::new(self.layer.len());
            for &item in items {
                let mut ends: Vec<usize> = self.behind[item]
                    .iter()
                    .map(|&other| place[other] as usize)
                    .collect();
                ends.sort_unstable();
                crossings += ends.iter().map(|&end| seen.above(end)).sum::<usize>();
                ends.iter().for_each(|&end| seen.add(end));
            }
        }
        crossings
    }
}

/// Counts numbers, and tells how many are above one (a Fenwick tree).
struct Counter {
    sums: Vec<usize>,
    total: usize,
}

impl Counter {
    fn new(bound: usize) -> Self {
        Self {
            sums: vec![0; bound + 1],
            total: 0,
        }
    }

    fn add(&mut self, number: usize) {
        self.total += 1;
        let mut at = number + 1;
        while let Some(sum) = self.sums.get_mut(at) {
            *sum += 1;
            at += at & at.wrapping_neg();
        }
    }

    fn above(&self, number: usize) -> usize {
        let mut at = number + 1;
        let mut not_above = 0;
        while at > 0 {
            not_above += self.sums[at];
            at &= at - 1;
        }
        self.total - not_above
    }
}

/// The edges with those turned round that close a cycle.
fn without_cycles(count: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut leads = vec![Vec::new(); count];
    for (number, &(from, to)) in edges.iter().enumerate() {
        leads[from].push((number, to));
    }
    let mut state = vec![State::New; count];
    let mut forward = edges.to_vec();
    for root in 0..count {
        let mut stack = vec![(root, 0)];
        while let Some((node, next)) = stack.pop() {
            if next == 0 {
                if state[node] != State::New {
                    continue;
                }
                state[node] = State::Open;
            }
            let Some(&(number, to)) = leads[node].get(next) else {
                state[node] = State::Done;
                continue;
            };
            stack.push((node, next + 1));
            match state[to] {
                State::New => stack.push((to, 0)),
                State::Open => forward[number] = (to, node),
                State::Done => {}
            }
        }
    }
    forward
}

/// Each node's layer: the length of the longest path to it. An edge to itself does not count.
fn longest_paths(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut leads = vec![Vec::new(); count];
    let mut waiting = vec![0; count];
    for &(from, to) in edges.iter().filter(|(from, to)| from != to) {
        leads[from].push(to);
        waiting[to] += 1;
    }
    let mut layer = vec![0; count];
    let mut ready: Vec<usize> = (0..count).filter(|&node| waiting[node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &to in &leads[node] {
            layer[to] = layer[to].max(layer[node] + 1);
            waiting[to] -= 1;
            if waiting[to] == 0 {
                ready.push(to);
            }
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stands_behind_all_that_lead_to_it() {
        let layers = Layers::new(4, &[(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)]);
        assert_eq!(&layers.layer[..4], [0, 1, 2, 3]);
        assert_eq!(layers.chains[4].len(), 4);
        assert_eq!(layers.layer.len(), 4 + 1 + 2);
    }

    #[test]
    fn cycles_and_loops_end() {
        let layers = Layers::new(3, &[(0, 1), (1, 2), (2, 0), (1, 1)]);
        assert_eq!(&layers.layer[..3], [0, 1, 2]);
    }

    #[test]
    fn crossings_are_counted_and_taken_away() {
        // Two columns, each node led to the one at the opposite end.
        let edges: Vec<_> = (0..6).map(|node| (node, 11 - node)).collect();
        let layers = Layers::new(12, &edges);
        assert_eq!(layers.crossings(), 0);
        let mut crossed = layers;
        crossed.order[1].reverse();
        assert_eq!(crossed.crossings(), 15);
    }

    proptest::proptest! {
        /// Every edge leads to a later layer, one step at a time, whatever the graph.
        #[test]
        fn chains_lead_from_layer_to_layer(edges in proptest::collection::vec((0_usize..12, 0_usize..12), 0..50)) {
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a != b).collect();
            let layers = Layers::new(12, &edges);
            for (chain, (from, to)) in layers.chains.iter().zip(&edges) {
                let ends = [chain[0], chain[chain.len() - 1]];
                assert!(ends == [*from, *to] || ends == [*to, *from]);
                assert!(chain.windows(2).all(|pair| layers.layer[pair[0]] + 1 == layers.layer[pair[1]]));
            }
            assert_eq!(layers.order.iter().map(Vec::len).sum::<usize>(), layers.layer.len());
        }
    }
}
