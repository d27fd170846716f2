//! How a person gets to a table: which keys to hold, and what to press before.
//!
//! The kernel (drivers/tty/vt/keyboard.c) looks a key up in the table whose number is the sum of the modifiers that are held (KT_SHIFT)
//! or set for one key (KT_SLOCK), exclusive-or those that are locked (KT_LOCK). A modifier's key is looked up in the table of its
//! moment, too: a lock may be out of reach before another key is held. Caps Lock takes letters from the table with Shift exchanged.

use std::collections::BTreeMap;

use crate::keymap::{KEYS, Keymap};
use crate::reach::{CAPSSHIFT, modifier};
use crate::{Keysym, Press};

const KT_SPEC: u8 = 2;
const KT_SHIFT: u8 = 7;
const KT_LOCK: u8 = 10;
const KT_SLOCK: u8 = 12;
/// The values of KT_SPEC that concern Caps Lock: Caps_Lock takes it off again, Caps_On does not.
const CAPS_LOCK: u8 = 7;
const CAPS_ON: u8 = 13;
/// The keys that have a modifier's name on them, with its weight: both Shift keys, AltGr, both Control keys, Alt.
const USUAL_KEYS: [(u8, u8); 6] = [(42, 1), (54, 1), (100, 2), (29, 4), (97, 4), (56, 8)];

/// A modifier key on the way to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The key, and the table in which it is this modifier.
    pub press: Press,
    /// What it is there: `Shift`, `ShiftL_Lock`, `SAltGr`, `Caps_Lock`.
    pub keysym: Keysym,
}

impl Step {
    fn weight(self) -> u8 {
        modifier(self.keysym.kind(), self.keysym.value()).unwrap_or(0)
    }

    fn name(&self) -> String {
        let usual = self.usual_name().map(str::to_owned);
        usual.unwrap_or_else(|| self.press.key())
    }

    /// The modifier's name, where it is on the very key that people know by it: `Shift`.
    pub(crate) fn usual_name(self) -> Option<&'static str> {
        let weight = self.weight();
        let is_usual = USUAL_KEYS.contains(&(self.press.keycode, weight));
        let names = [(1, "Shift"), (2, "AltGr"), (4, "Ctrl"), (8, "Alt")];
        let name = names.into_iter().find(|(known, _)| *known == weight)?.1;
        is_usual.then_some(name)
    }
}

/// What is locked at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Locked {
    /// The sum of the weights that KT_LOCK has locked.
    pub(crate) weights: u8,
    /// Whether Caps Lock is on.
    pub(crate) caps: bool,
}

impl Locked {
    /// What a key makes of it, if it is a key that locks or unlocks.
    fn pressed(self, keysym: Keysym) -> Option<Self> {
        match (keysym.kind(), keysym.value()) {
            (KT_LOCK, value) => Some(Self {
                weights: self.weights ^ modifier(KT_LOCK, value)?,
                ..self
            }),
            (KT_SPEC, CAPS_LOCK) => Some(Self {
                caps: !self.caps,
                ..self
            }),
            (KT_SPEC, CAPS_ON) => Some(Self { caps: true, ..self }),
            (KT_SHIFT, CAPSSHIFT) => Some(Self {
                caps: false,
                ..self
            }),
            _ => None,
        }
    }

    /// What it is when a way has been gone.
    pub(crate) fn after(self, route: &Route) -> Self {
        let keys = route.locks.iter().map(|lock| lock.key.keysym);
        keys.fold(self, |locked, keysym| {
            locked.pressed(keysym).unwrap_or(locked)
        })
    }
}

/// A lock, and the keys that are held while it is pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The keys to hold, in this order.
    pub held: Vec<Step>,
    /// The key to press once.
    pub key: Step,
}

impl Lock {
    /// How long it lasts: `ShiftL_Lock stays on until it is pressed again`. `None` for CapsShift, which takes Caps Lock off and locks nothing.
    pub fn duration(&self) -> Option<String> {
        let keysym = self.key.keysym;
        let end = match (keysym.kind(), keysym.value()) {
            (KT_SHIFT, _) => return None,
            (KT_SPEC, CAPS_ON) => "Caps_Lock or CapsShift is pressed",
            _ => "it is pressed again",
        };
        Some(format!("{} stays on until {end}", keysym.describe()))
    }

    /// `ShiftL_Lock (Alt+key Shift (42))`
    fn describe(&self) -> String {
        let key = with_held(&self.held, self.key.press);
        format!("{} ({key})", self.key.keysym.describe())
    }
}

/// `Alt+key Shift (42)`
fn with_held(held: &[Step], press: Press) -> String {
    let held = held.iter().map(Step::name);
    let keys: Vec<String> = held.chain([press.key()]).collect();
    keys.join("+")
}

