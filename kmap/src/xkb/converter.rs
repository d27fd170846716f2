//! What each key does in each table of the console.

use std::collections::HashMap;

use kbvm::lookup::LookupTable;
use kbvm::{GroupIndex, Keycode, ModifierMask};

use super::Converted;
use super::codes::{action, code, switch, united_states};
use crate::keymap::{KEYS, Keymap, NR_KEYS, Table};
use crate::reach::modifier;
use crate::{Keysym, Mode};

const BASE: &[u8] = include_bytes!("../../../data/layouts/base.kmap");

const SHIFT: u8 = 1;
const ALTGR: u8 = 2;
const CONTROL: u8 = 4;
const ALT: u8 = 8;
/// The weight of left Shift, which stands for the second layout.
const SECOND: u8 = 16;
/// The weight of left Control, which stands for Caps Lock.
const CAPS: u8 = 64;

const KT_META: u16 = 0x0800;
const KT_SHIFT: u8 = 7;

/// What XKB has on one level of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Nothing.
    Empty,
    /// An action or a character that the console has too.
    Code(u16, Option<char>),
    /// Something that types no character on the console, or another one: the keypad, Return, function keys.
    Base,
    /// What the console cannot have.
    Unusable(Option<char>),
}

pub(super) struct Converter {
    table: LookupTable,
    level_three: ModifierMask,
    /// How many layouts there are.
    groups: usize,
    /// How many levels each key has in each layout, up to the last that is not empty.
    counts: HashMap<(u8, usize), u8>,
    /// What keys do that type no character.
    base: Keymap,
}

impl Converter {
    pub(super) fn new(keymap: &kbvm::xkb::Keymap, groups: usize) -> Self {
        let third = keymap
            .virtual_modifiers()
            .find(|modifier| modifier.name() == "LevelThree");
        let mut counts = HashMap::new();
        for key in keymap.keys() {
            let keycode = u8::try_from(key.keycode().to_evdev()).unwrap_or(u8::MAX);
            for (index, group) in key.groups().enumerate() {
                let count = group.map_or(0, |group| group.levels().count().min(4));
                counts.insert((keycode, index), count as u8);
            }
        }
        Self {
            table: keymap.to_builder().build_lookup_table(),
            level_three: third.map_or(ModifierMask::MOD5, |modifier| modifier.mask()),
            groups,
            counts,
            base: base(),
        }
    }

    pub(super) fn convert(&self) -> Converted {
        let mut left_out = Vec::new();
        let caps = self.needs_caps_tables();
        let mut tables: Vec<(u8, Box<Table>)> = Vec::new();
        let all = (0..=u8::MAX).filter(|map| map & !(15 | CAPS | SECOND) == 0);
        let all =
            all.filter(|map| (map & CAPS == 0 || caps) && (map & SECOND == 0 || self.groups > 1));
        for map in all {
            let mut table = Box::new([Keysym::VOID; NR_KEYS]);
            for (keycode, slot) in (0..KEYS as u8).zip(table.iter_mut()) {
                let own = self.keysym(keycode, map, caps);
                let other = || self.base.get(map & 15, keycode).unwrap_or(Keysym::VOID);
                *slot = own.unwrap_or_else(other);
                if let Level::Unusable(character) =
                    self.level(keycode, map & !(CONTROL | ALT), caps)
                {
                    left_out.extend(character);
                }
            }
            tables.push((map, table));
        }
        keep_modifiers(&mut tables);
        left_out.sort_unstable();
        left_out.dedup();
        Converted {
            keymap: Keymap::new(tables).with_extras(Default::default(), Vec::new(), true),
            left_out,
        }
    }

    /// What XKB has on a level of a key, in the console's terms. A level behind the last that the layout lists is as one of
    /// those, as `ckbcomp` has it.
    fn level(&self, keycode: u8, map: u8, caps: bool) -> Level {
        match self.listed_level(keycode, map, caps) {
            Level::Empty => {
                let group = usize::from(map & SECOND != 0);
                let count = self.counts.get(&(keycode, group)).copied().unwrap_or(0);
                let level = map & (SHIFT | ALTGR);
                let listed = match count {
                    1 => 0,
                    2 => level & SHIFT,
                    3 => level.min(ALTGR),
                    _ => level,
                };
                self.listed_level(keycode, map ^ level ^ listed, caps)
            }
            found => found,
        }
    }

