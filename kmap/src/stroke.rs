//! What one key types, and how to press it: the first that does, of all the tables that can be got to.

use std::collections::{BTreeMap, HashMap};

use crate::keymap::{KEYS, Keymap};
use crate::keysym::{Keysym, LETTER};
use crate::reach::SHIFT;
use crate::route::Route;
use crate::typing::Press;

/// `Compose`, the key that makes one character of the next two.
const COMPOSE: u16 = 0x020e;
/// The key that ends a line.
const RETURN: u16 = 0x0201;
const CARRIAGE_RETURN: u16 = 0x000d;
const KT_PAD: u8 = 3;
/// What the keypad types, by the keysym's value.
const KEYPAD: &str = "0123456789+-*/\r,.";

/// A key, with what is pressed and held for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stroke {
    /// The key, and the table in which it types.
    pub press: Press,
    /// How to get to that table from where the stroke before has left the locks.
    pub route: Route,
}

impl Stroke {
    /// `Shift+key A (30)`
    pub fn describe(&self) -> String {
        self.route.describe(self.press)
    }
}

/// All that one key types while certain locks are on, each character with the easiest stroke.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strokes {
    pub(crate) direct: HashMap<char, Stroke>,
    /// By the character of the dead key.
    pub(crate) dead: HashMap<char, Stroke>,
    pub(crate) compose: Option<Stroke>,
}

impl Strokes {
    /// `routes` are the ways to the tables, by their numbers and whether Caps Lock is on there.
    pub(crate) fn new(keymap: &Keymap, routes: &BTreeMap<(u8, bool), Route>) -> Self {
        let mut routes: Vec<(&(u8, bool), &Route)> = routes.iter().collect();
        routes.sort_by_key(|(table, route)| (route.cost(), **table));
        let mut strokes = Self::default();
        for (&(map, caps), route) in routes {
            for keycode in 0..KEYS as u8 {
                if let Some((keysym, press)) = looked_up(keymap, Press { keycode, map }, caps) {
                    strokes.add(keysym, press, route);
                }
            }
        }
        strokes
    }

    fn add(&mut self, keysym: Keysym, press: Press, route: &Route) {
        let stroke = || Stroke {
            press,
            route: route.clone(),
        };
        if keysym.0 == COMPOSE {
            self.compose.get_or_insert_with(stroke);
        }
        if let Some(character) = keysym.dead() {
            self.dead.entry(character).or_insert_with(stroke);
        }
        if let Some(character) = keysym.character() {
            self.direct.entry(character).or_insert_with(stroke);
        }
        // Enter ends a line, whether the line's end is called CR or LF.
        if [RETURN, CARRIAGE_RETURN].contains(&keysym.0) {
            self.direct.entry('\r').or_insert_with(stroke);
            self.direct.entry('\n').or_insert_with(stroke);
        }
        // The keypad types only while Num Lock is on, so any other key comes first.
        let keypad = (keysym.kind() == KT_PAD).then(|| keysym.value());
        if let Some(character) = keypad.and_then(|value| KEYPAD.chars().nth(value.into())) {
            self.direct.entry(character).or_insert_with(stroke);
        }
    }
}

/// What a key does, and the table that says so. With Caps Lock, a letter is the low byte of what the table with Shift exchanged has.
fn looked_up(keymap: &Keymap, press: Press, caps: bool) -> Option<(Keysym, Press)> {
    let keysym = keymap.get(press.map, press.keycode)?;
    let other = Press {
        map: press.map ^ SHIFT,
        ..press
    };
    let exchanged = keymap.get(other.map, other.keycode);
    Some(match exchanged {
        Some(exchanged) if caps && u32::from(keysym.kind()) == LETTER => {
            (Keysym(exchanged.value().into()), other)
        }
        _ => (keysym, press),
    })
}
