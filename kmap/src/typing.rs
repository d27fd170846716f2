//! How to type a character: which key with which modifiers, after which dead key, or as which compose sequence.
//!
//! The kernel (drivers/tty/vt/keyboard.c) turns a dead key and the next character, or Compose and the next two, into what its
//! table of rules says. Without rules of its own, as a binary keymap is, a keymap works with the rules that the kernel was
//! built with: `compose as usual`.

use std::collections::HashMap;

use crate::keymap::{ComposeRule, KEYS, Keymap};
use crate::keysym::Keysym;
use crate::usual;

/// `Compose`, the key that makes one character of the next two.
const COMPOSE: u16 = 0x020e;
const KT_LATIN: u8 = 0;
const KT_PAD: u8 = 3;
const KT_DEAD: u8 = 4;
const KT_LETTER: u8 = 11;
const KT_DEAD2: u8 = 13;
/// The characters of the kernel's dead keys, by the keysym's value (`ret_diacr` in the kernel's keyboard.c).
const DEAD: &str = "`'^~\",_U.*=cki#o!?+-)(:n;$@";

/// A key with the modifiers that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Press {
    /// The key.
    pub keycode: u8,
    /// The sum of the modifiers' weights: 1 Shift, 2 AltGr, 4 Control, 8 Alt …
    pub map: u8,
}

/// A way to type one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// One key.
    Direct(Press),
    /// A dead key, then another key.
    Dead(Press, Press),
    /// Compose, then two keys.
    Compose(Press, Press, Press),
}

impl Keysym {
    /// The character that the key types by itself, if it does: a byte counts as a code point of ISO 8859-1, as consoles in
    /// Unicode mode take it.
    pub fn character(self) -> Option<char> {
        match self.kind() {
            KT_LATIN | KT_LETTER => Some(char::from(self.value())),
            _ => self.code_point(),
        }
    }

    /// The character of a dead key: what it adds to the next one.
    pub fn dead(self) -> Option<char> {
        match self.kind() {
            KT_DEAD => DEAD.chars().nth(self.value().into()),
            KT_DEAD2 => Some(char::from(self.value())),
            _ => None,
        }
    }
}

/// Answers for one keymap.
#[derive(Clone, Debug)]
pub struct Typing {
    direct: HashMap<char, Press>,
    dead: HashMap<char, Press>,
    compose: Option<Press>,
    rules: Vec<ComposeRule>,
}

impl Typing {
    /// Looks through the tables that can be reached, those with the fewest modifiers first.
    ///
    /// ```
    /// use kmap::{Mode, Press, Typing, Way};
    ///
    /// let text = b"keycode 30 = a A\nkeycode 40 = dead_acute\nkeycode 42 = Shift\n";
    /// let typing = Typing::new(&kmap::compile(text)?);
    /// let (shift, plain) = (Press { keycode: 30, map: 1 }, Press { keycode: 30, map: 0 });
    /// let acute = Press { keycode: 40, map: 0 };
    /// assert_eq!(typing.way('A'), Some(Way::Direct(shift)));
    /// assert_eq!(typing.way('á'), Some(Way::Dead(acute, plain)));
    /// assert_eq!(typing.way('ñ'), None);
    /// # Ok::<(), kmap::Report>(())
    /// ```
    pub fn new(keymap: &Keymap) -> Self {
        let reachable = keymap.reachable_modifiers();
        let mut maps: Vec<u8> = keymap.tables().map(|(map, _)| map).collect();
        maps.retain(|map| map & !reachable == 0);
        maps.sort_by_key(|map| (map.count_ones(), *map));
        let mut typing = Self {
            direct: HashMap::new(),
            dead: HashMap::new(),
            compose: None,
            rules: rules(keymap),
        };
        for map in maps {
            for keycode in 0..KEYS as u8 {
                if let Some(keysym) = keymap.get(map, keycode) {
                    typing.add(keysym, Press { keycode, map });
                }
            }
        }
        typing
    }

    fn add(&mut self, keysym: Keysym, press: Press) {
        if keysym.0 == COMPOSE {
            self.compose.get_or_insert(press);
        }
        if let Some(character) = keysym.dead() {
            self.dead.entry(character).or_insert(press);
        }
        if let Some(character) = keysym.character() {
            self.direct.entry(character).or_insert(press);
        }
        // The keypad types only while Num Lock is on, so any other key comes first.
        let keypad = (keysym.kind() == KT_PAD).then(|| keysym.value());
        if let Some(character) =
            keypad.and_then(|value| "0123456789+-*/\r,.".chars().nth(value.into()))
        {
            self.direct.entry(character).or_insert(press);
        }
    }

    /// The one key that types a character.
    pub fn direct(&self, character: char) -> Option<Press> {
        self.direct.get(&character).copied()
    }

    /// The shortest way to type a character: one key, else a dead key and another, else a compose sequence.
    pub fn way(&self, character: char) -> Option<Way> {
        if let Some(press) = self.direct(character) {
            return Some(Way::Direct(press));
        }
        // A dead key and the space bar give the accent itself.
        if let (Some(&dead), Some(space)) = (self.dead.get(&character), self.direct(' ')) {
            return Some(Way::Dead(dead, space));
        }
        let rules = || {
            self.rules
                .iter()
                .filter(|rule| rule.result == u32::from(character))
        };
        let dead = rules().find_map(|rule| {
            let dead = self.dead.get(&char::from_u32(rule.first)?)?;
            Some(Way::Dead(*dead, self.direct(char::from_u32(rule.second)?)?))
        });
        dead.or_else(|| {
            rules().find_map(|rule| {
                let first = self.direct(char::from_u32(rule.first)?)?;
                let second = self.direct(char::from_u32(rule.second)?)?;
                Some(Way::Compose(self.compose?, first, second))
            })
        })
    }
}

/// The keymap's own rules, or those of the kernel.
fn rules(keymap: &Keymap) -> Vec<ComposeRule> {
    if !keymap.compose().is_empty() {
        return keymap.compose().to_vec();
    }
    let usual = usual::compose();
    usual
        .map(|[first, second, result]| ComposeRule {
            first,
            second,
            result,
        })
        .collect()
}
