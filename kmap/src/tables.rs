//! The tables while they are being filled: the rules for columns, `keymaps`, `alt_is_meta`, and keys with one column.

use std::collections::{BTreeMap, BTreeSet};

use crate::keymap::NR_KEYS;
use crate::keysym::{Code, LATIN, LETTER, META};
use crate::owners::Owners;
use crate::reach::ranges;
use crate::syntax::Span;
use crate::{KEYS, Keymap, Keysym, MAPS};

/// The weight of Alt in a map's number.
const ALT: u32 = 8;

/// Why a line does not fit the maps.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    TooManyColumns {
        columns: usize,
        maps: usize,
        numbers: String,
    },
    Undeclared {
        map: u32,
    },
}

/// One map. A key that was never bound differs from one bound to `VoidSymbol`: the first may still be filled in.
type Table = [Option<Code>; NR_KEYS];

#[derive(Default)]
pub(crate) struct Tables {
    /// The maps that the kernel has; shorter than 256 while the last ones do not exist.
    maps: Vec<Option<Box<Table>>>,
    /// The numbers of those that exist, in ascending order.
    existing: Vec<u8>,
    /// Which of the maps from 256 up exist. They take columns, but nothing of them is ever written.
    beyond: Vec<bool>,
    /// How many of them exist.
    beyond_count: usize,
    /// There was a `keymaps` line: no other maps may be added.
    declared: bool,
    alt_is_meta: bool,
    /// Keys that had a line with one column. They are filled in at the end, when all maps are known.
    constant: BTreeSet<usize>,
    /// For a lint: where the actions come from.
    owners: Option<Owners>,
    /// Where codes of more than 16 bits were bound, to say so at the end.
    oversized: BTreeMap<(u32, usize), Span>,
}

impl Tables {
    /// Empty tables that also know which lines are left of.
    pub(crate) fn with_owners() -> Self {
        Self {
            owners: Some(Owners::default()),
            ..Self::default()
        }
    }

    /// A line about a key begins.
    pub(crate) fn begin_line(&mut self, key: u32, span: Span) {
        if let Some(owners) = &mut self.owners {
            owners.begin(key as usize, span);
        }
    }

    /// The lines of which the line that has just been applied leaves nothing; none unless made [`with_owners`](Self::with_owners).
    pub(crate) fn end_line(&mut self) -> Vec<Span> {
        self.owners.as_mut().map_or_else(Vec::new, Owners::end)
    }

    pub(crate) fn alt_is_meta(&mut self) {
        self.alt_is_meta = true;
    }

    /// `keymaps FIRST-LAST`. A range that runs backwards adds nothing, but it counts as a declaration.
    pub(crate) fn declare(&mut self, first: u32, last: u32) {
        self.declared = true;
        for map in first..=last.min(MAPS as u32 - 1) {
            self.add(map);
        }
        let (first, end) = (
            (first as usize).max(MAPS) - MAPS,
            (last as usize + 1).saturating_sub(MAPS),
        );
        if first < end {
            self.beyond.resize(self.beyond.len().max(end), false);
            if let Some(range) = self.beyond.get_mut(first..end) {
                range.fill(true);
            }
            self.beyond_count = self.beyond.iter().filter(|exists| **exists).count();
        }
    }

    /// A line for one map: `shift keycode 2 = exclam`.
    pub(crate) fn bind_one(
        &mut self,
        map: u32,
        key: u32,
        code: Code,
        span: Span,
    ) -> Result<(), Conflict> {
        if !self.exists(map) {
            if self.declared {
                return Err(Conflict::Undeclared { map });
            }
            self.add(map);
        }
        self.bind(map, key as usize, code, Some(span));
        Ok(())
    }

