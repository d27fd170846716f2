//! What can be said about a keymap: each kind of problem, its severity, its text, and the shortest input that causes it.
//!
//! A [`Diagnostic`] is complete in itself: it carries the place, the source line and the files through which the place was
//! included, so that it can be shown after everything else is gone. [`Report`] is what a failed compilation returns.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use crate::render;
use crate::source::SourceError;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// The keymap compiles, but perhaps not to what its author meant.
    Warning,
    /// There is no keymap.
    Error,
}

/// Each kind of problem. The text of a kind ([`Display`](fmt::Display)) is a lower-case fragment that reads after
/// `error: `.
///
/// The example of each kind is the shortest keymap that causes it; `⏎` is a line feed. Names of keysyms and files are
/// shown as text; bytes that are not UTF-8 are replaced.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiagnosticKind {
    /// Error. The keymap, or a file that it includes, cannot be found or read. Example: `include "x"⏎`.
    Source(SourceError),
    /// Error. `include` without a file name between quotes. Example: `include⏎`.
    IncludeName,
    /// Error. A file includes itself, directly or through others. Example: `include "a"⏎` in the file `a`.
    IncludeLoop {
        /// The file that is already being read.
        path: PathBuf,
    },
    /// Error. More than 20 files are open at the same time. Example: a chain of 20 includes.
    IncludeDepth,
    /// Error. More than 16 MiB of text, or more than 4096 files, all includes counted. Example: twenty files, each of
    /// which includes the next one twice.
    TooMuchText,
    /// Error. A byte that starts nothing in this language. Example: `*⏎`.
    StrayByte(u8),
    /// Error. A word that is no keyword where only keywords may stand. Example: `x⏎`.
    UnknownWord {
        /// The word.
        word: String,
        /// A keyword that is spelled much like it.
        suggestion: Option<&'static str>,
    },
    /// Error. Something else is needed here. Example: `keycode⏎`.
    Unexpected {
        /// What stands here.
        found: &'static str,
        /// What could stand here.
        expected: &'static str,
    },
    /// Error. A number above 2147483647. Example: `keycode 2147483648 =⏎`.
    NumberTooLarge,
    /// Error. A code point that a key cannot have in the kernel: U+F000 and above. Example: `keycode 1 = U+F000⏎`.
    CodePointTooLarge {
        /// The code point.
        code_point: u32,
    },
    /// Error. A string without its closing quote. Example: `charset "⏎`.
    OpenString,
    /// Error. An octal escape above `\377` in a string. Example: `string F1 = "\400"⏎`.
    OctalTooLarge,
    /// Error. A string of more than 512 bytes, or with 512 bytes in a row without an escape. Example: `charset "aaa…"⏎`.
    StringTooLong,
    /// Error. More than 4096 columns or ranges on one line. Example: `keycode 1 = 0 0 0 …⏎`.
    TooManyValues,
    /// Error. A name that is no keysym in this mode and charset. Example: `keycode 1 = x1⏎`.
    UnknownKeysym {
        /// The name.
        name: String,
        /// A keysym that is spelled much like it.
        suggestion: Option<&'static str>,
        /// Whether Unicode mode knows this very name.
        unicode: bool,
    },
    /// Error. In 8-bit mode: the charset has no byte for the character. Example: `keycode 1 = U+0431⏎`.
    NotInCharset {
        /// The code point.
        code_point: u32,
        /// Its keysym.
        name: &'static str,
        /// The charset in force.
        charset: &'static str,
    },
    /// Error. Example: `charset "x"⏎`.
    UnknownCharset {
        /// The name.
        name: String,
    },
    /// Error. `string` sets the text of function keys only. Example: `string a = ""⏎`.
    NotFunctionKey {
        /// The keysym.
        name: String,
    },
    /// Error. There are ready compose rules for iso-8859-1 only. Example: `compose as usual for "x"⏎`.
    UnknownComposeTable {
        /// The charset that was asked for.
        name: String,
    },
    /// Error. More columns than the `keymaps` lines have maps. Example: `keymaps 0⏎keycode 1 = a b⏎`.
    TooManyColumns {
        /// How many columns the line has.
        columns: usize,
        /// How many maps there are.
        maps: usize,
        /// Their numbers, as a `keymaps` line writes them.
        numbers: String,
    },
    /// Error. A map that the `keymaps` lines leave out. Example: `keymaps 0⏎shift keycode 1 = a⏎`.
    UndeclaredMap {
        /// The map: the sum of its modifiers' weights.
        map: u32,
    },
    /// Error. A map number above 4095; the kernel has 256 maps. Example: `keymaps 4096⏎`.
    MapTooLarge,
    /// Error. A key bound to a number that does not fit 16 bits. Example: `keycode 1 = 65536⏎`.
    ValueTooLarge {
        /// The number.
        value: u32,
    },
    /// Warning. The last line does not end. `loadkeys` rejects that. Example: `alt_is_meta`.
    MissingNewline,
    /// Warning, once a file. Lines end as they do on Windows. `loadkeys` rejects that. Example: `alt_is_meta\r⏎`.
    CarriageReturn,
    /// Warning. A backslash before a character that needs none. Example: `string F1 = "\x"⏎`.
    StrayBackslash,
    /// Warning. `Meta_` before what has no byte, which is nul in Unicode mode. Example: `keycode 1 = Meta_F1⏎` with `-u`.
    MetaOfNothing {
        /// The whole name.
        name: String,
    },
    /// Warning. A key that the binary format has no room for. Example: `keycode 128 = a⏎`.
    KeycodeTooLarge {
        /// The keycode; the last that fits is 127.
        keycode: u32,
    },
    /// Warning. With [`skip_unsupported`](crate::Options::skip_unsupported): a key or a compose rule was left out for the
    /// reason given. Example: `keycode 1 = U+F000⏎`.
    Skipped(Box<DiagnosticKind>),
    /// Warning, as a lint. A line that makes an earlier one of the same file void. Example: `keycode 1 = a⏎keycode 1 = b⏎`.
    DefinedTwice {
        /// The key.
        keycode: u32,
        /// The line of the earlier definition, from 1.
        line: usize,
    },
    /// Warning, as a lint. Tables that no modifier key of the keymap leads to. Example: `keymaps 0-4⏎keycode 1 = a⏎`.
    UnreachableMaps {
        /// Their numbers, as a `keymaps` line writes them.
        maps: String,
    },
    /// Warning, as a lint. What the binary format cannot carry. Example: `strings as usual⏎string F1 = "x"⏎`.
    NotInBinary {
        /// How many strings of function keys there are.
        strings: usize,
        /// How many compose rules.
        rules: usize,
    },
    /// Warning, as a lint. The keymap has no key that ends a line. Example: `keycode 1 = a⏎`.
    NoEnter,
    /// Warning, as a lint. Letters that cannot be typed: whoever logs in with this keymap may not get his name in.
    /// Example: `keycode 28 = Return⏎`.
    NoLatin {
        /// The missing letters, or the first of them.
        missing: String,
    },
    /// Warning, as a lint, in 8-bit mode. Characters that a console in Unicode mode, as all are today, shows as others.
    /// Example: `charset "iso-8859-2"⏎keycode 1 = lstroke⏎`.
    EightBitLoss {
        /// How many.
        count: usize,
        /// One of them: what is meant and what comes out.
        example: (char, char),
    },
    /// Note. Automatic mode took Unicode, because 8-bit mode failed for the reason given.
    NeedsUnicode(Box<DiagnosticKind>),
}

