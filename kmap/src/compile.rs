//! Texts to a keymap: the ways in, the choice of the mode, and what ends a run.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::apply::Compiler;
use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind, Place, Report};
use crate::lexer::Lexer;
use crate::parser::Parser;
use crate::source::{FileSource, NoFiles, SearchPath, Source, SourceText, TEXT_LIMIT};
use crate::texts::Texts;
use crate::warnings::Warnings;
use crate::{Keymap, emit, lint};

/// Compiling ends after so many errors.
const MOST_ERRORS: usize = 1000;

/// How to compile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What the codes of characters are.
    pub mode: Mode,
    /// A key that cannot have what the keymap gives it (an unknown keysym, a code point that the kernel has no room for)
    /// does nothing, with a warning, instead of failing the keymap.
    pub skip_unsupported: bool,
    /// Also warn of what is no error but seldom meant: see [`DiagnosticKind::is_lint`](crate::DiagnosticKind::is_lint).
    pub lints: bool,
}

/// What the codes of characters are: bytes of a charset, or Unicode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What the text's first line asks for ([`emit::named_mode`](crate::emit::named_mode)); where it asks for nothing,
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
    /// The mode at the end of the text: never [`Mode::Automatic`]. `charset "iso-8859-1"` ends Unicode mode.
    pub mode: Mode,
    /// Warnings, and the note that says why automatic mode took Unicode; about a thousand at most, and then how many more there are.
    pub warnings: Vec<Diagnostic>,
    /// The files that were read, the keymap itself first, each once.
    pub inputs: Vec<PathBuf>,
}

/// Compiles a keymap that stands alone, in the mode that it needs. There is no file system here: an `include` is an error.
///
/// # Errors
/// The problems of the text, in its order.
///
/// ```
/// let keymap = kmap::compile(b"keycode 1 = Escape\n")?;
/// assert_eq!(keymap.get(0, 1), Some(kmap::Keysym(0x1b)));
/// # Ok::<(), kmap::Report>(())
/// ```
pub fn compile(text: &[u8]) -> Result<Keymap, Report> {
    compile_bytes(text, Mode::Automatic).map(|compiled| compiled.keymap)
}

/// As [`compile`], in a mode of choice; what comes of it says which mode that was, and what there is to be warned of.
///
/// # Errors
/// The problems of the text, in its order.
///
/// ```
/// use kmap::Mode;
///
/// let compiled = kmap::compile_bytes(b"keycode 1 = U+20AC", Mode::Unicode)?;
/// assert_eq!(compiled.keymap.get(0, 1).and_then(|keysym| keysym.character()), Some('€'));
/// assert_eq!(compiled.warnings[0].kind.name(), "missing-newline");
/// # Ok::<(), kmap::Report>(())
/// ```
pub fn compile_bytes(text: &[u8], mode: Mode) -> Result<Compiled, Report> {
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
    let options = Options {
        mode,
        ..Options::default()
    };
    compile_texts(source, [text], &options)
}

/// Compiles several texts into one keymap, as `loadkeys` does with several files: each goes on where the one before it
/// ended, with its charset, maps and keys.
///
/// ```
/// use kmap::{NoFiles, Options, SourceText};
///
/// let text = |bytes: &[u8]| SourceText { path: "text".into(), bytes: bytes.to_vec() };
/// let texts = [text(b"keycode 30 = a\n"), text(b"keycode 30 = b\n")];
/// let keymap = kmap::compile_texts(&mut NoFiles, texts, &Options::default())?.keymap;
/// assert_eq!(keymap.get(0, 30).map(|keysym| keysym.value()), Some(b'b'));
/// # Ok::<(), kmap::Report>(())
/// ```
///
/// # Errors
/// The problems of the texts, in their order.
pub fn compile_texts(
    source: &mut dyn Source,
    texts: impl Into<Vec<SourceText>>,
    options: &Options,
) -> Result<Compiled, Report> {
    let texts = texts.into().into_iter().map(|text| Input {
        path: text.path,
        bytes: Rc::new(text.bytes),
    });
    compile_inputs(source, &texts.collect::<Vec<_>>(), options)
}

/// A text that is read several times and kept once: keymaps may be large.
struct Input {
    path: PathBuf,
    bytes: Rc<Vec<u8>>,
}

