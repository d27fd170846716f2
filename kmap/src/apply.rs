//! Statements to tables: columns, modifiers, strings, compose rules.
//!
//! The order of statements matters in this language, so each is applied as it is read, and nothing is kept but the result.

use std::collections::BTreeMap;

use crate::compile::{Mode, Options};
use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind};
use crate::keymap::ComposeRule;
use crate::keysym::{self, Code, FUNCTION, Resolver, Unresolved};
use crate::syntax::{Maps, Operand, Span, Statement, Value};
use crate::tables::{Conflict, Tables};
use crate::texts::{Texts, up_to_nul};
use crate::warnings::Warnings;
use crate::{KEYS, Keymap, lint, meant, render, usual};

/// The last map whose number is accepted. The kernel has 256; the others take their columns and are dropped.
const LAST_MAP: u32 = 4095;
/// A keymap has no more compose rules, which bounds the memory that a hostile file can claim. The kernel takes 256.
const MOST_RULES: usize = 65_536;
/// What loadkeys keeps of a string; the kernel has 512 bytes for it, with the nul at its end.
const LONGEST_FUNCTION_STRING: usize = 511;
/// The first code point that cannot be put on a key: its code would look like that of an ordinary keysym.
const CODE_POINT_LIMIT: u32 = 0xf000;
/// The first code that stands for a code point.
const FIRST_UNICODE: u32 = 0x1000;

/// Applies the statements of one keymap.
pub(crate) struct Compiler {
    options: Options,
    resolver: Resolver,
    tables: Tables,
    strings: BTreeMap<u8, Vec<u8>>,
    compose: Vec<ComposeRule>,
    warnings: Warnings,
    /// The columns of a line, resolved.
    codes: Vec<(Code, Span)>,
    /// For lints: the first string or compose rule, and the last `keymaps` line.
    first_extra: Option<Span>,
    declared_at: Option<Span>,
}

type Applied<T = ()> = Result<T, Box<Diagnostic>>;

impl Compiler {
    /// `is_automatic`: nobody has asked for the mode.
    pub(crate) fn new(options: &Options, is_automatic: bool) -> Self {
        Self {
            options: *options,
            resolver: match options.mode {
                Mode::Unicode if is_automatic => Resolver::automatic(),
                mode => Resolver::new(mode == Mode::Unicode),
            },
            tables: match options.lints {
                true => Tables::with_owners(),
                false => Tables::default(),
            },
            strings: BTreeMap::new(),
            compose: Vec::new(),
            warnings: Warnings::default(),
            codes: Vec::new(),
            first_extra: None,
            declared_at: None,
        }
    }

    /// The keymap and the warnings, or the value that does not fit 16 bits.
    pub(crate) fn finish(mut self, texts: &Texts) -> Applied<(Keymap, Warnings)> {
        let keymap = match std::mem::take(&mut self.tables).finish() {
            Ok(keymap) => keymap,
            Err((value, span)) => {
                return Err(texts.error(Kind::ValueTooLarge { value }, span));
            }
        };
        let strings = std::mem::take(&mut self.strings);
        let compose = std::mem::take(&mut self.compose);
        let keymap = keymap.with_extras(strings, compose, self.resolver.is_unicode());
        if self.options.lints {
            let places = [self.declared_at, self.first_extra];
            let found = lint::keymap(&keymap, places, texts);
            found
                .into_iter()
                .for_each(|lint| self.warnings.push(|| lint));
        }
        Ok((keymap, self.warnings))
    }

    pub(crate) fn statement(&mut self, statement: Statement, texts: &Texts) -> Applied {
        match statement {
            Statement::Charset { name, span } => {
                match self.resolver.set_charset(up_to_nul(&name)) {
                    true => Ok(()),
                    false => Err(texts.error(
                        Kind::UnknownCharset {
                            name: render::word(&name),
                        },
                        span,
                    )),
                }
            }
            Statement::AltIsMeta => {
                self.tables.alt_is_meta();
                Ok(())
            }
            Statement::Keymaps { ranges } => self.declare(&ranges, texts),
            Statement::UsualStrings => {
                self.strings.extend(usual::strings());
                Ok(())
            }
            Statement::UsualCompose { charset, span } => match charset {
                Some((name, span)) if up_to_nul(&name) != b"iso-8859-1" => Err(texts.error(
                    Kind::UnknownComposeTable {
                        name: render::word(&name),
                    },
                    span,
                )),
                _ => self.usual_compose(span, texts),
            },
            Statement::FunctionString { symbol, text } => {
                self.function_string(symbol, &text, texts)
            }
            Statement::Compose { parts } => self.compose(&parts, texts),
            Statement::Key {
                maps,
                keycode,
                values,
                span,
            } => self.key(maps, keycode, &values, span, texts),
        }
    }

