//! Adding entries to a binary index that is there: in the time of a copy, where sorting everything anew takes several times
//! as long.
//!
//! Only for files as [`write`](super::trie::write) makes them in [`PreOrder`](super::trie::Layout::PreOrder): there, all that is
//! below a node stands right behind it, so that a part without new entries is copied as a whole, its links moved by one
//! distance.

use std::ops::Range;

use super::read::{Index, Value};
use super::sort::{Entries, Sorted};
use super::trie::{CHILDS, Node, OFFSET, Output, PREFIX, ROOT};

/// The index of the entries of `old` and of these, as if these had been added behind the others. `None` where `old` is not as
/// described above.
pub(crate) fn graft(old: &[u8], entries: Entries<'_>) -> Option<Vec<u8>> {
    let sorted = Sorted::new(entries);
    let index = Index::new(old).ok()?;
    let mut graft = Graft {
        // A new entry splits one node, and adds its own part of the key and its value.
        out: Output::new(old.len() + sorted.size() + 64 * sorted.len()),
        old: index,
        sorted: &sorted,
        stack: Vec::new(),
    };
    let root = Old {
        link: index.number(ROOT)?,
        end: old.len(),
        skip: 0,
        added: 0..sorted.len(),
        depth: 0,
    };
    graft.stack.push((Part::Old(root), ROOT));
    while let Some((part, place)) = graft.stack.pop() {
        let link = match part {
            Part::Old(part) if part.is_unchanged() => graft.copy(&part)?,
            Part::Old(part) => graft.merge(part)?,
            Part::New(node) => graft.add(&node),
        };
        graft.out.patch(place, link);
    }
    Some(graft.out.bytes)
}

/// What is to be written below a link.
enum Part {
    Old(Old),
    /// New entries alone.
    New(Node),
}

/// A part of the old index, up to `end`, without the first `skip` bytes of its first prefix; and what comes into it.
struct Old {
    link: u32,
    end: usize,
    skip: usize,
    added: Range<usize>,
    /// How many bytes of the keys are above.
    depth: usize,
}

impl Old {
    fn is_unchanged(&self) -> bool {
        self.skip == 0 && self.added.is_empty()
    }
}

struct Graft<'a> {
    old: Index<'a>,
    sorted: &'a Sorted<'a>,
    out: Output,
    /// Each part with the place of the link to it.
    stack: Vec<(Part, usize)>,
}

impl Graft<'_> {
    fn add(&mut self, node: &Node) -> u32 {
        let mut children = Vec::new();
        self.sorted.children(node, &mut children);
        let (link, links) = self.out.made_of(self.sorted, node, &children);
        let children = children.into_iter().rev();
        self.stack
            .extend(children.map(|(byte, child)| (Part::New(child), links.place(byte))));
        link
    }

    /// Copies a part, and moves its links.
    fn copy(&mut self, part: &Old) -> Option<u32> {
        let start = (part.link & OFFSET) as usize;
        let bytes = self.old.bytes().get(start..part.end)?;
        let moved = Moved {
            from: start as u32,
            to: self.out.bytes.len() as u32,
        };
        self.out.bytes.extend_from_slice(bytes);
        moved.links(&mut self.out.bytes, part.link)?;
        moved.link(part.link)
    }

    /// Writes the node at the top of a part with what is added to it.
    fn merge(&mut self, part: Old) -> Option<u32> {
        let node = self.old.node(part.link).ok()??;
        let prefix = node.prefix.get(part.skip..)?;
        let shared = self.shared(&part, prefix);
        let depth = part.depth + shared;
        let old = |link, end, skip| Old {
            link,
            end,
            skip,
            added: 0..0,
            depth: depth + 1,
        };
        let mut children: Vec<(u8, Part)> = Vec::new();
        let mut values = Vec::new();
        match prefix.get(shared) {
            // The node is split.
            Some(&byte) => {
                let behind = part.skip + shared + 1;
                children.push((byte, Part::Old(old(part.link, part.end, behind))));
            }
            None => {
                let mut links: Vec<_> = node.children().collect();
                let ends = links
                    .iter()
                    .skip(1)
                    .map(|(_, link)| (link & OFFSET) as usize);
                let ends: Vec<usize> = ends.chain([part.end]).collect();
                let links = links.drain(..).zip(ends);
                children
                    .extend(links.map(|((byte, link), end)| (byte, Part::Old(old(link, end, 0)))));
                values = node.values;
            }
        }
        let ended = |&at: &usize| self.sorted.key(at).len() == depth;
        let ended = part.added.clone().take_while(ended).count();
        let rest = part.added.start + ended..part.added.end;
        self.distribute(rest, depth, &mut children);
        // Of equal ones, the last one added comes first.
        let new = part.added.start..part.added.start + ended;
        let mut all: Vec<Value<'_>> = self.sorted.values(new).chain(values).collect();
        all.sort_by_key(|value| value.priority);
        let bytes = children.iter().map(|(byte, _)| *byte);
        let (link, links) = self.out.node(&prefix[..shared], bytes, all.into_iter());
        let children = children.into_iter().rev();
        self.stack
            .extend(children.map(|(byte, part)| (part, links.place(byte))));
        Some(link)
    }

    /// How much of a prefix all entries that come there have, too.
    fn shared(&self, part: &Old, prefix: &[u8]) -> usize {
        // In sorted keys, the first or the last one has the least in common with another one.
        let ends = part
            .added
            .clone()
            .take(1)
            .chain(part.added.clone().next_back());
        let shared = ends.map(|at| {
            let key = &self.sorted.key(at)[part.depth..];
            key.iter().zip(prefix).take_while(|(a, b)| a == b).count()
        });
        shared.min().unwrap_or(prefix.len())
    }

    /// Puts entries to the children by the byte at `depth` of their keys.
    fn distribute(&self, entries: Range<usize>, depth: usize, children: &mut Vec<(u8, Part)>) {
        let mut at = entries.start;
        while at < entries.end {
            let (end, shared) = self.sorted.group(at, entries.end, depth);
            let byte = self.sorted.key(at)[depth];
            match children.binary_search_by_key(&byte, |(byte, _)| *byte) {
                Ok(found) => {
                    if let (_, Part::Old(old)) = &mut children[found] {
                        old.added = at..end;
                    }
                }
                Err(place) => {
                    let node = self.sorted.node(at..end, depth + 1..shared);
                    children.insert(place, (byte, Part::New(node)));
                }
            }
            at = end;
        }
    }
}

