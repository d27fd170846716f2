//! The keys of an index in order, with what neighbours have in common: all that a trie is made of.
//!
//! Keys are sorted by eight bytes at a time, as numbers. Aliases and symbols have long common beginnings, of which a
//! comparison of whole keys would read the same bytes again and again.

use std::cmp::Reverse;

/// Keys with their values, in the order of insertion.
#[derive(Debug, Default)]
pub(crate) struct Entries<'a> {
    /// The keys, one after the other.
    keys: Vec<u8>,
    all: Vec<Entry<'a>>,
}

/// A key with one of its values.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    start: usize,
    length: u32,
    pub(crate) value: &'a [u8],
    pub(crate) priority: u32,
}

impl<'a> Entries<'a> {
    /// With room for so many entries, whose keys have so many bytes together.
    pub(crate) fn with_capacity(count: usize, size: usize) -> Self {
        Self {
            keys: Vec::with_capacity(size),
            all: Vec::with_capacity(count),
        }
    }

    /// Adds an entry. The key, ASCII without NUL, is put together from parts.
    pub(crate) fn push(&mut self, key: &[&[u8]], value: &'a [u8], priority: u32) {
        self.push_written(value, priority, |keys| {
            key.iter().for_each(|part| keys.extend_from_slice(part));
            Some(())
        });
    }

    /// Adds an entry whose key `write` puts behind what it is given; where it gives `None`, there is no entry.
    pub(crate) fn push_written(
        &mut self,
        value: &'a [u8],
        priority: u32,
        write: impl FnOnce(&mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        let start = self.keys.len();
        let written = write(&mut self.keys);
        if written.is_none() {
            self.keys.truncate(start);
            return None;
        }
        self.all.push(Entry {
            start,
            length: (self.keys.len() - start) as u32,
            value,
            priority,
        });
        Some(())
    }

    /// The first entry whose key is not ASCII.
    pub(super) fn first_not_ascii(&self) -> Option<(&[u8], &'a [u8])> {
        if self.keys.is_ascii() {
            return None;
        }
        let pairs = self.all.iter().map(|entry| (self.key(entry), entry.value));
        pairs.into_iter().find(|(key, _)| !key.is_ascii())
    }

    fn key(&self, entry: &Entry<'_>) -> &[u8] {
        &self.keys[entry.start..entry.start + entry.length as usize]
    }
}

/// Entries in the order of a trie: by key, then by priority, and among equals the last one inserted first.
pub(super) struct Sorted<'a> {
    entries: Entries<'a>,
    order: Vec<u32>,
    /// How many bytes the key at a place has in common with the next one.
    common: Vec<u32>,
    /// The next place at which less is in common than here; the last one where there is none.
    less: Vec<u32>,
}

/// The next eight bytes of a key, and the number of its entry.
type Chunk = (u64, u32);

