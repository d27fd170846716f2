//! The allocation table of a volume, read by need: that of a large disk has a GiB, and a file needs a few pages of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{FatError, FatKind, Medium, read_at, u16_at, u32_at};

/// What is read at once.
const PAGE: u64 = 64 << 10;

/// How many pages are kept.
const PAGES: usize = 256;

/// Where the tables are; all numbers are bytes.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Where the first one begins on the medium.
    pub(super) start: u64,
    /// The part of it that has entries.
    pub(super) bytes: u64,
    /// The whole of one.
    pub(super) stored: u64,
    /// How many there are, one behind the other.
    pub(super) copies: u64,
    /// By their numbers.
    pub(super) pages: RefCell<BTreeMap<u64, Vec<u8>>>,
}

impl Table {
    /// The entry of a cluster, which is in the volume.
    pub(super) fn entry<M: Medium + ?Sized>(
        &self,
        medium: &M,
        kind: FatKind,
        cluster: u32,
    ) -> Result<u32, FatError> {
        let offset = u64::from(cluster) * kind.entry_size();
        self.with_page(medium, offset / PAGE, |page| {
            let at = (offset % PAGE) as usize;
            match kind {
                FatKind::Fat16 => u16_at(page, at).into(),
                FatKind::Fat32 => u32_at(page, at),
            }
        })
    }

    /// Reads the begin, which tells a table that is there.
    pub(super) fn first<M: Medium + ?Sized>(&self, medium: &M) -> Result<(), FatError> {
        self.with_page(medium, 0, |_| ())
    }

    /// Entries are not split between pages.
    fn with_page<M: Medium + ?Sized, T>(
        &self,
        medium: &M,
        number: u64,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, FatError> {
        let mut pages = self.pages.borrow_mut();
        if let Some(page) = pages.get(&number) {
            return Ok(look(page));
        }
        let offset = number * PAGE;
        let mut page = vec![0; self.bytes.saturating_sub(offset).min(PAGE) as usize];
        read_at(medium, self.start.saturating_add(offset), &mut page)?;
        let result = look(&page);
        if pages.len() >= PAGES {
            pages.clear();
        }
        pages.insert(number, page);
        Ok(result)
    }

    /// The first byte in which a copy differs from the first table, as the number of the copy, from 2.
    pub(super) fn difference<M: Medium + ?Sized>(
        &self,
        medium: &M,
    ) -> Result<Option<u64>, FatError> {
        let mut parts = [vec![0; PAGE as usize], vec![0; PAGE as usize]];
        for copy in 1..self.copies {
            let mut offset = 0;
            while offset < self.bytes {
                let length = (self.bytes - offset).min(PAGE) as usize;
                let places = [0, copy].map(|copy| self.start + copy * self.stored + offset);
                for (part, place) in parts.iter_mut().zip(places) {
                    read_at(medium, place, &mut part[..length])?;
                }
                if parts[0][..length] != parts[1][..length] {
                    return Ok(Some(copy + 1));
                }
                offset += PAGE;
            }
        }
        Ok(None)
    }
}
