//! How many sectors each part of a volume has.

use super::ENTRY_SIZE;
use crate::disk::{SECTOR_SIZE, Sector};

/// The two kinds that are written. A reader decides by the number of clusters alone, and so does the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FatKind {
    /// 4085 to 65524 clusters.
    Fat16,
    /// 65525 clusters and more.
    Fat32,
}

/// The fewest clusters of FAT16 and FAT32.
const FAT16_MIN: u64 = 4085;
const FAT32_MIN: u64 = 65_525;

/// Cluster numbers have 28 bits, the last 16 numbers are marks, and the first two are not clusters.
const FAT32_MAX: u64 = 0x0fff_ffef - 2;

/// Entries of FAT16's root directory, as every tool has it.
const ROOT_ENTRIES: u16 = 512;

/// Clusters begin at a multiple of this, so that a flash stick's pages (4096 bytes) are not split.
const ALIGNMENT: u64 = 8;

impl FatKind {
    /// Bytes of an entry of the allocation table.
    pub(super) fn entry_size(self) -> u64 {
        match self {
            FatKind::Fat16 => 2,
            FatKind::Fat32 => 4,
        }
    }

    /// As the name stands in the boot record.
    pub(super) fn name(self) -> &'static [u8; 8] {
        match self {
            FatKind::Fat16 => b"FAT16   ",
            FatKind::Fat32 => b"FAT32   ",
        }
    }

    /// 32 leave room for the boot record, its backup and a boot loader's further sectors, as every tool has it.
    fn reserved(self) -> u64 {
        match self {
            FatKind::Fat16 => 1,
            FatKind::Fat32 => 32,
        }
    }

    fn root_entries(self) -> u16 {
        match self {
            FatKind::Fat16 => ROOT_ENTRIES,
            FatKind::Fat32 => 0,
        }
    }

    /// Microsoft's table for FAT32; for FAT16 the smallest that keeps the clusters below the limit.
    fn sectors_per_cluster(self, total: u64) -> u64 {
        match self {
            FatKind::Fat16 => [1, 2, 4, 8, 16, 32]
                .into_iter()
                .find(|size| total / size < FAT32_MIN)
                .unwrap_or(64),
            FatKind::Fat32 => match total {
                0..=532_480 => 1,
                532_481..=16_777_216 => 8,
                16_777_217..=33_554_432 => 16,
                33_554_433..=67_108_864 => 32,
                _ => 64,
            },
        }
    }

    fn accepts(self, clusters: u64) -> bool {
        match self {
            FatKind::Fat16 => (FAT16_MIN..FAT32_MIN).contains(&clusters),
            FatKind::Fat32 => (FAT32_MIN..=FAT32_MAX).contains(&clusters),
        }
    }
}

impl std::fmt::Display for FatKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FatKind::Fat16 => "FAT16",
            FatKind::Fat32 => "FAT32",
        })
    }
}

/// The layout of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The kind.
    pub kind: FatKind,
    /// All of the volume.
    pub total: Sector,
    /// Sectors in front of the first allocation table.
    pub reserved: u16,
    /// Sectors of each of the two tables.
    pub fat_sectors: u32,
    /// Entries of the root directory; 0 for FAT32, whose root is like any directory.
    pub root_entries: u16,
    /// A power of two.
    pub sectors_per_cluster: u8,
    /// How many clusters there are; their numbers begin at 2.
    pub clusters: u32,
}

/// Why there is no such volume.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// A volume of this size has too few or too many clusters for the kind.
    #[error(
        "{kind} cannot have {} bytes: FAT16 takes from 2.2 MB to 2 GB, FAT32 from 34 MB to 2 TB",
        total.bytes()
    )]
    Clusters {
        /// The kind.
        kind: FatKind,
        /// The size that was asked for.
        total: Sector,
    },
}

impl Geometry {
    /// Allocation tables of every volume.
    pub(super) const FATS: u64 = 2;

    /// The layout of a volume of `total` sectors.
    ///
    /// # Errors
    /// [`GeometryError`].
    pub fn new(kind: FatKind, total: Sector) -> Result<Self, GeometryError> {
        Self::with_clusters(kind, total, 1)
    }

