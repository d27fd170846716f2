//! Statements to tables: columns, modifiers, what `alt_is_meta` adds, and what is filled in at the end.
//!
//! The order of statements matters in this language, so each is applied as it is read, and nothing is kept but the tables.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind, Report};
use crate::keysym::{self, Code, FUNCTION, Resolver, Unresolved};
use crate::lexer::Lexer;
use crate::parser::Parser;
use crate::render;
use crate::source::{FileSource, NoFiles, SearchPath, Source, SourceText};
use crate::syntax::{Maps, Operand, Span, Statement, Value};
use crate::tables::{Conflict, Tables};
use crate::texts::Texts;
use crate::{KEYS, Keymap};

/// A report ends after so many errors: what follows is mostly consequence.
const MOST_ERRORS: usize = 20;
/// As many warnings are kept.
pub(crate) const MOST_WARNINGS: usize = 100;
/// The last map whose number is accepted. The kernel has 256; the others take their columns and are dropped.
const LAST_MAP: u32 = 4095;

/// What the codes of characters are: bytes of a charset, or Unicode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// [`EightBit`](Mode::EightBit) where that works, else [`Unicode`](Mode::Unicode). Where neither works, the errors are those of Unicode mode.
    #[default]
    Automatic,
    /// For a console in 8-bit mode, and for plain keymaps in any: the bytes of `loadkeys -b`.
    EightBit,
    /// For a console in Unicode mode (`kbd_mode -u`): the bytes of `loadkeys -u -b`.
    Unicode,
}

/// A keymap and what is worth knowing about its making.
#[derive(Debug)]
pub struct Compiled {
    /// The tables.
    pub keymap: Keymap,
    /// The mode in fact used: never [`Mode::Automatic`].
    pub mode: Mode,
    /// Warnings, and the note that says why automatic mode took Unicode; at most about two hundred.
    pub warnings: Vec<Diagnostic>,
    /// The files that were read, the keymap itself first, each once.
    pub inputs: Vec<PathBuf>,
}

/// Compiles a keymap that stands alone. There is no file system here: an `include` is an error.
///
/// # Errors
/// The problems of the text, in its order.
///
/// ```
/// let compiled = kmap::compile(b"keycode 1 = Escape\n", kmap::Mode::Automatic)?;
/// assert_eq!(compiled.mode, kmap::Mode::EightBit);
/// assert_eq!(compiled.keymap.tables().len(), 1);
/// # Ok::<(), kmap::Report>(())
/// ```
pub fn compile(text: &[u8], mode: Mode) -> Result<Compiled, Report> {
    let text = SourceText {
        path: "text".into(),
        bytes: text.to_vec(),
    };
    compile_text(&mut NoFiles, text, mode)
}

/// Finds a keymap by its path or its name (`es`), reads it and compiles it.
///
/// # Errors
/// That it cannot be found or read, or its problems; [`Report::is_machine_fault`] tells them apart.
pub fn compile_named(
    name_or_path: &Path,
    search: &SearchPath,
    mode: Mode,
) -> Result<Compiled, Report> {
    compile_with(&mut FileSource::new(search.clone()), name_or_path, mode)
}

/// Compiles the keymap that `source` gives for `name`.
///
/// # Errors
/// That `source` does not have it, or its problems.
pub fn compile_with(source: &mut dyn Source, name: &Path, mode: Mode) -> Result<Compiled, Report> {
    let text = source.open(name).map_err(|error| Diagnostic {
        kind: Kind::Source(error),
        place: None,
    })?;
    compile_text(source, text, mode)
}

/// Compiles a text whose includes `source` resolves: a keymap from standard input, for example.
///
/// # Errors
/// The problems of the text, in its order.
pub fn compile_text(
    source: &mut dyn Source,
    text: SourceText,
    mode: Mode,
) -> Result<Compiled, Report> {
    match mode {
        Mode::EightBit | Mode::Unicode => run(source, text, mode, MOST_ERRORS),
        Mode::Automatic => {
            let report = match run(source, text.clone(), Mode::EightBit, 1) {
                Ok(compiled) => return Ok(compiled),
                Err(report) => report,
            };
            let mut compiled = run(source, text, Mode::Unicode, MOST_ERRORS)?;
            let reason = report.errors.into_iter().next();
            compiled.warnings.extend(reason.map(|reason| Diagnostic {
                kind: Kind::NeedsUnicode(Box::new(reason.kind)),
                place: reason.place,
            }));
            Ok(compiled)
        }
    }
}

/// Compiles in one definite mode, until so many errors are found.
fn run(
    source: &mut dyn Source,
    text: SourceText,
    mode: Mode,
    most_errors: usize,
) -> Result<Compiled, Report> {
    let mut parser = Parser::new(Lexer::new(source, text));
    let mut compiler = Compiler::new(mode == Mode::Unicode);
    let mut errors = Vec::new();
    while errors.len() < most_errors {
        let result = match parser.statement() {
            Ok(None) => break,
            Ok(Some(statement)) => compiler.statement(statement, &parser.lexer.texts),
            Err(error) => Err(error),
        };
        let Err(error) = result else { continue };
        let is_last = ends_the_report(&error.kind);
        errors.push(error);
        if is_last {
            break;
        }
    }
    let texts = &parser.lexer.texts;
    if errors.is_empty() {
        match compiler.tables.finish() {
            Ok(keymap) => {
                let mut warnings = parser.lexer.warnings;
                warnings.extend(compiler.warnings);
                return Ok(Compiled {
                    keymap,
                    mode,
                    warnings,
                    inputs: texts.paths(),
                });
            }
            Err((value, span)) => {
                errors.push(texts.diagnostic(Kind::ValueTooLarge { value }, span))
            }
        }
    }
    Err(Report { errors })
}

