//! XKB's keysyms as the console's codes.

use crate::Keysym;

const KT_LETTER: u16 = 0x0b00;
const CAPS_LOCK: u16 = 0x0207;
const CONTROL_L_LOCK: u16 = 0x0a06;
/// The first code point that no key can have.
const CODE_POINT_LIMIT: u32 = 0xf000;

/// XKB's names of keysyms that are no characters, and their codes on the console.
const ACTIONS: [(&str, u16); 17] = [
    ("Shift_L", 0x0700),
    ("Shift_R", 0x0700),
    ("ISO_Level3_Shift", 0x0701),
    ("Mode_switch", 0x0701),
    ("ISO_Level3_Lock", 0x0a01),
    ("ISO_Level3_Latch", 0x0c01),
    ("ISO_Level2_Latch", 0x0c00),
    ("Control_L", 0x0702),
    ("Control_R", 0x0702),
    ("Alt_L", 0x0703),
    ("Alt_R", 0x0703),
    ("Meta_L", 0x0703),
    ("Meta_R", 0x0703),
    ("Super_L", 0x0703),
    ("Super_R", 0x0703),
    ("Caps_Lock", CAPS_LOCK),
    ("Multi_key", 0x020e),
];
/// XKB's names of dead keys, in the order of the console's values.
const DEAD: [&str; 27] = [
    "grave",
    "acute",
    "circumflex",
    "tilde",
    "diaeresis",
    "cedilla",
    "macron",
    "breve",
    "abovedot",
    "abovering",
    "doubleacute",
    "caron",
    "ogonek",
    "iota",
    "voiced_sound",
    "semivoiced_sound",
    "belowdot",
    "hook",
    "horn",
    "stroke",
    "abovecomma",
    "abovereversedcomma",
    "doublegrave",
    "invertedbreve",
    "belowcomma",
    "currency",
    "greek",
];
const KT_DEAD: u16 = 0x0400;
/// What a keyboard of the United States has, by keycode: rows of the first keycode and the characters.
const UNITED_STATES: [(u8, &str, &str); 4] = [
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
];

/// Held, set for one key, and locked: left Shift, which stands for the second layout.
pub(super) const GROUP_SHIFT: u16 = 0x0704;
pub(super) const GROUP_LATCH: u16 = 0x0c04;
pub(super) const GROUP_LOCK: u16 = 0x0a04;

/// The code of what leads from one layout to the other, with two layouts; `is_second`: seen from the second one. What leads to the
/// layout that there is already does nothing.
pub(super) fn switch(name: &str, is_second: bool) -> Option<u16> {
    Some(match name {
        "Mode_switch" | "ISO_Group_Shift" => GROUP_SHIFT,
        "ISO_Group_Latch" => GROUP_LATCH,
        "ISO_Group_Lock"
        | "ISO_Next_Group"
        | "ISO_Next_Group_Lock"
        | "ISO_Prev_Group"
        | "ISO_Prev_Group_Lock" => GROUP_LOCK,
        "ISO_First_Group" | "ISO_First_Group_Lock" if is_second => GROUP_LOCK,
        "ISO_Last_Group" | "ISO_Last_Group_Lock" if !is_second => GROUP_LOCK,
        "ISO_First_Group" | "ISO_First_Group_Lock" | "ISO_Last_Group" | "ISO_Last_Group_Lock" => {
            Keysym::VOID.0
        }
        _ => return None,
    })
}

/// The code of what is no character; `caps`: whether Caps Lock has tables of its own.
pub(super) fn action(name: &str, caps: bool) -> Option<u16> {
    if let Some(accent) = name.strip_prefix("dead_") {
        let found = DEAD.iter().position(|known| *known == accent);
        return found.map(|value| KT_DEAD | value as u16);
    }
    let found = ACTIONS.iter().find(|(known, _)| *known == name);
    found.map(|&(_, code)| {
        if code == CAPS_LOCK && caps {
            CONTROL_L_LOCK
        } else {
            code
        }
    })
}

/// A character's code in Unicode mode; `None` for one that no key can have.
pub(super) fn code(character: char) -> Option<u16> {
    let code_point = u32::from(character);
    let has_case = character.is_lowercase() || character.is_uppercase();
    match u16::try_from(code_point).ok()? {
        point @ ..0x80 if has_case => Some(KT_LETTER | point),
        point @ ..0x80 => Some(point),
        point @ ..0x100 if has_case => Some(KT_LETTER | point),
        point if code_point < CODE_POINT_LIMIT => Some(point ^ 0xf000),
        _ => None,
    }
}

/// What a keyboard of the United States types.
pub(super) fn united_states(keycode: u8, shifted: bool) -> Option<char> {
    UNITED_STATES.iter().find_map(|&(first, plain, upper)| {
        let index = keycode.checked_sub(first)?;
        let row = if shifted { upper } else { plain };
        row.chars().nth(index.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_keys() {
        assert_eq!(code('a'), Some(0x0b61));
        assert_eq!(code('ñ'), Some(0x0bf1));
        assert_eq!(code('€'), Some(0xd0ac));
        assert_eq!(code('\u{fdfc}'), None);
        assert_eq!(united_states(16, false), Some('q'));
        assert_eq!(united_states(53, true), Some('?'));
        assert_eq!(action("dead_caron", false), Some(0x040b));
        assert_eq!(action("Caps_Lock", true), Some(CONTROL_L_LOCK));
    }
}
