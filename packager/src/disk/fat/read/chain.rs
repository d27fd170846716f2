//! The clusters that a file lies in, one named by the one before.

use super::{FatError, FatKind, Medium, Reader};

impl<M: Medium + ?Sized> Reader<'_, M> {
    /// The clusters of a file, up to as many as it needs. 0 begins an empty one.
    pub(super) fn chain(&self, first: u32, most: u64) -> Result<Vec<u32>, FatError> {
        let mut clusters = Vec::new();
        let mut next = first;
        if first == 0 {
            return Ok(clusters);
        }
        let (mask, end) = match self.kind {
            FatKind::Fat16 => (0xffff, 0xfff8),
            FatKind::Fat32 => (0x0fff_ffff, 0x0fff_fff8),
        };
        while next & mask < end && (clusters.len() as u64) < most {
            let at = clusters.last().copied().unwrap_or(first);
            let inside = (2..self.clusters.saturating_add(2)).contains(&next);
            if !inside || clusters.len() > self.clusters as usize {
                return Err(FatError::Chain { first, at });
            }
            clusters.push(next);
            next = self.successor(next)? & mask;
        }
        match repeated(&clusters) {
            Some(at) => Err(FatError::Chain { first, at }),
            None => Ok(clusters),
        }
    }

    pub(super) fn successor(&self, cluster: u32) -> Result<u32, FatError> {
        self.table.entry(self.medium, self.kind, cluster)
    }
}

/// A cluster that a chain has twice: it goes in a circle.
fn repeated(clusters: &[u32]) -> Option<u32> {
    let is_ascending = |pair: &[u32]| matches!(pair, [one, two] if one < two);
    if clusters.windows(2).all(is_ascending) {
        return None;
    }
    let mut sorted = clusters.to_vec();
    sorted.sort_unstable();
    let mut pairs = sorted.windows(2);
    pairs.find_map(|pair| match pair {
        [one, two] if one == two => Some(*one),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_seen() {
        assert_eq!(repeated(&[]), None);
        assert_eq!(repeated(&[2, 3, 9]), None);
        assert_eq!(repeated(&[5, 3, 9]), None);
        assert_eq!(repeated(&[5, 3, 9, 3]), Some(3));
        assert_eq!(repeated(&[2, 2]), Some(2));
    }
}
