//! Lines to statements.
//!
//! The grammar, one statement a line; a comment or nothing is a line too:
//!
//! ```text
//! charset "NAME"                                    alt_is_meta
//! keymaps N[-N][,N[-N]]…                            strings as usual
//! keycode N = VALUE…                                string KEYSYM = "TEXT"
//! plain keycode N = VALUE                           compose as usual [for "NAME"]
//! MODIFIER… keycode N = VALUE                       compose CHARACTER CHARACTER to (CHARACTER | VALUE)
//! VALUE     = [+] (NUMBER | U+XXXX | KEYSYM)
//! CHARACTER = 'x' | U+XXXX
//! MODIFIER  = shift | altgr | control | alt | shiftl | shiftr | ctrll | ctrlr | capsshift
//! ```

use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind};
use crate::lexer::{Keyword, Lexer, Parsed, Token};
use crate::syntax::{Maps, Operand, Span, Statement, Value};

/// A line has no more columns, which bounds the memory that a hostile file can claim. The kernel has 256 maps.
const MOST_VALUES: usize = 4096;

/// What a compose rule is of, in a message.
const CHARACTER: &str = "a quoted character or a code point";

/// Columns that a line seldom has more of.
const USUAL_VALUES: usize = 8;

pub(crate) struct Parser<'s> {
    pub(crate) lexer: Lexer<'s>,
    /// The token that comes next, once it has been looked at.
    next: Option<(Token, Span)>,
}

impl<'s> Parser<'s> {
    pub(crate) fn new(lexer: Lexer<'s>) -> Self {
        Self { lexer, next: None }
    }

    /// The next statement, or `None` at the end. After an error the next call goes on with the next line.
    pub(crate) fn statement(&mut self) -> Parsed<Option<Statement>> {
        let result = self.any_statement();
        if result.is_err() {
            // An end of line that was looked at and not taken has ended the line already.
            let ended = matches!(self.next, Some((Token::Eol, _)));
            self.next = None;
            if !ended {
                self.lexer.skip_line();
            }
        }
        result
    }

    fn any_statement(&mut self) -> Parsed<Option<Statement>> {
        loop {
            let (token, span) = self.take()?;
            let statement = match token {
                Token::Eol => continue,
                Token::End => return Ok(None),
                Token::Keyword(Keyword::Charset) => self.charset()?,
                Token::Keyword(Keyword::AltIsMeta) => Statement::AltIsMeta,
                Token::Keyword(Keyword::Keymaps) => self.keymaps()?,
                Token::Keyword(Keyword::Strings) => self.usual_strings()?,
                Token::Keyword(Keyword::String) => self.function_string()?,
                Token::Keyword(Keyword::Compose) => self.compose(span)?,
                Token::Keyword(Keyword::Keycode) => self.key(span)?,
                Token::Keyword(Keyword::Plain) => self.one_map(0, span)?,
                Token::Keyword(Keyword::Modifier(weight)) => self.modifiers(weight, span)?,
                other => return Err(self.unexpected(other, "a statement", span)),
            };
            self.expect(Token::Eol, "the end of the line")?;
            return Ok(Some(statement));
        }
    }

    fn charset(&mut self) -> Parsed<Statement> {
        let (name, span) = self.string()?;
        Ok(Statement::Charset { name, span })
    }

    fn keymaps(&mut self) -> Parsed<Statement> {
        let mut ranges = Vec::new();
        loop {
            let (first, span) = self.number()?;
            let (last, end) = match self.eat(Token::Dash)? {
                Some(_) => self.number()?,
                None => (first, span),
            };
            ranges.push((first, last, span.to(end)));
            if ranges.len() > MOST_VALUES {
                return Err(self
                    .lexer
                    .error(Kind::TooManyValues { what: "ranges" }, span));
            }
            if self.eat(Token::Comma)?.is_none() {
                return Ok(Statement::Keymaps { ranges });
            }
        }
    }

    fn usual_strings(&mut self) -> Parsed<Statement> {
        self.expect(Token::Keyword(Keyword::As), "`as`")?;
        self.expect(Token::Keyword(Keyword::Usual), "`usual`")?;
        Ok(Statement::UsualStrings)
    }

    fn function_string(&mut self) -> Parsed<Statement> {
        let symbol = self.expect(Token::Name, "a function key's keysym")?;
        self.expect(Token::Equals, "`=`")?;
        let (text, _) = self.string()?;
        Ok(Statement::FunctionString { symbol, text })
    }

    /// A line about compose rules, behind `compose`.
    fn compose(&mut self, span: Span) -> Parsed<Statement> {
        let usual = self.eat(Token::Keyword(Keyword::As));
        if usual
            .map_err(|error| no_keyword(error, CHARACTER))?
            .is_some()
        {
            self.expect(Token::Keyword(Keyword::Usual), "`usual`")?;
            let charset = match self.eat(Token::Keyword(Keyword::For))? {
                Some(_) => Some(self.string()?),
                None => None,
            };
            return Ok(Statement::UsualCompose { charset, span });
        }
        let first = self.character()?;
        let second = self.character()?;
        self.expect(Token::Keyword(Keyword::To), "`to`")?;
        let result = match self.peek()?.0 {
            Token::Character(_) => self.character()?,
            _ => self.value()?,
        };
        Ok(Statement::Compose {
            parts: [first, second, result],
        })
    }

