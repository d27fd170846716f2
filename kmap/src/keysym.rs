//! Keysyms: what a name, a number or a code point stands for.
//!
//! A key's action is a 16-bit code. Below 0x1000 it is `TTVV`: a type (`KT_*` in the kernel's `linux/keyboard.h`) and a
//! value. From 0x1000 up it is a Unicode code point exclusive-or 0xF000, so that U+00E9 is 0xF0E9.
//!
//! What a name stands for depends on the mode (8-bit or Unicode) and on the charset in force. The tables are facts that were
//! measured on `loadkeys`; `data/keysyms/README.md` says how. `build.rs` makes sorted arrays of them.

use std::fmt;

mod tables {
    use super::{Charset, Codes, Exception, Name};
    include!(concat!(env!("OUT_DIR"), "/keysym_tables.rs"));
}
use tables::{CHARSETS, CODE_POINTS, EXCEPTIONS, NAMES, PREFIXES};

/// The first code that is a Unicode code point.
const FIRST_UNICODE: u32 = 0x1000;
/// What a code point is combined with (exclusive or) to become a code.
const UNICODE_BITS: u32 = 0xf000;
/// Stands for "unknown here" in the generated tables.
const NONE: u16 = 0xffff;

/// A character, which Caps Lock does not change.
pub(crate) const LATIN: u32 = 0;
/// A string that `string F1 = "…"` sets.
pub(crate) const FUNCTION: u32 = 1;
/// A character with Escape before it, or with its top bit set.
pub(crate) const META: u32 = 8;
/// A character that Caps Lock changes.
pub(crate) const LETTER: u32 = 11;
/// A diacritic: `dead2_NAME`.
const DEAD2: u32 = 13;

/// What a key does: the 16-bit code that the kernel's `KDSKBENT` takes.
///
/// ```
/// use kmap::Keysym;
///
/// assert_eq!(Keysym(0x0b61).kind(), 11); // KT_LETTER
/// assert_eq!(Keysym(0x0b61).value(), b'a');
/// assert_eq!(Keysym(0xf0e9).code_point(), Some('é'));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keysym(pub u16);

impl Keysym {
    /// `VoidSymbol`: the key does nothing. Also what a key has that the keymap does not mention.
    pub const VOID: Keysym = Keysym(0x0200);

    /// The type, `KT_*` in `linux/keyboard.h`; 16 and above where the code is a Unicode code point.
    pub fn kind(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// The value within its type: a byte, a function key's number, and so on.
    pub fn value(self) -> u8 {
        (self.0 & 0xff) as u8
    }

    /// The character, where the code is a Unicode code point (U+0000 to U+EFFF).
    pub fn code_point(self) -> Option<char> {
        let code = u32::from(self.0);
        (code >= FIRST_UNICODE)
            .then_some(code ^ UNICODE_BITS)
            .and_then(char::from_u32)
    }
}

/// A code while the keymap is being compiled. It may be wider than 16 bits: `loadkeys` minds that only if the key is
/// still bound to it at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    pub(crate) const VOID: Code = Code(0x0200);

    pub(crate) fn new(kind: u32, value: u32) -> Self {
        Code(kind << 8 | value)
    }

    pub(crate) fn unicode(code_point: u32) -> Self {
        Code(code_point ^ UNICODE_BITS)
    }

    pub(crate) fn kind(self) -> u32 {
        self.0 >> 8
    }

    pub(crate) fn value(self) -> u32 {
        self.0 & 0xff
    }

    /// The byte, where this is a character with or without Caps Lock.
    pub(crate) fn character(self) -> Option<u32> {
        matches!(self.kind(), LATIN | LETTER).then(|| self.value())
    }
}

struct Charset {
    name: &'static str,
    /// What the bytes from 0x80 up stand for.
    upper: [u16; 128],
}

#[derive(Clone, Copy)]
struct Codes {
    eight_bit: u16,
    unicode: u16,
}

struct Name {
    name: &'static str,
    codes: Codes,
    /// The range of `EXCEPTIONS` that concerns this name.
    exceptions: (u16, u16),
    /// Whether kbd 2.5.1 lacks it.
    newer: bool,
}

struct Exception {
    charset: u8,
    codes: Codes,
}

/// The charset of a keymap that names none: ISO 8859-1.
const DEFAULT_CHARSET: u8 = 0;
/// The charset whose name ends Unicode mode.
const LATIN_1: &str = "iso-8859-1";

/// Why a name or a number has no code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// No such name, or not in this mode and charset.
    Name,
    /// The code point has a name, but the charset has no byte for it.
    CodePoint { code_point: u32, name: &'static str },
}

/// Resolves names and numbers for one mode and the charset in force.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    charset: u8,
    unicode: bool,
    /// `Meta_` before a name that is none is an error in Unicode mode, too.
    strict: bool,
}

impl Resolver {
    /// For Unicode mode that nobody has asked for: what is wrong in 8-bit mode, and only silently so in this one, is an error.
    pub(crate) fn automatic() -> Self {
        Self {
            strict: true,
            ..Self::new(true)
        }
    }

