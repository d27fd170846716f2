//! Names of files, which may be any bytes, as text: without loss, and as people see them.
//!
//! A byte that is not UTF-8 stands as a character of its own, U+10FF80 to U+10FFFF, the last ones of Unicode's private use. So two
//! names never become one, and each text is the name that it came from.

use std::borrow::Cow;
use std::str::from_utf8;

/// The character that a byte from 0x80 on is added to.
const BASE: u32 = 0x10_FF00;

/// What all these characters begin with in UTF-8, and hardly any other one does.
const LEAD: u8 = 0xF4;

/// The text for a name.
///
/// ```
/// use codec::names;
/// let name = b"caf\xe9";
/// assert_eq!(names::text(b"cafe"), "cafe");
/// assert_eq!(names::bytes(&names::text(name)), &name[..]);
/// assert_eq!(names::shown(&names::text(name)), r"caf\xe9");
/// ```
pub fn text(name: &[u8]) -> Cow<'_, str> {
    match from_utf8(name) {
        Ok(text) if memchr::memchr(LEAD, name).is_none() => Cow::Borrowed(text),
        _ => Cow::Owned(one_by_one(name)),
    }
}

fn one_by_one(name: &[u8]) -> String {
    let mut text = String::new();
    let characters = |bytes: &[u8]| -> String {
        let characters = bytes.iter().map(|byte| BASE + u32::from(*byte));
        characters.filter_map(char::from_u32).collect()
    };
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match byte(character) {
                // The name has such a character itself.
                Some(_) => text += &characters(character.encode_utf8(&mut [0; 4]).as_bytes()),
                None => text.push(character),
            }
        }
        text += &characters(chunk.invalid());
    }
    text
}

/// The name that a text is.
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    if memchr::memchr(LEAD, text.as_bytes()).is_none() {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut name = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte(character) {
            Some(byte) => name.push(byte),
            None => name.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(name)
}

/// A text of names that shows what it is and cannot drive a terminal: `\xe9`, `\u{1b}`, `\n`.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match byte(character) {
            Some(byte) => shown += &format!("\\x{byte:02x}"),
            None if character.is_control() => shown.extend(character.escape_default()),
            None => shown.push(character),
        }
    }
    shown
}

/// The byte that a character stands for.
fn byte(character: char) -> Option<u8> {
    let byte = u32::from(character).checked_sub(BASE)?;
    u8::try_from(byte).ok().filter(|byte| *byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_what_its_text_stands_for(
            name in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xF4), Just(0x8F), Just(0xBF)], 0..12)
        ) {
            let text = text(&name);
            prop_assert_eq!(&*bytes(&text), &*name);
        }

        #[test]
        fn characters_of_the_private_use_stay_what_they_are(name in "[a\u{10FF7F}-\u{10FFFF}]{0,4}") {
            let text = text(name.as_bytes());
            prop_assert_eq!(&*bytes(&text), name.as_bytes());
        }
    }

    #[test]
    fn what_is_no_text_and_what_drives_a_terminal_is_shown() {
        assert_eq!(
            shown(&text(b"\xff\x1b[2J\n\xc3\xa9")),
            "\\xff\\u{1b}[2J\\né"
        );
    }
}
