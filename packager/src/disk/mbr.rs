//! The master boot record: the first sector of a disk, with boot code and a table of four partitions.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 440 | code, which a BIOS loads to 0x7c00 and starts |
//! | 440 | 4 | disk signature, by which Linux (`PARTUUID`) and Windows tell disks apart |
//! | 446 | 4 × 16 | the table: flag, first CHS, type, last CHS, first sector, count of sectors |
//! | 510 | 2 | `55 aa` |
//!
//! Specified by the UEFI specification, section 5.2.1, and by what every BIOS does.

use super::{SECTOR_SIZE, Sector};
use crate::disk::bytes::u32_at;

/// Bytes of boot code that fit in front of the disk signature.
pub const CODE_SIZE: usize = 440;

/// Where the table begins.
const TABLE: usize = 446;

/// Bytes of an entry of the table.
const ENTRY: usize = 16;

/// The last two bytes of the sector.
const SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// What BIOSes take a disk's geometry to be where the disk is large: 255 heads of 63 sectors.
const HEADS: u64 = 255;
const SECTORS_PER_TRACK: u64 = 63;

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionType(pub u8);

impl PartitionType {
    /// FAT16, read by sector numbers (LBA).
    pub const FAT16_LBA: Self = Self(0x0e);
    /// FAT32, read by sector numbers (LBA).
    pub const FAT32_LBA: Self = Self(0x0c);
    /// An EFI system partition, whatever FAT it holds.
    pub const EFI_SYSTEM: Self = Self(0xef);
    /// What isohybrid gives the partition of an ISO: hidden NTFS, which no system tries to read.
    pub const ISO_HYBRID: Self = Self(0x17);
    /// Linux.
    pub const LINUX: Self = Self(0x83);
    /// The one partition of a protective MBR, in front of a GUID partition table.
    pub const PROTECTIVE: Self = Self(0xee);

    /// Whether a FAT file system is expected in it.
    pub fn is_fat(self) -> bool {
        matches!(self.0, 0x01 | 0x04 | 0x06 | 0x0b | 0x0c | 0x0e | 0xef)
    }
}

/// An entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Whether the boot code starts this one. Exactly one partition should have it.
    pub active: bool,
    /// What it holds.
    pub kind: PartitionType,
    /// Where it begins.
    pub first: Sector,
    /// How many sectors it has.
    pub count: Sector,
}

/// A master boot record.
///
/// ```
/// use packager::disk::Sector;
/// use packager::disk::mbr::{Mbr, Partition, PartitionType};
///
/// let partition = Partition {
///     active: true,
///     kind: PartitionType::FAT32_LBA,
///     first: Sector(2048),
///     count: Sector(67_584),
/// };
/// let mbr = Mbr {
///     code: Vec::new(),
///     signature: 0x1234_abcd,
///     partitions: [Some(partition), None, None, None],
/// };
/// assert_eq!(Mbr::parse(&mbr.to_bytes())?, Mbr { code: vec![0; 440], ..mbr });
/// # Ok::<(), packager::disk::mbr::MbrError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mbr {
    /// The boot code; what is shorter than [`CODE_SIZE`] is filled up with zeros.
    pub code: Vec<u8>,
    /// The disk signature; 0 means that there is none.
    pub signature: u32,
    /// The partitions; `None` is an empty entry.
    pub partitions: [Option<Partition>; 4],
}

/// Why a sector is not a master boot record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MbrError {
    /// The last two bytes are not `55 aa`.
    #[error("the first sector does not end with the boot signature 55 aa")]
    NoSignature,
    /// The first sector is that of a FAT file system: there is no partition table.
    #[error("the first sector is a FAT boot record: the image has no partition table")]
    FileSystem,
    /// An entry's flag is neither 0x00 nor 0x80.
    #[error("entry {entry} of the partition table has the flag 0x{flag:02x}; 0x00 and 0x80 exist")]
    Flag {
        /// The entry, from 1.
        entry: usize,
        /// The flag.
        flag: u8,
    },
}

impl Mbr {
    /// The sector's bytes. Code beyond [`CODE_SIZE`] is left out, and sector numbers beyond 32 bits become the largest: who
    /// makes partitions has checked both.
    pub fn to_bytes(&self) -> [u8; SECTOR_SIZE as usize] {
        let mut sector = [0; SECTOR_SIZE as usize];
        let code = &self.code[..self.code.len().min(CODE_SIZE)];
        sector[..code.len()].copy_from_slice(code);
        sector[CODE_SIZE..CODE_SIZE + 4].copy_from_slice(&self.signature.to_le_bytes());
        for (slot, partition) in sector[TABLE..]
            .chunks_exact_mut(ENTRY)
            .zip(&self.partitions)
        {
            if let Some(partition) = partition {
                slot.copy_from_slice(&entry(partition));
            }
        }
        sector[510..].copy_from_slice(&SIGNATURE);
        sector
    }