/// Whether what follows would only say the same again: too much text, or a file that is no text.
fn ends_the_report(kind: &Kind) -> bool {
    match kind {
        Kind::TooMuchText => true,
        Kind::StrayByte(byte) => !byte.is_ascii_graphic(),
        _ => false,
    }
}

struct Compiler {
    resolver: Resolver,
    tables: Tables,
    warnings: Vec<Diagnostic>,
}

type Applied<T = ()> = Result<T, Diagnostic>;

impl Compiler {
    fn new(unicode: bool) -> Self {
        Self {
            resolver: Resolver::new(unicode),
            tables: Tables::default(),
            warnings: Vec::new(),
        }
    }

    fn statement(&mut self, statement: Statement, texts: &Texts) -> Applied {
        match statement {
            Statement::Charset { name, span } => match self.resolver.set_charset(&name) {
                true => Ok(()),
                false => Err(texts.diagnostic(
                    Kind::UnknownCharset {
                        name: render::word(&name),
                    },
                    span,
                )),
            },
            Statement::AltIsMeta => {
                self.tables.alt_is_meta();
                Ok(())
            }
            Statement::Keymaps { ranges } => self.declare(&ranges, texts),
            Statement::UsualStrings | Statement::UsualCompose { charset: None } => Ok(()),
            Statement::UsualCompose {
                charset: Some((name, span)),
            } => match &*name {
                b"iso-8859-1" => Ok(()),
                _ => Err(texts.diagnostic(
                    Kind::UnknownComposeTable {
                        name: render::word(&name),
                    },
                    span,
                )),
            },
            Statement::FunctionString { symbol } => self.function_string(symbol, texts),
            Statement::Compose { result } => self.compose(result, texts),
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
                return Err(texts.diagnostic(Kind::MapTooLarge, span));
            }
            self.tables.declare(first, last);
        }
        Ok(())
    }

    fn function_string(&mut self, symbol: Span, texts: &Texts) -> Applied {
        let code = self.name(symbol, texts)?;
        match code.kind() {
            FUNCTION => Ok(()),
            _ => {
                let name = render::word(texts.bytes(symbol));
                Err(texts.diagnostic(Kind::NotFunctionKey { name }, symbol))
            }
        }
    }

    fn compose(&mut self, result: Option<Value>, texts: &Texts) -> Applied {
        match result {
            // A code point without a byte is no error here: loadkeys only drops the rule.
            Some(Value {
                operand: Operand::Name,
                span,
                ..
            }) => self.name(span, texts).map(drop),
            _ => Ok(()),
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
        let codes = values
            .iter()
            .map(|value| self.value(value, texts))
            .collect::<Applied<Vec<(Code, Span)>>>()?;
        let applied = match (maps, &*codes) {
            (Maps::One(map), &[(code, span)]) => self.tables.bind_one(map, keycode, code, span),
            _ => self.tables.bind_columns(keycode, &codes),
        };
        if keycode as usize >= KEYS {
            self.warn(Kind::KeycodeTooLarge { keycode }, span, texts);
        }
        applied.map_err(|conflict| match conflict {
            Conflict::TooManyColumns { columns, maps } => {
                let extra = values.get(maps).map_or(span, |value| value.span);
                texts.diagnostic(Kind::TooManyColumns { columns, maps }, extra)
            }
            Conflict::Undeclared { map } => texts.diagnostic(Kind::UndeclaredMap { map }, span),
        })
    }

    fn value(&mut self, value: &Value, texts: &Texts) -> Applied<(Code, Span)> {
        let raw = match value.operand {
            Operand::Number(number) => Code(number),
            Operand::CodePoint(code_point) => Code::unicode(code_point),
            Operand::Name => self.name(value.span, texts)?,
        };
        let resolved = match (value.letter, value.operand) {
            (true, _) => self.resolver.letter(raw),
            (false, Operand::Name) => Ok(raw),
            (false, _) => self.resolver.number(raw),
        };
        match resolved {
            Ok(code) => Ok((code, value.span)),
            Err(why) => Err(self.unresolved(why, value.span, texts)),
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

    fn unresolved(&self, why: Unresolved, span: Span, texts: &Texts) -> Diagnostic {
        let kind = match why {
            Unresolved::Name => unknown_keysym(texts.bytes(span), self.resolver.is_unicode()),
            Unresolved::CodePoint { code_point, name } => Kind::NotInCharset {
                code_point,
                name,
                charset: self.resolver.charset(),
            },
        };
        texts.diagnostic(kind, span)
    }

    fn warn(&mut self, kind: Kind, span: Span, texts: &Texts) {
        if self.warnings.len() < MOST_WARNINGS {
            self.warnings.push(texts.diagnostic(kind, span));
        }
    }
}

fn unknown_keysym(name: &[u8], unicode_mode: bool) -> Kind {
    let unicode = !unicode_mode && keysym::known_in_unicode(name);
    Kind::UnknownKeysym {
        name: render::word(name),
        suggestion: if unicode { None } else { keysym::suggest(name) },
        unicode,
    }
}