    fn declare(&mut self, ranges: &[(u32, u32, Span)], texts: &Texts) -> Applied {
        for &(first, last, span) in ranges {
            if last > LAST_MAP && first <= last {
                return Err(texts.error(Kind::MapTooLarge, span));
            }
            self.tables.declare(first, last);
            self.declared_at = Some(span);
        }
        Ok(())
    }

    fn function_string(&mut self, symbol: Span, text: &[u8], texts: &Texts) -> Applied {
        let code = self.name(symbol, texts)?;
        if code.kind() != FUNCTION {
            let name = render::word(texts.bytes(symbol));
            return Err(texts.error(Kind::NotFunctionKey { name }, symbol));
        }
        let text = up_to_nul(text).iter().take(LONGEST_FUNCTION_STRING);
        let text = text.copied().collect();
        self.strings.insert(code.value() as u8, text);
        self.first_extra.get_or_insert(symbol);
        Ok(())
    }

    fn usual_compose(&mut self, span: Span, texts: &Texts) -> Applied {
        for rule in usual::compose() {
            let rule = rule.map(|byte| self.character(Code(byte)));
            self.rule(rule, span, texts)?;
        }
        Ok(())
    }

    fn rule(&mut self, values: [u32; 3], span: Span, texts: &Texts) -> Applied {
        if self.compose.len() == MOST_RULES {
            return Err(texts.error(Kind::TooManyRules, span));
        }
        let [first, second, result] = values;
        self.compose.push(ComposeRule {
            first,
            second,
            result,
        });
        Ok(())
    }

