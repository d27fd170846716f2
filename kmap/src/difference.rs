//! What differs between two keymaps for a person: key by key, on the levels that can be reached.

use crate::{KEYS, Keymap, Keysym, Press};

/// One key with modifiers that does something else in another keymap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDifference {
    /// The key and the modifiers.
    pub press: Press,
    /// What the first keymap does.
    old: Option<Keysym>,
    /// What the second keymap does.
    new: Option<Keysym>,
}

impl KeyDifference {
    /// What the first keymap does: a character as such, anything else by its name, `nothing`.
    pub fn before(&self) -> String {
        action(self.old)
    }

    /// What the second keymap does.
    pub fn after(&self) -> String {
        action(self.new)
    }
}

impl Keymap {
    /// What a key with modifiers does: a character as such, anything else by its name; `None` where nothing happens.
    pub fn action(&self, press: Press) -> Option<String> {
        let keysym = self.get(press.map, press.keycode);
        keysym
            .filter(|keysym| *keysym != Keysym::VOID)
            .map(|keysym| action(Some(keysym)))
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
                old: self.get(press.map, press.keycode),
                new: new.get(press.map, press.keycode),
            })
            // Caps Lock's effect is no difference that is seen on the key.
            .filter(|difference| {
                difference.old != difference.new && difference.before() != difference.after()
            })
            .collect()
    }
}

fn action(keysym: Option<Keysym>) -> String {
    match keysym {
        None | Some(Keysym::VOID) => "nothing".to_owned(),
        Some(keysym) => match keysym.character() {
            Some(' ') => "space".to_owned(),
            Some(character) if !character.is_control() => character.to_string(),
            _ => keysym.describe(),
        },
    }
}