    pub(crate) fn new(unicode: bool) -> Self {
        Self {
            charset: DEFAULT_CHARSET,
            unicode,
            strict: false,
        }
    }

    /// Whether codes are Unicode at this point of the keymap.
    pub(crate) fn is_unicode(&self) -> bool {
        self.unicode
    }

    pub(crate) fn charset(&self) -> &'static str {
        match CHARSETS.get(usize::from(self.charset)) {
            Some(charset) if self.charset != DEFAULT_CHARSET => charset.name,
            _ => LATIN_1,
        }
    }

    /// `charset "NAME"`. Returns whether there is such a charset.
    pub(crate) fn set_charset(&mut self, name: &[u8]) -> bool {
        if name.eq_ignore_ascii_case(LATIN_1.as_bytes()) {
            // Whoever names ISO 8859-1 wants bytes, so loadkeys leaves Unicode mode here, for good.
            *self = Self::new(false);
            return true;
        }
        let known = CHARSETS.iter().skip(1);
        let found = (1..)
            .zip(known)
            .find(|(_, charset)| name.eq_ignore_ascii_case(charset.name.as_bytes()));
        if let Some((index, _)) = found {
            self.charset = index;
        }
        found.is_some()
    }

    /// What a name stands for.
    pub(crate) fn name(&self, name: &[u8]) -> Result<Code, Unresolved> {
        if let Some(entry) = find(name) {
            return self.pick(entry, self.unicode).ok_or(Unresolved::Name);
        }
        if let Some(base) = name.strip_prefix(b"Meta_") {
            return match self.byte(base) {
                Some(byte) => Ok(Code::new(META, byte)),
                // loadkeys -u binds the key to nul here and says nothing.
                None if self.unicode && (!self.strict || self.is_known(base)) => Ok(Code(0)),
                _ => Err(Unresolved::Name),
            };
        }
        if let Some(base) = name.strip_prefix(b"dead2_") {
            let byte = self.byte(base).ok_or(Unresolved::Name)?;
            return Ok(Code::new(DEAD2, byte));
        }
        Err(Unresolved::Name)
    }

    /// Whether a name stands for anything in some mode and charset, with any number of `Meta_` before it.
    fn is_known(&self, name: &[u8]) -> bool {
        let mut base = name;
        while let Some(rest) = base.strip_prefix(b"Meta_") {
            base = rest;
        }
        let accent = base.strip_prefix(b"dead2_");
        find(base).is_some() || accent.is_some_and(|accent| self.byte(accent).is_some())
    }

    /// What a number, or a code point already turned into a code, stands for: characters change sides so that they fit
    /// the mode.
    pub(crate) fn number(&self, code: Code) -> Result<Code, Unresolved> {
        let is_unicode = code.0 >= FIRST_UNICODE;
        let code_point = code.0 ^ UNICODE_BITS;
        if is_unicode && code_point < 0x80 {
            return Ok(Code(code_point));
        }
        match (is_unicode, self.unicode) {
            (true, false) => self.to_eight_bit(code),
            (false, true) => Ok(self.to_unicode(code)),
            _ => Ok(code),
        }
    }

    /// What `+` before a keysym makes of it: a letter, which Caps Lock changes. Where that cannot be, `+` is ignored.
    pub(crate) fn letter(&self, code: Code) -> Result<Code, Unresolved> {
        let code_point = code.0 ^ UNICODE_BITS;
        if code.kind() == LATIN && (!self.unicode || code.0 < 0x80) {
            Ok(Code::new(LETTER, code.value()))
        } else if code_point < 0x100 {
            Ok(Code::new(LETTER, code_point))
        } else {
            self.number(code)
        }
    }

    fn to_eight_bit(&self, code: Code) -> Result<Code, Unresolved> {
        let code_point = code.0 ^ UNICODE_BITS;
        let Ok(key) = u16::try_from(code_point) else {
            return Ok(code);
        };
        let Ok(found) = CODE_POINTS.binary_search_by_key(&key, |&(point, _)| point) else {
            return Ok(code);
        };
        let entry = CODE_POINTS
            .get(found)
            .and_then(|&(_, name)| NAMES.get(usize::from(name)));
        let Some(entry) = entry else {
            return Ok(code);
        };
        self.pick(entry, false).ok_or(Unresolved::CodePoint {
            code_point,
            name: entry.name,
        })
    }

    fn to_unicode(&self, code: Code) -> Code {
        let upper = code.character().and_then(|byte| byte.checked_sub(0x80));
        let code_point = upper.and_then(|index| {
            let charset = CHARSETS.get(usize::from(self.charset))?;
            charset.upper.get(index as usize).copied()
        });
        match code_point {
            None | Some(NONE) => code,
            Some(point @ ..0x100) if code.kind() == LETTER => Code::new(LETTER, point.into()),
            Some(point) => Code::unicode(point.into()),
        }
    }

    /// The byte that `Meta_` and `dead2_` build upon.
    fn byte(&self, name: &[u8]) -> Option<u32> {
        let code = self.pick(find(name)?, false)?;
        (code.kind() == LATIN).then(|| code.value())
    }

    fn pick(&self, entry: &Name, unicode: bool) -> Option<Code> {
        let (first, end) = entry.exceptions;
        let exceptions = EXCEPTIONS.get(usize::from(first)..usize::from(end));
        let codes = exceptions
            .unwrap_or_default()
            .iter()
            .find(|exception| exception.charset == self.charset)
            .map_or(entry.codes, |exception| exception.codes);
        let code = if unicode {
            codes.unicode
        } else {
            codes.eight_bit
        };
        (code != NONE).then(|| Code(code.into()))
    }
}

