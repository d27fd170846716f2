//! Fitting `ldlinux.sys` and the boot record to the sectors that the file lies in.
//!
//! A patch area in the first sector of `ldlinux.sys` says where everything else is (`libinstaller/syslxint.h`): at
//! [`MAGIC`] come an instance number, the count of data sectors and of ADV sectors, the count of 32-bit words, the check
//! sum, the largest transfer, and the offset of a second area, which has the offsets of the tables.

use std::ops::Range;

use super::LOADER;
use super::pieces::{MAGIC, Pieces};
use crate::disk::fat::Volume;
use crate::disk::{SECTOR_SIZE, Sector};

const SECTOR: usize = SECTOR_SIZE as usize;

/// The auxiliary data vector: two copies of a sector in which syslinux keeps what shall outlast a reboot.
const ADV_SECTORS: usize = 2;
const ADV_HEAD: u32 = 0x5a2d_2fa5;
const ADV_SUM: u32 = 0xa304_1767;
const ADV_TAIL: u32 = 0xdd28_bf64;

/// Sectors of a run: what is below 64 KiB.
const RUN_MAX: u16 = 127;

/// Offsets in the patch area.
const DATA_SECTORS: usize = 8;
const ADV_COUNT: usize = 10;
const WORDS: usize = 12;
const CHECKSUM: usize = 16;
const SECOND_AREA: usize = 22;

/// Bytes of an entry of the map: a sector number of 64 bits, and a count of 16 bits.
const EXTENT: usize = 10;

/// Why the loader cannot be installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// [`super::add_files`] has not been called for this volume.
    #[error("the file system has no ldlinux.sys of the right size")]
    NoLoader,
    /// The binary is not what it seemed to be.
    #[error("ldlinux.sys is damaged: {0}")]
    Damaged(&'static str),
}

/// What is wrong with an installed loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapProblem {
    /// There is no patch area, or it leads out of the file.
    Damaged(&'static str),
    /// The file is shorter than it says.
    Short,
    /// The bytes do not have the check sum that stands in them.
    Checksum,
    /// The boot record loads another sector than the file's first.
    BootRecord {
        /// The sector that it loads.
        loads: Sector,
        /// The file's first sector.
        lies: Sector,
    },
    /// The map names another sector than the one that the file lies in.
    Map {
        /// The number of the sector in the file.
        index: usize,
        /// The sector in the map, if it has one.
        mapped: Option<Sector>,
        /// The sector in the file's chain.
        lies: Sector,
    },
}

/// `ldlinux.sys` as a file, with its empty ADV, not yet fitted.
pub fn loader_file(pieces: &Pieces) -> Vec<u8> {
    let mut file = pieces.loader.clone();
    file.resize(file.len().next_multiple_of(SECTOR), 0);
    for _ in 0..ADV_SECTORS {
        file.extend(ADV_HEAD.to_le_bytes());
        file.extend(ADV_SUM.to_le_bytes());
        file.extend([0; SECTOR - 12]);
        file.extend(ADV_TAIL.to_le_bytes());
    }
    file
}

/// Fits the loader to the place that it has in the volume, and gives the volume its boot record.
///
/// # Errors
/// See [`InstallError`].
pub fn install(volume: &mut Volume<'_>, pieces: &Pieces) -> Result<(), InstallError> {
    let extent = volume.extent(LOADER).ok_or(InstallError::NoLoader)?;
    let sectors: Vec<_> = (0..extent.count)
        .map(|index| extent.first + Sector(index))
        .collect();
    let mut file = loader_file(pieces);
    let mut record = pieces.boot_record;
    patch(&mut file, pieces.loader.len(), &mut record, &sectors).map_err(InstallError::Damaged)?;
    if !volume.replace(LOADER, file) {
        return Err(InstallError::NoLoader);
    }
    volume.set_boot_record(record);
    Ok(())
}

/// Checks an installed loader: the file's bytes, its sectors, and the volume's boot record.
pub fn verify(file: &[u8], record: &[u8; SECTOR], sectors: &[Sector]) -> Vec<MapProblem> {
    match Areas::find(file) {
        Ok(areas) => areas.verify(file, record, sectors),
        Err(reason) => vec![MapProblem::Damaged(reason)],
    }
}

/// Where the code of a boot record is, whatever the kind of file system: the rest is the file system's own.
const CODE: Range<usize> = 90..510;