    /// Reads a disk's first sector.
    ///
    /// # Errors
    /// See [`MbrError`].
    pub fn parse(sector: &[u8; SECTOR_SIZE as usize]) -> Result<Self, MbrError> {
        if sector[510..] != SIGNATURE {
            return Err(MbrError::NoSignature);
        }
        let mut partitions = [None; 4];
        for (number, slot) in sector[TABLE..510].chunks_exact(ENTRY).enumerate() {
            partitions[number] = parse_entry(slot).map_err(|flag| {
                if super::fat::looks_like_boot_record(sector) {
                    return MbrError::FileSystem;
                }
                let entry = number + 1;
                MbrError::Flag { entry, flag }
            })?;
        }
        if partitions == [None; 4] && super::fat::looks_like_boot_record(sector) {
            return Err(MbrError::FileSystem);
        }
        Ok(Self {
            code: sector[..CODE_SIZE].to_vec(),
            signature: u32_at(sector, CODE_SIZE),
            partitions,
        })
    }

    /// The partitions that are there, with their numbers from 1.
    pub fn partitions(&self) -> impl Iterator<Item = (usize, &Partition)> {
        let numbered = self.partitions.iter().enumerate();
        numbered.filter_map(|(index, partition)| Some((index + 1, partition.as_ref()?)))
    }
}

fn entry(partition: &Partition) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    let last = (partition.first.0 + partition.count.0).saturating_sub(1);
    entry[0] = if partition.active { 0x80 } else { 0 };
    entry[1..4].copy_from_slice(&cylinder_head_sector(partition.first.0));
    entry[4] = partition.kind.0;
    entry[5..8].copy_from_slice(&cylinder_head_sector(last));
    entry[8..12].copy_from_slice(&saturated(partition.first.0).to_le_bytes());
    entry[12..].copy_from_slice(&saturated(partition.count.0).to_le_bytes());
    entry
}

/// The old address of a sector: head, sector from 1 with two bits of the cylinder, cylinder. Everything behind the 1024
/// cylinders that it can say is `fe ff ff`.
fn cylinder_head_sector(sector: u64) -> [u8; 3] {
    let cylinder = sector / (HEADS * SECTORS_PER_TRACK);
    if cylinder > 1023 {
        return [0xfe, 0xff, 0xff];
    }
    let head = (sector / SECTORS_PER_TRACK) % HEADS;
    let in_track = sector % SECTORS_PER_TRACK + 1;
    [
        head as u8,
        in_track as u8 | (cylinder >> 2) as u8 & 0xc0,
        cylinder as u8,
    ]
}

/// `Err` with the flag where it is none.
fn parse_entry(slot: &[u8]) -> Result<Option<Partition>, u8> {
    let active = match slot[0] {
        0 => false,
        0x80 => true,
        flag => return Err(flag),
    };
    let partition = Partition {
        active,
        kind: PartitionType(slot[4]),
        first: Sector(u32_at(slot, 8).into()),
        count: Sector(u32_at(slot, 12).into()),
    };
    let empty = partition.kind.0 == 0 || partition.count.0 == 0;
    Ok((!empty).then_some(partition))
}

fn saturated(number: u64) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mbr() -> Mbr {
        Mbr {
            code: vec![0x90; CODE_SIZE],
            signature: 0x1234_5678,
            partitions: [
                Some(Partition {
                    active: true,
                    kind: PartitionType::FAT32_LBA,
                    first: Sector(2048),
                    count: Sector(129_024),
                }),
                None,
                None,
                None,
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = mbr().to_bytes();
        // 2048 is cylinder 0, head 32, sector 33; the last sector, 131071, is cylinder 8, head 40, sector 32.
        let expected = [
            0x80, 0x20, 0x21, 0, 0x0c, 0x28, 0x20, 8, 0, 8, 0, 0, 0, 0xf8, 1, 0,
        ];
        assert_eq!(bytes[446..462], expected);
        assert_eq!(Mbr::parse(&bytes).unwrap(), mbr());
    }

    #[test]
    fn damage_is_named() {
        let mut bytes = mbr().to_bytes();
        bytes[446] = 1;
        assert!(matches!(
            Mbr::parse(&bytes),
            Err(MbrError::Flag { entry: 1, flag: 1 })
        ));
        bytes[511] = 0;
        assert_eq!(Mbr::parse(&bytes), Err(MbrError::NoSignature));
    }

    #[test]
    fn what_lies_behind_the_cylinders_is_the_largest_address() {
        assert_eq!(cylinder_head_sector(0), [0, 1, 0]);
        assert_eq!(cylinder_head_sector(1024 * 255 * 63 - 1), [254, 0xff, 0xff]);
        assert_eq!(cylinder_head_sector(1024 * 255 * 63), [0xfe, 0xff, 0xff]);
    }
}
