//! A tree in its place: clusters for every file, then the bytes of the whole volume.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::geometry::{FatKind, Geometry};
use super::name::{Label, Name, Short};
use super::time::Timestamp;
use super::tree::{Attributes, Content, Node, Tree};
use super::{ENTRY_SIZE, field};
use crate::disk::{SECTOR_SIZE, Sector, SparseImage};

/// UTF-16 units in a long-name entry, and where they stand.
const LONG_UNITS: usize = 13;
const LONG_PLACES: [usize; LONG_UNITS] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// A directory may have this many entries.
const DIRECTORY_MAX: usize = 65_536;

/// The first and the last of a chain's marks, cut to the entry's size; and the media byte of a disk.
const END_OF_CHAIN: u32 = 0x0fff_ffff;
const MEDIA: u8 = 0xf8;

/// Where FAT32 keeps its second boot record.
const BACKUP: u64 = 6;

/// `int 0x18; jmp $`: tells the BIOS that nothing can be booted from here.
const NO_BOOT: [u8; 4] = [0xcd, 0x18, 0xeb, 0xfe];

/// What a volume has besides its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeOptions {
    /// The label.
    pub label: Label,
    /// The serial number: what Linux calls the UUID, for example `1234-ABCD`.
    pub serial: u32,
    /// The time of every file.
    pub time: Timestamp,
    /// Where the volume begins on the disk: 0 where there is no partition table.
    pub start: Sector,
}

/// Why a tree does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// The files need more clusters than the volume has.
    #[error(
        "the files need {needed} bytes, and the file system has room for {room}; give it a larger size, or none so that it fits"
    )]
    NoRoom {
        /// Bytes of all clusters that are needed.
        needed: u64,
        /// Bytes of all clusters that there are.
        room: u64,
    },
    /// A directory has too many entries.
    #[error("a directory would need {entries} entries, and {limit} is the most that it can have")]
    DirectoryFull {
        /// The entries, those of long names counted.
        entries: usize,
        /// The limit.
        limit: usize,
    },
}

/// Where a file lies: contiguous sectors of the volume, the last one perhaps partly used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first sector, counted from the volume's begin.
    pub first: Sector,
    /// How many sectors the file's bytes touch.
    pub count: u64,
}

/// A volume whose every file has its place.
#[derive(Clone, Debug)]
pub struct Volume<'a> {
    geometry: Geometry,
    options: VolumeOptions,
    root: Directory<'a>,
    /// The first cluster that is free.
    free: u32,
    /// A boot loader's boot record, whose code goes around the parameter block.
    boot_record: Option<[u8; SECTOR_SIZE as usize]>,
}

#[derive(Clone, Debug)]
struct Directory<'a> {
    first: u32,
    clusters: u32,
    items: Vec<Placed<'a>>,
}

#[derive(Clone, Debug)]
struct Placed<'a> {
    name: Name,
    short: Short,
    content: PlacedContent<'a>,
}

#[derive(Clone, Debug)]
enum PlacedContent<'a> {
    File {
        /// 0 for an empty file.
        first: u32,
        data: Cow<'a, [u8]>,
        attributes: Attributes,
    },
    Directory(Directory<'a>),
}

impl<'a> Volume<'a> {
    /// Gives every file and directory its clusters.
    ///
    /// # Errors
    /// See [`VolumeError`].
    pub fn reserve(
        tree: Tree<'a>,
        geometry: Geometry,
        options: VolumeOptions,
    ) -> Result<Self, VolumeError> {
        let needed = clusters_needed(&tree, &geometry)?;
        if needed > u64::from(geometry.clusters) {
            return Err(VolumeError::NoRoom {
                needed: needed * geometry.cluster_size(),
                room: u64::from(geometry.clusters) * geometry.cluster_size(),
            });
        }
        let mut allocator = Allocator { geometry, free: 2 };
        let root = match geometry.kind {
            FatKind::Fat16 => allocator.place(tree.nodes, 0, 0),
            FatKind::Fat32 => {
                let clusters = allocator.directory_clusters(&tree.nodes, 1);
                let first = allocator.take(clusters);
                allocator.place(tree.nodes, first, clusters)
            }
        };
        Ok(Self {
            geometry,
            options,
            root,
            free: allocator.free,
            boot_record: None,
        })
    }

