//! From a code back to text: the keysym that a reader expects where several mean the same.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::Keysym;
use crate::keysym::{Code, LATIN, LETTER, META, Resolver, settled_names};

/// Of several names for one code, these are the ones that keymaps use; of others the shortest is taken.
const USUAL: [&str; 28] = [
    "AltGr",
    "AltGr_Lock",
    "Alt",
    "BackSpace",
    "Control",
    "Delete",
    "Escape",
    "Find",
    "Home",
    "Insert",
    "Linefeed",
    "Next",
    "Prior",
    "Remove",
    "Select",
    "Shift",
    "Tab",
    "apostrophe",
    "asciicircum",
    "asciitilde",
    "dead_cedilla",
    "dead_circumflex",
    "dead_tilde",
    "grave",
    "nul",
    "onesuperior",
    "space",
    "underscore",
];

/// The names for the codes of one mode, without a charset.
pub(crate) struct Names {
    unicode: bool,
    by_code: HashMap<u32, &'static str>,
}

impl Names {
    pub(crate) fn new(unicode: bool) -> Self {
        let resolver = Resolver::new(unicode);
        let in_unicode = Resolver::new(true);
        // An 8-bit code is as a rule Latin-1's, although other charsets' names give it, too.
        let is_other = |name: &str, code: Code| {
            let meant = in_unicode.name(name.as_bytes());
            !unicode && meant.is_ok_and(|meant| meant.value() != code.value())
        };
        let rank = |name: &'static str, code| (is_other(name, code), rank(name));
        let mut by_code: HashMap<u32, &'static str> = HashMap::new();
        for name in settled_names() {
            let Ok(code) = resolver.name(name.as_bytes()) else {
                continue;
            };
            let best = by_code.entry(code.0).or_insert(name);
            if rank(name, code) < rank(best, code) {
                *best = name;
            }
        }
        Self { unicode, by_code }
    }

    /// The names of 8-bit mode.
    pub(crate) fn eight_bit() -> &'static Self {
        static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(false));
        &NAMES
    }

    /// The name that stands for exactly this code.
    pub(crate) fn get(&self, code: Code) -> Option<&'static str> {
        // These are keywords wherever they stand.
        let name = self.by_code.get(&code.0).copied();
        name.filter(|name| !matches!(*name, "to" | "To" | "TO" | "string" | "String" | "STRING"))
    }

    /// What a keymap writes for a code: a name, `+name`, `Meta_name`, `U+XXXX` or a number. `None` where nothing in the
    /// language gives this code in this mode.
    pub(crate) fn text(&self, code: Code) -> Option<String> {
        if let Some(name) = self.get(code) {
            return Some(name.to_owned());
        }
        let byte = code.value();
        let character = || match self.unicode && byte >= 0x80 {
            true => self.get(Code::unicode(byte)),
            false => self.get(Code::new(LATIN, byte)),
        };
        let resolver = Resolver::new(self.unicode);
        let candidates = [
            (code.kind() == LETTER).then(|| character().map(|name| format!("+{name}"))),
            (code.kind() == META).then(|| character().map(|name| format!("Meta_{name}"))),
        ];
        if let Some(text) = candidates.into_iter().flatten().flatten().next()
            && (code.kind() == LETTER || resolver.name(text.as_bytes()) == Ok(code))
        {
            return Some(text);
        }
        let is_same = resolver.number(code) == Ok(code);
        is_same.then(|| match code.0 ^ 0xf000 {
            code_point if self.unicode && code.0 >= 0x1000 => format!("U+{code_point:04x}"),
            _ => format!("{:#06x}", code.0),
        })
    }
}

impl Keysym {
    /// Its name, or the number where it has none: `Escape`, `+eacute`, `U+4e00`, `0x0215`.
    ///
    /// ```
    /// assert_eq!(kmap::Keysym(0x0702).describe(), "Control");
    /// ```
    pub fn describe(self) -> String {
        static UNICODE: LazyLock<Names> = LazyLock::new(|| Names::new(true));
        let code = Code(self.0.into());
        let text = UNICODE.text(code).or_else(|| Names::eight_bit().text(code));
        text.unwrap_or_else(|| self.to_string())
    }
}

fn rank(name: &str) -> (bool, usize, &str) {
    (!USUAL.contains(&name), name.len(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_names_the_usual_one_is_taken() {
        let eight_bit = Names::new(false);
        for (code, name) in [
            (0x0b1, "plusminus"),
            (0x0b7, "periodcentered"),
            (0x0e6, "ae"),
            (0xb61, "a"),
            (0x402, "dead_circumflex"),
            (0x403, "dead_tilde"),
        ] {
            let text = eight_bit.text(Code(code)).unwrap();
            assert_eq!(text.trim_start_matches('+'), name);
        }
        assert_eq!(
            Names::new(true).text(Code::unicode(0x105)).unwrap(),
            "aogonek"
        );
    }

    /// Every text stands for its code again.
    #[test]
    fn texts_resolve_to_their_codes() {
        for unicode in [false, true] {
            let names = Names::new(unicode);
            let resolver = Resolver::new(unicode);
            let mut without = 0;
            for code in (0..=0xffff).map(Code) {
                let Some(text) = names.text(code) else {
                    without += 1;
                    continue;
                };
                let back = match (
                    text.strip_prefix('+'),
                    text.strip_prefix("U+"),
                    text.strip_prefix("0x"),
                ) {
                    (_, Some(hex), _) => {
                        resolver.number(Code::unicode(u32::from_str_radix(hex, 16).unwrap()))
                    }
                    (Some(name), ..) => resolver
                        .name(name.as_bytes())
                        .and_then(|code| resolver.letter(code)),
                    (_, _, Some(hex)) => {
                        resolver.number(Code(u32::from_str_radix(hex, 16).unwrap()))
                    }
                    _ => resolver.name(text.as_bytes()),
                };
                assert_eq!(back, Ok(code), "{text}");
            }
            // Bytes above ASCII in Unicode mode, ASCII as code points, code points with a byte in 8-bit mode.
            assert!(without < 1000, "{without}");
        }
    }

    #[test]
    fn the_usual_names_are_taken() {
        let names = Names::new(true);
        let text = |code| names.text(Code(code)).unwrap();
        assert_eq!(text(0x0702), "Control");
        assert_eq!(text(0x0b61), "+a");
        assert_eq!(text(0x0be9), "+eacute");
        assert_eq!(text(0x0861), "Meta_a");
        assert_eq!(text(0xf0e9), "eacute");
        assert_eq!(text(0x007e), "asciitilde");
        assert_eq!(text(0x4e00 ^ 0xf000), "U+4e00");
        assert_eq!(text(0x0200), "VoidSymbol");
    }
}
