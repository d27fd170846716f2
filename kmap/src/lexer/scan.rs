//! What the next bytes are: recognisers over plain bytes, without memory and without files.
//!
//! The language has two contexts. At the start of a line words are keywords; behind `=`, `string` and `to` they are
//! names of keysyms. Words need no blank between them: `shiftkeycode2=a` is `shift keycode 2 = a`. The longest match wins.

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take, take_while, take_while_m_n, take_while1};
use nom::character::complete::{one_of, satisfy};
use nom::combinator::{map, opt, recognize, value, verify};
use nom::sequence::{delimited, pair, preceded};
use nom::{IResult, Parser};

/// What a word may mean to the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    AltIsMeta,
    As,
    Charset,
    Compose,
    For,
    Include,
    Keycode,
    Keymaps,
    /// A modifier, by its weight in a map's number.
    Modifier(u32),
    Plain,
    String,
    Strings,
    To,
    Usual,
}

impl Keyword {
    /// What it is called in a message.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Keyword::AltIsMeta => "the keyword `alt_is_meta`",
            Keyword::As => "the keyword `as`",
            Keyword::Charset => "the keyword `charset`",
            Keyword::Compose => "the keyword `compose`",
            Keyword::For => "the keyword `for`",
            Keyword::Include => "the keyword `include`",
            Keyword::Keycode => "the keyword `keycode`",
            Keyword::Keymaps => "the keyword `keymaps`",
            Keyword::Modifier(1) => "the keyword `shift`",
            Keyword::Modifier(2) => "the keyword `altgr`",
            Keyword::Modifier(4) => "the keyword `control`",
            Keyword::Modifier(8) => "the keyword `alt`",
            Keyword::Modifier(_) => "a modifier",
            Keyword::Plain => "the keyword `plain`",
            Keyword::String => "the keyword `string`",
            Keyword::Strings => "the keyword `strings`",
            Keyword::To => "the keyword `to`",
            Keyword::Usual => "the keyword `usual`",
        }
    }
}

/// Every spelling; others, such as `kEYCODE`, are errors.
const KEYWORDS: [(&str, Keyword); 66] = [
    ("keycode", Keyword::Keycode),
    ("Keycode", Keyword::Keycode),
    ("KeyCode", Keyword::Keycode),
    ("KEYCODE", Keyword::Keycode),
    ("shift", Keyword::Modifier(1)),
    ("Shift", Keyword::Modifier(1)),
    ("SHIFT", Keyword::Modifier(1)),
    ("altgr", Keyword::Modifier(2)),
    ("Altgr", Keyword::Modifier(2)),
    ("AltGr", Keyword::Modifier(2)),
    ("ALTGR", Keyword::Modifier(2)),
    ("control", Keyword::Modifier(4)),
    ("Control", Keyword::Modifier(4)),
    ("CONTROL", Keyword::Modifier(4)),
    ("alt", Keyword::Modifier(8)),
    ("Alt", Keyword::Modifier(8)),
    ("ALT", Keyword::Modifier(8)),
    ("shiftl", Keyword::Modifier(16)),
    ("ShiftL", Keyword::Modifier(16)),
    ("SHIFTL", Keyword::Modifier(16)),
    ("shiftr", Keyword::Modifier(32)),
    ("ShiftR", Keyword::Modifier(32)),
    ("SHIFTR", Keyword::Modifier(32)),
    ("ctrll", Keyword::Modifier(64)),
    ("CtrlL", Keyword::Modifier(64)),
    ("CTRLL", Keyword::Modifier(64)),
    ("ctrlr", Keyword::Modifier(128)),
    ("CtrlR", Keyword::Modifier(128)),
    ("CTRLR", Keyword::Modifier(128)),
    ("capsshift", Keyword::Modifier(256)),
    ("Capsshift", Keyword::Modifier(256)),
    ("CapsShift", Keyword::Modifier(256)),
    ("CAPSSHIFT", Keyword::Modifier(256)),
    ("plain", Keyword::Plain),
    ("Plain", Keyword::Plain),
    ("PLAIN", Keyword::Plain),
    ("string", Keyword::String),
    ("String", Keyword::String),
    ("STRING", Keyword::String),
    ("strings", Keyword::Strings),
    ("Strings", Keyword::Strings),
    ("STRINGS", Keyword::Strings),
    ("compose", Keyword::Compose),
    ("Compose", Keyword::Compose),
    ("COMPOSE", Keyword::Compose),
    ("to", Keyword::To),
    ("To", Keyword::To),
    ("TO", Keyword::To),
    ("as", Keyword::As),
    ("As", Keyword::As),
    ("AS", Keyword::As),
    ("usual", Keyword::Usual),
    ("Usual", Keyword::Usual),
    ("USUAL", Keyword::Usual),
    ("for", Keyword::For),
    ("For", Keyword::For),
    ("FOR", Keyword::For),
    ("keymaps", Keyword::Keymaps),
    ("Keymaps", Keyword::Keymaps),
    ("KeyMaps", Keyword::Keymaps),
    ("KEYMAPS", Keyword::Keymaps),
    ("charset", Keyword::Charset),
    ("Charset", Keyword::Charset),
    ("CharSet", Keyword::Charset),
    ("CHARSET", Keyword::Charset),
    ("include", Keyword::Include),
];

