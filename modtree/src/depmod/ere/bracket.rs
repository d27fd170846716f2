//! What stands between brackets: `[^a-z[:digit:][.x.][=y=]]`.

/// The members of a set, by byte.
pub(super) type Members = Box<[bool; 256]>;

/// Whether a byte is in a class.
type Class = fn(&u8) -> bool;

const CLASSES: [(&[u8], Class); 12] = [
    (b"digit", u8::is_ascii_digit),
    (b"alpha", u8::is_ascii_alphabetic),
    (b"alnum", u8::is_ascii_alphanumeric),
    (b"lower", u8::is_ascii_lowercase),
    (b"upper", u8::is_ascii_uppercase),
    (b"space", |byte| matches!(byte, b' ' | b'\t'..=b'\r')),
    (b"blank", |byte| matches!(byte, b' ' | b'\t')),
    (b"punct", u8::is_ascii_punctuation),
    (b"xdigit", u8::is_ascii_hexdigit),
    (b"cntrl", u8::is_ascii_control),
    (b"graph", u8::is_ascii_graphic),
    (b"print", |byte| matches!(byte, b' '..=b'~')),
];

/// One item of a set.
enum Item {
    /// A byte, which may begin a range.
    Byte(u8),
    Class(Class),
}

/// Reads a set from behind its opening bracket; gives its members and its length with the closing one.
///
/// # Errors
/// What is wrong, in a few words.
pub(super) fn bracket(text: &[u8]) -> Result<(Members, usize), &'static str> {
    let mut members = Box::new([false; 256]);
    let negated = text.first() == Some(&b'^');
    let first = usize::from(negated);
    let mut at = first;
    while text.get(at) != Some(&b']') || at == first {
        let (low, length) = item(&text[at..])?;
        at += length;
        let is_range = matches!(text.get(at..), Some([b'-', end, ..]) if *end != b']');
        match low {
            Item::Class(_) if is_range => return Err("a class in a range"),
            Item::Class(class) => {
                (0..=255).for_each(|byte| members[usize::from(byte)] |= class(&byte))
            }
            Item::Byte(low) => {
                let high = match is_range {
                    true => {
                        let (high, length) = item(&text[at + 1..])?;
                        at += 1 + length;
                        high
                    }
                    false => Item::Byte(low),
                };
                match high {
                    Item::Class(_) => return Err("a class in a range"),
                    Item::Byte(high) if high < low => {
                        return Err("a range that ends before it begins");
                    }
                    Item::Byte(high) => {
                        (low..=high).for_each(|byte| members[usize::from(byte)] = true)
                    }
                }
                let goes_on = matches!(text.get(at..), Some([b'-', end, ..]) if *end != b']');
                if is_range && goes_on {
                    return Err("a range that begins with the end of another one");
                }
            }
        }
    }
    if negated {
        members.iter_mut().for_each(|member| *member = !*member);
    }
    Ok((members, at + 1))
}

/// An item at the beginning of `text`, with its length.
fn item(text: &[u8]) -> Result<(Item, usize), &'static str> {
    let (kind, rest) = match text {
        [b'[', kind @ (b':' | b'.' | b'='), rest @ ..] => (*kind, rest),
        [byte, ..] => return Ok((Item::Byte(*byte), 1)),
        [] => return Err("an unmatched ["),
    };
    let end = rest.windows(2).position(|two| two == [kind, b']']);
    let name = &rest[..end.ok_or("an unmatched [")?];
    let item = match (kind, name) {
        (b':', name) => {
            let known = CLASSES.iter().find(|(known, _)| *known == name);
            Item::Class(known.ok_or("a class that is not known")?.1)
        }
        (_, [byte]) => Item::Byte(*byte),
        _ => return Err("a collating element of several letters, which the C locale lacks"),
    };
    Ok((item, name.len() + 4))
}
