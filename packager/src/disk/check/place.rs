//! Where file systems are: the partition table, and what contradicts itself in it.

use super::{Report, codes, is_end};
use crate::disk::fat::read::{FatError, Medium, read_at};
use crate::disk::gpt::{self, GptPartition, Guid};
use crate::disk::mbr::{Mbr, MbrError, Partition, PartitionType};
use crate::disk::{SECTOR_SIZE, Sector};

/// Where a file system is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) first: Sector,
    pub(super) count: Sector,
    /// In a GUID partition table: whether the boot code for a BIOS would start it. Without such a table no mark is needed.
    pub(super) is_marked: bool,
}

impl From<&Partition> for Place {
    fn from(partition: &Partition) -> Self {
        Self {
            first: partition.first,
            count: partition.count,
            is_marked: true,
        }
    }
}

impl From<&GptPartition> for Place {
    fn from(partition: &GptPartition) -> Self {
        Self {
            first: partition.first,
            count: partition.count,
            is_marked: partition.bootable,
        }
    }
}

/// The places of FAT file systems; the first is the one that a BIOS would start. None where a finding says why.
pub(super) fn places<M: Medium + ?Sized>(
    medium: &M,
    sector: &[u8; 512],
    length: u64,
    report: &mut Report,
) -> Result<Vec<Place>, FatError> {
    let protective = |mbr: &Mbr| {
        let mut kinds = mbr.partitions().map(|(_, partition)| partition.kind);
        kinds.any(|kind| kind == PartitionType::PROTECTIVE)
    };
    match Mbr::parse(sector) {
        Ok(mbr) if protective(&mbr) => {
            let read = gpt::read(medium).and_then(|read| match read {
                Ok(partitions) => Ok(Ok((partitions, gpt::backup_problem(medium, length)?))),
                Err(reason) => Ok(Err(reason.to_owned())),
            });
            match read {
                Ok(Ok((partitions, backup))) => {
                    if let Some(problem) = backup {
                        report.find(&codes::GPT_BACKUP, problem);
                    }
                    Ok(of_gpt(&partitions, length, report))
                }
                Ok(Err(reason)) => {
                    report.find(&codes::BAD_GPT, reason);
                    Ok(Vec::new())
                }
                Err(error) if is_end(&error) => {
                    report.find(&codes::BAD_GPT, error);
                    Ok(Vec::new())
                }
                Err(error) => Err(error),
            }
        }
        Ok(mbr) => Ok(of_mbr(&mbr, length, report)),
        Err(MbrError::FileSystem) => {
            let seen = "the file system begins in the first sector";
            report.find(&codes::NO_TABLE, seen);
            Ok(vec![Place {
                first: Sector(0),
                count: Sector(length / SECTOR_SIZE),
                is_marked: true,
            }])
        }
        Err(error) => {
            report.find(&codes::NO_SIGNATURE, error);
            Ok(Vec::new())
        }
    }
}

/// The one that is marked for a BIOS stands first.
fn of_gpt(partitions: &[GptPartition], length: u64, report: &mut Report) -> Vec<Place> {
    report.facts.push("a GUID partition table".to_owned());
    let mut found: Vec<_> = partitions.to_vec();
    found.retain(|it| matches!(it.kind, Guid::EFI_SYSTEM | Guid::BASIC_DATA));
    found.sort_by_key(|it| !it.bootable);
    let Some(chosen) = found.first() else {
        let seen = "the table has no EFI system partition";
        report.find(&codes::NO_FAT_PARTITION, seen);
        return Vec::new();
    };
    let end = chosen.first.bytes().saturating_add(chosen.count.bytes());
    if end > length {
        let seen = format!("the partition ends at byte {end}, and the image has {length} bytes");
        report.find(&codes::PARTITION_OUTSIDE, seen);
    }
    found.iter().map(Place::from).collect()
}

