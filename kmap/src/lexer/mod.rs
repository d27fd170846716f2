//! The stream of tokens: follows includes, keeps the context, and gives each token its place.
//!
//! `include "file"` may stand anywhere in a line. The file's text takes its place, and the line goes on behind it; so a
//! file may hold half a line, or open a string that the including file closes.

mod scan;

use std::path::PathBuf;
use std::rc::Rc;

use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind};
use crate::render;
use crate::source::{Source, TEXT_LIMIT};
use crate::syntax::Span;
use crate::texts::{Text, Texts, up_to_nul};
use crate::warnings::Warnings;
use scan::{Lexeme, Piece};

pub(crate) use scan::Keyword;

/// As many files may be open at the same time, the keymap itself included.
const DEEPEST: usize = 20;
/// As many texts may be read in all. A few files that include each other twice would otherwise be read a million times.
const MOST_TEXTS: usize = 4096;
/// More of a word is not looked at.
const LONGEST_WORD: usize = 64;
/// A string has no more bytes than this.
const LONGEST_STRING: usize = 512;

/// What the parser sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Keyword(Keyword),
    Name,
    Number(u32),
    /// A code point, perhaps one that no key can have.
    CodePoint(u32),
    Character(u32),
    /// A string, whose text [`Lexer::take_string`] gives: tokens stay small, since there are so many of them.
    String,
    Equals,
    Plus,
    Comma,
    Dash,
    Eol,
    End,
}

impl Token {
    /// What it is called in a message.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Token::Keyword(keyword) => keyword.describe(),
            Token::Name => "a keysym",
            Token::Number(_) => "a number",
            Token::CodePoint(_) => "a code point",
            Token::Character(_) => "a quoted character",
            Token::String => "a string",
            Token::Equals => "`=`",
            Token::Plus => "`+`",
            Token::Comma => "`,`",
            Token::Dash => "`-`",
            Token::Eol => "the end of the line",
            Token::End => "the end of the text",
        }
    }
}

struct Frame {
    text: u32,
    bytes: Rc<Vec<u8>>,
    position: usize,
    /// A warning about CR LF was given.
    warned: bool,
}

pub(crate) struct Lexer<'s> {
    source: &'s mut dyn Source,
    pub(crate) texts: Texts,
    pub(crate) warnings: Warnings,
    /// The open files, the keymap itself first. The last one is being read.
    open: Vec<Frame>,
    /// Whether names of keysyms may stand here.
    names: bool,
    /// Whether the current line has any token yet.
    in_line: bool,
    /// The text of the last string.
    string: Vec<u8>,
    /// The text of which it was last said that its last line does not end.
    unfinished: Option<u32>,
}

/// What a piece of the language is, or why it is none.
pub(crate) type Parsed<T> = Result<T, Box<Diagnostic>>;

impl<'s> Lexer<'s> {
    /// `texts` and `warnings` are those of the texts before this one, which belong to the same keymap.
    pub(crate) fn new(
        source: &'s mut dyn Source,
        (path, bytes): (PathBuf, Rc<Vec<u8>>),
        texts: Texts,
        warnings: Warnings,
    ) -> Self {
        let mut lexer = Self {
            source,
            texts,
            warnings,
            open: Vec::new(),
            names: false,
            in_line: false,
            string: Vec::new(),
            unfinished: None,
        };
        lexer.enter(path, bytes, None);
        lexer
    }

    /// The next token. Behind the last line there is [`Token::End`], again and again.
    pub(crate) fn next(&mut self) -> Parsed<(Token, Span)> {
        loop {
            let Some(frame) = self.open.last_mut() else {
                return Ok((Token::End, self.end()));
            };
            let rest = frame.bytes.get(frame.position..).unwrap_or_default();
            // Every other lexeme is a blank.
            let blanks = rest
                .iter()
                .take_while(|byte| scan::is_blank(**byte))
                .count();
            let rest = rest.get(blanks..).unwrap_or_default();
            frame.position += blanks;
            let Some((lexeme, length)) = scan::lexeme(rest, self.names) else {
                if self.leave() {
                    continue;
                }
                return self.finish();
            };
            let span = self.advance(length);
            if let Some(token) = self.token(lexeme, span)? {
                self.in_line = token != Token::Eol;
                // A string goes on behind its opening quote.
                return Ok((token, span.to(self.advance(0))));
            }
        }
    }