    /// A quoted character or a code point.
    fn character(&mut self) -> Parsed<Value> {
        let next = self.take();
        let (token, span) = next.map_err(|error| no_keyword(error, CHARACTER))?;
        let operand = match token {
            Token::Character(value) => Operand::Character(value),
            Token::CodePoint(code_point) => Operand::CodePoint(code_point),
            other => return Err(self.unexpected(other, CHARACTER, span)),
        };
        Ok(Value {
            operand,
            letter: false,
            span,
        })
    }

    /// `keycode N = VALUE…`, behind `keycode`.
    fn key(&mut self, start: Span) -> Parsed<Statement> {
        let (keycode, _) = self.number()?;
        self.equals()?;
        let mut values = Vec::with_capacity(USUAL_VALUES);
        while self.peek()?.0 != Token::Eol {
            let value = self.value()?;
            if values.len() == MOST_VALUES {
                let kind = Kind::TooManyValues { what: "columns" };
                return Err(self.lexer.error(kind, value.span));
            }
            values.push(value);
        }
        let span = values
            .last()
            .map_or(start, |value: &Value| start.to(value.span));
        Ok(Statement::Key {
            maps: Maps::Columns,
            keycode,
            values,
            span,
        })
    }

    /// `MODIFIER… keycode N = VALUE`, behind the first modifier.
    fn modifiers(&mut self, mut weights: u32, start: Span) -> Parsed<Statement> {
        while let Token::Keyword(Keyword::Modifier(weight)) = self.peek()?.0 {
            weights |= weight;
            self.next = None;
        }
        self.one_map(weights, start)
    }

    /// `keycode N = VALUE`, behind the modifiers, whose weights add up to `map`.
    fn one_map(&mut self, map: u32, start: Span) -> Parsed<Statement> {
        self.expect(Token::Keyword(Keyword::Keycode), "`keycode`")?;
        let (keycode, _) = self.number()?;
        self.equals()?;
        let value = self.value()?;
        Ok(Statement::Key {
            maps: Maps::One(map),
            keycode,
            values: vec![value],
            span: start.to(value.span),
        })
    }

    /// The `=` of a line about a key. Without it, what follows is no keyword either.
    fn equals(&mut self) -> Parsed<Span> {
        self.expect(Token::Equals, "`=`")
            .map_err(|error| no_keyword(error, "`=`"))
    }

    fn value(&mut self) -> Parsed<Value> {
        let letter = self.eat(Token::Plus)?.is_some();
        let (token, span) = self.take()?;
        let operand = match token {
            Token::Number(number) => Operand::Number(number),
            Token::CodePoint(code_point) => Operand::CodePoint(code_point),
            Token::Name => Operand::Name,
            other => {
                return Err(self.unexpected(other, "a keysym, a number or a code point", span));
            }
        };
        Ok(Value {
            operand,
            letter,
            span,
        })
    }

    fn number(&mut self) -> Parsed<(u32, Span)> {
        match self.take()? {
            (Token::Number(number), span) => Ok((number, span)),
            (other, span) => Err(self.unexpected(other, "a number", span)),
        }
    }

    fn string(&mut self) -> Parsed<(Vec<u8>, Span)> {
        match self.take()? {
            (Token::String, span) => Ok((self.lexer.take_string(), span)),
            (other, span) => Err(self.unexpected(other, "a string in double quotes", span)),
        }
    }

    fn expect(&mut self, token: Token, name: &'static str) -> Parsed<Span> {
        match self.eat(token)? {
            Some(span) => Ok(span),
            None => {
                let (found, span) = self.peek()?;
                Err(self.unexpected(found, name, span))
            }
        }
    }

    /// Takes the next token if it is this one.
    fn eat(&mut self, token: Token) -> Parsed<Option<Span>> {
        let (next, span) = self.peek()?;
        if next != token {
            return Ok(None);
        }
        self.next = None;
        Ok(Some(span))
    }

    fn peek(&mut self) -> Parsed<(Token, Span)> {
        let next = self.take()?;
        self.next = Some(next);
        Ok(next)
    }

    fn take(&mut self) -> Parsed<(Token, Span)> {
        match self.next.take() {
            Some(next) => Ok(next),
            None => self.lexer.next(),
        }
    }

    fn unexpected(&mut self, found: Token, expected: &'static str, span: Span) -> Box<Diagnostic> {
        let diagnostic = self.lexer.error(
            Kind::Unexpected {
                found: found.describe(),
                expected,
            },
            span,
        );
        // Whatever follows, the line is over where its end was found.
        if found == Token::Eol {
            self.next = Some((Token::Eol, span));
        }
        diagnostic
    }
}

/// An unknown keyword, where none was expected.
fn no_keyword(mut error: Box<Diagnostic>, expected: &'static str) -> Box<Diagnostic> {
    if matches!(error.kind, Kind::UnknownWord { .. }) {
        error.kind = Kind::Unexpected {
            found: "a word",
            expected,
        };
    }
    error
}
