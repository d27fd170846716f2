//! `bkeymap`, the binary keymap of `loadkeys -b` that `loadkmap` of busybox loads.
//!
//! | bytes | what |
//! | --- | --- |
//! | 7 | `bkeymap`, without a nul |
//! | 256 | for each map 0 to 255: 1 where it exists, else 0 |
//! | 256 a map | for each map that exists, in ascending order: the codes of the keys 0 to 127, 16 bits each |
//!
//! A key that the keymap does not mention is `VoidSymbol` (0x0200). The byte order is that of the machine that loads it.

use std::fmt;

use crate::Keysym;
use crate::keymap::{KEYS, Keymap, MAPS, NR_KEYS};

/// The order of a code's two bytes: that of the machine which will load the keymap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endian {
    /// x86, ARM, RISC-V, little-endian POWER and MIPS.
    #[default]
    Little,
    /// s390x, big-endian POWER and MIPS.
    Big,
}

const MAGIC: &[u8] = b"bkeymap";

/// Writes a keymap: 263 bytes and 256 more for each of its tables.
pub fn bkeymap(keymap: &Keymap, endian: Endian) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC.len() + MAPS + keymap.tables().len() * KEYS * 2);
    out.extend_from_slice(MAGIC);
    out.extend((0..=u8::MAX).map(|map| u8::from(keymap.tables().any(|(number, _)| number == map))));
    for (_, table) in keymap.tables() {
        for keysym in table.iter().take(KEYS) {
            out.extend(match endian {
                Endian::Little => keysym.0.to_le_bytes(),
                Endian::Big => keysym.0.to_be_bytes(),
            });
        }
    }
    out
}

/// Why bytes are no binary keymap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BkeymapError {
    /// The first seven bytes are not `bkeymap`.
    Magic,
    /// The file ends before its flags do.
    Flags {
        /// The file's length, in bytes.
        length: usize,
    },
    /// A flag is neither 0 nor 1.
    Flag {
        /// The table that it is about.
        map: usize,
        /// What it is.
        value: u8,
    },
    /// The tables need another length than the file has.
    Length {
        /// How many tables the flags announce.
        tables: usize,
        /// The length that they need.
        expected: usize,
        /// The file's length.
        length: usize,
    },
}

impl fmt::Display for BkeymapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BkeymapError::Magic => {
                f.write_str("not a binary keymap: it does not begin with `bkeymap`")
            }
            BkeymapError::Flags { length } => {
                write!(
                    f,
                    "a truncated binary keymap: {length} bytes, and the flags alone need 263"
                )
            }
            BkeymapError::Flag { map, value } => {
                write!(
                    f,
                    "a damaged binary keymap: the flag of map {map} is {value}, not 0 or 1"
                )
            }
            BkeymapError::Length {
                tables,
                expected,
                length,
            } => write!(
                f,
                "a damaged binary keymap: {tables} tables need {expected} bytes, and it has {length}"
            ),
        }
    }
}

impl std::error::Error for BkeymapError {}

/// Whether a file begins as a binary keymap does.
pub fn is_bkeymap(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Reads what [`bkeymap`] writes.
pub(crate) fn read_bkeymap(bytes: &[u8], endian: Endian) -> Result<Keymap, BkeymapError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(BkeymapError::Magic)?;
    let length = bytes.len();
    let (flags, codes) = rest
        .split_at_checked(MAPS)
        .ok_or(BkeymapError::Flags { length })?;
    if let Some((map, &value)) = flags.iter().enumerate().find(|(_, flag)| **flag > 1) {
        return Err(BkeymapError::Flag { map, value });
    }
    let maps: Vec<u8> = (0..=u8::MAX)
        .zip(flags)
        .filter(|(_, flag)| **flag == 1)
        .map(|(map, _)| map)
        .collect();
    let expected = MAGIC.len() + MAPS + maps.len() * KEYS * 2;
    if expected != length {
        return Err(BkeymapError::Length {
            tables: maps.len(),
            expected,
            length,
        });
    }
    let mut tables = Vec::with_capacity(maps.len());
    for (map, codes) in maps.into_iter().zip(codes.chunks_exact(KEYS * 2)) {
        let mut table = Box::new([Keysym::VOID; NR_KEYS]);
        for (slot, code) in table.iter_mut().zip(codes.as_chunks::<2>().0) {
            *slot = Keysym(match endian {
                Endian::Little => u16::from_le_bytes(*code),
                Endian::Big => u16::from_be_bytes(*code),
            });
        }
        tables.push((map, table));
    }
    let unicode = tables
        .iter()
        .any(|(_, table)| table.iter().any(|keysym| keysym.code_point().is_some()));
    Ok(Keymap::new(tables).with_extras(Default::default(), Vec::new(), unicode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut table = Box::new([Keysym::VOID; NR_KEYS]);
        table[30] = Keysym(0xf0e9);
        let keymap = Keymap::new(vec![(0, table.clone()), (9, table)]);
        for endian in [Endian::Little, Endian::Big] {
            let bytes = bkeymap(&keymap, endian);
            let read = read_bkeymap(&bytes, endian).unwrap();
            assert_eq!(bkeymap(&read, endian), bytes);
            assert!(read.is_unicode());
            assert!(read_bkeymap(&bytes[..300], endian).is_err());
        }
        assert_eq!(read_bkeymap(b"x", Endian::Little), Err(BkeymapError::Magic));
        let mut bytes = bkeymap(&keymap, Endian::Little);
        bytes[9] = 2;
        assert_eq!(
            read_bkeymap(&bytes, Endian::Little),
            Err(BkeymapError::Flag { map: 2, value: 2 })
        );
    }

    #[test]
    fn the_layout_is_magic_flags_tables() {
        let mut table = Box::new([Keysym::VOID; NR_KEYS]);
        table[1] = Keysym(0x001b);
        let keymap = Keymap::new(vec![(1, table)]);
        let bytes = bkeymap(&keymap, Endian::Little);
        assert_eq!(bytes.len(), 263 + 256);
        assert_eq!(&bytes[..10], b"bkeymap\x00\x01\x00");
        assert_eq!(&bytes[263..269], [0x00, 0x02, 0x1b, 0x00, 0x00, 0x02]);
        assert_eq!(
            bkeymap(&keymap, Endian::Big)[263..267],
            [0x02, 0x00, 0x00, 0x1b]
        );
        assert_eq!(bkeymap(&Keymap::default(), Endian::Little).len(), 263);
    }
}