    /// A line without modifiers: one column a map.
    pub(crate) fn bind_columns(
        &mut self,
        key: u32,
        codes: &[(Code, Span)],
    ) -> Result<(), Conflict> {
        let key = key as usize;
        let is_constant = codes.len() == 1;
        if is_constant {
            self.forget(key);
        }
        if !self.declared {
            for (map, &(code, span)) in (0..).zip(codes) {
                self.add(map);
                self.bind(map, key, code, Some(span));
            }
            return Ok(());
        }
        let maps = self.existing.len() + self.beyond_count;
        if codes.len() > maps {
            return Err(Conflict::TooManyColumns {
                columns: codes.len(),
                maps,
                numbers: ranges(self.existing.iter().copied()),
            });
        }
        let mut columns = codes.iter();
        for index in 0..self.existing.len() {
            let map = self.existing(index);
            match columns.next() {
                Some(&(code, span)) => self.bind(map, key, code, Some(span)),
                // The one column is for the first map only; the others are filled in at the end.
                None if is_constant => break,
                None => self.bind(map, key, Code::VOID, None),
            }
        }
        Ok(())
    }

    /// Fills in the keys with one column and gives the keymap, or the code that does not fit 16 bits and its place.
    pub(crate) fn finish(mut self) -> Result<Keymap, (u32, Span)> {
        self.owners = None;
        for key in std::mem::take(&mut self.constant) {
            self.fill(key);
        }
        let mut tables = Vec::new();
        for (map, table) in (0..=u8::MAX).zip(&self.maps) {
            let Some(table) = table else {
                continue;
            };
            let mut keysyms = Box::new([Keysym::VOID; NR_KEYS]);
            for (key, (keysym, code)) in keysyms.iter_mut().zip(table.iter()).enumerate() {
                if let Some(code) = code {
                    *keysym = self.checked(map, key, *code)?;
                }
            }
            tables.push((map, keysyms));
        }
        Ok(Keymap::new(tables).with_beyond(self.beyond_count))
    }

    fn checked(&self, map: u8, key: usize, code: Code) -> Result<Keysym, (u32, Span)> {
        // The binary format has no room for these keys, so loadkeys never looks at them.
        if key >= KEYS && code.0 > u32::from(u16::MAX) {
            return Ok(Keysym::VOID);
        }
        u16::try_from(code.0).map(Keysym).map_err(|_| {
            let found = self.oversized.get(&(map.into(), key));
            (code.0, found.copied().unwrap_or_default())
        })
    }

    /// Gives a key with one column its code in the maps where nothing else was said. A letter gets both cases, control
    /// characters and Meta, by the maps' modifiers; anything else does the same everywhere.
    fn fill(&mut self, key: usize) {
        let first = match self.declared {
            true => self.existing(0),
            false => 0,
        };
        let code = self.get(first, key).unwrap_or(Code::VOID);
        let letter = code
            .character()
            .filter(|&byte| (byte as u8).is_ascii_alphabetic());
        for index in 0..self.existing.len() {
            let map = self.existing(index);
            if map != 0 && self.get(map, key).is_some() {
                continue;
            }
            match letter {
                Some(letter) => self.bind(map, key, letter_in_map(letter, map), None),
                None if map != 0 => self.bind(map, key, code, None),
                None => {}
            }
        }
    }

    fn bind(&mut self, map: u32, key: usize, code: Code, span: Option<Span>) {
        let alt_is_meta = self.alt_is_meta;
        let Some(slot) = self.slot(map, key) else {
            return;
        };
        if alt_is_meta && code == Code::VOID && slot.is_some() {
            return;
        }
        *slot = Some(code);
        if let Some(owners) = &mut self.owners {
            owners.set(map);
        }
        if let Some(span) = span
            && code.0 > u32::from(u16::MAX)
        {
            self.oversized.insert((map, key), span);
        }
        let meta = code.character().filter(|&byte| alt_is_meta && byte < 128);
        let Some(byte) = meta else {
            return;
        };
        if let Some(slot @ None) = self.slot(map | ALT, key) {
            *slot = Some(Code::new(META, byte));
            if let Some(owners) = &mut self.owners {
                owners.set(map | ALT);
            }
        }
    }

    /// Makes a key unbound in all maps.
    fn forget(&mut self, key: usize) {
        if key >= NR_KEYS {
            return;
        }
        self.constant.insert(key);
        if let Some(owners) = &mut self.owners {
            owners.clear();
        }
        for slot in self
            .maps
            .iter_mut()
            .flatten()
            .filter_map(|table| table.get_mut(key))
        {
            *slot = None;
        }
    }

