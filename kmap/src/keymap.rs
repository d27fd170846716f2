//! The compiled keymap: up to 256 tables, one for each combination of modifiers, of 128 keys each.

use std::collections::BTreeMap;

use crate::Keysym;
use crate::emit::{self, BkeymapError, Endian};
use crate::keysym::{LATIN, LETTER};

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

    /// As [`from_bkeymap`](Self::from_bkeymap), in the byte order in which the codes make more sense: which order it is, no such
    /// file says. Where neither does, as in an empty keymap, little-endian.
    ///
    /// ```
    /// use kmap::{Endian, Keymap};
    ///
    /// let keymap = kmap::compile(b"keycode 30 = a\n")?;
    /// let bytes = keymap.to_bkeymap(Endian::Big);
    /// assert_eq!(Keymap::from_any_bkeymap(&bytes), Ok((keymap, Endian::Big)));
    /// # Ok::<(), kmap::Report>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_bkeymap`](Self::from_bkeymap).
    pub fn from_any_bkeymap(bytes: &[u8]) -> Result<(Self, Endian), BkeymapError> {
        let little = emit::read_bkeymap(bytes, Endian::Little)?;
        let big = emit::read_bkeymap(bytes, Endian::Big)?;
        Ok(match big.ordinary_codes() > little.ordinary_codes() {
            true => (big, Endian::Big),
            false => (little, Endian::Little),
        })
    }

    /// How many codes are `VoidSymbol` or a printable ASCII character. With their bytes exchanged, these are Control-B and characters
    /// of East Asia, which hardly a keymap has, and no keymap in such number.
    fn ordinary_codes(&self) -> usize {
        let is_ordinary = |keysym: &&Keysym| {
            let is_ascii = matches!(u32::from(keysym.kind()), LATIN | LETTER)
                && matches!(keysym.value(), b' '..=b'~');
            **keysym == Keysym::VOID || is_ascii
        };
        let codes = self.tables().flat_map(|(_, table)| table.iter().take(KEYS));
        codes.filter(is_ordinary).count()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;

    #[test]
    fn the_byte_order_is_the_one_that_makes_sense() {
        let texts: [&[u8]; 4] = [
            b"keycode 1 = Escape\n",
            b"keycode 30 = a A\n",
            // Of a script without any ASCII character.
            b"keymaps 0-1\nkeycode 30 = U+0444 U+0424\nkeycode 31 = U+044b U+042b\n",
            // Control-B is what VoidSymbol is in the other order.
            b"keymaps 4\ncontrol keycode 48 = Control_b\n",
        ];
        for text in texts {
            let keymap = crate::compile_bytes(text, Mode::Unicode).unwrap().keymap;
            for endian in [Endian::Little, Endian::Big] {
                let (read, found) = Keymap::from_any_bkeymap(&keymap.to_bkeymap(endian)).unwrap();
                assert_eq!(found, endian, "{}", text.escape_ascii());
                assert!(read.tables().eq(keymap.tables()));
            }
        }
        let full = Keymap::new(vec![(0, Box::new([Keysym(0x0b61); NR_KEYS]))]);
        let found = Keymap::from_any_bkeymap(&full.to_bkeymap(Endian::Big));
        assert_eq!(found.unwrap().1, Endian::Big);
    }

    #[test]
    fn what_is_the_same_in_both_orders_is_little_endian() {
        let zeros = Keymap::new(vec![(0, Box::new([Keysym(0); NR_KEYS]))]);
        for keymap in [Keymap::default(), zeros] {
            let found = Keymap::from_any_bkeymap(&keymap.to_bkeymap(Endian::Big));
            assert_eq!(found.unwrap().1, Endian::Little);
        }
        assert_eq!(Keymap::from_any_bkeymap(b"x"), Err(BkeymapError::Magic));
    }
}
