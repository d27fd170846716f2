//! The kinds of problems in words: what is wrong, and the way out.

use std::fmt;

use super::DiagnosticKind;
use crate::render;

/// Why a quoted character does not stand for a key's action.
const QUOTED: &str =
    "a quoted character may stand in a compose line only; use its keysym or its number";

impl DiagnosticKind {
    /// The way out, where there is one: a sentence fragment that reads after `help: `.
    pub fn help(&self) -> Option<String> {
        use DiagnosticKind as Kind;
        Some(match self {
            Kind::Source(error) => return error.help(),
            Kind::IncludeName => "write `include \"FILE\"`".to_owned(),
            Kind::UnknownWord {
                suggestion: Some(word),
                ..
            } => format!("did you mean `{word}`?"),
            Kind::UnknownKeysym {
                unicode: true,
                ended: true,
                ..
            }
            | Kind::NotInCharset { ended: true, .. } => {
                "`charset \"iso-8859-1\"` ends Unicode mode; remove that line".to_owned()
            }
            Kind::UnknownKeysym { unicode: true, .. } | Kind::NotInCharset { .. } => {
                "this map needs Unicode; remove `-8`".to_owned()
            }
            Kind::ShortCodePoint { digits } => format!("write `U+{digits:0>4}`"),
            Kind::Unexpected {
                found: "a quoted character",
                ..
            } => QUOTED.to_owned(),
            Kind::Unexpected { expected, .. } if expected.starts_with("a quoted character") => {
                "write a character between single quotes, as in `'a'`, or as `U+0061`".to_owned()
            }
            Kind::UnknownKeysym {
                suggestion: Some(name),
                ..
            } => format!("did you mean `{name}`?"),
            Kind::CodePointTooLarge { .. } => {
                "the kernel's keys go up to U+EFFF; `--skip-unsupported` leaves such keys out".to_owned()
            }
            Kind::DefinedTwice { line, .. } => format!("line {line} has no effect"),
            Kind::UnreachableMaps { .. } => "`--prune` leaves them out".to_owned(),
            Kind::NotInBinary { .. } => {
                "`--companion` keeps them in a file of their own".to_owned()
            }
            Kind::NoWayBack { name } => {
                format!("put `{name}` on the same key in the tables to which it leads")
            }
            Kind::EightBitLoss { .. } => "compile it with `-u`".to_owned(),
            Kind::StrayByte(b'\'') => QUOTED.to_owned(),
            Kind::StrayByte(byte) if !byte.is_ascii_graphic() => {
                "outside comments and strings, a keymap is plain ASCII text".to_owned()
            }
            Kind::ByteOrderMark { .. } => "save it as UTF-8 without a byte order mark".to_owned(),
            Kind::UnknownCharset { .. } => {
                "the kernel's keymaps know iso-8859-1, -2, -3, -4, -5, -7, -8, -9, -10, -15, mazovia, cp-1250, koi8-r, \
                 koi8-u, tis-620, iso-10646-18, iso-ir-197 and iso-ir-209"
                    .to_owned()
            }
            Kind::TooManyColumns { maps: 0, .. } => {
                "a range has its lower end first, as in `keymaps 0-2`".to_owned()
            }
            Kind::TooManyColumns { numbers, .. } => {
                format!("the `keymaps` line allows only {numbers}; add the others to it, or drop columns")
            }
            Kind::UndeclaredMap { map } => format!("add {map} to the `keymaps` line"),
            _ => return None,
        })
    }
}

