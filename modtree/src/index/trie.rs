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

use std::ops::Range;

use super::read::Value;
use super::sort::{Entries, Sorted};

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

/// Writes the trie of these entries.
pub(crate) fn write(entries: Entries<'_>, layout: Layout) -> Vec<u8> {
    let sorted = Sorted::new(entries);
    let mut writer = Writer {
        // A guess, so that the bytes need not be moved often.
        out: Output::new(sorted.size() + 16 * sorted.len()),
        sorted: &sorted,
    };
    let root = sorted.node(0..sorted.len(), 0..0);
    match layout {
        Layout::PreOrder => writer.pre_order(root),
        Layout::PostOrder => writer.post_order(root),
    }
    writer.out.bytes
}

/// Some of the sorted entries, which have everything before `prefix.end` of their keys in common.
#[derive(Clone, Debug)]
pub(super) struct Node {
    entries: Range<usize>,
    /// The part of the keys that the node holds itself.
    prefix: Range<usize>,
    /// How many of the entries end here. They are the first ones.
    values: usize,
}

/// A node with the byte that leads to it.
pub(super) type Child = (u8, Node);

impl Sorted<'_> {
    /// The node of some entries.
    pub(super) fn node(&self, entries: Range<usize>, prefix: Range<usize>) -> Node {
        let ended = |&at: &usize| self.key(at).len() == prefix.end;
        Node {
            values: entries.clone().take_while(ended).count(),
            entries,
            prefix,
        }
    }

    /// Puts the children of a node, by the byte that leads to each, into `children`.
    pub(super) fn children(&self, node: &Node, children: &mut Vec<Child>) {
        let depth = node.prefix.end;
        let mut at = node.entries.start + node.values;
        while at < node.entries.end {
            // The keys of a child go on with the same byte; what else they share is its prefix.
            let (end, shared) = self.group(at, node.entries.end, depth);
            let byte = self.key(at)[depth];
            children.push((byte, self.node(at..end, depth + 1..shared)));
            at = end;
        }
    }

    fn prefix(&self, node: &Node) -> &[u8] {
        match node.prefix.is_empty() {
            true => b"",
            false => &self.key(node.entries.start)[node.prefix.clone()],
        }
    }

    /// The values of some entries with their priorities.
    pub(super) fn values(&self, entries: Range<usize>) -> impl ExactSizeIterator<Item = Value<'_>> {
        entries.map(|at| {
            let entry = self.get(at);
            Value {
                priority: entry.priority,
                value: entry.value,
            }
        })
    }
}

/// Where the link to the root stands.
pub(super) const ROOT: usize = 8;

/// The bytes of an index while it is written.
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
}

/// The links of a node that was written.
#[derive(Clone, Copy)]
pub(super) struct Links {
    first: u8,
    start: usize,
}

impl Links {
    /// The place of the link for a byte.
    pub(super) fn place(self, byte: u8) -> usize {
        self.start + 4 * usize::from(byte - self.first)
    }
}

impl Output {
    /// With a header, whose link to the root is empty, and room for so many bytes.
    pub(super) fn new(room: usize) -> Self {
        let mut out = Self {
            bytes: Vec::with_capacity(room),
        };
        for number in [MAGIC, VERSION, 0] {
            out.number(number);
        }
        out
    }

    /// Writes a node; gives the link to it, and its own links, which are empty. `bytes` leads to its children, in order.
    pub(super) fn node<'v>(
        &mut self,
        prefix: &[u8],
        mut bytes: impl DoubleEndedIterator<Item = u8>,
        values: impl ExactSizeIterator<Item = Value<'v>>,
    ) -> (u32, Links) {
        let mut link = self.bytes.len() as u32;
        if !prefix.is_empty() {
            link |= PREFIX;
            self.bytes.extend_from_slice(prefix);
            self.bytes.push(0);
        }
        let mut links = Links { first: 0, start: 0 };
        if let Some(first) = bytes.next() {
            link |= CHILDS;
            let last = bytes.next_back().unwrap_or(first);
            self.bytes.extend([first, last]);
            let start = self.bytes.len();
            links = Links { first, start };
            let count = usize::from(last - first) + 1;
            self.bytes.resize(start + 4 * count, 0);
        }
        if values.len() > 0 {
            link |= VALUES;
            self.number(values.len() as u32);
            for Value { priority, value } in values {
                self.number(priority);
                self.bytes.extend_from_slice(value);
                self.bytes.push(0);
            }
        }
        (link, links)
    }

    /// The same for a node of sorted entries.
    pub(super) fn made_of(
        &mut self,
        sorted: &Sorted<'_>,
        node: &Node,
        children: &[Child],
    ) -> (u32, Links) {
        let values = node.entries.start..node.entries.start + node.values;
        self.node(
            sorted.prefix(node),
            children.iter().map(|(byte, _)| *byte),
            sorted.values(values),
        )
    }

    pub(super) fn patch(&mut self, place: usize, number: u32) {
        if let Some(bytes) = self.bytes.get_mut(place..place + 4) {
            bytes.copy_from_slice(&number.to_be_bytes());
        }
    }

    fn number(&mut self, number: u32) {
        self.bytes.extend(number.to_be_bytes());
    }
}

struct Writer<'a> {
    sorted: &'a Sorted<'a>,
    out: Output,
}

impl Writer<'_> {
    fn pre_order(&mut self, root: Node) {
        // The stack holds each node with the place of the link to it.
        let mut stack = vec![(root, ROOT)];
        let mut children = Vec::new();
        while let Some((node, place)) = stack.pop() {
            self.sorted.children(&node, &mut children);
            let (link, links) = self.out.made_of(self.sorted, &node, &children);
            self.out.patch(place, link);
            let children = children.drain(..).rev();
            stack.extend(children.map(|(byte, child)| (child, links.place(byte))));
        }
    }

    fn post_order(&mut self, root: Node) {
        enum Step {
            Enter(Node, Place),
            Leave(Node, Vec<Child>, Place, usize),
        }
        /// Where the link to a node goes: the number of the parent's list of links, and the place in it.
        type Place = (usize, usize);
        // Links of the nodes that are open, in the order of their depth.
        let mut open: Vec<Vec<u32>> = vec![vec![0]];
        let mut stack = vec![Step::Enter(root, (0, 0))];
        while let Some(step) = stack.pop() {
            match step {
                Step::Enter(node, place) => {
                    let mut children = Vec::new();
                    self.sorted.children(&node, &mut children);
                    let own = open.len();
                    open.push(vec![0; children.len()]);
                    let enter = children.clone();
                    stack.push(Step::Leave(node, children, place, own));
                    let enter = enter.into_iter().enumerate().rev();
                    stack.extend(enter.map(|(at, (_, child))| Step::Enter(child, (own, at))));
                }
                Step::Leave(node, children, (list, at), own) => {
                    let (link, links) = self.out.made_of(self.sorted, &node, &children);
                    open[list][at] = link;
                    let found = std::mem::take(&mut open[own]);
                    for ((byte, _), link) in children.iter().zip(found) {
                        self.out.patch(links.place(*byte), link);
                    }
                }
            }
        }
        let root = open[0][0];
        self.out.patch(ROOT, root);
    }
}