    /// Goes on behind the current line after an error.
    pub(crate) fn skip_line(&mut self) {
        self.names = false;
        self.in_line = false;
        if let Some(frame) = self.open.last_mut() {
            // The error may be at the line feed itself, which has then been read.
            let position = frame.position;
            let at_start = position > 0 && frame.bytes.get(position - 1) == Some(&b'\n');
            let rest = frame.bytes.get(position..).unwrap_or_default();
            let line = rest
                .iter()
                .position(|&byte| byte == b'\n')
                .map_or(rest.len(), |found| found + 1);
            frame.position += if at_start { 0 } else { line };
        }
    }

    fn token(&mut self, lexeme: Lexeme, span: Span) -> Parsed<Option<Token>> {
        Ok(Some(match lexeme {
            Lexeme::Nothing => return Ok(None),
            Lexeme::OpenComment => {
                self.missing_newline(Span {
                    start: span.end,
                    ..span
                });
                return Ok(None);
            }
            Lexeme::CarriageReturn => {
                self.carriage_return(span);
                return Ok(None);
            }
            Lexeme::Keyword(Keyword::Include) => {
                self.include(span)?;
                return Ok(None);
            }
            Lexeme::Keyword(keyword) => {
                self.names |= matches!(keyword, Keyword::String | Keyword::To);
                Token::Keyword(keyword)
            }
            Lexeme::Eol => {
                self.names = false;
                Token::Eol
            }
            Lexeme::Equals => {
                self.names = true;
                Token::Equals
            }
            Lexeme::Quote => self.string(span)?,
            Lexeme::Name => Token::Name,
            Lexeme::Character(value) => Token::Character(value),
            Lexeme::Plus => Token::Plus,
            Lexeme::Comma => Token::Comma,
            Lexeme::Dash => Token::Dash,
            Lexeme::Number(value) if value <= scan::LARGEST_NUMBER => Token::Number(value as u32),
            Lexeme::Number(_) => return Err(self.error(Kind::NumberTooLarge, span)),
            Lexeme::CodePoint(code_point) => Token::CodePoint(code_point),
            Lexeme::Word => return Err(self.unknown_word(span)),
            Lexeme::Stray(b'_') if !self.names => return Err(self.unknown_word(self.word(span))),
            Lexeme::Stray(byte) => {
                let kind = self.byte_order_mark(span);
                return Err(self.error(kind.unwrap_or(Kind::StrayByte(byte)), span));
            }
        }))
    }

    /// What an editor has put before the text at whose start `span` is.
    fn byte_order_mark(&self, span: Span) -> Option<Kind> {
        let bytes = &self.texts.get(span.text)?.bytes;
        match bytes.get(span.start as usize..)? {
            _ if span.start > 0 => None,
            [0xef, 0xbb, 0xbf, ..] => Some(Kind::ByteOrderMark { encoding: "UTF-8" }),
            // Every other byte of ASCII text is nul there.
            [0xff, 0xfe, _, 0, ..] | [0xfe, 0xff, 0, ..] => {
                Some(Kind::ByteOrderMark { encoding: "UTF-16" })
            }
            _ => None,
        }
    }

    /// The rest of a string whose opening quote is at `span`.
    fn string(&mut self, span: Span) -> Parsed<Token> {
        let mut text = Vec::new();
        loop {
            let Some(frame) = self.open.last() else {
                return Err(self.error(Kind::OpenString, span));
            };
            let bytes = Rc::clone(&frame.bytes);
            let rest = bytes.get(frame.position..).unwrap_or_default();
            let Some((piece, length)) = scan::piece(rest) else {
                if self.leave() {
                    continue;
                }
                return Err(self.error(Kind::OpenString, span));
            };
            let at = self.advance(length);
            let piece = match piece {
                // loadkeys takes each run of plain text up to its first nul.
                Piece::Plain(plain) => Piece::Plain(up_to_nul(plain)),
                other => other,
            };
            match piece {
                // loadkeys keeps room for a nul behind plain text, but not behind an escape.
                Piece::Plain(plain) if text.len() + plain.len() < LONGEST_STRING => {
                    text.extend_from_slice(plain)
                }
                Piece::Escape(byte) if text.len() < LONGEST_STRING => text.push(byte),
                Piece::Plain(_) | Piece::Escape(_) => {
                    return Err(self.error(Kind::StringTooLong, span));
                }
                Piece::OctalTooLarge => return Err(self.error(Kind::OctalTooLarge, at)),
                Piece::Backslash => self.warn(Kind::StrayBackslash, at),
                Piece::Close => break,
            }
        }
        self.names = false;
        self.string = text;
        Ok(Token::String)
    }

