//! Numbers by which bytes are known again.

use std::hash::Hasher;

use super::cache::take;
use crate::fast_hash::Folded;

/// A number that tells different bytes apart. Finds damage, not malice: who can write the cache can write the indexes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) u64);

impl Fingerprint {
    /// Four sums, each of every fourth 8 bytes, since a processor multiplies several numbers at a time.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut lanes = [Folded::fixed(); 4];
        let (blocks, rest) = bytes.as_chunks::<32>();
        for block in blocks {
            for (lane, word) in lanes.iter_mut().zip(block.as_chunks().0) {
                lane.write_u64(u64::from_le_bytes(*word));
            }
        }
        let mut all = Folded::fixed();
        lanes.iter().for_each(|lane| all.write_u64(lane.finish()));
        all.write(rest);
        Self(all.finish())
    }

    /// The same together with a number.
    pub(super) fn with(self, number: u64) -> Self {
        let mut all = Folded::fixed();
        all.write_u64(self.0);
        all.write_u64(number);
        Self(all.finish())
    }

    pub(super) fn parse(rest: &mut &[u8]) -> Option<Self> {
        Some(Self(u64::from_le_bytes(take(rest)?)))
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend(self.0.to_le_bytes());
    }
}
