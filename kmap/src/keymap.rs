//! The compiled keymap: up to 256 tables, one for each combination of modifiers, of 128 keys each.

use std::collections::BTreeMap;

use crate::Keysym;
use crate::emit::{self, BkeymapError, Endian};

/// How many tables the kernel has: 2 to the power of its 8 modifiers.
pub const MAPS: usize = 256;
/// How many keys a table of the binary format has.
pub const KEYS: usize = 128;
/// How many keys the kernel's tables have. Those from [`KEYS`] up exist in C source ([`emit::c_source`]) only.
pub const NR_KEYS: usize = 256;

/// One table: what each key does, by its keycode.
pub type Table = [Keysym; NR_KEYS];

/// `compose FIRST SECOND to RESULT`. Each is a byte in 8-bit mode, else a code point; a keysym that is neither keeps its code.
/// `u32::MAX` stands for a character that has no byte: `loadkeys` keeps such rules too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ComposeRule {
    /// The key pressed first, behind Compose, or the diacritic of a dead key.
    pub first: u32,
    /// The key pressed second.
    pub second: u32,
    /// What comes of it.
    pub result: u32,
}

/// A keymap, ready for the kernel.
///
/// A table's number is the sum of its modifiers' weights: Shift 1, AltGr 2, Control 4, Alt 8, left Shift 16, right
/// Shift 32, left Control 64, right Control 128.
///
/// ```
/// use kmap::{Keysym, Mode};
///
/// let keymap = kmap::compile_bytes(b"keycode 30 = a\nshift keycode 2 = exclam\n", Mode::EightBit)?.keymap;
/// assert_eq!(keymap.get(1, 2), Some(Keysym(u16::from(b'!'))));
/// assert_eq!(keymap.get(1, 3), Some(Keysym::VOID));
/// assert_eq!(keymap.get(2, 2), None);
/// # Ok::<(), kmap::Report>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keymap {
    /// In ascending order of their numbers.
    tables: Vec<(u8, Box<Table>)>,
    /// How many tables were declared beyond the 256 that the kernel has. Only a count in C source shows them.
    beyond: usize,
    /// What function keys send, by the keysym's value.
    strings: BTreeMap<u8, Vec<u8>>,
    compose: Vec<ComposeRule>,
    /// Whether the mode at the end of the text was Unicode.
    unicode: bool,
}

impl Keymap {
    /// `tables` are in ascending order of their numbers, each once.
    pub(crate) fn new(tables: Vec<(u8, Box<Table>)>) -> Self {
        debug_assert!(tables.is_sorted_by(|a, b| a.0 < b.0));
        Self {
            tables,
            ..Self::default()
        }
    }

    /// The same tables with what only C source and the companion can carry.
    pub(crate) fn with_extras(
        mut self,
        strings: BTreeMap<u8, Vec<u8>>,
        compose: Vec<ComposeRule>,
        unicode: bool,
    ) -> Self {
        self.strings = strings;
        self.compose = compose;
        self.unicode = unicode;
        self
    }

    /// Reads a file that `loadkeys -b` or [`to_bkeymap`](Self::to_bkeymap) wrote: see [`emit::bkeymap`].
    ///
    /// # Errors
    /// It is no such file, or its length does not fit its flags.
    pub fn from_bkeymap(bytes: &[u8], endian: Endian) -> Result<Self, BkeymapError> {
        emit::read_bkeymap(bytes, endian)
    }

    /// The tables that exist, with their numbers, in ascending order. A key's index is its keycode.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = (u8, &Table)> {
        self.tables.iter().map(|(map, table)| (*map, &**table))
    }

    /// What a key does with the modifiers of `map`. `None` where there is no such table.
    pub fn get(&self, map: u8, keycode: u8) -> Option<Keysym> {
        self.table(map)?.get(usize::from(keycode)).copied()
    }

    /// The table for a sum of modifiers' weights, if there is one.
    pub(crate) fn table(&self, map: u8) -> Option<&Table> {
        let found = self.tables.binary_search_by_key(&map, |(map, _)| *map);
        self.tables.get(found.ok()?).map(|(_, table)| &**table)
    }

    /// The strings of function keys: the keysym's value (F1 is 0) and the bytes that the key sends.
    pub fn strings(&self) -> impl ExactSizeIterator<Item = (u8, &[u8])> {
        self.strings.iter().map(|(key, text)| (*key, &**text))
    }

    /// The compose rules, in the order of the text.
    pub fn compose(&self) -> &[ComposeRule] {
        &self.compose
    }

    pub(crate) fn with_beyond(mut self, beyond: usize) -> Self {
        self.beyond = beyond;
        self
    }

    /// How many tables the text had, those that no kernel has included.
    pub(crate) fn table_count(&self) -> usize {
        self.tables.len() + self.beyond
    }

    /// Whether characters are Unicode code points and not bytes of a charset.
    pub fn is_unicode(&self) -> bool {
        self.unicode
    }

    /// Keeps those tables only for which `keep` says so.
    pub(crate) fn retain(&mut self, keep: impl Fn(u8) -> bool) {
        self.tables.retain(|(map, _)| keep(*map));
    }

    /// The file that `loadkmap` reads: see [`emit::bkeymap`].
    pub fn to_bkeymap(&self, endian: Endian) -> Vec<u8> {
        emit::bkeymap(self, endian)
    }
}