/// For each first byte, the keywords that begin with it: bit N stands for `KEYWORDS[N]`.
const BY_FIRST_BYTE: [u128; 128] = {
    let mut sets = [0; 128];
    let mut index = 0;
    while index < KEYWORDS.len() {
        sets[KEYWORDS[index].0.as_bytes()[0] as usize] |= 1 << index;
        index += 1;
    }
    sets
};

/// The keywords in lower case, to suggest one where a word is none.
pub(super) fn keyword_names() -> impl Iterator<Item = &'static str> {
    let names = KEYWORDS.iter().map(|(spelling, _)| *spelling);
    names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()))
        .chain(["alt_is_meta"])
}

/// The largest number that the language has.
pub(super) const LARGEST_NUMBER: u64 = 2_147_483_647;

/// The next piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lexeme {
    /// Blanks, a continued line, a comment up to its line feed.
    Nothing,
    /// A comment at the very end of the text.
    OpenComment,
    Eol,
    Keyword(Keyword),
    /// A keysym's name.
    Name,
    /// A number, also one that is too large (it is then `u64::MAX` at most).
    Number(u64),
    CodePoint(u32),
    /// A quoted character.
    Character(u32),
    Quote,
    Equals,
    Plus,
    Comma,
    Dash,
    /// CR before a line feed, or a line continued by a backslash before CR LF.
    CarriageReturn,
    /// A word that is no keyword, where only keywords may stand.
    Word,
    /// Any other byte.
    Stray(u8),
}

