//! Which tables a person at the keyboard can get to.
//!
//! The kernel keeps the modifiers that are held (KT_SHIFT), locked (KT_LOCK) or set for one key (KT_SLOCK); the table
//! is the sum of their weights. A modifier counts only if a key gives it in a table that can itself be reached. Caps Lock
//! exchanges Shift for a letter, so Shift can always be reached.

use crate::Keysym;
use crate::keymap::{KEYS, Keymap, NR_KEYS};

const KT_SHIFT: u8 = 7;
const KT_LOCK: u8 = 10;
const KT_SLOCK: u8 = 12;
/// The weight of Shift.
pub(crate) const SHIFT: u8 = 1;
/// Return, as a keysym of its own, as Control-M and as Control-J.
const ENTER: [u16; 3] = [0x0201, 0x000d, 0x000a];
/// `KP_Enter`, the keypad's.
const KEYPAD_ENTER: u16 = 0x030e;
/// CapsShift, which the kernel takes as Shift.
pub(crate) const CAPSSHIFT: u8 = 8;

impl Keymap {
    /// The weights of the modifiers that the keymap's keys give, together; every table whose number has only bits of this
    /// can be reached.
    ///
    /// ```
    /// let text = b"keymaps 0-3,8\nkeycode 100 = AltGr\nkeycode 42 = Shift\n";
    /// let keymap = kmap::compile(text)?;
    /// assert_eq!(keymap.reachable_modifiers(), 0b11);
    /// # Ok::<(), kmap::Report>(())
    /// ```
    pub fn reachable_modifiers(&self) -> u8 {
        let mut reachable = SHIFT;
        loop {
            let found = self
                .tables()
                .filter(|(map, _)| map & !reachable == 0)
                .flat_map(|(_, table)| table.iter().take(NR_KEYS))
                .filter_map(|keysym| modifier(keysym.kind(), keysym.value()))
                .fold(reachable, |weights, weight| weights | weight);
            if found == reachable {
                return reachable;
            }
            reachable = found;
        }
    }

    /// Whether some combination of the keymap's own modifier keys leads to a table.
    pub fn is_reachable(&self, map: u8) -> bool {
        map & !self.reachable_modifiers() == 0
    }

    /// Whether some key that a person can get to ends a line. The keypad's does not count: many keyboards have none.
    pub fn has_enter(&self) -> bool {
        self.has_any(&ENTER)
    }

    /// Whether the keypad's Enter ends a line.
    pub(crate) fn has_keypad_enter(&self) -> bool {
        self.has_any(&[KEYPAD_ENTER])
    }

    /// Whether a key that a person can get to has one of these codes.
    fn has_any(&self, codes: &[u16]) -> bool {
        let mut reachable = self.tables().filter(|(map, _)| self.is_reachable(*map));
        reachable.any(|(_, table)| {
            let mut keys = table.iter().take(KEYS);
            keys.any(|keysym| codes.contains(&keysym.0))
        })
    }

    /// Drops the tables that cannot be reached. Every key does the same as before, whatever is pressed.
    ///
    /// Returns the numbers of the dropped tables, in ascending order.
    pub fn prune(&mut self) -> Vec<u8> {
        let reachable = self.reachable_modifiers();
        let numbers = self.tables().map(|(map, _)| map);
        let dropped = numbers.filter(|map| map & !reachable != 0).collect();
        self.retain(|map| map & !reachable == 0);
        dropped
    }
}

/// The first lock key that leads to tables without a way back: its keysym.
///
/// A state of the keyboard is the weights that are locked. What is locked is seen through the table of the moment, together
/// with the modifiers that a person can hold there. There is no way back if no sequence of lock keys leads to a state without
/// the lock.
pub(crate) fn trap(keymap: &Keymap) -> Option<Keysym> {
    let locks: Vec<Vec<Keysym>> = (0..=u8::MAX).map(|state| locks(keymap, state)).collect();
    let leads_back =
        |state: u8, lock: u8| states(&locks, state).iter().any(|next| next & lock == 0);
    states(&locks, 0).into_iter().find_map(|state| {
        let mut keys = locks.get(usize::from(state)).into_iter().flatten();
        let takes_back = |key: &&Keysym| {
            let next = state ^ weight(**key);
            next & weight(**key) == 0 || leads_back(next, weight(**key))
        };
        keys.find(|key| !takes_back(key)).copied()
    })
}

