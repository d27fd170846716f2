//! The binary index: a radix trie, as kmod's `libkmod-index.c` reads it.
//!
//! ```text
//! file   b0 07 f4 57 | 00 02 00 01 | link to the root
//! node   [prefix, NUL]  [first, last, link for each of first..=last]  [count, then count times: priority, value, NUL]
//! link   offset of a node from the beginning of the file; the top bits tell which of the three parts the node has
//! ```
//!
//! All numbers are 32 bits, big-endian. A child is reached by one byte; its prefix is what else all keys below it have in
//! common. The values of one key are sorted by priority, and among equals the last one inserted comes first.
//!
//! The trie of a set of keys is always the same, whatever the order of insertion, so it is written straight from the
//! sorted keys: a node is a range of them. kmod 34 writes a node before its children, older ones after them.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

pub(super) const MAGIC: u32 = 0xB007_F457;
pub(super) const VERSION: u32 = 0x0002_0001;
pub(super) const PREFIX: u32 = 0x8000_0000;
pub(super) const VALUES: u32 = 0x4000_0000;
pub(super) const CHILDS: u32 = 0x2000_0000;

/// The offset of a link without its flags.
pub(super) const OFFSET: u32 = 0x0FFF_FFFF;

/// In which order the nodes stand in the file. Readers do not care, the file's bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A node, then its children, as kmod 34 writes them.
    PreOrder,
    /// The children, then the node, as kmod up to 33 writes them.
    PostOrder,
}

/// A key with one of its values.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    /// ASCII without NUL.
    pub(crate) key: Cow<'a, [u8]>,
    pub(crate) value: &'a [u8],
    pub(crate) priority: u32,
}

/// Writes the trie of these entries, which are in the order of insertion.
pub(crate) fn write(mut entries: Vec<Entry<'_>>, layout: Layout) -> Vec<u8> {
    entries.reverse();
    entries.par_sort_by(|a, b| a.key.cmp(&b.key).then(a.priority.cmp(&b.priority)));
    let size = entries
        .iter()
        .map(|entry| entry.key.len() + entry.value.len() + 16)
        .sum::<usize>();
    let mut writer = Writer {
        entries: &entries,
        out: Vec::with_capacity(size),
    };
    writer.number(MAGIC);
    writer.number(VERSION);
    writer.number(0);
    let root = Node {
        entries: 0..entries.len(),
        prefix: 0..0,
    };
    match layout {
        Layout::PreOrder => writer.pre_order(root),
        Layout::PostOrder => writer.post_order(root),
    }
    writer.out
}

/// Some of the sorted entries, which have everything before `prefix.end` of their keys in common.
#[derive(Clone, Debug)]
struct Node {
    entries: Range<usize>,
    /// The part of the keys that the node holds itself.
    prefix: Range<usize>,
}

struct Writer<'a> {
    entries: &'a [Entry<'a>],
    out: Vec<u8>,
}

/// Where the link to the root stands.
const ROOT: usize = 8;

