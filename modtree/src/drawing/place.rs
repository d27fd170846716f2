//! Where each item of a layer stands: near its neighbours, at a distance from the items beside it.

use super::layers::Layers;

/// Places settle within this many rounds.
const ROUNDS: usize = 16;

/// The vertical middle of each item, `height` being what an item takes. The topmost one stands at half its height.
pub(super) fn vertical(layers: &Layers, height: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut y = vec![0.0; layers.layer.len()];
    for items in &layers.order {
        let mut top = 0.0;
        for &item in items {
            y[item] = top + height(item) / 2.0;
            top += height(item);
        }
    }
    for round in 0..ROUNDS {
        for at in 0..layers.order.len() {
            let layer = match round % 2 {
                0 => at,
                _ => layers.order.len() - 1 - at,
            };
            let items = &layers.order[layer];
            let wanted: Vec<f64> = items.iter().map(|&item| wanted(layers, &y, item)).collect();
            let heights: Vec<f64> = items.iter().map(|&item| height(item)).collect();
            for (&item, place) in items.iter().zip(apart(&wanted, &heights)) {
                y[item] = place;
            }
        }
    }
    let items = 0..layers.layer.len();
    let top = items.map(|item| y[item] - height(item) / 2.0);
    let top = top.fold(f64::INFINITY, f64::min);
    y.iter_mut().for_each(|y| *y -= top);
    y
}

/// The mean of the neighbours on both sides.
fn wanted(layers: &Layers, y: &[f64], item: usize) -> f64 {
    let neighbours = layers.before[item].iter().chain(&layers.behind[item]);
    let (sum, count) =
        neighbours.fold((0.0, 0), |(sum, count), &other| (sum + y[other], count + 1));
    match count {
        0 => y[item],
        count => sum / f64::from(count),
    }
}

/// The places nearest to the wanted ones (by least squares) at which nothing overlaps and the order stays. With the
/// distances taken off, that is a sequence that must not fall: neighbours that would are merged to their mean.
fn apart(wanted: &[f64], heights: &[f64]) -> Vec<f64> {
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(wanted.len());
    // Runs of items that touch: the sum of what they want, and how many they are.
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for (at, &place) in wanted.iter().enumerate() {
        if at > 0 {
            offset += (heights[at - 1] + heights[at]) / 2.0;
        }
        offsets.push(offset);
        let mut run = (place - offset, 1);
        while let Some(&(sum, count)) = runs.last()
            && sum / count as f64 >= run.0 / run.1 as f64
        {
            run = (run.0 + sum, run.1 + count);
            runs.pop();
        }
        runs.push(run);
    }
    let means = runs
        .iter()
        .flat_map(|&(sum, count)| std::iter::repeat_n(sum / count as f64, count));
    means
        .zip(offsets)
        .map(|(mean, offset)| mean + offset)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stand_where_they_want_unless_they_would_overlap() {
        assert_eq!(apart(&[0.0, 50.0], &[10.0, 10.0]), [0.0, 50.0]);
        assert_eq!(apart(&[5.0, 5.0, 5.0], &[10.0; 3]), [-5.0, 5.0, 15.0]);
        assert_eq!(apart(&[9.0, 1.0], &[10.0, 10.0]), [0.0, 10.0]);
    }

    #[test]
    fn nothing_overlaps_and_the_top_is_at_zero() {
        let edges: Vec<_> = (1..9).flat_map(|to| [(0, to), (to, 9)]).collect();
        let layers = Layers::new(10, &edges);
        let y = vertical(&layers, |_| 20.0);
        for items in &layers.order {
            assert!(items.windows(2).all(|pair| y[pair[1]] - y[pair[0]] > 19.99));
        }
        let top = y.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(top, 10.0);
        assert!((y[0] - y[9]).abs() < 0.01);
    }
}
