//! How to type a character: which key with which modifiers, after which dead key, or as which compose sequence.
//!
//! The kernel (drivers/tty/vt/keyboard.c) turns a dead key and the next character, or Compose and the next two, into what its
//! table of rules says. A binary keymap cannot carry rules, so that it works with those that the kernel was built with:
//! `compose as usual`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::keymap::{ComposeRule, Keymap};
use crate::keysym::{Keysym, LATIN, LETTER};
use crate::reach::SHIFT;
use crate::route::{Locked, Route, Routes};
use crate::stroke::{Stroke, Strokes};
use crate::usual;

const KT_DEAD: u8 = 4;
const KT_DEAD2: u8 = 13;
/// The characters of the kernel's dead keys, by the keysym's value (`ret_diacr` in the kernel's keyboard.c).
const DEAD: &str = "`'^~\",_U.*=cki#o!?+-)(:n;$@";

/// A keymap that lacks more letters than this is of another script, or says nothing of most keys. Of the 216 keymaps of
/// console-data, 9 do that, or have no Enter.
const FEW_LETTERS: usize = 8;

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
    Direct(Stroke),
    /// A dead key, then another key.
    Dead(Stroke, Stroke),
    /// Compose, then two keys.
    Compose(Stroke, Stroke, Stroke),
}

impl Way {
    /// The keys, in the order in which they are pressed.
    pub fn strokes(&self) -> Vec<&Stroke> {
        match self {
            Way::Direct(stroke) => vec![stroke],
            Way::Dead(dead, stroke) => vec![dead, stroke],
            Way::Compose(compose, first, second) => vec![compose, first, second],
        }
    }

    /// `Shift+key ' (40), then key A (30)`
    pub fn describe(&self) -> String {
        let strokes = self.strokes().into_iter().map(Stroke::describe);
        strokes.collect::<Vec<_>>().join(", then ")
    }
}

impl Keysym {
    /// The character that the key types by itself, if it does: a byte counts as a code point of ISO 8859-1, as consoles in
    /// Unicode mode take it.
    pub fn character(self) -> Option<char> {
        match u32::from(self.kind()) {
            LATIN | LETTER => Some(char::from(self.value())),
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
    keymap: Keymap,
    rules: Vec<ComposeRule>,
    /// The ways to the tables while nothing is locked, by their numbers and whether Caps Lock is on there.
    routes: BTreeMap<(u8, bool), Route>,
    /// The strokes for all that may be locked, each made when it is first asked for.
    strokes: BTreeMap<Locked, OnceLock<Strokes>>,
}

impl Typing {
    /// Looks through the tables that can be got to, the easiest first. The compose rules are the kernel's: those of the keymap's
    /// text do not come with a binary keymap.
    ///
    /// ```
    /// use kmap::{Press, Typing};
    ///
    /// let text = b"keycode 30 = a A\nkeycode 40 = dead_acute\nkeycode 42 = Shift\n";
    /// let typing = Typing::new(&kmap::compile(text)?);
    /// assert_eq!(typing.direct('A'), Some(Press { keycode: 30, map: 1 }));
    /// let described = |character| typing.way(character).map(|way| way.describe());
    /// assert_eq!(described('A').as_deref(), Some("Shift+key A (30)"));
    /// assert_eq!(described('á').as_deref(), Some("key ' (40), then key A (30)"));
    /// assert_eq!(described('ñ'), None);
    /// # Ok::<(), kmap::Report>(())
    /// ```
    pub fn new(keymap: &Keymap) -> Self {
        let Routes { to, states } = Routes::new(keymap, Locked::default());
        let states = states.into_iter();
        Self {
            keymap: keymap.clone(),
            rules: kernels_rules(),
            routes: to,
            strokes: states.map(|state| (state, OnceLock::new())).collect(),
        }
    }

    /// As [`new`](Self::new), with the compose rules of the keymap's text, if it has any: for a console on which `loadkeys` loads it.
    pub fn with_own_rules(keymap: &Keymap) -> Self {
        let mut typing = Self::new(keymap);
        if !keymap.compose().is_empty() {
            typing.rules = keymap.compose().to_vec();
        }
        typing
    }

    /// How to get to a table; `None` where no keys of the keymap lead there. To letters, Caps Lock may be the only way.
    pub fn route_to(&self, map: u8) -> Option<&Route> {
        let with_caps = || self.routes.get(&(map ^ SHIFT, true));
        self.routes.get(&(map, false)).or_else(with_caps)
    }

    /// How many of the letters a to z no single key types, where that leaves too few to type commands with; `None` where it does not.
    pub fn missing_letters(&self) -> Option<usize> {
        let missing = ('a'..='z').filter(|letter| self.direct(*letter).is_none());
        Some(missing.count()).filter(|missing| *missing > FEW_LETTERS)
    }

    /// The one key that types a character.
    pub fn direct(&self, character: char) -> Option<Press> {
        Some(self.behind(&[], character)?.press)
    }

    /// The shortest way to type a character while nothing is locked: one key, else a dead key and another, else a compose sequence. What
    /// one key locks is locked for the next.
    pub fn way(&self, character: char) -> Option<Way> {
        if let Some(stroke) = self.behind(&[], character) {
            return Some(Way::Direct(stroke));
        }
        let first = self.strokes(Locked::default())?;
        let behind_dead = |accent: char, character: char| {
            let dead = first.dead.get(&accent)?;
            let next = self.behind(&[dead], character)?;
            Some(Way::Dead(dead.clone(), next))
        };
        let composed = |characters: (char, char)| {
            let compose = first.compose.as_ref()?;
            let one = self.behind(&[compose], characters.0)?;
            let other = self.behind(&[compose, &one], characters.1)?;
            Some(Way::Compose(compose.clone(), one, other))
        };
        let rules = || {
            let rules = self.rules.iter();
            rules
                .filter(|rule| rule.result == u32::from(character))
                .filter_map(|rule| {
                    Some((char::from_u32(rule.first)?, char::from_u32(rule.second)?))
                })
        };
        // A dead key and the space bar give the accent itself.
        behind_dead(character, ' ')
            .or_else(|| rules().find_map(|(accent, next)| behind_dead(accent, next)))
            .or_else(|| rules().find_map(composed))
    }

    /// The one key that types a character behind others, which may have locked something.
    fn behind(&self, strokes: &[&Stroke], character: char) -> Option<Stroke> {
        let routes = strokes.iter().map(|stroke| &stroke.route);
        let locked = routes.fold(Locked::default(), Locked::after);
        self.strokes(locked)?.direct.get(&character).cloned()
    }

    /// The strokes for someone who has locked this; `None` where nobody can.
    fn strokes(&self, locked: Locked) -> Option<&Strokes> {
        let strokes = self.strokes.get(&locked)?;
        Some(strokes.get_or_init(|| match locked == Locked::default() {
            true => Strokes::new(&self.keymap, &self.routes),
            false => Strokes::new(&self.keymap, &Routes::new(&self.keymap, locked).to),
        }))
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