fn find(name: &[u8]) -> Option<&'static Name> {
    // The names are in byte order, so those with the same first eight bytes are neighbours.
    let prefix = (0..8).fold(0, |sum, index| {
        sum << 8 | u64::from(name.get(index).copied().unwrap_or(0))
    });
    let first = PREFIXES.partition_point(|known| *known < prefix);
    let same = PREFIXES
        .get(first..)?
        .iter()
        .take_while(|known| **known == prefix);
    let candidates = NAMES.get(first..)?.iter().zip(same);
    let mut names = candidates.map(|(entry, _)| entry);
    names.find(|entry| entry.name.as_bytes() == name)
}

/// Whether the other mode knows the name: the reason why a keymap needs `-u`.
pub(crate) fn known_in_unicode(name: &[u8]) -> bool {
    find(name).is_some_and(|entry| entry.codes.unicode != NONE)
}

/// All names, in byte order. `Meta_NAME` and `dead2_NAME` exist besides for every name of a character.
///
/// ```
/// assert!(kmap::keysym_names().any(|name| name == "Escape"));
/// ```
pub fn keysym_names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|entry| entry.name)
}

/// The names that kbd 2.5.1 has too.
pub(crate) fn settled_names() -> impl Iterator<Item = &'static str> {
    let settled = NAMES.iter().filter(|entry| !entry.newer);
    settled.map(|entry| entry.name)
}

impl fmt::Display for Keysym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(unicode: bool, charset: &str, name: &str) -> Option<u32> {
        let mut resolver = Resolver::new(unicode);
        assert!(charset.is_empty() || resolver.set_charset(charset.as_bytes()));
        resolver.name(name.as_bytes()).ok().map(|code| code.0)
    }

    #[test]
    fn the_tables_are_in_order() {
        assert!(NAMES.is_sorted_by(|a, b| a.name.as_bytes() < b.name.as_bytes()));
        assert!(CODE_POINTS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_name_depends_on_mode_and_charset() {
        assert_eq!(code(false, "", "eacute"), Some(0x00e9));
        assert_eq!(code(true, "", "eacute"), Some(0xf0e9));
        assert_eq!(code(true, "ISO-8859-1", "eacute"), Some(0x00e9));
        assert_eq!(code(false, "", "mu"), Some(0x00b5));
        assert_eq!(code(false, "iso-8859-7", "mu"), Some(0x00ec));
        assert_eq!(code(false, "", "Alpha"), None);
    }

    #[test]
    fn meta_and_dead2_are_computed() {
        assert_eq!(code(false, "", "Meta_a"), Some(0x0861));
        assert_eq!(code(true, "", "Meta_F1"), Some(0));
        assert_eq!(code(false, "", "Meta_F1"), None);
        assert_eq!(code(true, "", "Meta_"), Some(0x0880));
        assert_eq!(code(true, "", "dead2_eacute"), Some(0x0de9));
        assert_eq!(code(true, "", "dead2_F1"), None);
    }

    /// Nobody has asked for Unicode mode: `Meta_` before a name is nul, before anything else a slip.
    #[test]
    fn automatic_mode_takes_meta_before_every_name() {
        let resolver = Resolver::automatic();
        for (name, is_known) in [
            ("Meta_F1", true),
            ("Meta_Meta_a", true),
            ("Meta_Meta_Meta_F1", true),
            ("Meta_dead2_a", true),
            ("Meta_x1", false),
            ("Meta_Meta_x1", false),
            ("Meta_dead2_F1", false),
        ] {
            let found = resolver.name(name.as_bytes());
            let expected = if is_known {
                Ok(Code(0))
            } else {
                Err(Unresolved::Name)
            };
            assert_eq!(found, expected, "{name}");
            assert_eq!(code(true, "", name), Some(0), "{name}");
        }
    }

    #[test]
    fn numbers_change_sides() {
        let number = |unicode, code| Resolver::new(unicode).number(Code(code)).map(|code| code.0);
        assert_eq!(number(true, 0xe9), Ok(0xf0e9));
        assert_eq!(number(true, 0x0be9), Ok(0x0be9));
        assert_eq!(number(false, 0xd0ac), Ok(0x00a4)); // U+20AC, the euro sign
        assert_eq!(number(false, 0xf041), Ok(0x41));
        assert_eq!(number(false, 0x4e00 ^ 0xf000), Ok(0xbe00));
        let unresolved = Unresolved::CodePoint {
            code_point: 0x431,
            name: "cyrillic_small_letter_be",
        };
        assert_eq!(number(false, 0x431 ^ 0xf000), Err(unresolved));
    }
}
