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
        out: Vec::with_capacity(sorted.size() + 16 * sorted.len()),
        sorted: &sorted,
    };
    writer.number(MAGIC);
    writer.number(VERSION);
    writer.number(0);
    let root = writer.sub_node(0..sorted.len(), 0..0);
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
    /// How many of the entries end here. They are the first ones.
    values: usize,
}

struct Writer<'a> {
    sorted: &'a Sorted<'a>,
    out: Vec<u8>,
}

/// A node with the byte that leads to it.
type Child = (u8, Node);

/// Where the link to the root stands.
const ROOT: usize = 8;

impl Writer<'_> {
    fn pre_order(&mut self, root: Node) {
        // The stack holds each node with the place of the link to it.
        let mut stack = vec![(root, ROOT)];
        let mut children = Vec::new();
        while let Some((node, link)) = stack.pop() {
            self.children(&node, &mut children);
            self.patch(link, self.link(&node, &children));
            let table = self.node(&node, &children);
            let links = children.drain(..).rev();
            stack.extend(links.map(|(byte, child)| (child, table(byte))));
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
        let mut links: Vec<Vec<u32>> = vec![vec![0]];
        let mut stack = vec![Step::Enter(root, (0, 0))];
        while let Some(step) = stack.pop() {
            match step {
                Step::Enter(node, place) => {
                    let mut children = Vec::new();
                    self.children(&node, &mut children);
                    let own = links.len();
                    links.push(vec![0; children.len()]);
                    let enter = children.clone();
                    stack.push(Step::Leave(node, children, place, own));
                    let enter = enter.into_iter().enumerate().rev();
                    stack.extend(enter.map(|(at, (_, child))| Step::Enter(child, (own, at))));
                }
                Step::Leave(node, children, (list, at), own) => {
                    links[list][at] = self.link(&node, &children);
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

    /// Puts the children of a node, by the byte that leads to each, into `children`.
    fn children(&self, node: &Node, children: &mut Vec<Child>) {
        let depth = node.prefix.end;
        let mut at = node.entries.start + node.values;
        while at < node.entries.end {
            // The keys of a child go on with the same byte; what else they share is its prefix.
            let (end, shared) = self.sorted.group(at, node.entries.end, depth);
            let byte = self.sorted.key(at)[depth];
            children.push((byte, self.sub_node(at..end, depth + 1..shared)));
            at = end;
        }
    }

    fn sub_node(&self, entries: Range<usize>, prefix: Range<usize>) -> Node {
        let ended = |&at: &usize| self.sorted.key(at).len() == prefix.end;
        Node {
            values: entries.clone().take_while(ended).count(),
            entries,
            prefix,
        }
    }

    /// Writes a node with empty links; gives the places of the links by their bytes.
    fn node(&mut self, node: &Node, children: &[Child]) -> impl Fn(u8) -> usize + use<> {
        let sorted = self.sorted;
        if !node.prefix.is_empty() {
            let key = sorted.key(node.entries.start);
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
        if node.values > 0 {
            self.number(node.values as u32);
            for at in node.entries.clone().take(node.values) {
                let entry = sorted.get(at);
                self.number(entry.priority);
                self.out.extend_from_slice(entry.value);
                self.out.push(0);
            }
        }
        move |byte| table + 4 * usize::from(byte - first_byte)
    }

    /// The link to a node that is written next.
    fn link(&self, node: &Node, children: &[Child]) -> u32 {
        let mut link = self.out.len() as u32;
        if !node.prefix.is_empty() {
            link |= PREFIX;
        }
        if !children.is_empty() {
            link |= CHILDS;
        }
        if node.values > 0 {
            link |= VALUES;
        }
        link
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
