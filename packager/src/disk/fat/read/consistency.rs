//! What a volume says twice, and whether it says the same.

use super::super::{field, looks_like_boot_record};
use super::{FatError, FatKind, Medium, Reader, u16_at, u32_at};
use crate::disk::{SECTOR_SIZE, Sector};

/// Where a sector with the counts of free clusters has its three signatures.
const FS_INFO: [(usize, u32); 3] = [(0, 0x4161_5252), (484, 0x6141_7272), (508, 0xaa55_0000)];

/// In the extended part of a boot record: the byte whose first bit says that the volume was not unmounted.
const STATE: usize = 1;

impl<M: Medium + ?Sized> Reader<'_, M> {
    /// What contradicts itself, in words. None of it keeps a boot loader from reading the first table.
    ///
    /// # Errors
    /// [`FatError::Io`].
    pub fn inconsistencies(&self) -> Result<Vec<String>, FatError> {
        let mut out = Vec::new();
        if let Some(copy) = self.table.difference(self.medium)? {
            out.push(format!(
                "allocation table {copy} is not the same as the first"
            ));
        }
        let media = u32::from(self.boot_record[field::MEDIA]);
        let mark = self.successor(0)?;
        if mark & 0xff != media {
            out.push(format!(
                "the allocation table begins with 0x{:02x}, and the boot record says 0x{media:02x}",
                mark & 0xff
            ));
        }
        if self.is_dirty()? {
            out.push("it is marked as not unmounted (dirty)".to_owned());
        }
        if self.kind == FatKind::Fat32 {
            out.extend(self.copies_of_fat32()?);
        }
        Ok(out)
    }

    /// Linux and Windows have different marks.
    fn is_dirty(&self) -> Result<bool, FatError> {
        let (extended, clean) = match self.kind {
            FatKind::Fat16 => (field::EXTENDED_16, 1 << 15),
            FatKind::Fat32 => (field::EXTENDED_32, 1 << 27),
        };
        Ok(self.boot_record[extended + STATE] & 1 != 0 || self.successor(1)? & clean == 0)
    }

    /// The sector of counts, and the backup of the boot record; 0 or ffff where there is none.
    fn copies_of_fat32(&self) -> Result<Vec<String>, FatError> {
        let mut out = Vec::new();
        let place = |at| Some(u16_at(&self.boot_record, at)).filter(|it| !matches!(it, 0 | 0xffff));
        let mut sector = [0; SECTOR_SIZE as usize];
        if let Some(place) = place(field::FS_INFO) {
            self.read_at(Sector(place.into()), &mut sector)?;
            if FS_INFO
                .iter()
                .any(|(at, mark)| u32_at(&sector, *at) != *mark)
            {
                out.push(format!(
                    "sector {place} is not the FSInfo that it should be"
                ));
            }
        }
        if let Some(place) = place(field::BACKUP) {
            self.read_at(Sector(place.into()), &mut sector)?;
            // Boot loaders change the code of the first one only.
            let same = |range: std::ops::Range<usize>| {
                self.boot_record.get(range.clone()) == sector.get(range)
            };
            let parameters = field::BYTES_PER_SECTOR..field::SECTORS_PER_TRACK;
            let of_fat32 = field::TOTAL_32..field::FS_INFO;
            if !looks_like_boot_record(&sector) || !same(parameters) || !same(of_fat32) {
                out.push(format!(
                    "sector {place} is not the backup of the boot record that it should be"
                ));
            }
        }
        Ok(out)
    }
}
