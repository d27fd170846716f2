//! What is printed on a key for one keysym.

use crate::Keysym;

/// The combining characters of the kernel's dead keys, by the keysym's value.
const DEAD: [char; 27] = [
    '\u{300}', '\u{301}', '\u{302}', '\u{303}', '\u{308}', '\u{327}', '\u{304}', '\u{306}',
    '\u{307}', '\u{30a}', '\u{30b}', '\u{30c}', '\u{328}', '\u{345}', '\u{3099}', '\u{309a}',
    '\u{323}', '\u{309}', '\u{31b}', '\u{335}', '\u{313}', '\u{314}', '\u{30f}', '\u{311}',
    '\u{326}', '¤', 'α',
];
/// The same accents standing by themselves, as they are printed on keys; those without such a form keep the dotted circle.
const SPACING: [char; 16] = [
    '`', '´', '^', '~', '¨', '¸', '¯', '˘', '˙', '˚', '˝', 'ˇ', '˛', 'ͺ', '゛', '゜',
];
const KT_SPEC: u8 = 2;
const KT_DEAD: u8 = 4;
const KT_SHIFT: u8 = 7;
const KT_LOCK: u8 = 10;
const MODIFIERS: [&str; 9] = [
    "Shift", "AltGr", "Ctrl", "Alt", "Shift", "Shift", "Ctrl", "Ctrl", "Shift",
];

/// A label: one character, or a word for a key that does something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Label {
    /// Empty where the key does nothing.
    pub(super) text: String,
    /// The key waits for the next one.
    pub(super) dead: bool,
    /// The accent of a dead key by itself, where it can be told from an ordinary one by its colour.
    pub(super) accent: Option<char>,
    /// A word and not a character.
    pub(super) word: bool,
}

impl Label {
    pub(super) fn new(keysym: Keysym) -> Self {
        if let Some(accent) = keysym.dead() {
            let combining = (keysym.kind() == KT_DEAD)
                .then(|| DEAD.get(usize::from(keysym.value())))
                .flatten();
            let text = match combining {
                Some(mark) if is_combining(*mark) => format!("◌{mark}"),
                Some(mark) => mark.to_string(),
                None => accent.to_string(),
            };
            let spacing = SPACING.get(usize::from(keysym.value())).copied();
            return Self {
                text,
                dead: true,
                accent: spacing.filter(|_| combining.is_some()),
                word: false,
            };
        }
        if let Some(word) = word(keysym) {
            return Self {
                text: word.to_owned(),
                word: true,
                ..Self::default()
            };
        }
        let text = match keysym.character() {
            Some(character) if character.is_control() => String::new(),
            Some(character) if is_combining(character) => format!("◌{character}"),
            Some('\u{a0}') => "⍽".to_owned(),
            Some(' ') => "␣".to_owned(),
            Some(character) => character.to_string(),
            None => String::new(),
        };
        Self {
            text,
            ..Self::default()
        }
    }

    /// The columns that it takes on a terminal.
    pub(super) fn width(&self) -> usize {
        self.text.chars().map(width).sum()
    }
}

fn word(keysym: Keysym) -> Option<&'static str> {
    Some(match (keysym.kind(), keysym.value()) {
        (KT_SPEC, 1) => "Enter",
        (KT_SPEC, 7 | 11) => "Caps",
        (KT_SPEC, 8) => "Num",
        (KT_SPEC, 14) => "Compose",
        (KT_SHIFT, value) => return MODIFIERS.get(usize::from(value)).copied(),
        (KT_LOCK, 1) => "AltGr⇩",
        (KT_LOCK, _) => "Lock",
        (0, 0x08 | 0x7f) => "⌫",
        (0, 0x09) => "Tab",
        (0, 0x0a | 0x0d) => "Enter",
        (0, 0x1b) => "Esc",
        _ => return None,
    })
}

/// Characters that sit on the one before them.
fn is_combining(character: char) -> bool {
    matches!(u32::from(character),
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f | 0x670 | 0x6d6..=0x6dc
        | 0x900..=0x903 | 0x93a..=0x93c | 0x93e..=0x94f | 0x981..=0x983 | 0x9bc | 0x9be..=0x9cd | 0xe31 | 0xe34..=0xe3a
        | 0xe47..=0xe4e | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2069
        | 0x20d0..=0x20ff | 0x3099..=0x309a | 0xfe20..=0xfe2f)
}

/// The columns of a character on a terminal.
fn width(character: char) -> usize {
    match u32::from(character) {
        _ if is_combining(character) => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xff01..=0xff60 => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        let text = |code| Label::new(Keysym(code)).text;
        assert_eq!(text(0x0b61), "a");
        assert_eq!(text(0x0401), "◌\u{301}");
        assert_eq!(text(0xd0ac), "€");
        assert_eq!(text(0x0200), "");
        assert_eq!(text(0x0702), "Ctrl");
        assert_eq!(text(0x0001), "");
        assert_eq!(Label::new(Keysym(0x0401)).width(), 1);
    }
}
