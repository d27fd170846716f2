//! The compiled keymap: up to 256 tables, one for each combination of modifiers, of 128 keys each.

use crate::Keysym;
use crate::emit::{self, Endian};

/// How many tables the kernel has: 2 to the power of its 8 modifiers.
pub const MAPS: usize = 256;
/// How many keys a table of the binary format has.
pub const KEYS: usize = 128;

/// A keymap, ready for the kernel.
///
/// A table's number is the sum of its modifiers' weights: Shift 1, AltGr 2, Control 4, Alt 8, left Shift 16, right
/// Shift 32, left Control 64, right Control 128.
///
/// ```
/// use kmap::{Keysym, Mode};
///
/// let keymap = kmap::compile(b"keycode 30 = a\nshift keycode 2 = exclam\n", Mode::EightBit)?.keymap;
/// assert_eq!(keymap.get(1, 2), Some(Keysym(u16::from(b'!'))));
/// assert_eq!(keymap.get(1, 3), Some(Keysym::VOID));
/// assert_eq!(keymap.get(2, 2), None);
/// # Ok::<(), kmap::Report>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keymap {
    /// In ascending order of their numbers.
    tables: Vec<(u8, Box<[Keysym; KEYS]>)>,
}

impl Keymap {
    /// `tables` are in ascending order of their numbers, each once.
    pub(crate) fn new(tables: Vec<(u8, Box<[Keysym; KEYS]>)>) -> Self {
        debug_assert!(tables.is_sorted_by(|a, b| a.0 < b.0));
        Self { tables }
    }

    /// The tables that exist, with their numbers, in ascending order. A key's index is its keycode.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = (u8, &[Keysym; KEYS])> {
        self.tables.iter().map(|(map, table)| (*map, &**table))
    }

    /// What a key does with the modifiers of `map`. `None` where there is no such table or the keycode is above 127.
    pub fn get(&self, map: u8, keycode: u8) -> Option<Keysym> {
        let found = self
            .tables
            .binary_search_by_key(&map, |(map, _)| *map)
            .ok()?;
        let (_, table) = self.tables.get(found)?;
        table.get(usize::from(keycode)).copied()
    }

    /// The file that `loadkmap` reads: see [`emit::bkeymap`].
    pub fn to_bkeymap(&self, endian: Endian) -> Vec<u8> {
        emit::bkeymap(self, endian)
    }
}