/// The way to a table. All parts are empty for the table without modifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// What to press first, one after the other; it stays on.
    pub locks: Vec<Lock>,
    /// What to hold.
    pub held: Vec<Step>,
    /// What to press immediately before the key, while all that is held stays so; it counts for that key only.
    pub latch: Option<Step>,
}

impl Route {
    /// How to press a key of the table: `Shift+key A (30)`, `key Z (44) after ShiftL_Lock (Alt+key Shift (42))`. A key that people know by
    /// the modifier that it gives has that name.
    pub fn describe(&self, press: Press) -> String {
        let key = with_held(&self.held, press);
        let key = match self.latch {
            // To let go of what is held would undo the latch.
            Some(latch) if !self.held.is_empty() => format!(
                "{}, then {}, with {} held all the time",
                latch.press.key(),
                press.key(),
                self.held_names().join("+")
            ),
            Some(latch) => format!("{}, then {}", latch.press.key(), press.key()),
            None => key,
        };
        let locks: Vec<String> = self.locks.iter().map(Lock::describe).collect();
        match locks.is_empty() {
            true => key,
            false => format!("{key} after {}", locks.join(" and ")),
        }
    }

    fn held_names(&self) -> Vec<String> {
        self.held.iter().map(|step| step.name()).collect()
    }

    /// How to get to the table: `with Shift`, `after ShiftL_Lock (Alt+key Shift (42))`.
    pub fn describe_table(&self) -> String {
        let held = self.held.iter().chain(&self.latch).map(Step::name);
        let held: Vec<String> = held.collect();
        let locks: Vec<String> = self.locks.iter().map(Lock::describe).collect();
        let parts = [("with", held.join("+")), ("after", locks.join(" and "))];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = parts.map(|(how, names)| format!("{how} {names}")).collect();
        parts.join(" ")
    }

    /// Fewer locks, then fewer keys.
    pub(crate) fn cost(&self) -> (usize, usize) {
        (
            self.locks.len(),
            self.held.len() + usize::from(self.latch.is_some()),
        )
    }
}

/// The ways to all tables of a keymap that can be got to.
pub(crate) struct Routes {
    /// By the table's number, and whether Caps Lock is on there.
    pub(crate) to: BTreeMap<(u8, bool), Route>,
    /// All that may be locked, what is locked at first among it.
    pub(crate) states: Vec<Locked>,
}

impl Routes {
    /// The ways for someone who has locked `from` before.
    pub(crate) fn new(keymap: &Keymap, from: Locked) -> Self {
        let keys = Keys::new(keymap);
        let mut to = BTreeMap::new();
        // With the locks that lead there; the list grows as it is gone through.
        let mut states: Vec<(Locked, Vec<Lock>)> = vec![(from, Vec::new())];
        let mut index = 0;
        while let Some((locked, locks)) = states.get(index).cloned() {
            index += 1;
            for (weights, held) in keys.holds(locked) {
                let map = weights ^ locked.weights;
                let at = |latch| Route {
                    locks: locks.clone(),
                    held: held.clone(),
                    latch,
                };
                keep(&mut to, (map, locked.caps), at(None));
                for &key in keys.of(map) {
                    if key.keysym.kind() == KT_SLOCK {
                        let latched = (weights | key.weight()) ^ locked.weights;
                        keep(&mut to, (latched, locked.caps), at(Some(key)));
                    }
                    let next = locked.pressed(key.keysym);
                    let next = next.filter(|next| states.iter().all(|(known, _)| known != next));
                    if let Some(next) = next {
                        let lock = Lock {
                            held: held.clone(),
                            key,
                        };
                        let more = locks.iter().cloned().chain([lock]);
                        states.push((next, more.collect()));
                    }
                }
            }
        }
        let states = states.into_iter().map(|(locked, _)| locked).collect();
        Self { to, states }
    }
}

fn keep(to: &mut BTreeMap<(u8, bool), Route>, table: (u8, bool), route: Route) {
    match to.get(&table) {
        Some(known) if known.cost() <= route.cost() => {}
        _ => {
            to.insert(table, route);
        }
    }
}

/// The modifier keys of each table: one for each keysym, the key that people know by it, or else the first.
struct Keys(BTreeMap<u8, Vec<Step>>);