    /// Whether a volume of this geometry has room for a tree.
    pub fn fits(tree: &Tree<'_>, geometry: &Geometry) -> bool {
        clusters_needed(tree, geometry).is_ok_and(|needed| needed <= geometry.clusters.into())
    }

    /// The volume's layout.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Sets the serial number, which may depend on the contents.
    pub fn set_serial(&mut self, serial: u32) {
        self.options.serial = serial;
    }

    /// Where the file at `path` lies; nothing for a file without bytes, or none.
    pub fn extent(&self, path: &str) -> Option<Extent> {
        let (first, data) = self.root.find(path)?;
        let extent = Extent {
            first: self.geometry.cluster_start(first),
            count: (data.len() as u64).div_ceil(SECTOR_SIZE),
        };
        (first != 0).then_some(extent)
    }

    /// Replaces the contents of a file with as many other bytes. Gives whether there is such a file of such a size.
    pub fn replace(&mut self, path: &str, bytes: Vec<u8>) -> bool {
        match self.root.find_mut(path) {
            Some(data) if data.len() == bytes.len() => {
                *data = Cow::Owned(bytes);
                true
            }
            _ => false,
        }
    }

    /// Takes over a boot loader's boot record: jump, system name and code; the parameter block stays the volume's own.
    pub fn set_boot_record(&mut self, record: [u8; SECTOR_SIZE as usize]) {
        self.boot_record = Some(record);
    }

    /// Puts the whole volume into an image, where its options say that it begins.
    pub fn write(self, image: &mut SparseImage<'a>) {
        let start = self.options.start;
        let at = |sector: Sector| (start + sector).bytes();
        let record = self.boot_record();
        image.put(at(Sector(0)), record.to_vec());
        if self.geometry.kind == FatKind::Fat32 {
            let info = self.fs_info();
            image.put(at(Sector(1)), info.to_vec());
            image.put(at(Sector(BACKUP)), record.to_vec());
            image.put(at(Sector(BACKUP + 1)), info.to_vec());
        }
        let table = self.table();
        let second = self.geometry.fat_start() + Sector(self.geometry.fat_sectors.into());
        image.put(at(self.geometry.fat_start()), table.clone());
        image.put(at(second), table);
        let writer = Writer {
            geometry: self.geometry,
            options: self.options,
        };
        let root = match self.geometry.kind {
            FatKind::Fat16 => self.geometry.root_start(),
            FatKind::Fat32 => self.geometry.cluster_start(self.root.first),
        };
        let mut entries = Vec::new();
        writer.label(&mut entries);
        writer.directory(self.root, root, entries, image);
    }

    /// The boot record: parameter block and code.
    fn boot_record(&self) -> [u8; SECTOR_SIZE as usize] {
        let geometry = &self.geometry;
        let mut record = [0; SECTOR_SIZE as usize];
        let extended = match geometry.kind {
            FatKind::Fat16 => field::EXTENDED_16,
            FatKind::Fat32 => field::EXTENDED_32,
        };
        let code = extended + field::EXTENDED_SIZE;
        record[..3].copy_from_slice(&[0xeb, (code - 2) as u8, 0x90]);
        record[field::OEM_NAME..field::BYTES_PER_SECTOR].copy_from_slice(b"packager");
        put(&mut record, code, &NO_BOOT);
        put(&mut record, 510, &[0x55, 0xaa]);
        if let Some(loader) = &self.boot_record {
            // A loader's code leaves room for FAT32's parameters, whatever the kind.
            let code = field::EXTENDED_32 + field::EXTENDED_SIZE;
            put(&mut record, 0, &loader[..field::BYTES_PER_SECTOR]);
            put(&mut record, code, &loader[code..]);
        }
        self.parameters(&mut record);
        let mut end = vec![0x80, 0, 0x29];
        end.extend(self.options.serial.to_le_bytes());
        end.extend(self.options.label.0);
        end.extend(geometry.kind.name());
        put(&mut record, extended, &end);
        record
    }

