//! Disk images: one file that is written to a stick and starts a PC.
//!
//! An image is a partition table ([`mbr`], [`gpt`]) and one FAT file system ([`fat`]) that holds kernel, initramfs and boot loaders:
//! [`syslinux`] for a BIOS, systemd-boot or a [`uki`] for UEFI. Everything is laid out first, in memory and in terms of [`Sector`]s, and then written in one go,
//! without root, without mounting anything and without running another program.

pub mod build;
mod bytes;
pub mod check;
pub mod device;
pub mod fat;
pub mod flash;
mod format;
pub mod gpt;
mod identity;
pub mod iso;
pub mod mbr;
pub mod menu;
pub mod pe;
mod places;
pub mod qcow2;
mod sparse;
pub mod syslinux;
pub mod uki;

pub use build::{Esp, ImageError, ImageRecipe, TableKind, Uefi};
pub use format::ImageFormat;
pub use sparse::SparseImage;

/// Bytes of a sector. Disks with larger ones (4096) are not booted from by a BIOS, and are not made here.
pub const SECTOR_SIZE: u64 = 512;

/// The number of a sector, or a count of sectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sector(pub u64);

impl Sector {
    /// Where the sector begins, in bytes; the largest number where it has more than 64 bits.
    pub fn bytes(self) -> u64 {
        self.0.saturating_mul(SECTOR_SIZE)
    }
}

impl std::ops::Add for Sector {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::fmt::Display for Sector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sector {}", self.0)
    }
}
