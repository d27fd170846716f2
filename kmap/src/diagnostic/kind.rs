//! The kinds of problems: what causes each, how bad it is, and its name for programs.

use std::path::PathBuf;

use super::Severity;
use crate::source::SourceError;

/// Each kind of problem. The text of a kind ([`Display`](std::fmt::Display)) is a lower-case fragment that reads after
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
    /// Error. A text begins with a mark that some editors write. Example: U+FEFF, `keycode 1 = a⏎`.
    ByteOrderMark {
        /// What it says: `UTF-8`, `UTF-16`.
        encoding: &'static str,
    },
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
    TooManyValues {
        /// Of what: `columns`, `ranges`.
        what: &'static str,
    },
    /// Error. A name that is no keysym in this mode and charset. Example: `keycode 1 = x1⏎`.
    UnknownKeysym {
        /// The name.
        name: String,
        /// A keysym that is spelled much like it.
        suggestion: Option<String>,
        /// Whether Unicode mode knows this very name.
        unicode: bool,
        /// Whether a `charset` line has ended Unicode mode before.
        ended: bool,
    },
    /// Error. In 8-bit mode: the charset has no byte for the character. Example: `keycode 1 = U+0431⏎`.
    NotInCharset {
        /// The code point.
        code_point: u32,
        /// Its keysym.
        name: &'static str,
        /// The charset in force.
        charset: &'static str,
        /// Whether a `charset` line has ended Unicode mode before.
        ended: bool,
    },
    /// Error. `U+` with fewer than four digits, which reads as `U` and `+` before another keysym. Example: `keycode 1 = U+e9⏎`.
    ShortCodePoint {
        /// The digits.
        digits: String,
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
    /// Error. More than 65536 compose rules; the kernel takes 256. Example: `compose as usual⏎`, 964 times.
    TooManyRules,
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
    /// Error. There are more than a thousand, and what follows them was not read. Example: `*⏎`, 1001 times.
    TooManyErrors,
    /// Warning. There are more than a thousand, which are not told one by one. Example: a backslash without meaning, 1001 times.
    MoreWarnings {
        /// How many more.
        count: usize,
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
    /// Warning, as a lint. A line that leaves nothing of an earlier one of the same file. Example: `keycode 1 = a⏎keycode 1 = b⏎`.
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
    NoEnter {
        /// Whether the keypad's does: many keyboards have none.
        keypad: bool,
    },
    /// Warning, as a lint. Letters that cannot be typed: whoever logs in with this keymap may not get his name in.
    /// Example: `keycode 28 = Return⏎`.
    NoLatin {
        /// The missing letters, or the first of them.
        missing: String,
    },
    /// Warning, as a lint. A key locks a modifier, and no key of the tables to which that leads takes it back, so that whoever
    /// presses it cannot get back to the letters. Example: `plain keycode 1 = AltGr_Lock⏎`.
    NoWayBack {
        /// The lock key's keysym.
        name: String,
    },
    /// Warning, as a lint, in 8-bit mode. Characters that a console in Unicode mode, as all are today, shows as others.
    /// Example: `charset "iso-8859-2"⏎keycode 1 = lstroke⏎`.
    EightBitLoss {
        /// How many.
        count: usize,
        /// One of them: what is meant and what comes out.
        example: (char, char),
    },
    /// Note. The keymap on the search path was taken, and the current directory has another one with that name.
    LocalPassedOver {
        /// The name.
        name: String,
        /// The keymap that was taken.
        taken: PathBuf,
        /// The one of the current directory.
        local: PathBuf,
    },
    /// Note. Automatic mode took Unicode, because 8-bit mode failed for the reason given.
    NeedsUnicode(Box<DiagnosticKind>),
}

impl DiagnosticKind {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        use DiagnosticKind as Kind;
        match self {
            Kind::NeedsUnicode(_) | Kind::LocalPassedOver { .. } => Severity::Note,
            Kind::MissingNewline
            | Kind::CarriageReturn
            | Kind::StrayBackslash
            | Kind::MetaOfNothing { .. }
            | Kind::MoreWarnings { .. }
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
                | Kind::NoEnter { .. }
                | Kind::NoLatin { .. }
                | Kind::NoWayBack { .. }
                | Kind::EightBitLoss { .. }
        )
    }

    /// Whether its help is about the mode of the whole keymap, and the same for all of the kind.
    pub(crate) fn is_about_mode(&self) -> bool {
        use DiagnosticKind as Kind;
        matches!(
            self,
            Kind::UnknownKeysym { unicode: true, .. } | Kind::NotInCharset { .. }
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
            Kind::ByteOrderMark { .. } => "byte-order-mark",
            Kind::UnknownWord { .. } => "unknown-keyword",
            Kind::Unexpected { .. } => "unexpected",
            Kind::NumberTooLarge => "number-too-large",
            Kind::CodePointTooLarge { .. } => "code-point-too-large",
            Kind::OpenString => "open-string",
            Kind::OctalTooLarge => "octal-too-large",
            Kind::StringTooLong => "string-too-long",
            Kind::TooManyValues { .. } => "too-many-values",
            Kind::UnknownKeysym { .. } => "unknown-keysym",
            Kind::NotInCharset { .. } => "not-in-charset",
            Kind::ShortCodePoint { .. } => "short-code-point",
            Kind::UnknownCharset { .. } => "unknown-charset",
            Kind::NotFunctionKey { .. } => "not-a-function-key",
            Kind::UnknownComposeTable { .. } => "unknown-compose-table",
            Kind::TooManyRules => "too-many-rules",
            Kind::TooManyColumns { .. } => "too-many-columns",
            Kind::UndeclaredMap { .. } => "undeclared-map",
            Kind::MapTooLarge => "map-too-large",
            Kind::ValueTooLarge { .. } => "value-too-large",
            Kind::TooManyErrors => "too-many-errors",
            Kind::MoreWarnings { .. } => "more-warnings",
            Kind::MissingNewline => "missing-newline",
            Kind::CarriageReturn => "carriage-return",
            Kind::StrayBackslash => "stray-backslash",
            Kind::MetaOfNothing { .. } => "meta-of-nothing",
            Kind::KeycodeTooLarge { .. } => "keycode-too-large",
            Kind::Skipped(_) => "skipped",
            Kind::DefinedTwice { .. } => "defined-twice",
            Kind::UnreachableMaps { .. } => "unreachable-maps",
            Kind::NotInBinary { .. } => "not-in-binary",
            Kind::NoEnter { .. } => "no-enter",
            Kind::NoLatin { .. } => "no-latin",
            Kind::NoWayBack { .. } => "no-way-back",
            Kind::EightBitLoss { .. } => "eight-bit-loss",
            Kind::LocalPassedOver { .. } => "local-passed-over",
            Kind::NeedsUnicode(_) => "needs-unicode",
        }
    }
}