/// The first piece of `input` and its length, or `None` at the end. `names`: whether names may stand here.
pub(super) fn lexeme(input: &[u8], names: bool) -> Option<(Lexeme, usize)> {
    let result: IResult<&[u8], Lexeme> = match input.first()? {
        b' ' | b'\t' => value(Lexeme::Nothing, take_while1(is_blank)).parse(input),
        b'a'..=b'z' | b'A'..=b'Z' => word(input, names),
        b'0'..=b'9' => map(number, Lexeme::Number).parse(input),
        b'\n' => value(Lexeme::Eol, take(1usize)).parse(input),
        b'#' | b'!' => comment(input),
        b'=' => value(Lexeme::Equals, take(1usize)).parse(input),
        b'+' => value(Lexeme::Plus, take(1usize)).parse(input),
        b',' => value(Lexeme::Comma, take(1usize)).parse(input),
        b'-' => value(Lexeme::Dash, take(1usize)).parse(input),
        b'"' => value(Lexeme::Quote, take(1usize)).parse(input),
        b'\'' => map(quoted_character, Lexeme::Character).parse(input),
        b'\\' => alt((
            value(Lexeme::Nothing, tag(&b"\\\n"[..])),
            value(Lexeme::CarriageReturn, tag(&b"\\\r\n"[..])),
        ))
        .parse(input),
        b'\r' => value(
            Lexeme::CarriageReturn,
            pair(take(1usize), nom::combinator::peek(tag(&b"\n"[..]))),
        )
        .parse(input),
        _ => Err(nom::Err::Error(nom::error::Error::new(
            input,
            nom::error::ErrorKind::Alt,
        ))),
    };
    match result {
        Ok((rest, lexeme)) => Some((lexeme, input.len() - rest.len())),
        Err(_) => input.first().map(|&byte| (Lexeme::Stray(byte), 1)),
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn comment(input: &[u8]) -> IResult<&[u8], Lexeme> {
    let length = memchr::memchr(b'\n', input).unwrap_or(input.len());
    let (rest, _) = take(length)(input)?;
    let lexeme = if rest.is_empty() {
        Lexeme::OpenComment
    } else {
        Lexeme::Nothing
    };
    Ok((rest, lexeme))
}

/// Decimal, octal with a leading 0, hexadecimal with a leading 0x. `08` is 0 and then 8.
fn number(input: &[u8]) -> IResult<&[u8], u64> {
    let hexadecimal = map(
        preceded(
            tag_no_case(&b"0x"[..]),
            take_while1(|byte: u8| byte.is_ascii_hexdigit()),
        ),
        |digits| in_base(digits, 16),
    );
    let octal = map(
        recognize(pair(
            tag(&b"0"[..]),
            take_while(|byte| matches!(byte, b'0'..=b'7')),
        )),
        |digits| in_base(digits, 8),
    );
    let decimal = map(take_while1(|byte: u8| byte.is_ascii_digit()), |digits| {
        in_base(digits, 10)
    });
    alt((hexadecimal, octal, decimal)).parse(input)
}

/// The value of digits that are known to be of this base; huge ones saturate.
fn in_base(digits: &[u8], base: u64) -> u64 {
    digits.iter().fold(0, |sum: u64, &digit| {
        let digit = char::from(digit).to_digit(base as u32).unwrap_or(0);
        sum.saturating_mul(base).saturating_add(digit.into())
    })
}

/// `U+` and four to six hexadecimal digits.
fn code_point(input: &[u8]) -> IResult<&[u8], u32> {
    let digits = take_while_m_n(4, 6, |byte: u8| byte.is_ascii_hexdigit());
    map(preceded(tag(&b"U+"[..]), digits), |digits| {
        in_base(digits, 16) as u32
    })
    .parse(input)
}

fn word(input: &[u8], names: bool) -> IResult<&[u8], Lexeme> {
    if let Ok((rest, code_point)) = code_point(input) {
        return Ok((rest, Lexeme::CodePoint(code_point)));
    }
    let (after_name, name) = take_while1(is_name)(input)?;
    if names {
        return Ok(name_or_keyword(input, name, after_name));
    }
    Ok(match keyword(input) {
        Some((keyword, length)) => (
            input.get(length..).unwrap_or_default(),
            Lexeme::Keyword(keyword),
        ),
        None => (after_name, Lexeme::Word),
    })
}

/// A word where names may stand. Only these words are still keywords there, and `alt-is-meta`, which is longer than the name
/// `alt`; a keysym's name is by far the most frequent word of a keymap, so the list of keywords is not searched.
fn name_or_keyword<'a>(input: &'a [u8], name: &[u8], after_name: &'a [u8]) -> (&'a [u8], Lexeme) {
    let keyword = match name {
        b"include" => Keyword::Include,
        b"string" | b"String" | b"STRING" => Keyword::String,
        b"to" | b"To" | b"TO" => Keyword::To,
        _ => {
            let dashed = name
                .get(..3)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"alt"));
            let found = if dashed {
                alt_is_meta(input).ok()
            } else {
                None
            };
            return match found {
                Some((rest, _)) if rest.len() < after_name.len() => {
                    (rest, Lexeme::Keyword(Keyword::AltIsMeta))
                }
                _ => (after_name, Lexeme::Name),
            };
        }
    };
    (after_name, Lexeme::Keyword(keyword))
}