/// The states to which sequences of lock keys lead, the first state among them.
fn states(locks: &[Vec<Keysym>], first: u8) -> Vec<u8> {
    let mut seen = vec![first];
    let mut index = 0;
    while let Some(&state) = seen.get(index) {
        index += 1;
        for key in locks.get(usize::from(state)).into_iter().flatten() {
            let next = state ^ weight(*key);
            if !seen.contains(&next) {
                seen.push(next);
            }
        }
    }
    seen
}

/// The lock keys that can be pressed in a state, with whatever modifiers the keys of that state give.
fn locks(keymap: &Keymap, locked: u8) -> Vec<Keysym> {
    let mut tables = vec![locked];
    let mut found = Vec::new();
    let mut index = 0;
    while let Some(&map) = tables.get(index) {
        index += 1;
        for keysym in keymap.table(map).into_iter().flatten().take(KEYS) {
            match (keysym.kind(), keysym.value()) {
                (KT_LOCK, 0..=7) if !found.contains(keysym) => found.push(*keysym),
                (KT_SHIFT, _) => {
                    let held = modifier(keysym.kind(), keysym.value()).map_or(map, |bit| map | bit);
                    if !tables.contains(&held) {
                        tables.push(held);
                    }
                }
                _ => {}
            }
        }
    }
    found
}

fn weight(lock: Keysym) -> u8 {
    1 << (lock.value() & 7)
}

/// The weight of the modifier that a key gives, if it is a modifier key.
pub(crate) fn modifier(kind: u8, value: u8) -> Option<u8> {
    match (kind, value) {
        (KT_SHIFT, CAPSSHIFT) => Some(SHIFT),
        (KT_SHIFT | KT_LOCK | KT_SLOCK, 0..=7) => Some(1 << value),
        _ => None,
    }
}

/// Numbers as a `keymaps` line writes them: `0-3,8`.
pub(crate) fn ranges(maps: impl IntoIterator<Item = u8>) -> String {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for map in maps {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(map) => *last = map,
            _ => ranges.push((map, map)),
        }
    }
    let parts = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_ranges() {
        assert_eq!(ranges([0, 1, 2, 4, 8, 9, 255]), "0-2,4,8-9,255");
        assert_eq!(ranges([]), "");
    }

    #[test]
    fn a_lock_needs_a_key_that_takes_it_back() {
        let trap_of = |text: &str| {
            let keymap = crate::compile_bytes(text.as_bytes(), crate::Mode::EightBit).unwrap();
            trap(&keymap.keymap).map(|keysym| keysym.0)
        };
        let to = "plain keycode 100 = ShiftL_Lock\n";
        let back = "shiftl keycode 100 = ShiftL_Lock\n";
        let back_with_control = "shiftl ctrll keycode 100 = ShiftL_Lock\n";
        let control = "shiftl keycode 29 = CtrlL\n";
        assert_eq!(trap_of(to), Some(0x0a04));
        assert_eq!(trap_of(&[to, back].concat()), None);
        assert_eq!(trap_of(&[to, back_with_control].concat()), Some(0x0a04));
        assert_eq!(trap_of(&[to, control, back_with_control].concat()), None);
        assert_eq!(trap_of("keycode 30 = a\n"), None);
    }

    #[test]
    fn a_modifier_behind_a_modifier_counts() {
        let text = b"keymaps 0-255\nkeycode 1 = Shift\nkeycode 2 = VoidSymbol AltGr\nkeycode 3 = VoidSymbol VoidSymbol SAlt\nkeycode 4 = VoidSymbol VoidSymbol VoidSymbol VoidSymbol ShiftL_Lock\n";
        let mut keymap = crate::compile_bytes(text, crate::Mode::EightBit)
            .unwrap()
            .keymap;
        assert_eq!(keymap.reachable_modifiers(), 0b1011);
        assert_eq!(keymap.prune().len(), 248);
        assert_eq!(keymap.tables().len(), 8);
        assert!(keymap.is_reachable(11) && !keymap.is_reachable(16));
    }
}