    fn parameters(&self, record: &mut [u8]) {
        let geometry = &self.geometry;
        let total = geometry.total.0 as u32;
        let start = u32::try_from(self.options.start.0).unwrap_or(0);
        put(
            record,
            field::BYTES_PER_SECTOR,
            &(SECTOR_SIZE as u16).to_le_bytes(),
        );
        record[field::SECTORS_PER_CLUSTER] = geometry.sectors_per_cluster;
        put(record, field::RESERVED, &geometry.reserved.to_le_bytes());
        record[field::FATS] = Geometry::FATS as u8;
        put(
            record,
            field::ROOT_ENTRIES,
            &geometry.root_entries.to_le_bytes(),
        );
        record[field::MEDIA] = MEDIA;
        put(record, field::SECTORS_PER_TRACK, &63_u16.to_le_bytes());
        put(record, field::HEADS, &255_u16.to_le_bytes());
        put(record, field::HIDDEN, &start.to_le_bytes());
        match u16::try_from(total) {
            Ok(total) if geometry.kind == FatKind::Fat16 => {
                put(record, field::TOTAL_16, &total.to_le_bytes());
            }
            _ => put(record, field::TOTAL_32, &total.to_le_bytes()),
        }
        match geometry.kind {
            FatKind::Fat16 => {
                let sectors = geometry.fat_sectors as u16;
                put(record, field::FAT_SECTORS_16, &sectors.to_le_bytes());
            }
            FatKind::Fat32 => {
                let sectors = geometry.fat_sectors;
                put(record, field::FAT_SECTORS_32, &sectors.to_le_bytes());
                put(record, field::ROOT_CLUSTER, &self.root.first.to_le_bytes());
                put(record, field::FS_INFO, &1_u16.to_le_bytes());
                put(record, field::BACKUP, &(BACKUP as u16).to_le_bytes());
            }
        }
    }

    /// FAT32's second sector: how many clusters are free, and which one was given away last.
    fn fs_info(&self) -> [u8; SECTOR_SIZE as usize] {
        let mut info = [0; SECTOR_SIZE as usize];
        let used = self.free - 2;
        put(&mut info, 0, b"RRaA");
        put(&mut info, 484, b"rrAa");
        put(
            &mut info,
            488,
            &(self.geometry.clusters - used).to_le_bytes(),
        );
        put(&mut info, 492, &(self.free - 1).to_le_bytes());
        put(&mut info, 510, &[0x55, 0xaa]);
        info
    }

    /// An allocation table, as far as it is not zero.
    fn table(&self) -> Vec<u8> {
        let mut entries: Vec<u32> = (1..=self.free).collect();
        entries[0] = END_OF_CHAIN & !0xff | u32::from(MEDIA);
        entries[1] = END_OF_CHAIN;
        self.root.end_chains(&self.geometry, &mut entries);
        entries.truncate(self.free as usize);
        match self.geometry.kind {
            FatKind::Fat16 => entries
                .iter()
                .flat_map(|entry| (*entry as u16).to_le_bytes())
                .collect(),
            FatKind::Fat32 => entries
                .iter()
                .flat_map(|entry| entry.to_le_bytes())
                .collect(),
        }
    }
}

