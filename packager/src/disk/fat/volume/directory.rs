//! Directories as bytes: entries of 32 bytes, those of long names in front of the short one that they belong to.

use super::super::geometry::{FatKind, Geometry};
use super::super::name::Name;
use super::super::time::Timestamp;
use super::super::tree::Attributes;
use super::super::{ENTRY_SIZE, LONG_PLACES, LONG_UNITS};
use super::layout::{Directory, Placed, PlacedContent};
use super::{VolumeOptions, put};
use crate::disk::{Sector, SparseImage};

/// Writes directories and files into their places.
pub(super) struct Writer {
    pub(super) geometry: Geometry,
    pub(super) options: VolumeOptions,
}

impl Writer {
    /// Writes a directory, whose own entries are there already, and everything in it.
    pub(super) fn directory<'a>(
        &self,
        directory: Directory<'a>,
        at: Sector,
        mut entries: Vec<u8>,
        image: &mut SparseImage<'a>,
    ) {
        for item in &directory.items {
            self.entries(item, &mut entries);
        }
        image.put((self.options.start + at).bytes(), entries);
        for item in directory.items {
            match item.content {
                PlacedContent::File { first, data, .. } => {
                    let start = self.options.start + self.geometry.cluster_start(first);
                    image.put(start.bytes(), data);
                }
                PlacedContent::Directory(inner) => {
                    let mut entries = Vec::new();
                    self.dots(
                        inner.first,
                        self.parent_number(directory.first),
                        &mut entries,
                    );
                    let at = self.geometry.cluster_start(inner.first);
                    self.directory(inner, at, entries, image);
                }
            }
        }
    }

    /// `..` has 0 where it means the root directory, also in FAT32.
    fn parent_number(&self, parent: u32) -> u32 {
        if parent == 2 && self.geometry.kind == FatKind::Fat32 {
            0
        } else {
            parent
        }
    }

    pub(super) fn label(&self, out: &mut Vec<u8>) {
        self.entry(self.options.label.0, Attributes::LABEL, 0, 0, 0, out);
    }

    fn dots(&self, own: u32, parent: u32, out: &mut Vec<u8>) {
        self.entry(*b".          ", Attributes::DIRECTORY, 0, own, 0, out);
        self.entry(*b"..         ", Attributes::DIRECTORY, 0, parent, 0, out);
    }

    fn entries(&self, item: &Placed<'_>, out: &mut Vec<u8>) {
        if item.short.needs_long {
            long_name(&item.name, item.short.name.checksum(), out);
        }
        let (attributes, first, size) = match &item.content {
            PlacedContent::Directory(inner) => (Attributes::DIRECTORY, inner.first, 0),
            PlacedContent::File {
                first,
                data,
                attributes,
            } => (*attributes, *first, data.len() as u32),
        };
        let short = item.short;
        self.entry(short.name.0, attributes, short.case, first, size, out);
    }

    fn entry(
        &self,
        name: [u8; 11],
        attributes: Attributes,
        case: u8,
        first: u32,
        size: u32,
        out: &mut Vec<u8>,
    ) {
        let Timestamp { date, time } = self.options.time;
        out.extend(name);
        // Attributes, case, and the hundredths of the creation time.
        out.extend([attributes.0, case, 0]);
        for part in [
            time,
            date,
            date,
            (first >> 16) as u16,
            time,
            date,
            first as u16,
        ] {
            out.extend(part.to_le_bytes());
        }
        out.extend(size.to_le_bytes());
    }
}

/// The entries in front of a short one that hold the long name: its last part first.
fn long_name(name: &Name, checksum: u8, out: &mut Vec<u8>) {
    const LAST: u8 = 0x40;
    let units: Vec<u16> = name.as_str().encode_utf16().collect();
    let parts = units.chunks(LONG_UNITS).enumerate();
    for (index, part) in parts.rev() {
        let last = (index + 1) * LONG_UNITS >= units.len();
        let mut entry = [0; ENTRY_SIZE];
        entry[0] = (index + 1) as u8 | if last { LAST } else { 0 };
        entry[11] = Attributes::LONG_NAME.0;
        entry[13] = checksum;
        // A NUL ends a name that does not fill its last entry; what is behind it is all ones.
        let filled = part
            .iter()
            .copied()
            .chain([0])
            .chain(std::iter::repeat(0xffff));
        for (place, unit) in LONG_PLACES.into_iter().zip(filled) {
            put(&mut entry, place, &u16::to_le_bytes(unit));
        }
        out.extend(entry);
    }
}

/// How many entries a long name takes.
pub(super) fn long_entries(name: &Name) -> usize {
    name.as_str().encode_utf16().count().div_ceil(LONG_UNITS)
}