impl fmt::Display for DiagnosticKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use DiagnosticKind as Kind;
        match self {
            Kind::Source(error) => write!(f, "{error}"),
            Kind::IncludeName => f.write_str("`include` needs a file name between quotes"),
            Kind::IncludeLoop { path } => write!(f, "`{}` includes itself", render::path(path)),
            Kind::IncludeDepth => f.write_str("includes are nested more than 20 files deep"),
            Kind::TooMuchText => f.write_str(
                "the keymap and its includes are more than 16 MiB or more than 4096 files",
            ),
            Kind::StrayByte(byte) => match byte {
                b'!'..=b'~' => write!(f, "unexpected `{}`", *byte as char),
                _ => write!(f, "unexpected byte {byte:#04x}"),
            },
            Kind::ByteOrderMark { encoding } => {
                write!(f, "the text begins with a byte order mark of {encoding}")
            }
            Kind::UnknownWord { word, .. } => write!(f, "unknown keyword `{word}`"),
            Kind::Unexpected { found, expected } => write!(f, "expected {expected}, found {found}"),
            Kind::NumberTooLarge => f.write_str("the number is above 2147483647"),
            Kind::CodePointTooLarge { code_point } => {
                write!(f, "U+{code_point:04X} cannot be put on a key")
            }
            Kind::OpenString => f.write_str("the string has no closing quote"),
            Kind::OctalTooLarge => f.write_str("the octal number is above \\377"),
            Kind::StringTooLong => f.write_str("the string is longer than 511 bytes"),
            Kind::TooManyValues { what } => write!(f, "more than 4096 {what} on one line"),
            Kind::UnknownKeysym { name, .. } => write!(f, "unknown keysym `{name}`"),
            Kind::NotInCharset {
                code_point,
                name,
                charset,
                ..
            } => write!(f, "U+{code_point:04X} (`{name}`) has no byte in {charset}"),
            Kind::UnknownCharset { name } => write!(f, "unknown charset `{name}`"),
            Kind::NotFunctionKey { name } => write!(f, "`{name}` is not a function key"),
            Kind::UnknownComposeTable { name } => {
                write!(
                    f,
                    "there are no usual compose rules for `{name}`, only for `iso-8859-1`"
                )
            }
            Kind::TooManyRules => {
                f.write_str("more than 65536 compose rules; the kernel takes 256")
            }
            Kind::TooManyColumns { columns, maps, .. } => write!(
                f,
                "{}, but the `keymaps` line has {}",
                counted(*columns, "column"),
                counted(*maps, "map")
            ),
            Kind::ShortCodePoint { digits } => {
                write!(
                    f,
                    "`U+{digits}` is no code point: that has four to six digits"
                )
            }
            Kind::UndeclaredMap { map } => write!(f, "map {map} is not in the `keymaps` line"),
            Kind::MapTooLarge => {
                f.write_str("the maps end at 4095, of which the kernel has 0 to 255")
            }
            Kind::ValueTooLarge { value } => write!(f, "{value} does not fit a key's 16 bits"),
            Kind::TooManyErrors => {
                f.write_str("more than 1000 errors; what follows them was not read")
            }
            Kind::MoreWarnings { count } => write!(f, "{}", counted(*count, "more warning")),
            Kind::MissingNewline => f.write_str("the last line does not end with a newline"),
            Kind::CarriageReturn => f.write_str("lines end with CR LF instead of LF"),
            Kind::StrayBackslash => f.write_str("the backslash has no meaning here"),
            Kind::MetaOfNothing { name } => {
                write!(
                    f,
                    "`{name}` is nul, because only a character of one byte can have Meta"
                )
            }
            Kind::KeycodeTooLarge {
                keycode: keycode @ 0..256,
            } => {
                write!(
                    f,
                    "keycode {keycode} is left out: the binary format ends at 127"
                )
            }
            Kind::KeycodeTooLarge { keycode } => {
                write!(f, "keycode {keycode} is left out: the kernel's end at 255")
            }
            Kind::Skipped(reason) => write!(f, "left out: {reason}"),
            Kind::DefinedTwice { keycode, .. } => write!(f, "keycode {keycode} is defined twice"),
            Kind::UnreachableMaps { maps } => {
                write!(f, "no modifier key of this keymap leads to {maps}")
            }
            Kind::NotInBinary { strings, rules } => write!(
                f,
                "the binary format cannot carry {} and {}",
                counted(*strings, "string"),
                counted(*rules, "compose rule")
            ),
            Kind::NoEnter { keypad: false } => f.write_str("no key gives Enter"),
            Kind::NoEnter { keypad: true } => f.write_str("no key but the keypad's gives Enter"),
            Kind::NoLatin { missing } => {
                write!(
                    f,
                    "these letters cannot be typed with this keymap: {missing}"
                )
            }
            Kind::NoWayBack { name } => {
                write!(f, "no key takes `{name}` back: it locks the user out")
            }
            Kind::EightBitLoss {
                count,
                example: (meant, shown),
            } => write!(
                f,
                "in 8-bit mode, a Unicode console shows {count} other characters than meant, such as `{shown}` for `{meant}`"
            ),
            Kind::LocalPassedOver { name, taken, local } => write!(
                f,
                "`{name}` is `{}`; `./{}` takes the one here",
                render::path(taken),
                render::path(local)
            ),
            Kind::NeedsUnicode(reason) => {
                write!(f, "compiled in Unicode mode: {reason} in 8-bit mode")
            }
        }
    }
}

/// `1 string`, `2 strings`.
fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