    fn listed_level(&self, keycode: u8, map: u8, caps: bool) -> Level {
        let Some((keysym, character)) = self.lookup(keycode, map, ModifierMask::default()) else {
            return Level::Empty;
        };
        let name = keysym.name().unwrap_or_default();
        let group = self.switch(name, map);
        if let Some(code) = group.or_else(|| action(name, caps)) {
            return Level::Code(code, None);
        }
        // A few layouts have keysyms of the keypad on other keys.
        let is_base = self.base.get(0, keycode) != Some(Keysym::VOID);
        match character {
            _ if is_base && keysym.is_keypad() => Level::Base,
            _ if name.starts_with("dead_") || name == "VoidSymbol" => Level::Unusable(None),
            Some('\r' | '\t' | '\n' | '\u{8}' | '\u{1b}' | '\u{7f}') | None if is_base => {
                Level::Base
            }
            None => Level::Unusable(None),
            Some(character) if character.is_control() => match editing(character) {
                Some(code) => Level::Code(code, None),
                // A mistake of the layout.
                None => Level::Unusable(Some(character)),
            },
            Some(character) => match code(character) {
                Some(code) => Level::Code(code, Some(character)),
                None => Level::Unusable(Some(character)),
            },
        }
    }

    /// What XKB has on a key in a table, with more modifiers held.
    fn lookup(
        &self,
        keycode: u8,
        map: u8,
        more: ModifierMask,
    ) -> Option<(kbvm::Keysym, Option<char>)> {
        let mut modifiers = more;
        for (weight, mask) in [
            (SHIFT, ModifierMask::SHIFT),
            (ALTGR, self.level_three),
            (CAPS, ModifierMask::LOCK),
        ] {
            if map & weight != 0 {
                modifiers |= mask;
            }
        }
        let group = GroupIndex(u32::from(map & SECOND != 0));
        let key = Keycode::from_evdev(keycode.into());
        let found = self.table.lookup(group, modifiers, key);
        let item = found.into_iter().next()?;
        Some((item.keysym(), item.char()))
    }

    /// The code of what leads to the other layout, if there is one.
    fn switch(&self, name: &str, map: u8) -> Option<u16> {
        let is_second = map & SECOND != 0;
        switch(name, is_second).filter(|_| self.groups > 1)
    }

    /// What leads to the other layout while Control or Alt is held. The Windows keys are Alt on the console, so that what they do
    /// in XKB, Alt does.
    fn held_switch(&self, keycode: u8, map: u8) -> Option<Keysym> {
        let control = match map & CONTROL {
            0 => ModifierMask::default(),
            _ => ModifierMask::CONTROL,
        };
        let alt = match map & ALT {
            0 => [ModifierMask::default(); 2],
            _ => [ModifierMask::MOD1, ModifierMask::MOD4],
        };
        let mut held = alt.into_iter().map(|alt| control | alt);
        let code = held.find_map(|held| {
            let (keysym, _) = self.lookup(keycode, map, held)?;
            self.switch(keysym.name()?, map)
        })?;
        Some(Keysym(code))
    }

    /// As [`level`](Self::level), but what the console cannot have gives way to what is on the same key with Shift or
    /// without, else with AltGr or without, as `ckbcomp` has it.
    fn usable_level(&self, keycode: u8, map: u8, caps: bool) -> Level {
        let nearest = [0, SHIFT, ALTGR, SHIFT | ALTGR].into_iter();
        let mut levels = nearest.map(|other| self.level(keycode, map ^ other, caps));
        levels
            .find(|level| !matches!(level, Level::Unusable(_)))
            .unwrap_or(Level::Empty)
    }

    /// What a key does in a table; `None` where XKB has nothing to say that a console understands.
    fn keysym(&self, keycode: u8, map: u8, caps: bool) -> Option<Keysym> {
        let level = map & !(CONTROL | ALT);
        if map != level
            && let Some(switch) = self.held_switch(keycode, map)
        {
            return Some(switch);
        }
        match self.usable_level(keycode, level, caps) {
            Level::Code(code, None) => Some(Keysym(code)),
            Level::Code(_, character) if map != level => {
                with_control_or_alt(keycode, map, character)
            }
            Level::Code(code, _) => Some(Keysym(code)),
            Level::Empty if self.is_used(keycode, level, caps) => match map == level {
                true => Some(Keysym::VOID),
                false => with_control_or_alt(keycode, map, None),
            },
            Level::Empty | Level::Base | Level::Unusable(_) => None,
        }
    }