impl<'a> Sorted<'a> {
    pub(super) fn new(entries: Entries<'a>) -> Self {
        let order = order(&entries);
        let key = |at: &u32| entries.key(&entries.all[*at as usize]);
        let pairs = order.windows(2);
        let common = pairs.map(|pair| common(key(&pair[0]), key(&pair[1])));
        let common: Vec<u32> = common.map(|length| length as u32).collect();
        Self {
            less: next_less(&common),
            common,
            order,
            entries,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn get(&self, at: usize) -> &Entry<'a> {
        &self.entries.all[self.order[at] as usize]
    }

    pub(super) fn key(&self, at: usize) -> &[u8] {
        self.entries.key(self.get(at))
    }

    /// How many bytes the keys at `at` and `at + 1` have in common.
    fn common(&self, at: usize) -> usize {
        self.common[at] as usize
    }

    /// The entries from `at` on, up to `end` at most, that have more than `depth` bytes in common: where they end, and how many
    /// bytes those are.
    pub(super) fn group(&self, at: usize, end: usize, depth: usize) -> (usize, usize) {
        let mut shared = self.key(at).len();
        let mut last = at;
        while last + 1 < end && self.common(last) > depth {
            shared = self.common(last);
            last = self.less[last] as usize;
        }
        (last + 1, shared)
    }

    /// An upper bound of the size of all keys and values.
    pub(super) fn size(&self) -> usize {
        let values = self.entries.all.iter().map(|entry| entry.value.len());
        self.entries.keys.len() + values.sum::<usize>()
    }
}

fn next_less(numbers: &[u32]) -> Vec<u32> {
    let mut next = vec![numbers.len() as u32; numbers.len()];
    // Places of ever larger numbers, for which none less has come yet.
    let mut open: Vec<usize> = Vec::new();
    for (at, number) in numbers.iter().enumerate() {
        while let Some(larger) = open.pop_if(|&mut before| numbers[before] > *number) {
            next[larger] = at as u32;
        }
        open.push(at);
    }
    next
}

fn order(entries: &Entries<'_>) -> Vec<u32> {
    let all = &entries.all;
    let key = |number: u32| entries.key(&all[number as usize]);
    let mut chunks: Vec<Chunk> = (0..all.len() as u32).map(|number| (0, number)).collect();
    // Parts whose keys agree in their first bytes; a stack of its own, since a key may be long.
    let mut open = vec![(0..chunks.len(), 0)];
    while let Some((part, depth)) = open.pop() {
        let mut start = part.start;
        let part = &mut chunks[part];
        for (chunk, number) in part.iter_mut() {
            *chunk = chunk_at(key(*number), depth);
        }
        part.sort_unstable_by_key(|&(chunk, _)| chunk);
        for same in part.chunk_by_mut(|a, b| a.0 == b.0) {
            let range = start..start + same.len();
            start = range.end;
            match same {
                [_] => {}
                // A zero is behind the end of a key; these are the same key, unless somebody's has a NUL.
                [(chunk, _), ..] if *chunk as u8 == 0 => same.sort_unstable_by(|a, b| {
                    let last = |number| (all[number as usize].priority, Reverse(number));
                    key(a.1).cmp(key(b.1)).then(last(a.1).cmp(&last(b.1)))
                }),
                _ => open.push((range, depth + 8)),
            }
        }
    }
    chunks.into_iter().map(|(_, number)| number).collect()
}

/// Eight bytes of a key as a number that sorts as they do, with zeros behind the key's end.
fn chunk_at(key: &[u8], depth: usize) -> u64 {
    let rest = key.get(depth..).unwrap_or_default();
    if let Some(eight) = rest.first_chunk() {
        return u64::from_be_bytes(*eight);
    }
    let mut eight = [0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(eight)
}

/// How many bytes two keys have in common.
fn common(one: &[u8], other: &[u8]) -> usize {
    let (ones, others) = (one.chunks_exact(8), other.chunks_exact(8));
    let start = 8 * ones.zip(others).take_while(|(a, b)| a == b).count();
    let rest = one[start..].iter().zip(&other[start..]);
    start + rest.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Short keys of few letters: many of them are equal, or begin as another one does.
        #[test]
        fn keys_are_sorted_as_whole_keys_are(
            keys in prop::collection::vec(("[ab]{0,20}", 0_u32..3), 0..60),
        ) {
            let mut entries = Entries::default();
            for (key, priority) in &keys {
                entries.push(&[key.as_bytes()], b"", *priority);
            }
            let mut expected: Vec<_> = keys.iter().zip(0..).collect();
            expected.sort_by_key(|((key, priority), number)| (key, priority, Reverse(*number)));
            let sorted = Sorted::new(entries);
            let numbers: Vec<u32> = expected.iter().map(|&(_, number)| number).collect();
            prop_assert_eq!(&sorted.order, &numbers);
            for (at, pair) in expected.windows(2).enumerate() {
                let [one, other] = [pair[0], pair[1]].map(|((key, _), _)| key.bytes());
                prop_assert_eq!(sorted.common(at), one.zip(other).take_while(|(a, b)| a == b).count());
            }
        }
    }
}
