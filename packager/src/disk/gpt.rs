//! The GUID partition table: what UEFI prefers, with a protective MBR in front of it.
//!
//! The UEFI specification, section 5.3: sector 1 has a header, sectors 2 to 33 have 128 entries of 128 bytes, and the end of
//! the disk has both again. Each header has check sums (CRC-32) over itself and over the entries.

use super::fat::read::{FatError, Medium, read_at};
use super::mbr::{Mbr, Partition, PartitionType};
use super::{SECTOR_SIZE, Sector, SparseImage};
use crate::disk::bytes::{u32_at, u64_at};

/// Sectors of the table at the end of the disk; at the begin there is the protective MBR, too.
pub const END_SECTORS: u64 = 33;

const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
const HEADER_SIZE: u32 = 92;
const ENTRIES: u32 = 128;
const ENTRY_SIZE: u32 = 128;

/// The most bytes of entries that are read.
const ENTRIES_LIMIT: u64 = 1 << 20;

/// The attribute that syslinux's `gptmbr.bin` looks for: legacy BIOS bootable.
const BOOTABLE: u64 = 1 << 2;

/// A GUID as it lies on the disk: the first three of its groups in reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// An EFI system partition: `C12A7328-F81F-11D2-BA4B-00A0C93EC93B`.
    pub const EFI_SYSTEM: Self = Self([
        0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9,
        0x3b,
    ]);
    /// A partition for Windows' file systems: `EBD0A0A2-B9E5-4433-87C0-68B6B72699C7`.
    pub const BASIC_DATA: Self = Self([
        0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99,
        0xc7,
    ]);

    /// One that follows from other bytes: version 8 of RFC 9562, which leaves the bytes to whoever makes it.
    pub fn derived(mut bytes: [u8; 16]) -> Self {
        bytes[7] = bytes[7] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }
}

/// A partition of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GptPartition {
    /// What it holds.
    pub kind: Guid,
    /// Where it begins.
    pub first: Sector,
    /// How many sectors it has.
    pub count: Sector,
    /// Whether a BIOS's boot code starts it.
    pub bootable: bool,
}

/// Puts a table with one EFI system partition, which a BIOS starts as well, into an image of whole sectors.
///
/// `code` is the boot code (`gptmbr.bin`); `guids` are the disk's and the partition's. There is room for both copies of the
/// table, which are 67 sectors, and for the partition: who makes partitions has checked that.
///
/// ```
/// use packager::disk::gpt::{self, Guid};
/// use packager::disk::{Sector, SparseImage};
///
/// let mut image = SparseImage::new(64 << 20);
/// let guids = [[1; 16], [2; 16]].map(Guid::derived);
/// gpt::write(&mut image, Sector(2048), Sector(126_976), Vec::new(), guids);
/// assert_eq!(image.read(512, 8), b"EFI PART");
/// assert_eq!(image.read((64 << 20) - 512, 8), b"EFI PART");
/// ```
pub fn write(
    image: &mut SparseImage<'_>,
    first: Sector,
    count: Sector,
    code: Vec<u8>,
    guids: [Guid; 2],
) {
    let sectors = image.length() / SECTOR_SIZE;
    let protective = Partition {
        active: false,
        kind: PartitionType::PROTECTIVE,
        first: Sector(1),
        count: Sector(sectors.saturating_sub(1)),
    };
    let mbr = Mbr {
        code,
        signature: 0,
        partitions: [Some(protective), None, None, None],
    };
    let entries = entries(first, count, guids[1]);
    let checksum = crc32(&entries);
    let last = Sector(sectors.saturating_sub(1));
    let backup = Sector(sectors.saturating_sub(END_SECTORS));
    let header = |own, other, entries| header(own, other, entries, sectors, guids[0], checksum);
    image.put(0, mbr.to_bytes().to_vec());
    image.put(SECTOR_SIZE, header(Sector(1), last, Sector(2)));
    image.put(Sector(2).bytes(), entries.clone());
    image.put(backup.bytes(), entries);
    image.put(last.bytes(), header(last, Sector(1), backup));
}

fn header(
    own: Sector,
    other: Sector,
    entries: Sector,
    sectors: u64,
    disk: Guid,
    checksum: u32,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(SECTOR_SIZE as usize);
    out.extend(SIGNATURE);
    out.extend(REVISION.to_le_bytes());
    out.extend(HEADER_SIZE.to_le_bytes());
    // The header's own check sum comes later; then four bytes that are reserved.
    out.extend([0; 8]);
    let last_usable = sectors.saturating_sub(END_SECTORS + 1);
    for sector in [own.0, other.0, END_SECTORS + 1, last_usable] {
        out.extend(sector.to_le_bytes());
    }
    out.extend(disk.0);
    out.extend(entries.0.to_le_bytes());
    out.extend(ENTRIES.to_le_bytes());
    out.extend(ENTRY_SIZE.to_le_bytes());
    out.extend(checksum.to_le_bytes());
    let own_checksum = crc32(&out);
    out[16..20].copy_from_slice(&own_checksum.to_le_bytes());
    out.resize(SECTOR_SIZE as usize, 0);
    out
}