/// The longest keyword at the start of `input`.
fn keyword(input: &[u8]) -> Option<(Keyword, usize)> {
    let first = input.first()?;
    let mut candidates = BY_FIRST_BYTE.get(usize::from(*first)).copied().unwrap_or(0);
    let mut spelled: Option<(Keyword, usize)> = None;
    while candidates != 0 {
        let index = candidates.trailing_zeros() as usize;
        candidates &= candidates - 1;
        if let Some((spelling, keyword)) = KEYWORDS.get(index)
            && spelled.is_none_or(|(_, length)| spelling.len() > length)
            && input.starts_with(spelling.as_bytes())
        {
            spelled = Some((*keyword, spelling.len()));
        }
    }
    if !first.eq_ignore_ascii_case(&b'a') {
        return spelled;
    }
    let alt_is_meta = alt_is_meta(input)
        .ok()
        .map(|(rest, _)| (Keyword::AltIsMeta, input.len() - rest.len()));
    alt_is_meta.or(spelled)
}

/// `alt_is_meta` in any mixture of cases, with `-` or `_`.
fn alt_is_meta(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let dash = || one_of(&b"-_"[..]);
    recognize((
        tag_no_case(&b"alt"[..]),
        dash(),
        tag_no_case(&b"is"[..]),
        dash(),
        tag_no_case(&b"meta"[..]),
    ))
    .parse(input)
}

/// `'x'`, `'\ooo'` or `'\x'`, one byte between the quotes; its value, of octal digits up to 511.
fn quoted_character(input: &[u8]) -> IResult<&[u8], u32> {
    let quote = || tag(&b"'"[..]);
    let byte = || {
        map(
            verify(take(1usize), |byte: &[u8]| byte != b"\n"),
            |byte: &[u8]| byte.first().copied().map_or(0, u32::from),
        )
    };
    let digits = take_while_m_n(1, 3, is_octal);
    let octal = map(preceded(tag(&b"\\"[..]), digits), |digits| {
        in_base(digits, 8) as u32
    });
    let escape = preceded(tag(&b"\\"[..]), byte());
    alt((
        delimited(quote(), octal, quote()),
        delimited(quote(), escape, quote()),
        delimited(quote(), byte(), quote()),
    ))
    .parse(input)
}

fn is_octal(byte: u8) -> bool {
    matches!(byte, b'0'..=b'7')
}

/// A piece of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Plain(&'a [u8]),
    /// An escape that stands for one byte.
    Escape(u8),
    /// An octal escape above `\377`.
    OctalTooLarge,
    /// A backslash that means nothing.
    Backslash,
    Close,
}

/// The first piece of a string and its length, or `None` at the end of the text.
pub(super) fn piece(input: &[u8]) -> Option<(Piece<'_>, usize)> {
    let plain = map(
        take_while1(|byte| !matches!(byte, b'"' | b'\\')),
        Piece::Plain,
    );
    let octal = map(
        preceded(tag(&b"\\"[..]), take_while_m_n(1, 3, is_octal)),
        |digits| u8::try_from(in_base(digits, 8)).map_or(Piece::OctalTooLarge, Piece::Escape),
    );
    let escape = map(
        preceded(
            tag(&b"\\"[..]),
            satisfy(|char| matches!(char, '"' | '\\' | 'n')),
        ),
        |char| Piece::Escape(if char == 'n' { b'\n' } else { char as u8 }),
    );
    let close = value(Piece::Close, tag(&b"\""[..]));
    let backslash = value(Piece::Backslash, tag(&b"\\"[..]));
    let result: IResult<&[u8], Piece<'_>> =
        alt((plain, close, octal, escape, backslash)).parse(input);
    let (rest, piece) = result.ok()?;
    Some((piece, input.len() - rest.len()))
}

