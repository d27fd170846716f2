//! A tree in its place: clusters for every file, then the bytes of the whole volume.

mod directory;
mod layout;
mod record;

use std::borrow::Cow;

use super::geometry::{FatKind, Geometry};
use super::name::Label;
use super::time::Timestamp;
use super::tree::Tree;
use crate::disk::{SECTOR_SIZE, Sector, SparseImage};
use directory::Writer;
use layout::{Allocator, Directory, clusters_needed};

/// Where FAT32 keeps its second boot record.
const BACKUP: u64 = 6;

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

/// A file and its place: contiguous sectors of the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedFile {
    /// The path, with `/` between its parts.
    pub path: String,
    /// The first sector, counted from the volume's begin; 0 for a file without bytes.
    pub first: Sector,
    /// The file's size.
    pub bytes: u32,
}

/// A volume whose every file has its place.
///
/// ```
/// use packager::disk::fat::{FatKind, Geometry, Label, Timestamp, Tree, Volume, VolumeOptions};
/// use packager::disk::{Sector, SparseImage};
///
/// let mut tree = Tree::default();
/// tree.file("vmlinuz", &b"MZ"[..])?;
/// let options = VolumeOptions {
///     label: Label::new("stick")?,
///     serial: 0x1234_abcd,
///     time: Timestamp::from_unix(0),
///     start: Sector(0),
/// };
/// let geometry = Geometry::new(FatKind::Fat16, Sector(8192))?;
/// let volume = Volume::reserve(tree, geometry, options)?;
/// let place = volume.extent("vmlinuz").ok_or("no such file")?;
///
/// let mut image = SparseImage::new(geometry.total.bytes());
/// volume.write(&mut image);
/// assert_eq!(image.read(place.first.bytes(), 2), b"MZ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

    /// Every file, in the order of the tree.
    pub fn files(&self) -> Vec<PlacedFile> {
        let mut files = Vec::new();
        self.root.visit("", &mut |path, first, data| {
            files.push(PlacedFile {
                path,
                first: match first {
                    0 => Sector(0),
                    cluster => self.geometry.cluster_start(cluster),
                },
                bytes: data.len() as u32,
            });
        });
        files
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
}

/// Copies bytes to a place within a sector; the places are constants that lie inside.
fn put(sector: &mut [u8], offset: usize, bytes: &[u8]) {
    sector[offset..offset + bytes.len()].copy_from_slice(bytes);
}