impl Writer<'_> {
    fn pre_order(&mut self, root: Node) {
        // The stack holds each node with the place of the link to it.
        let mut stack = vec![(root, ROOT)];
        while let Some((node, link)) = stack.pop() {
            let children = self.children(&node);
            self.link(link, &node, &children);
            let table = self.node(&node, &children);
            let links = children
                .into_iter()
                .map(|(byte, child)| (child, table(byte)));
            let first = stack.len();
            stack.extend(links);
            stack[first..].reverse();
        }
    }

    fn post_order(&mut self, root: Node) {
        enum Step {
            Enter(Node, Place),
            Leave(Node, Vec<(u8, Node)>, Place, usize),
        }
        /// Where the link to a node goes: the number of the parent's list of links, and the place in it.
        type Place = (usize, usize);
        // Links of the nodes that are open, in the order of their depth.
        let mut links: Vec<Vec<u32>> = vec![vec![0]];
        let mut stack = vec![Step::Enter(root, (0, 0))];
        while let Some(step) = stack.pop() {
            match step {
                Step::Enter(node, place) => {
                    let children = self.children(&node);
                    let own = links.len();
                    links.push(vec![0; children.len()]);
                    let enter = children.clone();
                    stack.push(Step::Leave(node, children, place, own));
                    let enter = enter.into_iter().enumerate().rev();
                    stack.extend(enter.map(|(at, (_, child))| Step::Enter(child, (own, at))));
                }
                Step::Leave(node, children, (list, at), own) => {
                    links[list][at] = self.out.len() as u32 | flags(&node, &children, self.entries);
                    let table = self.node(&node, &children);
                    let found = std::mem::take(&mut links[own]);
                    for ((byte, _), link) in children.iter().zip(found) {
                        self.patch(table(*byte), link);
                    }
                }
            }
        }
        let root = links[0][0];
        self.patch(ROOT, root);
    }

    /// The children of a node, by the byte that leads to each.
    fn children(&self, node: &Node) -> Vec<(u8, Node)> {
        let depth = node.prefix.end;
        let mut children = Vec::new();
        let mut at = node.entries.start + self.values(node);
        while at < node.entries.end {
            let byte = self.entries[at].key[depth];
            let rest = &self.entries[at..node.entries.end];
            let count = rest.partition_point(|entry| entry.key[depth] == byte);
            let entries = at..at + count;
            let prefix = depth + 1..self.common(&entries, depth + 1);
            children.push((byte, Node { entries, prefix }));
            at += count;
        }
        children
    }

    /// How far the keys of a range agree. They are sorted, so the first and the last tell for all.
    fn common(&self, range: &Range<usize>, from: usize) -> usize {
        let first = &self.entries[range.start].key[from..];
        let last = &self.entries[range.end - 1].key[from..];
        let same = first.iter().zip(last).take_while(|(a, b)| a == b);
        from + same.count()
    }

    /// How many entries of a node end there. They are the first ones.
    fn values(&self, node: &Node) -> usize {
        count_values(node, self.entries)
    }

    /// Writes a node with empty links; gives the places of the links by their bytes.
    fn node(&mut self, node: &Node, children: &[(u8, Node)]) -> impl Fn(u8) -> usize + use<> {
        let entries = self.entries;
        if !node.prefix.is_empty() {
            let key = &entries[node.entries.start].key;
            self.out.extend_from_slice(&key[node.prefix.clone()]);
            self.out.push(0);
        }
        let mut first_byte = 0;
        let mut table = 0;
        if let (Some((first, _)), Some((last, _))) = (children.first(), children.last()) {
            self.out.extend([*first, *last]);
            first_byte = *first;
            table = self.out.len();
            let links = usize::from(last - first) + 1;
            self.out.resize(table + 4 * links, 0);
        }
        let count = self.values(node);
        if count > 0 {
            self.number(count as u32);
            for entry in &entries[node.entries.clone()][..count] {
                self.number(entry.priority);
                self.out.extend_from_slice(entry.value);
                self.out.push(0);
            }
        }
        move |byte| table + 4 * usize::from(byte - first_byte)
    }

    /// Puts a link to what is written next at `place`.
    fn link(&mut self, place: usize, node: &Node, children: &[(u8, Node)]) {
        let link = self.out.len() as u32 | flags(node, children, self.entries);
        self.patch(place, link);
    }

    fn patch(&mut self, place: usize, number: u32) {
        if let Some(bytes) = self.out.get_mut(place..place + 4) {
            bytes.copy_from_slice(&number.to_be_bytes());
        }
    }

    fn number(&mut self, number: u32) {
        self.out.extend(number.to_be_bytes());
    }
}

fn count_values(node: &Node, entries: &[Entry<'_>]) -> usize {
    let ended = |entry: &Entry<'_>| entry.key.len() == node.prefix.end;
    entries[node.entries.clone()].partition_point(ended)
}

fn flags(node: &Node, children: &[(u8, Node)], entries: &[Entry<'_>]) -> u32 {
    let mut flags = 0;
    if !node.prefix.is_empty() {
        flags |= PREFIX;
    }
    if !children.is_empty() {
        flags |= CHILDS;
    }
    if count_values(node, entries) > 0 {
        flags |= VALUES;
    }
    flags
}
