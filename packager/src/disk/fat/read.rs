//! Reading FAT volumes that anybody wrote: nothing in them is trusted.

mod chain;
mod consistency;
mod entries;
mod table;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::geometry::FatKind;
use super::tree::Attributes;
use super::{ENTRY_SIZE, field, looks_like_boot_record};
use crate::disk::bytes::{u16_at, u32_at};
use crate::disk::{SECTOR_SIZE, Sector};
use entries::entries_in;
use table::Table;

/// A directory has no more bytes than this.
const DIRECTORY_LIMIT: u64 = 65_536 * ENTRY_SIZE as u64;

/// What is read of a file at once.
const PART: u64 = 16 << 20;

/// What a volume is read from.
pub trait Medium {
    /// Fills the buffer from an offset on.
    ///
    /// # Errors
    /// What the operating system says; [`io::ErrorKind::UnexpectedEof`] where the medium ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// How many of its `length` bytes are kept somewhere; the others are zero, whatever the length is said to be.
    fn kept(&self, length: u64) -> u64 {
        length
    }
}

impl Medium for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl Medium for [u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let part = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..)?.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Why a volume, or something in it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    /// The medium cannot be read, or ends too early.
    #[error("the image cannot be read at offset {offset}: {source}")]
    Io {
        /// In bytes from the image's begin.
        offset: u64,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no FAT volume.
    #[error("there is no FAT boot record at {0}")]
    NoBootRecord(Sector),
    /// The boot record contradicts itself.
    #[error("the FAT boot record is damaged: {0}")]
    BootRecord(&'static str),
    /// The volume has so few clusters that it is a FAT12 one, which only floppy disks have.
    #[error("the file system is FAT12, which is not read here")]
    Fat12,
    /// A chain of clusters leads out of the volume, in a circle, or to a free cluster.
    #[error("the chain of clusters from {first} is broken at cluster {at}")]
    Chain {
        /// Where the chain begins.
        first: u32,
        /// The cluster whose successor is wrong.
        at: u32,
    },
    /// A file is longer than its chain.
    #[error("the file has {size} bytes, and its clusters only {room}")]
    Short {
        /// The size in the directory.
        size: u64,
        /// Bytes of the clusters.
        room: u64,
    },
}

/// A file or directory of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The long name, else the short one in the letters that its case bits say.
    pub name: String,
    /// The attribute bits.
    pub attributes: Attributes,
    /// Its first cluster; 0 for an empty file.
    pub first: u32,
    /// Bytes of a file.
    pub size: u32,
}

impl Entry {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.attributes.contains(Attributes::DIRECTORY)
    }
}

/// An open volume.
#[derive(Debug)]
pub struct Reader<'a, M: ?Sized> {
    medium: &'a M,
    start: Sector,
    /// The kind.
    pub kind: FatKind,
    /// The boot record.
    pub boot_record: [u8; SECTOR_SIZE as usize],
    /// Sectors of the whole volume.
    pub total: Sector,
    /// Where the volume believes that it begins on the disk.
    pub hidden: Sector,
    sectors_per_cluster: u64,
    root: Root,
    data: Sector,
    clusters: u32,
    table: Table,
}

#[derive(Clone, Copy, Debug)]
enum Root {
    Fixed { first: Sector, entries: u64 },
    Cluster(u32),
}

