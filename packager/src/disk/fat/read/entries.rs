//! A directory's bytes as entries: long names where they are whole, else the short ones.

use super::super::name::ShortName;
use super::super::{ENTRY_SIZE, LONG_PLACES, LONG_UNITS};
use super::{Attributes, Entry, u16_at, u32_at};

/// The files and directories among a directory's entries, without `.`, `..`, labels and what is deleted.
pub(super) fn entries_in(bytes: &[u8]) -> Vec<Entry> {
    const DELETED: u8 = 0xe5;
    let mut out = Vec::new();
    let mut long = LongName::default();
    for slot in bytes.chunks_exact(ENTRY_SIZE) {
        let attributes = Attributes(slot[11]);
        match slot[0] {
            0 => break,
            DELETED | b'.' => long = LongName::default(),
            _ if attributes.0 & 0x3f == Attributes::LONG_NAME.0 => long.add(slot),
            _ if attributes.contains(Attributes::LABEL) => long = LongName::default(),
            _ => {
                let name = long.take(slot).unwrap_or_else(|| short_name(slot));
                let high = u32::from(u16_at(slot, 20)) << 16;
                out.push(Entry {
                    name,
                    attributes,
                    first: high | u32::from(u16_at(slot, 26)),
                    size: u32_at(slot, 28),
                });
            }
        }
    }
    out
}

/// The parts of a long name that have come so far, the last one first.
#[derive(Default)]
struct LongName {
    units: Vec<[u16; LONG_UNITS]>,
    checksum: u8,
    /// The number that the next part must have.
    next: u8,
}

impl LongName {
    fn add(&mut self, slot: &[u8]) {
        let number = slot[0] & 0x3f;
        if slot[0] & 0x40 != 0 {
            *self = Self {
                units: Vec::new(),
                checksum: slot[13],
                next: number,
            };
        }
        if number == 0 || number != self.next || slot[13] != self.checksum {
            *self = Self::default();
            return;
        }
        self.units
            .push(LONG_PLACES.map(|place| u16_at(slot, place)));
        self.next -= 1;
    }

    /// The name, where it is whole and belongs to this short entry.
    fn take(&mut self, slot: &[u8]) -> Option<String> {
        let long = std::mem::take(self);
        let short = slot.first_chunk::<11>()?;
        if long.units.is_empty() || long.next != 0 || long.checksum != ShortName(*short).checksum()
        {
            return None;
        }
        let units = long.units.iter().rev().flatten().copied();
        let units: Vec<_> = units.take_while(|unit| *unit != 0).collect();
        Some(String::from_utf16_lossy(&units))
    }
}

fn short_name(slot: &[u8]) -> String {
    let text = |bytes: &[u8], lower: bool| {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end();
        if lower {
            text.to_ascii_lowercase()
        } else {
            text.to_owned()
        }
    };
    let base = text(&slot[..8], slot[12] & 0x08 != 0);
    match text(&slot[8..11], slot[12] & 0x10 != 0).as_str() {
        "" => base,
        suffix => format!("{base}.{suffix}"),
    }
}