/// What stands between the quotes behind `include`, and the length with blanks and quotes.
pub(super) fn include_name(input: &[u8]) -> Option<(&[u8], usize)> {
    let quote = || tag(&b"\""[..]);
    let name = take_while1(|byte| !matches!(byte, b'"' | b'\n'));
    let result: IResult<&[u8], &[u8]> = preceded(
        opt(take_while1(is_blank)),
        delimited(quote(), name, quote()),
    )
    .parse(input);
    let (rest, name) = result.ok()?;
    Some((name, input.len() - rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8], names: bool) -> Vec<Lexeme> {
        let mut found = Vec::new();
        while let Some((lexeme, length)) = lexeme(input, names) {
            input = &input[length..];
            if lexeme != Lexeme::Nothing {
                found.push(lexeme);
            }
        }
        found
    }

    #[test]
    fn words_need_no_blank_between_them() {
        use Lexeme::{Equals, Keyword as K, Name, Number};
        let shift_keycode = [
            K(Keyword::Modifier(1)),
            K(Keyword::Keycode),
            Number(2),
            Equals,
        ];
        assert_eq!(all(b"shiftkeycode2=", false), shift_keycode);
        assert_eq!(
            all(b"shiftlstrings", false),
            [K(Keyword::Modifier(16)), K(Keyword::Strings)]
        );
        assert_eq!(
            all(b"strings to include alt-is-meta", true),
            [
                Name,
                K(Keyword::To),
                K(Keyword::Include),
                K(Keyword::AltIsMeta)
            ]
        );
        assert_eq!(all(b"kEycode", false), [Lexeme::Word]);
    }

    #[test]
    fn numbers_take_the_longest_match() {
        use Lexeme::{CodePoint, Name, Number, Plus};
        assert_eq!(
            all(b"08 0x1F 017", true),
            [Number(0), Number(8), Number(31), Number(15)]
        );
        assert_eq!(all(b"0xg", true), [Number(0), Name]);
        assert_eq!(all(b"U+00e9ff12", true), [CodePoint(0xe9ff), Number(12)]);
        assert_eq!(all(b"U+12", true), [Name, Plus, Number(12)]);
        assert!(matches!(
            all(b"99999999999999999999999", true)[..],
            [Lexeme::Number(u64::MAX)]
        ));
    }

    #[test]
    fn pieces_of_a_string() {
        assert_eq!(piece(b"ab\"c"), Some((Piece::Plain(b"ab"), 2)));
        assert_eq!(piece(b"\\1234"), Some((Piece::Escape(0o123), 4)));
        assert_eq!(piece(b"\\400"), Some((Piece::OctalTooLarge, 4)));
        assert_eq!(piece(b"\\n"), Some((Piece::Escape(b'\n'), 2)));
        assert_eq!(piece(b"\\x"), Some((Piece::Backslash, 1)));
        assert_eq!(piece(b""), None);
    }

    #[test]
    fn quoted_characters() {
        let cases: [(&[u8], u32); 6] = [
            (b"'a'", 0x61),
            (b"'''", 0x27),
            (b"'\\''", 0x27),
            (b"'\\377'", 0xff),
            (b"'\\'", 0x5c),
            (b"'\xe9'", 0xe9),
        ];
        for (text, value) in cases {
            let expected = Some((Lexeme::Character(value), text.len()));
            assert_eq!(lexeme(text, false), expected);
        }
        assert_eq!(lexeme(b"'ab'", false), Some((Lexeme::Stray(b'\''), 1)));
    }
}