fn entries(first: Sector, count: Sector, guid: Guid) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(Guid::EFI_SYSTEM.0);
    out.extend(guid.0);
    out.extend(first.0.to_le_bytes());
    out.extend((first.0 + count.0).saturating_sub(1).to_le_bytes());
    out.extend(BOOTABLE.to_le_bytes());
    out.extend("boot".encode_utf16().flat_map(u16::to_le_bytes));
    out.resize((ENTRIES * ENTRY_SIZE) as usize, 0);
    out
}

/// The partitions of a disk with a protective MBR; `Err` says in words what is wrong with the table.
///
/// # Errors
/// [`FatError::Io`] where the medium cannot be read.
pub fn read<M: Medium + ?Sized>(
    medium: &M,
) -> Result<Result<Vec<GptPartition>, &'static str>, FatError> {
    let mut header = [0; SECTOR_SIZE as usize];
    read_at(medium, SECTOR_SIZE, &mut header)?;
    if !header.starts_with(SIGNATURE) {
        return Ok(Err("sector 1 has no header"));
    }
    let size = u32_at(&header, 12) as usize;
    if !(HEADER_SIZE as usize..=header.len()).contains(&size) {
        return Ok(Err("the header has an impossible size"));
    }
    let own = u32_at(&header, 16);
    header[16..20].fill(0);
    if crc32(&header[..size]) != own {
        return Ok(Err("the header's check sum is wrong"));
    }
    let (count, entry) = (u32_at(&header, 80), u32_at(&header, 84));
    let bytes = u64::from(count) * u64::from(entry);
    if entry < ENTRY_SIZE || bytes > ENTRIES_LIMIT {
        return Ok(Err("the header has impossible entries"));
    }
    let mut entries = vec![0; bytes as usize];
    read_at(
        medium,
        u64_at(&header, 72).saturating_mul(SECTOR_SIZE),
        &mut entries,
    )?;
    if crc32(&entries) != u32_at(&header, 88) {
        return Ok(Err("the entries' check sum is wrong"));
    }
    let found = entries.chunks_exact(entry as usize).filter_map(partition);
    Ok(Ok(found.collect()))
}

/// What is wrong, in words, with the second copy of a table, whose first copy is right: it should be the last sector of a disk of
/// `length` bytes.
///
/// # Errors
/// [`FatError::Io`] where the medium cannot be read.
pub fn backup_problem<M: Medium + ?Sized>(
    medium: &M,
    length: u64,
) -> Result<Option<String>, FatError> {
    let mut header = [0; SECTOR_SIZE as usize];
    read_at(medium, SECTOR_SIZE, &mut header)?;
    let place = Sector(u64_at(&header, 32));
    let last = Sector((length / SECTOR_SIZE).saturating_sub(1));
    if place > last {
        return Ok(Some(format!(
            "it should be at {place}, and the last is {last}"
        )));
    }
    read_at(medium, place.bytes(), &mut header)?;
    let size = (u32_at(&header, 12) as usize).clamp(20, header.len());
    let own = u32_at(&header, 16);
    header[16..20].fill(0);
    if !header.starts_with(SIGNATURE) || crc32(&header[..size]) != own {
        return Ok(Some(format!("there is none at {place}")));
    }
    let is_last = place == last;
    Ok((!is_last).then(|| format!("it is at {place}, and the last is {last}")))
}

fn partition(entry: &[u8]) -> Option<GptPartition> {
    let kind = Guid(*entry.first_chunk()?);
    let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
    let used = kind != Guid([0; 16]) && last >= first;
    used.then(|| GptPartition {
        kind,
        first: Sector(first),
        count: Sector((last - first).saturating_add(1)),
        bootable: u64_at(entry, 48) & BOOTABLE != 0,
    })
}

/// CRC-32 with the polynomial of Ethernet, bit by bit: a table has 16 KiB.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let mut image = SparseImage::new(1 << 22);
        let guids = [Guid::derived([1; 16]), Guid::derived([2; 16])];
        write(&mut image, Sector(2048), Sector(4096), Vec::new(), guids);
        let mut bytes = image.read(0, 1 << 22);
        let expected = GptPartition {
            kind: Guid::EFI_SYSTEM,
            first: Sector(2048),
            count: Sector(4096),
            bootable: true,
        };
        assert_eq!(read(bytes.as_slice()).unwrap(), Ok(vec![expected]));
        let problem = |bytes: &[u8]| backup_problem(bytes, bytes.len() as u64).unwrap();
        assert_eq!(problem(&bytes), None);
        assert!(
            problem(&bytes[..bytes.len() - 512])
                .unwrap()
                .contains("should be")
        );
        let longer = [&bytes[..], &[0; 512]].concat();
        assert!(problem(&longer).unwrap().contains("it is at sector 8191"));
        let mut without = bytes.clone();
        without[(1 << 22) - 512..].fill(0);
        assert!(problem(&without).unwrap().contains("there is none"));
        bytes[1024 + 300] = 1;
        assert!(
            read(bytes.as_slice())
                .unwrap()
                .unwrap_err()
                .contains("entries")
        );
        bytes[512 + 40] ^= 1;
        assert!(
            read(bytes.as_slice())
                .unwrap()
                .unwrap_err()
                .contains("header")
        );
    }
}