impl DiagnosticKind {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        use DiagnosticKind as Kind;
        match self {
            Kind::NeedsUnicode(_) => Severity::Note,
            Kind::MissingNewline
            | Kind::CarriageReturn
            | Kind::StrayBackslash
            | Kind::MetaOfNothing { .. }
            | Kind::Skipped(_)
            | Kind::KeycodeTooLarge { .. } => Severity::Warning,
            kind if kind.is_lint() => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Whether it is found with [`lints`](crate::Options::lints) only.
    pub fn is_lint(&self) -> bool {
        use DiagnosticKind as Kind;
        matches!(
            self,
            Kind::DefinedTwice { .. }
                | Kind::UnreachableMaps { .. }
                | Kind::NotInBinary { .. }
                | Kind::NoEnter
                | Kind::NoLatin { .. }
                | Kind::EightBitLoss { .. }
        )
    }

    /// A name for programs, which stays the same from release to release: `unknown-keysym`.
    pub fn name(&self) -> &'static str {
        use DiagnosticKind as Kind;
        match self {
            Kind::Source(SourceError::NotFound { .. }) => "not-found",
            Kind::Source(_) => "cannot-read",
            Kind::IncludeName => "include-name",
            Kind::IncludeLoop { .. } => "include-loop",
            Kind::IncludeDepth => "include-depth",
            Kind::TooMuchText => "too-much-text",
            Kind::StrayByte(_) => "stray-byte",
            Kind::UnknownWord { .. } => "unknown-keyword",
            Kind::Unexpected { .. } => "unexpected",
            Kind::NumberTooLarge => "number-too-large",
            Kind::CodePointTooLarge { .. } => "code-point-too-large",
            Kind::OpenString => "open-string",
            Kind::OctalTooLarge => "octal-too-large",
            Kind::StringTooLong => "string-too-long",
            Kind::TooManyValues => "too-many-values",
            Kind::UnknownKeysym { .. } => "unknown-keysym",
            Kind::NotInCharset { .. } => "not-in-charset",
            Kind::UnknownCharset { .. } => "unknown-charset",
            Kind::NotFunctionKey { .. } => "not-a-function-key",
            Kind::UnknownComposeTable { .. } => "unknown-compose-table",
            Kind::TooManyColumns { .. } => "too-many-columns",
            Kind::UndeclaredMap { .. } => "undeclared-map",
            Kind::MapTooLarge => "map-too-large",
            Kind::ValueTooLarge { .. } => "value-too-large",
            Kind::MissingNewline => "missing-newline",
            Kind::CarriageReturn => "carriage-return",
            Kind::StrayBackslash => "stray-backslash",
            Kind::MetaOfNothing { .. } => "meta-of-nothing",
            Kind::KeycodeTooLarge { .. } => "keycode-too-large",
            Kind::Skipped(_) => "skipped",
            Kind::DefinedTwice { .. } => "defined-twice",
            Kind::UnreachableMaps { .. } => "unreachable-maps",
            Kind::NotInBinary { .. } => "not-in-binary",
            Kind::NoEnter => "no-enter",
            Kind::NoLatin { .. } => "no-latin",
            Kind::EightBitLoss { .. } => "eight-bit-loss",
            Kind::NeedsUnicode(_) => "needs-unicode",
        }
    }

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
            Kind::UnknownKeysym { unicode: true, .. } | Kind::NotInCharset { .. } => {
                "this character needs Unicode mode (`-u`)".to_owned()
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
            Kind::EightBitLoss { .. } => "compile it with `-u`".to_owned(),
            Kind::StrayByte(b'\'') => {
                "a quoted character may stand in a compose line only; use its keysym or its number".to_owned()
            }
            Kind::StrayByte(byte) if !byte.is_ascii_graphic() => {
                "outside comments and strings, a keymap is plain ASCII text".to_owned()
            }
            Kind::UnknownCharset { .. } => {
                "the kernel's keymaps know iso-8859-1, -2, -3, -4, -5, -7, -8, -9, -10, -15, mazovia, cp-1250, koi8-r, \
                 koi8-u, tis-620, iso-10646-18, iso-ir-197 and iso-ir-209"
                    .to_owned()
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
            Kind::UnknownWord { word, .. } => write!(f, "unknown keyword `{word}`"),
            Kind::Unexpected { found, expected } => write!(f, "expected {expected}, found {found}"),
            Kind::NumberTooLarge => f.write_str("the number is above 2147483647"),
            Kind::CodePointTooLarge { code_point } => {
                write!(f, "U+{code_point:04X} cannot be put on a key")
            }
            Kind::OpenString => f.write_str("the string has no closing quote"),
            Kind::OctalTooLarge => f.write_str("the octal number is above \\377"),
            Kind::StringTooLong => f.write_str("the string is longer than 511 bytes"),
            Kind::TooManyValues => f.write_str("more than 4096 columns on one line"),
            Kind::UnknownKeysym { name, .. } => write!(f, "unknown keysym `{name}`"),
            Kind::NotInCharset {
                code_point,
                name,
                charset,
            } => write!(f, "U+{code_point:04X} (`{name}`) has no byte in {charset}"),
            Kind::UnknownCharset { name } => write!(f, "unknown charset `{name}`"),
            Kind::NotFunctionKey { name } => write!(f, "`{name}` is not a function key"),
            Kind::UnknownComposeTable { name } => {
                write!(
                    f,
                    "there are no usual compose rules for `{name}`, only for `iso-8859-1`"
                )
            }
            Kind::TooManyColumns { columns, maps, .. } => write!(
                f,
                "{columns} columns, but the `keymaps` line has {maps} {}",
                if *maps == 1 { "map" } else { "maps" }
            ),
            Kind::UndeclaredMap { map } => write!(f, "map {map} is not in the `keymaps` line"),
            Kind::MapTooLarge => f.write_str("the kernel has the maps 0 to 255 only"),
            Kind::ValueTooLarge { value } => write!(f, "{value} does not fit a key's 16 bits"),
            Kind::MissingNewline => f.write_str("the last line does not end with a newline"),
            Kind::CarriageReturn => f.write_str("lines end with CR LF instead of LF"),
            Kind::StrayBackslash => f.write_str("the backslash has no meaning here"),
            Kind::MetaOfNothing { name } => {
                write!(
                    f,
                    "`{name}` is nul, because only a character of one byte can have Meta"
                )
            }
            Kind::KeycodeTooLarge { keycode } => {
                write!(
                    f,
                    "keycode {keycode} is left out: the binary format ends at 127"
                )
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
            Kind::NoEnter => f.write_str("no key gives Enter"),
            Kind::NoLatin { missing } => {
                write!(
                    f,
                    "these letters cannot be typed with this keymap: {missing}"
                )
            }
            Kind::EightBitLoss {
                count,
                example: (meant, shown),
            } => write!(
                f,
                "in 8-bit mode, a Unicode console shows {count} other characters than meant, such as `{shown}` for `{meant}`"
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

/// Where in the input a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was found.
    pub path: PathBuf,
    /// The line, from 1; 0 where the file as a whole is meant, and all that follows is empty then.
    pub line: usize,
    /// The column, from 1, in characters; where the line is not UTF-8, in bytes.
    pub column: usize,
    /// The line's bytes without its end, or the part of a long line around the problem.
    pub line_text: Vec<u8>,
    /// The part of `line_text` that is meant. May be empty, at the end of the line.
    pub underline: Range<usize>,
    /// The files and lines through which the file was included, innermost first.
    pub included_from: Vec<(PathBuf, usize)>,
}

impl Place {
    /// A file as a whole.
    pub(crate) fn whole(path: PathBuf) -> Self {
        Self {
            path,
            line: 0,
            column: 0,
            line_text: Vec::new(),
            underline: 0..0,
            included_from: Vec::new(),
        }
    }
}

/// One problem and its place. Displays as the text, the source line and the help, over several lines.
#[derive(Debug)]
pub struct Diagnostic {
    /// What is wrong.
    pub kind: DiagnosticKind,
    /// Where. `None` where the input could not even be opened.
    pub place: Option<Box<Place>>,
}

impl Diagnostic {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        render::diagnostic(f, self)
    }
}

/// Why there is no keymap: one error or more, in the order of the input.
///
/// Displays as text for people that reads after `error: `; every error but the first brings its own `error: `.
#[derive(Debug)]
pub struct Report {
    pub(crate) errors: Vec<Diagnostic>,
}

impl Report {
    /// The errors; at least one.
    pub fn errors(&self) -> &[Diagnostic] {
        &self.errors
    }

    /// The errors, to keep.
    pub fn into_errors(self) -> Vec<Diagnostic> {
        self.errors
    }

    /// Whether the machine is at fault (a read fails) and not the input.
    pub fn is_machine_fault(&self) -> bool {
        self.errors.iter().any(
            |error| matches!(&error.kind, DiagnosticKind::Source(error) if error.is_machine_fault()),
        )
    }
}

impl From<SourceError> for Report {
    fn from(error: SourceError) -> Self {
        Self::from(Diagnostic {
            kind: DiagnosticKind::Source(error),
            place: None,
        })
    }
}

impl Report {
    /// That a text cannot be read which is no file, such as standard input. An error of the kind
    /// [`InvalidData`](std::io::ErrorKind::InvalidData) is the input's fault, any other the machine's.
    pub fn unreadable(name: &str, error: std::io::Error) -> Self {
        Self::from(SourceError::Stream {
            name: name.to_owned(),
            error,
        })
    }
}

impl From<Diagnostic> for Report {
    fn from(error: Diagnostic) -> Self {
        Self {
            errors: vec![error],
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "\nerror: " })?;
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