    fn compose(&mut self, parts: &[Value; 3], texts: &Texts) -> Applied {
        let mut values = [0; 3];
        for (slot, value) in values.iter_mut().zip(parts) {
            let result = match value.operand {
                Operand::Character(byte) => Ok(self.character(Code(byte))),
                Operand::CodePoint(code_point) if code_point >= CODE_POINT_LIMIT => {
                    Err(texts.error(Kind::CodePointTooLarge { code_point }, value.span))
                }
                _ => match self.code(value, texts) {
                    // No error here: loadkeys keeps a rule that nothing can trigger.
                    Err(error) if matches!(error.kind, Kind::NotInCharset { .. }) => Ok(u32::MAX),
                    // A rule's result changes sides once more, behind `+`: it is a character, not a key's code.
                    result => result.map(|code| self.character(code)),
                },
            };
            *slot = match result {
                Ok(value) => value,
                Err(error) if self.options.skip_unsupported => {
                    self.skip(*error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
        }
        self.first_extra.get_or_insert(parts[0].span);
        self.rule(values, parts[0].span, texts)
    }

    /// A character as compose rules keep it; `u32::MAX` where the charset has no byte for it.
    fn character(&self, code: Code) -> u32 {
        let resolved = self.resolver.number(code);
        resolved.map_or(u32::MAX, |code| self.stored(code))
    }

    fn stored(&self, code: Code) -> u32 {
        match self.resolver.is_unicode() && code.0 >= FIRST_UNICODE {
            true => code.0 ^ 0xf000,
            false => code.0,
        }
    }

    fn key(
        &mut self,
        maps: Maps,
        keycode: u32,
        values: &[Value],
        span: Span,
        texts: &Texts,
    ) -> Applied {
        // One buffer for all lines.
        let mut codes = std::mem::take(&mut self.codes);
        codes.clear();
        for value in values {
            codes.push(self.value(value, texts)?);
        }
        self.tables.begin_line(keycode, span);
        let applied = match (maps, &*codes) {
            (Maps::One(map), &[(code, span)]) => self.tables.bind_one(map, keycode, code, span),
            _ => self.tables.bind_columns(keycode, &codes),
        };
        self.codes = codes;
        for void in self.tables.end_line() {
            self.note_void(void, keycode, span, texts);
        }
        if keycode as usize >= KEYS {
            self.warn(Kind::KeycodeTooLarge { keycode }, span, texts);
        }
        applied.map_err(|conflict| match conflict {
            Conflict::TooManyColumns {
                columns,
                maps,
                numbers,
            } => {
                let extra = values.get(maps).map_or(span, |value| value.span);
                texts.error(
                    Kind::TooManyColumns {
                        columns,
                        maps,
                        numbers,
                    },
                    extra,
                )
            }
            Conflict::Undeclared { map } => texts.error(Kind::UndeclaredMap { map }, span),
        })
    }

    /// What a column stands for; nothing, where it cannot be had and may be left out.
    fn value(&mut self, value: &Value, texts: &Texts) -> Applied<(Code, Span)> {
        match self.code(value, texts) {
            Ok(code) => Ok((code, value.span)),
            Err(error) if self.options.skip_unsupported => {
                self.skip(*error);
                Ok((Code::VOID, value.span))
            }
            Err(error) => Err(error),
        }
    }

    fn code(&mut self, value: &Value, texts: &Texts) -> Applied<Code> {
        let raw = match value.operand {
            Operand::Number(number) if self.options.skip_unsupported && number > 0xffff => {
                let kind = Kind::ValueTooLarge { value: number };
                return Err(texts.error(kind, value.span));
            }
            Operand::Number(number) | Operand::Character(number) => Code(number),
            Operand::CodePoint(code_point) if code_point >= CODE_POINT_LIMIT => {
                return Err(texts.error(Kind::CodePointTooLarge { code_point }, value.span));
            }
            Operand::CodePoint(code_point) => Code::unicode(code_point),
            Operand::Name => self.name(value.span, texts)?,
        };
        let resolved = match (value.letter, value.operand) {
            (true, _) => self.resolver.letter(raw),
            (false, Operand::Name) => Ok(raw),
            (false, _) => self.resolver.number(raw),
        };
        resolved.map_err(|why| self.unresolved(why, value.span, texts))
    }

    fn skip(&mut self, error: Diagnostic) {
        self.warnings.push(|| Diagnostic {
            kind: Kind::Skipped(Box::new(error.kind)),
            place: error.place,
        });
    }

    /// Warns where a line leaves nothing of an earlier one of the same file. That what is included is replaced is what includes are for.
    fn note_void(&mut self, void: Span, keycode: u32, span: Span, texts: &Texts) {
        if void.text == span.text {
            let line = texts.line(void);
            self.warn(Kind::DefinedTwice { keycode, line }, span, texts);
        }
    }

    fn name(&mut self, span: Span, texts: &Texts) -> Applied<Code> {
        let name = texts.bytes(span);
        let code = self
            .resolver
            .name(name)
            .map_err(|why| self.unresolved(why, span, texts))?;
        if code == Code(0) && name.starts_with(b"Meta_") {
            self.warn(
                Kind::MetaOfNothing {
                    name: render::word(name),
                },
                span,
                texts,
            );
        }
        Ok(code)
    }

    fn unresolved(&self, why: Unresolved, span: Span, texts: &Texts) -> Box<Diagnostic> {
        let kind = match why {
            Unresolved::Name => match short_code_point(span, texts) {
                Some(digits) => Kind::ShortCodePoint { digits },
                None => self.unknown_keysym(texts.bytes(span)),
            },
            Unresolved::CodePoint { code_point, name } => Kind::NotInCharset {
                code_point,
                name,
                charset: self.resolver.charset(),
                ended: self.has_left_unicode(),
            },
        };
        texts.error(kind, span)
    }

    /// Whether a `charset` line has ended Unicode mode.
    fn has_left_unicode(&self) -> bool {
        self.options.mode == Mode::Unicode && !self.resolver.is_unicode()
    }

    fn unknown_keysym(&self, name: &[u8]) -> Kind {
        let unicode = !self.resolver.is_unicode() && keysym::known_in_unicode(name);
        Kind::UnknownKeysym {
            name: render::word(name),
            suggestion: if unicode { None } else { meant::suggest(name) },
            unicode,
            ended: self.has_left_unicode(),
        }
    }

    fn warn(&mut self, kind: Kind, span: Span, texts: &Texts) {
        self.warnings.push(|| texts.diagnostic(kind, span));
    }
}

/// The digits behind `U+`, where they are too few for a code point and were read as a keysym.
fn short_code_point(span: Span, texts: &Texts) -> Option<String> {
    let digits = texts.bytes(span);
    let start = span.start.checked_sub(2)?;
    let before = Span {
        start,
        end: span.start,
        ..span
    };
    let is_short = digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit);
    (is_short && texts.bytes(before) == b"U+").then(|| render::word(digits))
}