impl<'a, M: Medium + ?Sized> Reader<'a, M> {
    /// Reads the boot record of the volume that begins at `start`. The first allocation table is read as far as it is needed.
    ///
    /// # Errors
    /// [`FatError::Io`], [`FatError::NoBootRecord`], [`FatError::BootRecord`], [`FatError::Fat12`].
    pub fn open(medium: &'a M, start: Sector) -> Result<Self, FatError> {
        let mut record = [0; SECTOR_SIZE as usize];
        read_at(medium, start.bytes(), &mut record)?;
        if !looks_like_boot_record(&record) {
            return Err(FatError::NoBootRecord(start));
        }
        let reserved = u64::from(u16_at(&record, field::RESERVED));
        let fats = u64::from(record[field::FATS]);
        let size = u64::from(record[field::SECTORS_PER_CLUSTER]);
        let entries = u64::from(u16_at(&record, field::ROOT_ENTRIES));
        let fat = either(&record, field::FAT_SECTORS_16, field::FAT_SECTORS_32);
        let total = either(&record, field::TOTAL_16, field::TOTAL_32);
        let root_start = reserved + fats * fat;
        let data = root_start + (entries * ENTRY_SIZE as u64).div_ceil(SECTOR_SIZE);
        if reserved == 0 || fat == 0 {
            return Err(FatError::BootRecord("it has no allocation table"));
        }
        let Some(room) = total.checked_sub(data) else {
            return Err(FatError::BootRecord("its parts are larger than the volume"));
        };
        let kind = match room / size {
            0..4085 => return Err(FatError::Fat12),
            4085..65_525 => FatKind::Fat16,
            _ => FatKind::Fat32,
        };
        let clusters = (room / size).min(0x0fff_fff0) as u32;
        let bytes = (u64::from(clusters) + 2) * kind.entry_size();
        if bytes > fat * SECTOR_SIZE {
            return Err(FatError::BootRecord(
                "its allocation table does not fit its clusters",
            ));
        }
        let table = Table {
            start: (start + Sector(reserved)).bytes(),
            bytes,
            stored: fat * SECTOR_SIZE,
            copies: fats,
            ..Table::default()
        };
        table.first(medium)?;
        let root = match kind {
            FatKind::Fat16 => Root::Fixed {
                first: Sector(root_start),
                entries,
            },
            FatKind::Fat32 => Root::Cluster(u32_at(&record, field::ROOT_CLUSTER)),
        };
        Ok(Self {
            medium,
            start,
            kind,
            total: Sector(total),
            hidden: Sector(u32_at(&record, field::HIDDEN).into()),
            boot_record: record,
            sectors_per_cluster: size,
            root,
            data: Sector(data),
            clusters,
            table,
        })
    }

    /// The label in the boot record, without the spaces at its end.
    pub fn label(&self) -> String {
        let extended = match self.kind {
            FatKind::Fat16 => field::EXTENDED_16,
            FatKind::Fat32 => field::EXTENDED_32,
        };
        let label = &self.boot_record[extended + 7..extended + 18];
        String::from_utf8_lossy(label).trim_end().to_owned()
    }