/// The code of a boot record as it is before it is fitted to `file`: the same in all volumes of one build of syslinux.
pub(in crate::disk) fn record_code(file: &[u8], record: &[u8; SECTOR]) -> Vec<u8> {
    let mut code = *record;
    if let Ok(areas) = Areas::find(file) {
        put(&mut code, areas.first_low, &[0; 4]);
        put(&mut code, areas.first_high, &[0; 4]);
    }
    code[CODE].to_vec()
}

/// Offsets within `ldlinux.sys`, and two within the boot record.
struct Areas {
    patch: usize,
    /// The map, and how many extents it can have.
    map: usize,
    extents: usize,
    /// The two sector numbers of the ADV.
    adv: usize,
    /// In the boot record: the lower and the upper half of the number of the file's first sector.
    first_low: usize,
    first_high: usize,
}

impl Areas {
    fn find(file: &[u8]) -> Result<Self, &'static str> {
        let words = file.chunks_exact(4).take(SECTOR / 4);
        let index = words
            .map(|word| word.first_chunk().map(|word| u32::from_le_bytes(*word)))
            .position(|word| word == Some(MAGIC))
            .ok_or("it has no patch area")?;
        let patch = index * 4;
        let second = usize::from(u16_at(file, patch + SECOND_AREA)?);
        let field = |number: usize| u16_at(file, second + 2 * number).map(usize::from);
        let areas = Self {
            patch,
            adv: field(0)?,
            map: field(5)?,
            extents: field(6)?,
            first_low: field(7)?,
            first_high: field(8)?,
        };
        let inside = |range: Range<usize>, limit: usize| range.end <= limit;
        let ok = inside(areas.map..areas.map + areas.extents * EXTENT, file.len())
            && inside(areas.adv..areas.adv + 16, file.len())
            && inside(areas.first_low..areas.first_low + 4, SECTOR)
            && inside(areas.first_high..areas.first_high + 4, SECTOR);
        ok.then_some(areas).ok_or("its patch area leads out of it")
    }

    fn verify(&self, file: &[u8], record: &[u8; SECTOR], sectors: &[Sector]) -> Vec<MapProblem> {
        let data = usize::from(u16_at(file, self.patch + DATA_SECTORS).unwrap_or(0));
        let words = u32_at(file, self.patch + WORDS).unwrap_or(0) as usize;
        if data == 0 || words == 0 || sectors.len() < data || words > file.len() / 4 {
            return vec![MapProblem::Short];
        }
        let mut problems = Vec::new();
        if sum(file, words) != MAGIC {
            problems.push(MapProblem::Checksum);
        }
        let low = u32_at(record, self.first_low).unwrap_or(0);
        let high = u32_at(record, self.first_high).unwrap_or(0);
        let loads = Sector(u64::from(high) << 32 | u64::from(low));
        if loads != sectors[0] {
            let lies = sectors[0];
            problems.push(MapProblem::BootRecord { loads, lies });
        }
        let mut mapped = self.mapped(file);
        for (index, &lies) in sectors.iter().enumerate().take(data).skip(1) {
            let mapped = mapped.next();
            if mapped != Some(lies) {
                problems.push(MapProblem::Map {
                    index,
                    mapped,
                    lies,
                });
                break;
            }
        }
        problems
    }

    /// The sectors that the map names.
    fn mapped(&self, file: &[u8]) -> impl Iterator<Item = Sector> {
        let extents = file[self.map..].chunks_exact(EXTENT).take(self.extents);
        extents.flat_map(|extent| {
            let first = u64_at(extent, 0).unwrap_or(0);
            let count = u16_at(extent, 8).unwrap_or(0);
            (0..u64::from(count)).map(move |index| Sector(first.wrapping_add(index)))
        })
    }
}

