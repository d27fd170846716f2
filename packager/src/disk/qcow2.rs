//! Reading QEMU's qcow2, as `packager image` and `qemu-img convert` make it: one file, neither compressed nor encrypted.
//!
//! Specified by `docs/interop/qcow2.rst` of QEMU; numbers are big-endian. The disk is cut into clusters. A table (L1) says where tables
//! (L2) of one cluster each are, and these where the disk's clusters are in the file; one that is nowhere is zero.

use std::io;

use super::fat::read::Medium;

const MAGIC: u32 = u32::from_be_bytes(*b"QFI\xfb");

/// Bytes of the header that are looked at.
const HEADER: usize = 80;

/// QEMU takes no longer table (`QCOW_MAX_L1_SIZE`), in bytes.
const TABLE_MAX: u64 = 32 << 20;

/// The offset in an entry of a table.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// In an entry of an L2 table. The first is of version 3.
const IS_ZERO: u64 = 1;
const IS_COMPRESSED: u64 = 1 << 62;

/// The image was not closed: counts that are of no use for reading may be wrong.
const DIRTY: u64 = 1;

/// It was found to contradict itself.
const CORRUPT: u64 = 1 << 1;

/// The clusters are in another file.
const EXTERNAL: u64 = 1 << 2;

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Qcow2Error {
    /// The file cannot be read, or ends too early.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A kind that is not read here.
    #[error("it is a qcow2 image {0}, which is not read here")]
    Unsupported(&'static str),
    /// The header contradicts itself.
    #[error("it is a damaged qcow2 image: {0}")]
    Damaged(&'static str),
}

/// The disk in an image.
#[derive(Debug)]
pub struct Qcow2<'a, M: ?Sized> {
    file: &'a M,
    version: u32,
    cluster_bits: u32,
    /// Bytes of the disk.
    pub length: u64,
    tables: Vec<u64>,
}

impl<'a, M: Medium + ?Sized> Qcow2<'a, M> {
    /// Reads the header and the first table.
    ///
    /// # Errors
    /// [`Qcow2Error`].
    pub fn open(file: &'a M) -> Result<Self, Qcow2Error> {
        use Qcow2Error::{Damaged, Unsupported};
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        let version = u32_at(&header, 4);
        if u32_at(&header, 0) != MAGIC || !(2..=3).contains(&version) {
            return Err(Unsupported("of another version"));
        }
        if u64_at(&header, 8) != 0 {
            return Err(Unsupported("with another image behind it"));
        }
        if u32_at(&header, 32) != 0 {
            return Err(Unsupported("that is encrypted"));
        }
        if version == 3 {
            match u64_at(&header, 72) & !DIRTY {
                0 => {}
                bits if bits & CORRUPT != 0 => return Err(Damaged("it is marked as corrupt")),
                bits if bits & EXTERNAL != 0 => {
                    return Err(Unsupported("with its data in another file"));
                }
                _ => return Err(Unsupported("with features of later versions")),
            }
        }
        let cluster_bits = u32_at(&header, 20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(Damaged("no image has clusters of such a size"));
        }
        let length = u64_at(&header, 24);
        // Clusters of a table, with eight bytes for each.
        let count = length.div_ceil(1 << (2 * cluster_bits - 3));
        if count > u64::from(u32_at(&header, 36)) || count * 8 > TABLE_MAX {
            return Err(Damaged("its table is too short for the disk"));
        }
        let mut table = vec![0; count as usize * 8];
        file.read_exact_at(&mut table, u64_at(&header, 40))?;
        let tables = table.chunks_exact(8).map(|entry| u64_at(entry, 0) & OFFSET);
        Ok(Self {
            file,
            version,
            cluster_bits,
            length,
            tables: tables.collect(),
        })
    }

    /// Where in the file the disk's cluster with this byte begins; `None` for one of zeros.
    fn cluster(&self, offset: u64) -> io::Result<Option<u64>> {
        let number = offset >> self.cluster_bits;
        let in_table = self.cluster_bits - 3;
        let table = usize::try_from(number >> in_table).ok();
        let table = table.and_then(|at| self.tables.get(at)).copied();
        let Some(table) = table.filter(|table| *table != 0) else {
            return Ok(None);
        };
        let mut entry = [0; 8];
        let index = number & ((1 << in_table) - 1);
        self.file.read_exact_at(&mut entry, table + index * 8)?;
        let entry = u64::from_be_bytes(entry);
        if entry & IS_COMPRESSED != 0 {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the qcow2 image is compressed, which is not read here",
            ));
        }
        let is_zero = self.version == 3 && entry & IS_ZERO != 0;
        Ok(Some(entry & OFFSET).filter(|cluster| *cluster != 0 && !is_zero))
    }
}

