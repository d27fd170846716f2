//! Keys and modifiers as people call them.

use std::fmt;

use crate::typing::Press;

/// What a keyboard of the United States has on its keys, by keycode.
const KEY_NAMES: [&str; 89] = [
    "",
    "Esc",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "0",
    "-",
    "=",
    "Backspace",
    "Tab",
    "Q",
    "W",
    "E",
    "R",
    "T",
    "Y",
    "U",
    "I",
    "O",
    "P",
    "[",
    "]",
    "Enter",
    "Ctrl",
    "A",
    "S",
    "D",
    "F",
    "G",
    "H",
    "J",
    "K",
    "L",
    ";",
    "'",
    "`",
    "Shift",
    "\\",
    "Z",
    "X",
    "C",
    "V",
    "B",
    "N",
    "M",
    ",",
    ".",
    "/",
    "right Shift",
    "keypad *",
    "Alt",
    "Space",
    "Caps Lock",
    "F1",
    "F2",
    "F3",
    "F4",
    "F5",
    "F6",
    "F7",
    "F8",
    "F9",
    "F10",
    "Num Lock",
    "Scroll Lock",
    "keypad 7",
    "keypad 8",
    "keypad 9",
    "keypad -",
    "keypad 4",
    "keypad 5",
    "keypad 6",
    "keypad +",
    "keypad 1",
    "keypad 2",
    "keypad 3",
    "keypad 0",
    "keypad .",
    "",
    "",
    "< beside left Shift",
    "F11",
    "F12",
];
/// The keys behind those, from keycode 96 on.
const MORE_KEY_NAMES: [&str; 32] = [
    "keypad Enter",
    "right Ctrl",
    "keypad /",
    "Print Screen",
    "AltGr",
    "",
    "Home",
    "Up",
    "Page Up",
    "Left",
    "Right",
    "End",
    "Down",
    "Page Down",
    "Insert",
    "Delete",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "Pause",
    "",
    "",
    "",
    "",
    "",
    "left Windows",
    "right Windows",
    "Menu",
];
const FIRST_MORE: u8 = 96;
/// The modifiers, by the weight that they have in a table's number.
const MODIFIERS: [&str; 8] = [
    "Shift", "AltGr", "Ctrl", "Alt", "ShiftL", "ShiftR", "CtrlL", "CtrlR",
];

impl Press {
    /// The key without the modifiers: `key ; (39)`, what is on it in the United States, and its keycode.
    pub fn key(self) -> String {
        let index = usize::from(self.keycode);
        let more = || MORE_KEY_NAMES.get(index.checked_sub(usize::from(FIRST_MORE))?);
        match KEY_NAMES.get(index).or_else(more) {
            Some(name) if !name.is_empty() => format!("key {name} ({})", self.keycode),
            _ => format!("key {}", self.keycode),
        }
    }

    /// The weights that the table's number is the sum of: `Shift+AltGr`, or `plain`. Which keys give them, a [`Route`](crate::Route) says.
    pub fn modifiers(self) -> String {
        let names = MODIFIERS.iter().enumerate();
        let held: Vec<&str> = names
            .filter(|(bit, _)| self.map & (1 << bit) != 0)
            .map(|(_, name)| *name)
            .collect();
        match held.is_empty() {
            true => "plain".to_owned(),
            false => held.join("+"),
        }
    }
}

impl fmt::Display for Press {
    /// `Shift+key Q (16)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.map != 0 {
            write!(f, "{}+", self.modifiers())?;
        }
        f.write_str(&self.key())
    }
}