    /// Whether XKB has anything at all on a key.
    fn is_used(&self, keycode: u8, map: u8, caps: bool) -> bool {
        let levels = [0, SHIFT, ALTGR, SHIFT | ALTGR];
        levels
            .iter()
            .any(|level| self.level(keycode, map ^ level, caps) != Level::Empty)
    }

    /// Whether a letter of the layout is one on which the kernel's Caps Lock does not work.
    fn needs_caps_tables(&self) -> bool {
        let groups = (0..self.groups).map(|group| if group == 0 { 0 } else { SECOND });
        let levels =
            groups.flat_map(|group| [0, SHIFT, ALTGR, SHIFT | ALTGR].map(|map| map | group));
        let mut keys = levels.flat_map(|map| (0..KEYS as u8).map(move |keycode| (keycode, map)));
        keys.any(|(keycode, map)| {
            let character = |map| match self.level(keycode, map, false) {
                Level::Code(_, character) => character,
                _ => None,
            };
            let plain = character(map);
            plain.is_some_and(|plain| u32::from(plain) >= 0x100) && plain != character(map | CAPS)
        })
    }
}

/// A key that gives a modifier gives it in the table of that modifier too: the kernel looks there when the key is let go, and would
/// otherwise take it for held for ever.
fn keep_modifiers(tables: &mut [(u8, Box<Table>)]) {
    for index in 0..tables.len() {
        let (before, from_here) = tables.split_at_mut(index);
        let Some((map, table)) = from_here.first_mut() else {
            continue;
        };
        for weight in (0..8)
            .map(|bit| 1u8 << bit)
            .filter(|weight| *map & weight != 0)
        {
            let without = before.iter().find(|(other, _)| *other == *map ^ weight);
            let Some((_, without)) = without else {
                continue;
            };
            for (keysym, given) in table.iter_mut().zip(without.iter()) {
                if given.kind() == KT_SHIFT && modifier(KT_SHIFT, given.value()) == Some(weight) {
                    *keysym = *given;
                }
            }
        }
    }
}

/// What a key does that an option has moved elsewhere, such as Escape to Caps Lock. Where such keys are by themselves, the base
/// has them, with Control and Alt.
fn editing(character: char) -> Option<u16> {
    match character {
        '\u{1b}' => Some(0x001b),
        '\t' => Some(0x0009),
        '\r' | '\n' => Some(0x0201),
        // BackSpace erases to the left, as on keycode 14; Delete is Remove of the console.
        '\u{8}' => Some(0x007f),
        '\u{7f}' => Some(0x0116),
        _ => None,
    }
}

/// A key's code in a table of Control or Alt, from the ASCII character that is on its level, or that a keyboard of the United
/// States has there.
fn with_control_or_alt(keycode: u8, map: u8, character: Option<char>) -> Option<Keysym> {
    let ascii = character
        .filter(|character| matches!(character, ' '..='~'))
        .or_else(|| united_states(keycode, map & SHIFT != 0))?;
    // Letters lose their case with Control anyway; what has no control character does nothing.
    let byte = match map & CONTROL {
        0 => u16::from(u8::try_from(ascii).ok()?),
        _ => match ascii {
            '@'..='~' => u16::from(u8::try_from(ascii).ok()? & 0x1f),
            ' ' => 0,
            _ => return Some(Keysym::VOID),
        },
    };
    Some(Keysym(if map & ALT == 0 { byte } else { KT_META | byte }))
}

fn base() -> Keymap {
    // The text is part of the program, and a test compiles it.
    crate::compile_bytes(BASE, Mode::Unicode)
        .map(|compiled| compiled.keymap)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_compiles() {
        let report = crate::compile_bytes(BASE, Mode::Unicode)
            .err()
            .map(|report| report.to_string());
        assert_eq!(report, None);
        assert_eq!(base().get(0, 59), Some(Keysym(0x0100)));
    }
}
