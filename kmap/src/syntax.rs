//! What the parser gives to the compiler: one statement a line, names not yet resolved, because what a name stands for
//! depends on the mode and on the charset in force.

/// A part of a text, by the text's number and byte offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// From the start of this to the end of `last`, where both are in one text.
    pub(crate) fn to(self, last: Span) -> Span {
        match self.text == last.text && last.end > self.start {
            true => Span {
                end: last.end,
                ..self
            },
            false => self,
        }
    }
}

/// What can stand for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A number: a code as it is.
    Number(u32),
    /// `U+XXXX`.
    CodePoint(u32),
    /// `'x'`, in compose rules only: a byte of the charset.
    Character(u32),
    /// A name; its bytes are those of the value's span.
    Name,
}

/// One column: an operand, perhaps with `+` before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) operand: Operand,
    /// `+`: Caps Lock works on this key.
    pub(crate) letter: bool,
    /// The operand, without the `+`.
    pub(crate) span: Span,
}

/// Which maps a line about a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maps {
    /// No modifiers: the columns go to one map after the other.
    Columns,
    /// `plain`, `shift`, `altgr control` …: the one map with this number.
    One(u32),
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// `charset "NAME"`.
    Charset { name: Vec<u8>, span: Span },
    /// `alt_is_meta`.
    AltIsMeta,
    /// `keymaps 0-2,4`: inclusive ranges.
    Keymaps { ranges: Vec<(u32, u32, Span)> },
    /// `strings as usual`.
    UsualStrings,
    /// `string F1 = "text"`.
    FunctionString { symbol: Span, text: Vec<u8> },
    /// `compose as usual` or `compose as usual for "NAME"`.
    UsualCompose {
        charset: Option<(Vec<u8>, Span)>,
        span: Span,
    },
    /// ``compose '`' 'a' to agrave``: two characters and what comes of them.
    Compose { parts: [Value; 3] },
    /// `keycode 30 = a A`.
    Key {
        maps: Maps,
        keycode: u32,
        values: Vec<Value>,
        span: Span,
    },
}