impl Keys {
    fn new(keymap: &Keymap) -> Self {
        let tables = keymap.tables().map(|(map, table)| {
            let mut steps: Vec<Step> = Vec::new();
            let keys = (0..KEYS as u8).zip(table.iter().copied());
            for (keycode, keysym) in keys.filter(|(_, keysym)| leads_on(*keysym)) {
                let press = Press { keycode, map };
                let step = Step { press, keysym };
                match steps.iter_mut().find(|known| known.keysym == keysym) {
                    Some(known) if known.usual_name() < step.usual_name() => *known = step,
                    Some(_) => {}
                    None => steps.push(step),
                }
            }
            (map, steps)
        });
        Self(tables.collect())
    }

    fn of(&self, map: u8) -> &[Step] {
        self.0.get(&map).map_or(&[], Vec::as_slice)
    }

    /// The sets of modifiers that can be held while some are locked, each with the keys to hold; those with the fewest keys first.
    fn holds(&self, locked: Locked) -> Vec<(u8, Vec<Step>)> {
        let mut found: Vec<(u8, Vec<Step>)> = vec![(0, Vec::new())];
        let mut index = 0;
        while let Some((weights, held)) = found.get(index).cloned() {
            index += 1;
            let keys = self.of(weights ^ locked.weights).iter();
            // CapsShift takes Caps Lock off.
            let stays = |keysym| !locked.caps || locked.pressed(keysym).is_none();
            let is_held = |keysym: Keysym| keysym.kind() == KT_SHIFT && stays(keysym);
            for key in keys.filter(|key| is_held(key.keysym)) {
                let more = weights | key.weight();
                if found.iter().all(|(known, _)| *known != more) {
                    found.push((more, held.iter().copied().chain([*key]).collect()));
                }
            }
        }
        found
    }
}

fn leads_on(keysym: Keysym) -> bool {
    match keysym.kind() {
        KT_SPEC => [CAPS_LOCK, CAPS_ON].contains(&keysym.value()),
        kind => modifier(kind, keysym.value()).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;

    fn routes(text: &str) -> Routes {
        let compiled = crate::compile_bytes(text.as_bytes(), Mode::EightBit).unwrap();
        Routes::new(&compiled.keymap, Locked::default())
    }

    fn keycodes(steps: &[Step]) -> Vec<u8> {
        steps.iter().map(|step| step.press.keycode).collect()
    }

    #[test]
    fn a_held_key_is_the_one_that_gives_the_modifier() {
        let found = routes("keymaps 0-3\nkeycode 58 = Shift\nkeycode 56 = AltGr\n");
        assert_eq!(keycodes(&found.to[&(3, false)].held), [56, 58]);
        let usual = routes("keymaps 0-1\nkeycode 3 = Shift\nkeycode 54 = Shift\n");
        assert_eq!(keycodes(&usual.to[&(1, false)].held), [54]);
        assert_eq!(usual.to[&(1, false)].held[0].usual_name(), Some("Shift"));
    }

    #[test]
    fn a_table_without_a_modifier_key_is_out_of_reach() {
        let found = routes("keymaps 0-2\nkeycode 42 = Shift\nkeycode 30 = a\n");
        assert_eq!(
            found.to.keys().collect::<Vec<_>>(),
            [&(0, false), &(1, false)]
        );
    }

    #[test]
    fn a_lock_is_pressed_first_with_what_it_needs() {
        let text = "keymaps 0,8,16,17\nkeycode 56 = Alt\nalt keycode 42 = ShiftL_Lock\nshiftl keycode 42 = Shift\n";
        let found = routes(text);
        let route = &found.to[&(17, false)];
        assert_eq!(keycodes(&route.held), [42]);
        let [lock] = &route.locks[..] else {
            panic!("{route:?}")
        };
        assert_eq!((lock.key.press.keycode, lock.key.press.map), (42, 8));
        assert_eq!(keycodes(&lock.held), [56]);
    }

    #[test]
    fn a_latch_comes_last() {
        let found = routes("keymaps 0-3\nkeycode 42 = Shift\nkeycode 58 = SAltGr\n");
        let route = &found.to[&(3, false)];
        assert_eq!(keycodes(&route.held), [42]);
        assert_eq!(route.latch.map(|step| step.press.keycode), Some(58));
        let key = Press {
            keycode: 30,
            map: 3,
        };
        assert_eq!(
            route.describe(key),
            "key Caps Lock (58), then key A (30), with Shift held all the time"
        );
    }

    /// What is held and what is latched are one, and no modifier goes away by being there twice.
    #[test]
    fn a_latch_adds_to_what_is_held() {
        let text = "keymaps 0-3\nkeycode 42 = Shift\nshift keycode 58 = SShift\nshift keycode 56 = AltGr\n\
                    altgr shift keycode 58 = SShift\n";
        let found = routes(text);
        assert!(!found.to.contains_key(&(2, false)));
        assert_eq!(found.to[&(3, false)].latch, None);
    }
}