/// Fills the tables of `file`, whose first `length` bytes are the loader, and the boot record's pointer.
fn patch(
    file: &mut [u8],
    length: usize,
    record: &mut [u8; SECTOR],
    sectors: &[Sector],
) -> Result<(), &'static str> {
    let areas = Areas::find(file)?;
    let data = length.div_ceil(SECTOR);
    let (Some((first, rest)), Some(adv)) = (
        sectors.get(..data).and_then(<[_]>::split_first),
        sectors.get(data..data + ADV_SECTORS),
    ) else {
        return Err("it has fewer sectors than bytes");
    };
    let extents = extents(rest);
    if extents.len() > areas.extents {
        return Err("it lies in too many pieces");
    }
    put(record, areas.first_low, &(first.0 as u32).to_le_bytes());
    put(
        record,
        areas.first_high,
        &((first.0 >> 32) as u32).to_le_bytes(),
    );
    let words = length / 4;
    put(
        file,
        areas.patch + DATA_SECTORS,
        &(data as u16).to_le_bytes(),
    );
    put(
        file,
        areas.patch + ADV_COUNT,
        &(ADV_SECTORS as u16).to_le_bytes(),
    );
    put(file, areas.patch + WORDS, &(words as u32).to_le_bytes());
    file[areas.map..areas.map + areas.extents * EXTENT].fill(0);
    for (index, (first, count)) in extents.into_iter().enumerate() {
        put(file, areas.map + index * EXTENT, &first.0.to_le_bytes());
        put(file, areas.map + index * EXTENT + 8, &count.to_le_bytes());
    }
    for (index, sector) in adv.iter().enumerate() {
        put(file, areas.adv + index * 8, &sector.0.to_le_bytes());
    }
    put(file, areas.patch + CHECKSUM, &[0; 4]);
    let checksum = MAGIC.wrapping_sub(sum(file, words));
    put(file, areas.patch + CHECKSUM, &checksum.to_le_bytes());
    Ok(())
}

/// Runs of sectors that a BIOS can load in one go: under 64 KiB.
///
/// The installer of syslinux looks as if it also ended a run at a multiple of 64 KiB in memory, but its test compares two
/// addresses of one sector and never does; the loader copes.
fn extents(sectors: &[Sector]) -> Vec<(Sector, u16)> {
    let mut out: Vec<(Sector, u16)> = Vec::new();
    for &sector in sectors {
        match out.last_mut() {
            Some((first, count)) if *count < RUN_MAX && sector.0 == first.0 + u64::from(*count) => {
                *count += 1;
            }
            _ => out.push((sector, 1)),
        }
    }
    out
}

/// The sum of the first words. It is [`MAGIC`] where the check sum is right.
fn sum(file: &[u8], words: usize) -> u32 {
    file.chunks_exact(4)
        .take(words)
        .filter_map(|word| word.first_chunk())
        .fold(0, |sum, word| sum.wrapping_add(u32::from_le_bytes(*word)))
}

/// Copies bytes to a place that [`Areas::find`] has checked.
fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

const OUTSIDE: &str = "its patch area leads out of it";

fn u16_at(bytes: &[u8], offset: usize) -> Result<u16, &'static str> {
    let chunk = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    chunk.map(|chunk| u16::from_le_bytes(*chunk)).ok_or(OUTSIDE)
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, &'static str> {
    let chunk = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    chunk.map(|chunk| u32::from_le_bytes(*chunk)).ok_or(OUTSIDE)
}

fn u64_at(bytes: &[u8], offset: usize) -> Result<u64, &'static str> {
    let chunk = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    chunk.map(|chunk| u64::from_le_bytes(*chunk)).ok_or(OUTSIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_stay_below_64_kib() {
        let sectors: Vec<_> = (10..300).map(Sector).collect();
        let counts: Vec<_> = extents(&sectors).iter().map(|extent| extent.1).collect();
        assert_eq!(counts, [127, 127, 36]);
        let scattered: Vec<_> = [5, 6, 9, 10, 11].map(Sector).into();
        assert_eq!(extents(&scattered), [(Sector(5), 2), (Sector(9), 3)]);
    }

    #[test]
    fn damage_is_no_panic() {
        let record = [0; SECTOR];
        assert_eq!(
            verify(b"", &record, &[]),
            [MapProblem::Damaged("it has no patch area")]
        );
        let mut file = vec![0xff; 2048];
        file[24..28].copy_from_slice(&MAGIC.to_le_bytes());
        assert!(matches!(
            verify(&file, &record, &[Sector(0); 4])[..],
            [MapProblem::Damaged(_)]
        ));
        let zeros = [&MAGIC.to_le_bytes()[..], &[0; 2000]].concat();
        assert_eq!(
            verify(&zeros, &record, &[Sector(0); 4]),
            [MapProblem::Short]
        );
    }
}
