//! The place of every file and directory: contiguous clusters, handed out one after another.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::super::ENTRY_SIZE;
use super::super::geometry::{FatKind, Geometry};
use super::super::name::{Name, Short};
use super::super::tree::{Attributes, Content, Node, Tree};
use super::VolumeError;
use super::directory::long_entries;
use super::record::END_OF_CHAIN;

/// A directory may have this many entries.
const DIRECTORY_MAX: usize = 65_536;

#[derive(Clone, Debug)]
pub(super) struct Directory<'a> {
    pub(super) first: u32,
    pub(super) clusters: u32,
    pub(super) items: Vec<Placed<'a>>,
}

#[derive(Clone, Debug)]
pub(super) struct Placed<'a> {
    pub(super) name: Name,
    pub(super) short: Short,
    pub(super) content: PlacedContent<'a>,
}

#[derive(Clone, Debug)]
pub(super) enum PlacedContent<'a> {
    File {
        /// 0 for an empty file.
        first: u32,
        data: Cow<'a, [u8]>,
        attributes: Attributes,
    },
    Directory(Directory<'a>),
}

impl<'a> Directory<'a> {
    pub(super) fn find(&self, path: &str) -> Option<(u32, &[u8])> {
        let (head, rest) = split(path);
        let item = self
            .items
            .iter()
            .find(|item| item.name.as_str().eq_ignore_ascii_case(head))?;
        match (&item.content, rest) {
            (PlacedContent::File { first, data, .. }, None) => Some((*first, data)),
            (PlacedContent::Directory(directory), Some(rest)) => directory.find(rest),
            _ => None,
        }
    }

    pub(super) fn find_mut(&mut self, path: &str) -> Option<&mut Cow<'a, [u8]>> {
        let (head, rest) = split(path);
        let item = self
            .items
            .iter_mut()
            .find(|item| item.name.as_str().eq_ignore_ascii_case(head))?;
        match (&mut item.content, rest) {
            (PlacedContent::File { data, .. }, None) => Some(data),
            (PlacedContent::Directory(directory), Some(rest)) => directory.find_mut(rest),
            _ => None,
        }
    }

    /// Shows every file: its path, its first cluster (0 where it has none) and its bytes.
    pub(super) fn visit(&self, prefix: &str, see: &mut impl FnMut(String, u32, &[u8])) {
        for item in &self.items {
            let path = format!("{prefix}{}", item.name);
            match &item.content {
                PlacedContent::File { first, data, .. } => see(path, *first, data),
                PlacedContent::Directory(inner) => inner.visit(&format!("{path}/"), see),
            }
        }
    }

    /// Every chain is contiguous, so that each entry is the next number, but for the last of a chain.
    pub(super) fn end_chains(&self, geometry: &Geometry, entries: &mut [u32]) {
        let mut end = |first: u32, clusters: u64| {
            if clusters > 0
                && let Some(last) = entries.get_mut(first as usize + clusters as usize - 1)
            {
                *last = END_OF_CHAIN;
            }
        };
        end(self.first, self.clusters.into());
        for item in &self.items {
            if let PlacedContent::File { first, data, .. } = &item.content {
                end(*first, clusters_of(data.len(), geometry));
            }
        }
        for item in &self.items {
            if let PlacedContent::Directory(directory) = &item.content {
                directory.end_chains(geometry, entries);
            }
        }
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    }
}

/// Hands out clusters, one after another. That there are enough has been checked.
pub(super) struct Allocator {
    pub(super) geometry: Geometry,
    pub(super) free: u32,
}

impl Allocator {
    pub(super) fn take(&mut self, clusters: u32) -> u32 {
        let first = self.free;
        self.free += clusters;
        first
    }

    pub(super) fn directory_clusters(&self, nodes: &[Node<'_>], own: usize) -> u32 {
        clusters_of(entries_of(nodes, own) * ENTRY_SIZE, &self.geometry).max(1) as u32
    }

    pub(super) fn place<'a>(
        &mut self,
        nodes: Vec<Node<'a>>,
        first: u32,
        clusters: u32,
    ) -> Directory<'a> {
        let mut taken = BTreeSet::new();
        let items = nodes
            .into_iter()
            .map(|node| Placed {
                short: node.name.shorten(&mut taken),
                name: node.name,
                content: self.place_content(node.content),
            })
            .collect();
        Directory {
            first,
            clusters,
            items,
        }
    }

    fn place_content<'a>(&mut self, content: Content<'a>) -> PlacedContent<'a> {
        match content {
            Content::Directory(nodes) => {
                let clusters = self.directory_clusters(&nodes, 2);
                let first = self.take(clusters);
                PlacedContent::Directory(self.place(nodes, first, clusters))
            }
            Content::File(data, attributes) => {
                let clusters = clusters_of(data.len(), &self.geometry) as u32;
                let first = if clusters == 0 {
                    0
                } else {
                    self.take(clusters)
                };
                PlacedContent::File {
                    first,
                    data,
                    attributes,
                }
            }
        }
    }
}

fn clusters_of(bytes: usize, geometry: &Geometry) -> u64 {
    (bytes as u64).div_ceil(geometry.cluster_size())
}

/// The entries of a directory: its `own` (label, or `.` and `..`), and one or more for each name.
fn entries_of(nodes: &[Node<'_>], own: usize) -> usize {
    let mut taken = BTreeSet::new();
    let of_name = |node: &Node<'_>| {
        let long = node.name.shorten(&mut taken).needs_long;
        1 + if long { long_entries(&node.name) } else { 0 }
    };
    own + nodes.iter().map(of_name).sum::<usize>()
}

pub(super) fn clusters_needed(tree: &Tree<'_>, geometry: &Geometry) -> Result<u64, VolumeError> {
    let root = entries_of(&tree.nodes, 1);
    let limit = match geometry.kind {
        FatKind::Fat16 => geometry.root_entries.into(),
        FatKind::Fat32 => DIRECTORY_MAX,
    };
    check_directory(root, limit)?;
    let own = match geometry.kind {
        FatKind::Fat16 => 0,
        FatKind::Fat32 => clusters_of(root * ENTRY_SIZE, geometry).max(1),
    };
    Ok(own + nodes_need(&tree.nodes, geometry)?)
}

fn nodes_need(nodes: &[Node<'_>], geometry: &Geometry) -> Result<u64, VolumeError> {
    let mut needed = 0;
    for node in nodes {
        needed += match &node.content {
            Content::File(data, _) => clusters_of(data.len(), geometry),
            Content::Directory(nodes) => {
                let entries = entries_of(nodes, 2);
                check_directory(entries, DIRECTORY_MAX)?;
                clusters_of(entries * ENTRY_SIZE, geometry).max(1) + nodes_need(nodes, geometry)?
            }
        };
    }
    Ok(needed)
}

fn check_directory(entries: usize, limit: usize) -> Result<(), VolumeError> {
    if entries > limit {
        return Err(VolumeError::DirectoryFull { entries, limit });
    }
    Ok(())
}