/// Where a part was, and where it is.
struct Moved {
    from: u32,
    to: u32,
}

impl Moved {
    /// What a link of the part has to be.
    fn link(&self, link: u32) -> Option<u32> {
        let offset = (link & OFFSET)
            .checked_sub(self.from)?
            .checked_add(self.to)?;
        (offset <= OFFSET).then_some(link & !OFFSET | offset)
    }

    /// Corrects all links below the node to which the old link `top` led.
    fn links(&self, bytes: &mut [u8], top: u32) -> Option<()> {
        let has_links = |link: &u32| link & CHILDS != 0;
        let mut stack: Vec<u32> = self.link(top).into_iter().filter(has_links).collect();
        // Links in a circle are corrected out of the file, or come to an end here.
        let mut left = bytes.len();
        while let Some(link) = stack.pop() {
            left = left.checked_sub(1)?;
            let mut at = (link & OFFSET) as usize;
            if link & PREFIX != 0 {
                at += memchr::memchr(0, bytes.get(at..)?)? + 1;
            }
            let [first, last] = *bytes.get(at..)?.first_chunk()?;
            let count = usize::from(last.checked_sub(first)?) + 1;
            let table = bytes.get_mut(at + 2..at + 2 + 4 * count)?;
            for place in table.as_chunks_mut().0 {
                let link = u32::from_be_bytes(*place);
                if link != 0 {
                    let link = self.link(link)?;
                    *place = link.to_be_bytes();
                    stack.extend(Some(link).filter(has_links));
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::trie::{Layout, write};
    use super::*;

    fn entries<'a>(keys: impl IntoIterator<Item = &'a (String, u32)>) -> Entries<'a> {
        let mut entries = Entries::default();
        for (key, priority) in keys {
            entries.push(&[key.as_bytes()], key.as_bytes(), *priority);
        }
        entries
    }

    fn keys(most: usize) -> impl Strategy<Value = Vec<(String, u32)>> {
        prop::collection::vec(("[a-c]{0,6}", 0_u32..4), 0..most)
    }

    proptest! {
        /// Added or there from the beginning: the same bytes.
        #[test]
        fn what_is_added_is_as_if_it_had_always_been_there(old in keys(40), new in keys(12)) {
            let whole = write(entries(old.iter().chain(&new)), Layout::PreOrder);
            let old = write(entries(&old), Layout::PreOrder);
            prop_assert_eq!(graft(&old, entries(&new)), Some(whole));
        }

        /// Whatever is said to be an index: no panic, and an end.
        #[test]
        fn damage_is_survived(old in keys(12), new in keys(4), flips in prop::collection::vec((0_usize..400, any::<u8>()), 1..6)) {
            let mut old = write(entries(&old), Layout::PreOrder);
            for (at, byte) in flips {
                let length = old.len();
                old[at % length] = byte;
            }
            let _ = graft(&old, entries(&new));
        }
    }
}