impl<M: Medium + ?Sized> Medium for Qcow2<'_, M> {
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let size = 1_u64 << self.cluster_bits;
        while !buffer.is_empty() {
            let skipped = offset & (size - 1);
            let length = (buffer.len() as u64).min(size - skipped);
            let (part, rest) = buffer.split_at_mut(length as usize);
            match self.cluster(offset)? {
                Some(cluster) => self.file.read_exact_at(part, cluster + skipped)?,
                None => part.fill(0),
            }
            buffer = rest;
            offset += length;
        }
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let chunk = bytes.get(at..).and_then(|rest| rest.first_chunk());
    chunk.map_or(0, |chunk| u32::from_be_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let chunk = bytes.get(at..).and_then(|rest| rest.first_chunk());
    chunk.map_or(0, |chunk| u64::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clusters of 512 bytes: header, L1, L2, and two of a disk with four, of which the second is nowhere and the fourth said to be zero.
    fn image() -> Vec<u8> {
        let mut out = vec![0; 5 * 512];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"QFI\xfb\0\0\0\x03");
        put(20, &9_u32.to_be_bytes());
        put(24, &2000_u64.to_be_bytes());
        put(36, &1_u32.to_be_bytes());
        put(40, &512_u64.to_be_bytes());
        put(512, &(1024_u64 | 1 << 63).to_be_bytes());
        put(1024, &(2048_u64 | 1 << 63).to_be_bytes());
        put(1024 + 16, &1536_u64.to_be_bytes());
        put(1024 + 24, &(1536_u64 | 1).to_be_bytes());
        put(1536, &[3; 512]);
        put(2048, &[1; 512]);
        out
    }

    #[test]
    fn clusters_are_read_where_they_are() {
        let image = image();
        let disk = Qcow2::open(&image[..]).unwrap();
        assert_eq!(disk.length, 2000);
        let mut read = vec![9; 2000];
        disk.read_exact_at(&mut read, 0).unwrap();
        let whole = [[1; 512], [0; 512], [3; 512], [0; 512]].concat();
        assert_eq!(read, whole[..2000]);
        let mut part = [9; 100];
        disk.read_exact_at(&mut part, 1000).unwrap();
        assert_eq!(part[..], whole[1000..1100]);
        let behind = disk.read_exact_at(&mut part, 1901).unwrap_err();
        assert_eq!(behind.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_not_read_is_told() {
        for (at, byte, words) in [
            (7, 4, "of another version"),
            (15, 1, "with another image behind it"),
            (35, 1, "that is encrypted"),
            (79, 2, "it is marked as corrupt"),
            (79, 6, "it is marked as corrupt"),
            (79, 4, "with its data in another file"),
            (79, 8, "with features of later versions"),
            (23, 8, "clusters of such a size"),
            (23, 64, "clusters of such a size"),
            (24, 0xff, "too short for the disk"),
            (39, 0, "too short for the disk"),
        ] {
            let mut image = image();
            image[at] = byte;
            let error = Qcow2::open(&image[..]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let mut image = image();
        image[1024] |= 0x40;
        let disk = Qcow2::open(&image[..]).unwrap();
        let error = disk.read_exact_at(&mut [0], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        for length in [0, 79, 515] {
            assert!(Qcow2::open(&image[..length]).is_err());
        }
    }
}