    /// As [`new`](Self::new), with clusters of `least` sectors or more; a power of two, up to 64.
    fn with_clusters(kind: FatKind, total: Sector, least: u64) -> Result<Self, GeometryError> {
        let error = GeometryError::Clusters { kind, total };
        let size = kind.sectors_per_cluster(total.0).max(least);
        let root = u64::from(kind.root_entries()) * ENTRY_SIZE as u64 / SECTOR_SIZE;
        let Some(rest) = total.0.checked_sub(kind.reserved() + root) else {
            return Err(error);
        };
        // A table of f sectors has f * per_sector entries, of which 2 are not clusters; the rest of the volume, less two
        // tables, must not hold more clusters than that.
        let per_sector = SECTOR_SIZE / kind.entry_size();
        let fat = (rest + 2 * size).div_ceil(per_sector * size + Self::FATS);
        let meta = kind.reserved() + Self::FATS * fat + root;
        let padding = meta.next_multiple_of(ALIGNMENT) - meta;
        let clusters = total.0.saturating_sub(meta + padding) / size;
        let fits = kind.accepts(clusters) && total.0 <= u64::from(u32::MAX);
        let (Ok(clusters), Ok(fat_sectors), Ok(reserved), Ok(size), true) = (
            clusters.try_into(),
            fat.try_into(),
            (kind.reserved() + padding).try_into(),
            size.try_into(),
            fits,
        ) else {
            return Err(error);
        };
        Ok(Self {
            kind,
            total,
            reserved,
            fat_sectors,
            root_entries: kind.root_entries(),
            sectors_per_cluster: size,
            clusters,
        })
    }

    /// The smallest volume, in whole MiB, for which `fits` says that everything has its place; `None` where the largest is
    /// too small.
    pub fn smallest(kind: FatKind, start: Sector, fits: impl Fn(&Self) -> bool) -> Option<Self> {
        Self::smallest_with_clusters(kind, start, 1, fits)
    }

    /// As [`smallest`](Self::smallest), with clusters of `least` sectors or more; a power of two, up to 64.
    pub(in crate::disk) fn smallest_with_clusters(
        kind: FatKind,
        start: Sector,
        least: u64,
        fits: impl Fn(&Self) -> bool,
    ) -> Option<Self> {
        const MIB: u64 = (1 << 20) / SECTOR_SIZE;
        let most = match kind {
            FatKind::Fat16 => 2 << 10,
            FatKind::Fat32 => 2 << 20,
        };
        let first = start.0.div_ceil(MIB).max(1);
        (first..=most)
            .filter_map(|size| Self::with_clusters(kind, Sector(size * MIB), least).ok())
            .find(fits)
    }

    /// Bytes of a cluster.
    pub fn cluster_size(&self) -> u64 {
        u64::from(self.sectors_per_cluster) * SECTOR_SIZE
    }

    /// Where the first allocation table begins.
    pub(super) fn fat_start(&self) -> Sector {
        Sector(self.reserved.into())
    }

    /// Where FAT16's root directory begins.
    pub(super) fn root_start(&self) -> Sector {
        self.fat_start() + Sector(Self::FATS * u64::from(self.fat_sectors))
    }

    /// Where a cluster begins.
    pub(super) fn cluster_start(&self, cluster: u32) -> Sector {
        let root = u64::from(self.root_entries) * ENTRY_SIZE as u64 / SECTOR_SIZE;
        let index = u64::from(cluster).saturating_sub(2);
        self.root_start() + Sector(root + index * u64::from(self.sectors_per_cluster))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_hold_every_cluster() {
        for kind in [FatKind::Fat16, FatKind::Fat32] {
            for total in (4000..6_000_000).step_by(12_345) {
                let Ok(geometry) = Geometry::new(kind, Sector(total)) else {
                    continue;
                };
                let entries =
                    u64::from(geometry.fat_sectors) * SECTOR_SIZE / geometry.kind.entry_size();
                assert!(u64::from(geometry.clusters) + 2 <= entries);
                let end = geometry.cluster_start(geometry.clusters + 2);
                assert!(end.0 <= total);
                assert!(total - end.0 < u64::from(geometry.sectors_per_cluster));
                assert_eq!(geometry.cluster_start(2).0 % ALIGNMENT, 0);
            }
        }
    }

    #[test]
    fn sizes_that_a_kind_cannot_have_are_refused() {
        assert!(Geometry::new(FatKind::Fat16, Sector(4000)).is_err());
        assert!(Geometry::new(FatKind::Fat32, Sector(65_525)).is_err());
        assert!(Geometry::new(FatKind::Fat16, Sector(9_000_000)).is_err());
        assert!(Geometry::new(FatKind::Fat32, Sector(1 << 33)).is_err());
    }

    #[test]
    fn the_smallest_of_each_kind() {
        let mib = |kind| {
            Geometry::smallest(kind, Sector(0), |_| true)
                .unwrap()
                .total
                .0
                / 2048
        };
        assert_eq!(mib(FatKind::Fat16), 3);
        assert_eq!(mib(FatKind::Fat32), 33);
    }
}