    /// The entries of the directory at `path`; `""` is the root. `None` where there is no such directory.
    ///
    /// # Errors
    /// [`FatError::Io`], [`FatError::Chain`].
    pub fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, FatError> {
        let mut entries = self.root()?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match named(entries, part) {
                Some(entry) if entry.is_directory() => entries = self.directory(&entry)?,
                _ => return Ok(None),
            }
        }
        Ok(Some(entries))
    }

    /// The file or directory at `path`, in whatever letters.
    ///
    /// # Errors
    /// [`FatError::Io`], [`FatError::Chain`].
    pub fn find(&self, path: &str) -> Result<Option<Entry>, FatError> {
        let path = path.trim_matches('/');
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(self.list(parent)?.and_then(|entries| named(entries, name)))
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// [`FatError::Io`], [`FatError::Chain`], [`FatError::Short`].
    pub fn contents(&self, entry: &Entry) -> Result<Vec<u8>, FatError> {
        let size = u64::from(entry.size);
        let cluster_size = self.sectors_per_cluster * SECTOR_SIZE;
        let clusters = self.chain(entry.first, size.div_ceil(cluster_size))?;
        let room = clusters.len() as u64 * cluster_size;
        if size > room {
            return Err(FatError::Short { size, room });
        }
        let mut out = Vec::new();
        for run in clusters.chunk_by(|one, next| one + 1 == *next) {
            let first = run.first().copied().unwrap_or(2);
            let length = (run.len() as u64 * cluster_size).min(size - out.len() as u64);
            self.append(self.cluster_start(first), length, &mut out)?;
        }
        Ok(out)
    }

    /// Reads on, in parts: what a directory says of sizes is believed as far as there are bytes.
    fn append(&self, sector: Sector, length: u64, out: &mut Vec<u8>) -> Result<(), FatError> {
        let end = out.len() as u64 + length;
        let mut at = sector;
        while (out.len() as u64) < end {
            let start = out.len();
            let part = (end - start as u64).min(PART);
            out.resize(start + part as usize, 0);
            self.read_at(at, &mut out[start..])?;
            at = at + Sector(PART / SECTOR_SIZE);
        }
        Ok(())
    }

    /// The sectors that a file's bytes touch, in their order, counted from the volume's begin.
    ///
    /// # Errors
    /// [`FatError::Chain`], [`FatError::Short`].
    pub fn sectors(&self, entry: &Entry) -> Result<Vec<Sector>, FatError> {
        let needed = u64::from(entry.size).div_ceil(SECTOR_SIZE);
        let clusters = self.chain(entry.first, needed.div_ceil(self.sectors_per_cluster))?;
        let sectors: Vec<_> = clusters
            .into_iter()
            .flat_map(|cluster| {
                let first = self.cluster_start(cluster);
                (0..self.sectors_per_cluster).map(move |index| first + Sector(index))
            })
            .take(needed as usize)
            .collect();
        if (sectors.len() as u64) < needed {
            return Err(FatError::Short {
                size: entry.size.into(),
                room: sectors.len() as u64 * SECTOR_SIZE,
            });
        }
        Ok(sectors)
    }

    fn root(&self) -> Result<Vec<Entry>, FatError> {
        match self.root {
            Root::Cluster(first) => self.clusters_as_directory(first),
            Root::Fixed { first, entries } => {
                let mut bytes = vec![0; (entries * ENTRY_SIZE as u64) as usize];
                self.read_at(first, &mut bytes)?;
                Ok(entries_in(&bytes))
            }
        }
    }

    fn directory(&self, entry: &Entry) -> Result<Vec<Entry>, FatError> {
        self.clusters_as_directory(entry.first)
    }

    fn clusters_as_directory(&self, first: u32) -> Result<Vec<Entry>, FatError> {
        let cluster_size = self.sectors_per_cluster * SECTOR_SIZE;
        let mut bytes = Vec::new();
        for cluster in self.chain(first, DIRECTORY_LIMIT.div_ceil(cluster_size))? {
            let start = bytes.len();
            bytes.resize(start + cluster_size as usize, 0);
            self.read_at(self.cluster_start(cluster), &mut bytes[start..])?;
        }
        Ok(entries_in(&bytes))
    }

    fn cluster_start(&self, cluster: u32) -> Sector {
        self.data + Sector(u64::from(cluster.saturating_sub(2)) * self.sectors_per_cluster)
    }

    fn read_at(&self, sector: Sector, buffer: &mut [u8]) -> Result<(), FatError> {
        read_at(self.medium, (self.start + sector).bytes(), buffer)
    }
}

/// Whether a medium ends before what shall be read; an offset may even be one that no file can have.
pub fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | InvalidInput)
}

/// Reads a medium at an offset in bytes.
pub(in crate::disk) fn read_at<M: Medium + ?Sized>(
    medium: &M,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), FatError> {
    medium
        .read_exact_at(buffer, offset)
        .map_err(|source| FatError::Io { offset, source })
}

fn named(entries: Vec<Entry>, name: &str) -> Option<Entry> {
    let wanted = name.to_uppercase();
    entries
        .into_iter()
        .find(|entry| entry.name.to_uppercase() == wanted)
}

/// A 16-bit field, or the 32-bit one that is used where that is 0.
fn either(record: &[u8], short: usize, long: usize) -> u64 {
    match u16_at(record, short) {
        0 => u32_at(record, long).into(),
        value => value.into(),
    }
}