fn compile_inputs(
    source: &mut dyn Source,
    texts: &[Input],
    options: &Options,
) -> Result<Compiled, Report> {
    let options = &Options {
        mode: mode(texts, options.mode),
        ..*options
    };
    let mut compiled = match options.mode {
        Mode::Automatic => run_automatic(source, texts, options)?,
        _ => run(source, texts, options, MOST_ERRORS, false)?,
    };
    if options.lints && compiled.mode == Mode::EightBit {
        let unicode = Options {
            mode: Mode::Unicode,
            lints: false,
            ..*options
        };
        // Where Unicode mode fails there is nothing to compare with.
        let other = run(source, texts, &unicode, 1, false).ok();
        let loss = other.and_then(|other| lint::eight_bit_loss(&compiled.keymap, &other.keymap));
        let path = texts.first().map(|text| text.path.clone());
        compiled.warnings.extend(loss.map(|kind| Diagnostic {
            kind,
            place: path.map(|path| Box::new(Place::whole(path))),
        }));
    }
    Ok(compiled)
}

/// The mode that was asked for, by the caller or else by the first line of the first text.
fn mode(texts: &[Input], asked: Mode) -> Mode {
    let named = texts.first().and_then(|text| emit::named_mode(&text.bytes));
    match (asked, named) {
        (Mode::Automatic, Some(mode)) => mode,
        _ => asked,
    }
}

fn run_automatic(
    source: &mut dyn Source,
    texts: &[Input],
    options: &Options,
) -> Result<Compiled, Report> {
    // Nothing is left out as long as Unicode mode may have it.
    let eight_bit = Options {
        mode: Mode::EightBit,
        skip_unsupported: false,
        ..*options
    };
    let report = match run(source, texts, &eight_bit, 1, true) {
        Ok(compiled) => return Ok(compiled),
        Err(report) => report,
    };
    let unicode = Options {
        mode: Mode::Unicode,
        ..*options
    };
    let mut compiled = run(source, texts, &unicode, MOST_ERRORS, true)?;
    let reason = report.errors.into_iter().next();
    compiled.warnings.extend(reason.map(|reason| Diagnostic {
        kind: Kind::NeedsUnicode(Box::new(reason.kind)),
        place: reason.place,
    }));
    Ok(compiled)
}

/// Compiles in one definite mode, until so many errors are found. `is_automatic`: nobody has asked for this mode.
fn run(
    source: &mut dyn Source,
    inputs: &[Input],
    options: &Options,
    most_errors: usize,
    is_automatic: bool,
) -> Result<Compiled, Report> {
    let mut compiler = Compiler::new(options, is_automatic);
    let mut texts = Texts::default();
    let mut warnings = Warnings::default();
    let mut errors = Vec::new();
    for input in inputs {
        let is_too_much = texts.total().saturating_add(input.bytes.len()) as u64 > TEXT_LIMIT;
        if is_too_much && texts.count() > 0 {
            let place = Place::whole(input.path.clone());
            errors.push(Diagnostic {
                kind: Kind::TooMuchText,
                place: Some(Box::new(place)),
            });
            break;
        }
        let lexer = Lexer::new(
            &mut *source,
            (input.path.clone(), Rc::clone(&input.bytes)),
            std::mem::take(&mut texts),
            std::mem::take(&mut warnings),
        );
        let mut parser = Parser::new(lexer);
        read_statements(&mut parser, &mut compiler, &mut errors, most_errors);
        (texts, warnings) = (parser.lexer.texts, parser.lexer.warnings);
    }
    if errors.is_empty() {
        match compiler.finish(&texts) {
            Ok((keymap, more)) => {
                warnings.append(more);
                let mode = match keymap.is_unicode() {
                    true => Mode::Unicode,
                    false => Mode::EightBit,
                };
                return Ok(Compiled {
                    keymap,
                    mode,
                    warnings: warnings.finish(),
                    inputs: texts.paths(),
                });
            }
            Err(error) => errors.push(*error),
        }
    }
    Err(Report { errors })
}

/// Applies the statements of one text, until it ends or so many errors are found.
fn read_statements(
    parser: &mut Parser<'_>,
    compiler: &mut Compiler,
    errors: &mut Vec<Diagnostic>,
    most_errors: usize,
) {
    while errors.len() < most_errors {
        let result = match parser.statement() {
            Ok(None) => break,
            Ok(Some(statement)) => compiler.statement(statement, &parser.lexer.texts),
            Err(error) => Err(error),
        };
        let Err(error) = result else { continue };
        let is_last = ends_the_report(&error.kind);
        errors.push(*error);
        if is_last {
            return;
        }
    }
    // A run for the first error alone is none that is told in full.
    if errors.len() == MOST_ERRORS {
        errors.push(Diagnostic {
            kind: Kind::TooManyErrors,
            place: None,
        });
    }
}

/// Whether what follows would only say the same again: too much text, too many rules, or a file that is no text.
fn ends_the_report(kind: &Kind) -> bool {
    match kind {
        Kind::TooMuchText | Kind::TooManyRules | Kind::ByteOrderMark { .. } => true,
        Kind::StrayByte(byte) => !byte.is_ascii_graphic(),
        Kind::UnknownWord { word, .. } => word.starts_with("bkeymap"),
        _ => false,
    }
}
