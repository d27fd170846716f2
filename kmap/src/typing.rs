//! How to type a character: which key with which modifiers, after which dead key, or as which compose sequence.
//!
//! The kernel (drivers/tty/vt/keyboard.c) turns a dead key and the next character, or Compose and the next two, into what its
//! table of rules says. A binary keymap cannot carry rules, so that it works with those that the kernel was built with:
//! `compose as usual`.

use std::collections::{BTreeMap, HashMap};

use crate::keymap::{ComposeRule, KEYS, Keymap};
use crate::keysym::Keysym;
use crate::route::{Lock, Route, Routes};
use crate::usual;

/// The weight of Shift in a table's number.
const SHIFT: u8 = 1;
/// `Compose`, the key that makes one character of the next two.
const COMPOSE: u16 = 0x020e;
/// The key that ends a line.
const RETURN: u16 = 0x0201;
const CARRIAGE_RETURN: u16 = 0x000d;
const KT_LATIN: u8 = 0;
const KT_PAD: u8 = 3;
const KT_DEAD: u8 = 4;
const KT_LETTER: u8 = 11;
const KT_DEAD2: u8 = 13;
/// The characters of the kernel's dead keys, by the keysym's value (`ret_diacr` in the kernel's keyboard.c).
const DEAD: &str = "`'^~\",_U.*=cki#o!?+-)(:n;$@";

/// A key in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Press {
    /// The key.
    pub keycode: u8,
    /// The table's number, the sum of the modifiers' weights: 1 Shift, 2 AltGr, 4 Control, 8 Alt …
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

impl Way {
    /// The keys, in the order in which they are pressed.
    pub fn presses(&self) -> Vec<Press> {
        match *self {
            Way::Direct(press) => vec![press],
            Way::Dead(dead, press) => vec![dead, press],
            Way::Compose(compose, first, second) => vec![compose, first, second],
        }
    }
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
    /// The ways to the tables, by their numbers.
    routes: BTreeMap<u8, Route>,
}

impl Typing {
    /// Looks through the tables that can be got to, the easiest first. The compose rules are the kernel's: those of the keymap's
    /// text do not come with a binary keymap.
    ///
    /// ```
    /// use kmap::{Mode, Press, Typing, Way};
    ///
    /// let text = b"keycode 30 = a A\nkeycode 40 = dead_acute\nkeycode 42 = Shift\n";
    /// let typing = Typing::new(&kmap::compile(text)?);
    /// let (shift, plain) = (Press { keycode: 30, map: 1 }, Press { keycode: 30, map: 0 });
    /// let acute = Press { keycode: 40, map: 0 };
    /// assert_eq!(typing.way('A'), Some(Way::Direct(shift)));
    /// assert_eq!(typing.route(shift).describe(shift), "Shift+key A (30)");
    /// assert_eq!(typing.way('á'), Some(Way::Dead(acute, plain)));
    /// assert_eq!(typing.way('ñ'), None);
    /// # Ok::<(), kmap::Report>(())
    /// ```
    pub fn new(keymap: &Keymap) -> Self {
        let Routes { to, caps_lock } = Routes::new(keymap);
        let mut typing = Self {
            direct: HashMap::new(),
            dead: HashMap::new(),
            compose: None,
            rules: kernels_rules(),
            routes: to,
        };
        let maps = typing.maps();
        for &map in &maps {
            for keycode in 0..KEYS as u8 {
                if let Some(keysym) = keymap.get(map, keycode) {
                    typing.add(keysym, Press { keycode, map });
                }
            }
        }
        if let Some(lock) = caps_lock {
            typing.add_capitals(keymap, &maps, lock);
        }
        typing
    }

    /// As [`new`](Self::new), with the compose rules of the keymap's text, if it has any: for a console on which `loadkeys` loads it.
    pub fn with_own_rules(keymap: &Keymap) -> Self {
        let mut typing = Self::new(keymap);
        if !keymap.compose().is_empty() {
            typing.rules = keymap.compose().to_vec();
        }
        typing
    }

    /// How to get to a table; `None` where no keys of the keymap lead there.
    pub fn route_to(&self, map: u8) -> Option<&Route> {
        self.routes.get(&map)
    }

    /// How to get to the table of a press.
    pub fn route(&self, press: Press) -> Route {
        self.routes.get(&press.map).cloned().unwrap_or_default()
    }

    /// The numbers of the tables, those first that are easiest to get to.
    fn maps(&self) -> Vec<u8> {
        let mut maps: Vec<(&u8, &Route)> = self.routes.iter().collect();
        maps.sort_by_key(|(map, route)| (route.cost(), **map));
        maps.into_iter().map(|(map, _)| *map).collect()
    }

    /// Caps Lock takes letters from the table with Shift exchanged, to which there may be no other way.
    fn add_capitals(&mut self, keymap: &Keymap, maps: &[u8], lock: Lock) {
        for map in maps {
            let other = map ^ SHIFT;
            let Some(route) = self.routes.get(map).filter(|_| !maps.contains(&other)) else {
                continue;
            };
            let mut route = route.clone();
            route.locks.insert(0, lock.clone());
            self.routes.insert(other, route);
            for keycode in 0..KEYS as u8 {
                let is_letter = keymap.get(*map, keycode).map(Keysym::kind) == Some(KT_LETTER);
                if let Some(keysym) = keymap.get(other, keycode).filter(|_| is_letter) {
                    self.add(
                        keysym,
                        Press {
                            keycode,
                            map: other,
                        },
                    );
                }
            }
        }
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
        // Enter ends a line, whether the line's end is called CR or LF.
        if [RETURN, CARRIAGE_RETURN].contains(&keysym.0) {
            self.direct.entry('\r').or_insert(press);
            self.direct.entry('\n').or_insert(press);
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

/// The rules that the kernel was built with.
fn kernels_rules() -> Vec<ComposeRule> {
    let rules = usual::compose().map(|[first, second, result]| ComposeRule {
        first,
        second,
        result,
    });
    rules.collect()
}