impl<'a> Directory<'a> {
    fn find(&self, path: &str) -> Option<(u32, &[u8])> {
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

    fn find_mut(&mut self, path: &str) -> Option<&mut Cow<'a, [u8]>> {
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

    /// Every chain is contiguous, so that each entry is the next number, but for the last of a chain.
    fn end_chains(&self, geometry: &Geometry, entries: &mut [u32]) {
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
struct Allocator {
    geometry: Geometry,
    free: u32,
}

impl Allocator {
    fn take(&mut self, clusters: u32) -> u32 {
        let first = self.free;
        self.free += clusters;
        first
    }

    fn directory_clusters(&self, nodes: &[Node<'_>], own: usize) -> u32 {
        clusters_of(entries_of(nodes, own) * ENTRY_SIZE, &self.geometry).max(1) as u32
    }

    fn place<'a>(&mut self, nodes: Vec<Node<'a>>, first: u32, clusters: u32) -> Directory<'a> {
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

fn long_entries(name: &Name) -> usize {
    name.as_str().encode_utf16().count().div_ceil(LONG_UNITS)
}

fn clusters_needed(tree: &Tree<'_>, geometry: &Geometry) -> Result<u64, VolumeError> {
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

/// Writes directories and files into their places.
struct Writer {
    geometry: Geometry,
    options: VolumeOptions,
}

impl Writer {
    /// Writes a directory, whose own entries are there already, and everything in it.
    fn directory<'a>(
        &self,
        directory: Directory<'a>,
        at: Sector,
        mut entries: Vec<u8>,
        image: &mut SparseImage<'a>,
    ) {
        for item in &directory.items {
            self.entries(item, &mut entries);
        }
        image.put((self.options.start + at).bytes(), entries);
        for item in directory.items {
            match item.content {
                PlacedContent::File { first, data, .. } => {
                    let start = self.options.start + self.geometry.cluster_start(first);
                    image.put(start.bytes(), data);
                }
                PlacedContent::Directory(inner) => {
                    let mut entries = Vec::new();
                    self.dots(
                        inner.first,
                        self.parent_number(directory.first),
                        &mut entries,
                    );
                    let at = self.geometry.cluster_start(inner.first);
                    self.directory(inner, at, entries, image);
                }
            }
        }
    }

    /// `..` has 0 where it means the root directory, also in FAT32.
    fn parent_number(&self, parent: u32) -> u32 {
        if parent == 2 && self.geometry.kind == FatKind::Fat32 {
            0
        } else {
            parent
        }
    }

    fn label(&self, out: &mut Vec<u8>) {
        self.entry(self.options.label.0, Attributes::LABEL, 0, 0, 0, out);
    }

    fn dots(&self, own: u32, parent: u32, out: &mut Vec<u8>) {
        self.entry(*b".          ", Attributes::DIRECTORY, 0, own, 0, out);
        self.entry(*b"..         ", Attributes::DIRECTORY, 0, parent, 0, out);
    }

    fn entries(&self, item: &Placed<'_>, out: &mut Vec<u8>) {
        if item.short.needs_long {
            long_name(&item.name, item.short.name.checksum(), out);
        }
        let (attributes, first, size) = match &item.content {
            PlacedContent::Directory(inner) => (Attributes::DIRECTORY, inner.first, 0),
            PlacedContent::File {
                first,
                data,
                attributes,
            } => (*attributes, *first, data.len() as u32),
        };
        let short = item.short;
        self.entry(short.name.0, attributes, short.case, first, size, out);
    }

    fn entry(
        &self,
        name: [u8; 11],
        attributes: Attributes,
        case: u8,
        first: u32,
        size: u32,
        out: &mut Vec<u8>,
    ) {
        let Timestamp { date, time } = self.options.time;
        out.extend(name);
        // Attributes, case, and the hundredths of the creation time.
        out.extend([attributes.0, case, 0]);
        for part in [
            time,
            date,
            date,
            (first >> 16) as u16,
            time,
            date,
            first as u16,
        ] {
            out.extend(part.to_le_bytes());
        }
        out.extend(size.to_le_bytes());
    }
}

/// The entries in front of a short one that hold the long name: its last part first.
fn long_name(name: &Name, checksum: u8, out: &mut Vec<u8>) {
    const LAST: u8 = 0x40;
    let units: Vec<u16> = name.as_str().encode_utf16().collect();
    let parts = units.chunks(LONG_UNITS).enumerate();
    for (index, part) in parts.rev() {
        let last = (index + 1) * LONG_UNITS >= units.len();
        let mut entry = [0; ENTRY_SIZE];
        entry[0] = (index + 1) as u8 | if last { LAST } else { 0 };
        entry[11] = Attributes::LONG_NAME.0;
        entry[13] = checksum;
        // A NUL ends a name that does not fill its last entry; what is behind it is all ones.
        let filled = part
            .iter()
            .copied()
            .chain([0])
            .chain(std::iter::repeat(0xffff));
        for (place, unit) in LONG_PLACES.into_iter().zip(filled) {
            put(&mut entry, place, &u16::to_le_bytes(unit));
        }
        out.extend(entry);
    }
}

/// Copies bytes to a place within a sector; the places are constants that lie inside.
fn put(sector: &mut [u8], offset: usize, bytes: &[u8]) {
    sector[offset..offset + bytes.len()].copy_from_slice(bytes);
}