    fn add(&mut self, map: u32) {
        let index = map as usize;
        if let Some(beyond) = index.checked_sub(MAPS) {
            self.beyond.resize(self.beyond.len().max(beyond + 1), false);
            if let Some(exists) = self.beyond.get_mut(beyond) {
                self.beyond_count += usize::from(!*exists);
                *exists = true;
            }
            return;
        }
        if self.maps.len() <= index {
            self.maps.resize_with(index + 1, || None);
        }
        if let Some(slot @ None) = self.maps.get_mut(index) {
            *slot = Some(Box::new([None; NR_KEYS]));
            let place = self
                .existing
                .partition_point(|&known| u32::from(known) < map);
            self.existing.insert(place, map as u8);
        }
    }

    fn exists(&self, map: u32) -> bool {
        let index = map as usize;
        match index.checked_sub(MAPS) {
            Some(beyond) => self.beyond.get(beyond) == Some(&true),
            None => matches!(self.maps.get(index), Some(Some(_))),
        }
    }

    /// The number of the map up to 255 that a column belongs to; 0 where there is no such map.
    fn existing(&self, column: usize) -> u32 {
        self.existing.get(column).copied().unwrap_or(0).into()
    }

    fn get(&self, map: u32, key: usize) -> Option<Code> {
        *self.maps.get(map as usize)?.as_ref()?.get(key)?
    }

    fn slot(&mut self, map: u32, key: usize) -> Option<&mut Option<Code>> {
        self.maps.get_mut(map as usize)?.as_mut()?.get_mut(key)
    }
}

/// What a line with one column gives in each of these maps, which a `keymaps` line has declared.
pub(crate) fn constant_row(code: Code, maps: &[u8]) -> Vec<Code> {
    let first = maps.first().copied();
    let letter = code
        .character()
        .filter(|&byte| (byte as u8).is_ascii_alphabetic());
    let in_map = |&map: &u8| match letter {
        // The first map keeps what was written, unless it is the plain one.
        Some(letter) if map == 0 || first != Some(map) => letter_in_map(letter, map.into()),
        _ => code,
    };
    maps.iter().map(in_map).collect()
}

/// What a letter key gives in a map, by the map's modifiers Shift (1), AltGr (2), Control (4) and Alt (8).
fn letter_in_map(letter: u32, map: u32) -> Code {
    const SHIFT: u32 = 1;
    const CONTROL: u32 = 4;
    const CASE: u32 = 0x20;
    let shifted = if map & SHIFT == 0 {
        letter
    } else {
        letter ^ CASE
    };
    let (kind, value) = match map & CONTROL {
        0 => (LETTER, shifted),
        // Control keeps the five low bits.
        _ => (LATIN, letter & 0x1f),
    };
    match map & ALT {
        0 => Code::new(kind, value),
        _ => Code::new(META, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_one_column_is_what_a_key_gets() {
        for maps in [&[0, 1, 2, 4, 5, 8, 12][..], &[1, 2, 3], &[0], &[0, 255]] {
            for code in [0x61, 0x0b61, 0xe9, 0x0be9, 0x0200, 0x0702, 0xf0e9] {
                let mut tables = Tables::default();
                for &map in maps {
                    tables.declare(u32::from(map), u32::from(map));
                }
                tables
                    .bind_columns(30, &[(Code(code), Span::default())])
                    .unwrap();
                let keymap = tables.finish().unwrap();
                let row: Vec<Code> = keymap
                    .tables()
                    .map(|(_, table)| Code(table[30].0.into()))
                    .collect();
                assert_eq!(constant_row(Code(code), maps), row, "{code:#x} in {maps:?}");
            }
        }
    }

    #[test]
    fn a_letter_follows_the_modifiers() {
        let codes: Vec<u32> = (0..16)
            .map(|map| letter_in_map(u32::from(b'a'), map).0)
            .collect();
        let expected = [
            0x0b61, 0x0b41, 0x0b61, 0x0b41, 0x0001, 0x0001, 0x0001, 0x0001, 0x0861, 0x0841, 0x0861,
            0x0841, 0x0801, 0x0801, 0x0801, 0x0801,
        ];
        assert_eq!(codes, expected);
    }
}