    /// The text of the string that the last token was.
    pub(crate) fn take_string(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.string)
    }

    /// `include`, which stands at `span`; its file name follows.
    fn include(&mut self, span: Span) -> Parsed<()> {
        let Some(frame) = self.open.last() else {
            return Ok(());
        };
        let bytes = Rc::clone(&frame.bytes);
        let rest = bytes.get(frame.position..).unwrap_or_default();
        let Some((name, length)) = scan::include_name(rest) else {
            return Err(self.error(Kind::IncludeName, span));
        };
        let span = span.to(self.advance(length));
        if self.open.len() >= DEEPEST {
            return Err(self.error(Kind::IncludeDepth, span));
        }
        let found = self.source.include(name, self.texts.path(span.text));
        let text = found.map_err(|error| self.error(Kind::Source(error), span))?;
        if self
            .texts
            .chain(span.text)
            .any(|open| open.path == text.path && *open.bytes == text.bytes)
        {
            return Err(self.error(Kind::IncludeLoop { path: text.path }, span));
        }
        if self.texts.count() >= MOST_TEXTS
            || (self.texts.total() + text.bytes.len()) as u64 > TEXT_LIMIT
        {
            return Err(self.error(Kind::TooMuchText, span));
        }
        self.names = false;
        self.enter(text.path, Rc::new(text.bytes), Some(span));
        Ok(())
    }

    fn enter(&mut self, path: PathBuf, bytes: Rc<Vec<u8>>, included_at: Option<Span>) {
        let text = self.texts.add(Text {
            path,
            bytes: Rc::clone(&bytes),
            included_at,
        });
        self.open.push(Frame {
            text,
            bytes,
            position: 0,
            warned: false,
        });
    }

    /// Leaves an included file at its end. Returns whether there was one to leave.
    fn leave(&mut self) -> bool {
        let included = self.open.len() > 1;
        if included {
            self.open.pop();
        }
        included
    }

    /// The end of the keymap: completes the last line.
    fn finish(&mut self) -> Parsed<(Token, Span)> {
        let end = self.end();
        if !self.in_line {
            return Ok((Token::End, end));
        }
        self.in_line = false;
        self.names = false;
        self.missing_newline(end);
        Ok((Token::Eol, end))
    }

    /// Warns once a text: a comment at the end is not closed, and then the line is not, either.
    fn missing_newline(&mut self, end: Span) {
        if self.unfinished.replace(end.text) != Some(end.text) {
            self.warn(Kind::MissingNewline, end);
        }
    }

    fn end(&self) -> Span {
        let end = self
            .open
            .first()
            .map_or(0, |frame| frame.bytes.len() as u32);
        Span {
            text: self.open.first().map_or(0, |frame| frame.text),
            start: end,
            end,
        }
    }

    fn advance(&mut self, length: usize) -> Span {
        let Some(frame) = self.open.last_mut() else {
            return self.end();
        };
        let start = frame.position;
        frame.position += length;
        Span {
            text: frame.text,
            start: start as u32,
            end: frame.position as u32,
        }
    }

    fn carriage_return(&mut self, span: Span) {
        let first = match self.open.last_mut() {
            Some(frame) => !std::mem::replace(&mut frame.warned, true),
            None => false,
        };
        if first {
            self.warn(Kind::CarriageReturn, span);
        }
    }

    /// The whole word around a part of it.
    fn word(&self, span: Span) -> Span {
        let bytes = self.texts.get(span.text).map(|text| &text.bytes[..]);
        let (before, after) = bytes
            .and_then(|bytes| bytes.split_at_checked(span.start as usize))
            .unwrap_or_default();
        let in_word = |byte: &&u8| scan::is_name(**byte);
        let left = before.iter().rev().take_while(in_word).take(LONGEST_WORD);
        let right = after.iter().take_while(in_word).take(LONGEST_WORD);
        Span {
            start: span.start - left.count() as u32,
            end: span.start + right.count() as u32,
            ..span
        }
    }

    fn unknown_word(&self, span: Span) -> Box<Diagnostic> {
        let word = self.texts.bytes(span);
        let kind = Kind::UnknownWord {
            word: render::word(word),
            suggestion: suggest::nearest(&String::from_utf8_lossy(word), scan::keyword_names()),
        };
        self.error(kind, span)
    }

    pub(crate) fn error(&self, kind: Kind, span: Span) -> Box<Diagnostic> {
        self.texts.error(kind, span)
    }

    fn warn(&mut self, kind: Kind, span: Span) {
        let texts = &self.texts;
        self.warnings.push(|| texts.diagnostic(kind, span));
    }
}
