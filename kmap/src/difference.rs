//! What differs between two keymaps for a person: key by key, on the levels that can be reached.

use crate::keysym::{LATIN, LETTER};
use crate::{KEYS, Keymap, Keysym, Press};

/// One key with modifiers that does something else in another keymap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDifference {
    /// The key and the modifiers.
    pub press: Press,
    /// What the first keymap does.
    old: Keysym,
    /// What the second keymap does.
    new: Keysym,
}

impl KeyDifference {
    /// What the first keymap does: a character as such, anything else by its name, `nothing`. Where both keymaps have the same
    /// character there, also in what it differs: `a, which Caps Lock changes`.
    pub fn before(&self) -> String {
        self.told(self.old)
    }

    /// What the second keymap does.
    pub fn after(&self) -> String {
        self.told(self.new)
    }

    fn told(&self, keysym: Keysym) -> String {
        match action(self.old) == action(self.new) {
            true => exactly(keysym),
            false => action(keysym),
        }
    }
}

impl Keymap {
    /// What a key with modifiers does: a character as such, anything else by its name; `None` where nothing happens.
    pub fn action(&self, press: Press) -> Option<String> {
        let keysym = self.get(press.map, press.keycode);
        keysym.filter(|keysym| *keysym != Keysym::VOID).map(action)
    }

    /// The keys that do something else in `new`, on the levels that a person can get to with either keymap; sorted by keycode,
    /// then by table.
    ///
    /// ```
    /// let (us, es) = (kmap::compile(b"keycode 39 = semicolon\n")?, kmap::compile(b"keycode 39 = ntilde\n")?);
    /// let [difference] = us.differences(&es)[..] else { panic!() };
    /// assert_eq!(difference.press.to_string(), "key ; (39)");
    /// assert_eq!((&*difference.before(), &*difference.after()), (";", "ñ"));
    /// # Ok::<(), kmap::Report>(())
    /// ```
    pub fn differences(&self, new: &Keymap) -> Vec<KeyDifference> {
        let reachable = self.reachable_modifiers() | new.reachable_modifiers();
        let maps: Vec<u8> = (0..=u8::MAX).filter(|map| map & !reachable == 0).collect();
        let presses =
            (0..KEYS as u8).flat_map(|keycode| maps.iter().map(move |&map| Press { keycode, map }));
        presses
            .map(|press| KeyDifference {
                press,
                old: keysym(self, press),
                new: keysym(new, press),
            })
            .filter(|difference| difference.old != difference.new)
            .collect()
    }
}

fn keysym(keymap: &Keymap, press: Press) -> Keysym {
    // A table that is not there does nothing, either.
    keymap.get(press.map, press.keycode).unwrap_or(Keysym::VOID)
}

fn action(keysym: Keysym) -> String {
    match keysym.character() {
        _ if keysym == Keysym::VOID => "nothing".to_owned(),
        Some(' ') => "space".to_owned(),
        Some(character) if !character.is_control() => character.to_string(),
        _ => keysym.describe(),
    }
}

/// What a key does, with all that can be told of it.
fn exactly(keysym: Keysym) -> String {
    let shown = action(keysym);
    let kind = u32::from(keysym.kind());
    match (kind, keysym.code_point()) {
        (LETTER, _) => format!("{shown}, which Caps Lock changes"),
        (LATIN, _) if keysym.value().is_ascii() => {
            format!("{shown}, which Caps Lock leaves alone")
        }
        (LATIN, _) => format!("{shown} as the byte {:#04x}", keysym.value()),
        (_, Some(character)) => format!("{shown} as U+{:04X}", u32::from(character)),
        _ => format!("{shown} ({keysym})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: u16, new: u16) -> (String, String) {
        let press = Press {
            keycode: 30,
            map: 0,
        };
        let (old, new) = (Keysym(old), Keysym(new));
        let difference = KeyDifference { press, old, new };
        (difference.before(), difference.after())
    }

    #[test]
    fn one_character_in_two_forms_is_told_by_its_form() {
        let both = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        assert_eq!(
            told(0x0061, 0x0b61),
            both(
                "a, which Caps Lock leaves alone",
                "a, which Caps Lock changes"
            )
        );
        assert_eq!(
            told(0x00e9, 0xf0e9),
            both("é as the byte 0xe9", "é as U+00E9")
        );
        assert_eq!(told(0x0061, 0x0062), both("a", "b"));
    }
}