/// The active one stands first.
fn of_mbr(mbr: &Mbr, length: u64, report: &mut Report) -> Vec<Place> {
    layout(mbr, length, report);
    let partitions = mbr.partitions().map(|(_, partition)| partition);
    let mut found: Vec<_> = partitions.filter(|it| it.kind.is_fat()).collect();
    found.sort_by_key(|it| !it.active);
    if found.is_empty() {
        let kinds: Vec<_> = mbr
            .partitions()
            .map(|(number, partition)| format!("{number}: 0x{:02x}", partition.kind.0))
            .collect();
        let seen = match kinds.as_slice() {
            [] => "the table has no partition".to_owned(),
            kinds => format!("the table has these types: {}", kinds.join(", ")),
        };
        report.find(&codes::NO_FAT_PARTITION, seen);
    }
    found.into_iter().map(Place::from).collect()
}

/// Partitions that leave the image or share sectors. In a hybrid ISO they may: one is the whole, another a file in it.
fn layout(mbr: &Mbr, length: u64, report: &mut Report) {
    inside(mbr, length, report);
    let mut sorted: Vec<_> = mbr.partitions().collect();
    sorted.sort_by_key(|(_, partition)| partition.first);
    for pair in sorted.windows(2) {
        let [(one, first), (two, second)] = pair else {
            continue;
        };
        if first.first + first.count > second.first {
            let seen = format!("partitions {one} and {two} share sectors");
            report.find(&codes::PARTITIONS_OVERLAP, seen);
        }
    }
}

/// Partitions that leave the image.
pub(super) fn inside(mbr: &Mbr, length: u64, report: &mut Report) {
    for (number, partition) in mbr.partitions() {
        let end = (partition.first + partition.count).bytes();
        if end > length {
            let seen =
                format!("partition {number} ends at byte {end}, and the image has {length} bytes");
            report.find(&codes::PARTITION_OUTSIDE, seen);
        }
    }
}

/// Where the last partition ends, in bytes, if that is behind the image's end: the image is cut off.
///
/// # Errors
/// [`FatError::Io`] where the medium cannot be read.
pub fn end_outside<M: Medium + ?Sized>(medium: &M, length: u64) -> Result<Option<u64>, FatError> {
    let mut sector = [0; SECTOR_SIZE as usize];
    read_at(medium, 0, &mut sector)?;
    let Ok(mbr) = Mbr::parse(&sector) else {
        return Ok(None);
    };
    // Of the partition that protects a GUID partition table, the length is often that of the largest disk.
    let mut ends = Vec::new();
    for (_, partition) in mbr.partitions() {
        if partition.kind != PartitionType::PROTECTIVE {
            ends.push((partition.first + partition.count).bytes());
            continue;
        }
        match gpt::read(medium) {
            Ok(table) => {
                let partitions = table.unwrap_or_default();
                ends.extend(partitions.iter().map(|it| (it.first + it.count).bytes()));
            }
            Err(error) if is_end(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ends.into_iter().max().filter(|end| *end > length))
}

/// Whether a disk has a GUID partition table, whose second copy belongs to the disk's end.
pub fn has_gpt<M: Medium + ?Sized>(medium: &M) -> bool {
    matches!(gpt::read(medium), Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_is_cut_off_is_told_by_its_table() {
        let mut image = vec![0; 4096];
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(end_outside(&image[..], 4096).unwrap(), None);
        // The first partition: FAT, from sector 1, of 7 sectors.
        image[450] = 0x0c;
        image[454] = 1;
        image[458] = 7;
        assert_eq!(end_outside(&image[..], 4096).unwrap(), None);
        assert_eq!(end_outside(&image[..], 4095).unwrap(), Some(4096));
        // One that protects a GUID partition table may be as large as it likes.
        image[450] = 0xee;
        image[458..462].fill(0xff);
        assert_eq!(end_outside(&image[..], 4096).unwrap(), None);
    }

    #[test]
    fn numbers_that_no_disk_has_are_outside() {
        let partition = GptPartition {
            kind: Guid::EFI_SYSTEM,
            first: Sector((1 << 55) + 2048),
            count: Sector(u64::MAX),
            bootable: false,
        };
        let mut report = Report::default();
        assert_eq!(of_gpt(&[partition], 1 << 20, &mut report).len(), 1);
        assert_eq!(report.findings[0].code, &codes::PARTITION_OUTSIDE);
        assert_eq!((Sector(u64::MAX) + Sector(1)).bytes(), u64::MAX);
    }
}
