//! What a volume says about itself: the boot record with its parameter block, FAT32's information sector, and the allocation
//! table.

use super::super::field;
use super::super::geometry::{FatKind, Geometry};
use super::{BACKUP, Volume, put};
use crate::disk::SECTOR_SIZE;

/// The first and the last of a chain's marks, cut to the entry's size; and the media byte of a disk.
pub(super) const END_OF_CHAIN: u32 = 0x0fff_ffff;
const MEDIA: u8 = 0xf8;

/// `int 0x18; jmp $`: tells the BIOS that nothing can be booted from here.
const NO_BOOT: [u8; 4] = [0xcd, 0x18, 0xeb, 0xfe];

impl Volume<'_> {
    /// The boot record: parameter block and code.
    pub(super) fn boot_record(&self) -> [u8; SECTOR_SIZE as usize] {
        let geometry = &self.geometry;
        let mut record = [0; SECTOR_SIZE as usize];
        let extended = match geometry.kind {
            FatKind::Fat16 => field::EXTENDED_16,
            FatKind::Fat32 => field::EXTENDED_32,
        };
        let code = extended + field::EXTENDED_SIZE;
        record[..3].copy_from_slice(&[0xeb, (code - 2) as u8, 0x90]);
        record[field::OEM_NAME..field::BYTES_PER_SECTOR].copy_from_slice(b"packager");
        put(&mut record, code, &NO_BOOT);
        put(&mut record, 510, &[0x55, 0xaa]);
        if let Some(loader) = &self.boot_record {
            // A loader's code leaves room for FAT32's parameters, whatever the kind.
            let code = field::EXTENDED_32 + field::EXTENDED_SIZE;
            put(&mut record, 0, &loader[..field::BYTES_PER_SECTOR]);
            put(&mut record, code, &loader[code..]);
        }
        self.parameters(&mut record);
        let mut end = vec![0x80, 0, 0x29];
        end.extend(self.options.serial.to_le_bytes());
        end.extend(self.options.label.0);
        end.extend(geometry.kind.name());
        put(&mut record, extended, &end);
        record
    }

    fn parameters(&self, record: &mut [u8]) {
        let geometry = &self.geometry;
        let total = geometry.total.0 as u32;
        let start = u32::try_from(self.options.start.0).unwrap_or(0);
        put(
            record,
            field::BYTES_PER_SECTOR,
            &(SECTOR_SIZE as u16).to_le_bytes(),
        );
        record[field::SECTORS_PER_CLUSTER] = geometry.sectors_per_cluster;
        put(record, field::RESERVED, &geometry.reserved.to_le_bytes());
        record[field::FATS] = Geometry::FATS as u8;
        put(
            record,
            field::ROOT_ENTRIES,
            &geometry.root_entries.to_le_bytes(),
        );
        record[field::MEDIA] = MEDIA;
        put(record, field::SECTORS_PER_TRACK, &63_u16.to_le_bytes());
        put(record, field::HEADS, &255_u16.to_le_bytes());
        put(record, field::HIDDEN, &start.to_le_bytes());
        match u16::try_from(total) {
            Ok(total) if geometry.kind == FatKind::Fat16 => {
                put(record, field::TOTAL_16, &total.to_le_bytes());
            }
            _ => put(record, field::TOTAL_32, &total.to_le_bytes()),
        }
        match geometry.kind {
            FatKind::Fat16 => {
                let sectors = geometry.fat_sectors as u16;
                put(record, field::FAT_SECTORS_16, &sectors.to_le_bytes());
            }
            FatKind::Fat32 => {
                let sectors = geometry.fat_sectors;
                put(record, field::FAT_SECTORS_32, &sectors.to_le_bytes());
                put(record, field::ROOT_CLUSTER, &self.root.first.to_le_bytes());
                put(record, field::FS_INFO, &1_u16.to_le_bytes());
                put(record, field::BACKUP, &(BACKUP as u16).to_le_bytes());
            }
        }
    }

    /// FAT32's second sector: how many clusters are free, and which one was given away last.
    pub(super) fn fs_info(&self) -> [u8; SECTOR_SIZE as usize] {
        let mut info = [0; SECTOR_SIZE as usize];
        let used = self.free - 2;
        put(&mut info, 0, b"RRaA");
        put(&mut info, 484, b"rrAa");
        put(
            &mut info,
            488,
            &(self.geometry.clusters - used).to_le_bytes(),
        );
        put(&mut info, 492, &(self.free - 1).to_le_bytes());
        put(&mut info, 510, &[0x55, 0xaa]);
        info
    }

    /// An allocation table, as far as it is not zero.
    pub(super) fn table(&self) -> Vec<u8> {
        let mut entries: Vec<u32> = (1..=self.free).collect();
        entries[0] = END_OF_CHAIN & !0xff | u32::from(MEDIA);
        entries[1] = END_OF_CHAIN;
        self.root.end_chains(&self.geometry, &mut entries);
        entries.truncate(self.free as usize);
        match self.geometry.kind {
            FatKind::Fat16 => entries
                .iter()
                .flat_map(|entry| (*entry as u16).to_le_bytes())
                .collect(),
            FatKind::Fat32 => entries
                .iter()
                .flat_map(|entry| entry.to_le_bytes())
                .collect(),
        }
    }
}
