//! The FAT file system, written once and read by firmware, boot loaders, Linux and Windows.
//!
//! Specified by Microsoft's "FAT: General Overview of On-Disk Format" 1.03 (the UEFI specification, section 13.3, refers to
//! it). A volume is: reserved sectors with the boot record and its parameter block (BPB), two file allocation tables, for
//! FAT16 the root directory, and clusters numbered from 2.
//!
//! Writing has three steps: a [`Tree`] holds files under checked names; [`Volume::reserve`] gives each its clusters, all
//! contiguous; [`Volume::write`] puts the bytes into an image and cannot fail. In between the caller may ask where a file
//! lies and replace its contents, which is what a boot loader with a map of sectors needs. [`read`] takes what anybody wrote.

mod geometry;
mod name;
pub mod read;
mod time;
mod tree;
mod volume;

pub use geometry::{FatKind, Geometry, GeometryError};
pub use name::{Label, LabelError, Name, NameError};
pub use time::Timestamp;
pub(super) use time::civil;
pub use tree::{Attributes, Tree, TreeError};
pub use volume::{Extent, PlacedFile, Volume, VolumeError, VolumeOptions};

/// Offsets in the boot record.
mod field {
    pub(super) const OEM_NAME: usize = 3;
    pub(super) const BYTES_PER_SECTOR: usize = 11;
    pub(super) const SECTORS_PER_CLUSTER: usize = 13;
    pub(super) const RESERVED: usize = 14;
    pub(super) const FATS: usize = 16;
    pub(super) const ROOT_ENTRIES: usize = 17;
    pub(super) const TOTAL_16: usize = 19;
    pub(super) const MEDIA: usize = 21;
    pub(super) const FAT_SECTORS_16: usize = 22;
    pub(super) const SECTORS_PER_TRACK: usize = 24;
    pub(super) const HEADS: usize = 26;
    pub(super) const HIDDEN: usize = 28;
    pub(super) const TOTAL_32: usize = 32;
    /// FAT32 only, as the next three.
    pub(super) const FAT_SECTORS_32: usize = 36;
    pub(super) const ROOT_CLUSTER: usize = 44;
    pub(super) const FS_INFO: usize = 48;
    pub(super) const BACKUP: usize = 50;
    /// Drive number, a zero, 0x29, serial, label, file system's name: at 36 in FAT16, at 64 in FAT32.
    pub(super) const EXTENDED_16: usize = 36;
    pub(super) const EXTENDED_32: usize = 64;
    /// Behind that the code begins.
    pub(super) const EXTENDED_SIZE: usize = 26;
}

/// Bytes of a directory entry.
const ENTRY_SIZE: usize = 32;

/// UTF-16 units in a long-name entry, and where they stand.
const LONG_UNITS: usize = 13;
const LONG_PLACES: [usize; LONG_UNITS] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// Whether a sector has a BPB: a jump, 512 bytes a sector, clusters of a power of two, one or two tables.
pub(super) fn looks_like_boot_record(sector: &[u8; 512]) -> bool {
    let jump = sector[0] == 0xeb && sector[2] == 0x90 || sector[0] == 0xe9;
    let sector_size = u16::from_le_bytes([
        sector[field::BYTES_PER_SECTOR],
        sector[field::BYTES_PER_SECTOR + 1],
    ]);
    jump && sector_size == 512
        && sector[field::SECTORS_PER_CLUSTER].is_power_of_two()
        && matches!(sector[field::FATS], 1 | 2)
}
