//! Keymaps as the command line names them: a path, a name, or standard input; text or binary.

use std::io::{self, Read as _};
use std::path::Path;

use cli::Failure;
use kmap::{
    Compiled, Diagnostic, DiagnosticKind, FileSource, Keymap, Mode, Options, Report, Severity,
    Source as _, SourceText, emit,
};

use crate::args::Reading;

/// As much is read from standard input, and as much may come out of it.
const INPUT_LIMIT: u64 = 16 << 20;

pub(crate) fn is_standard_input(input: &Path) -> bool {
    input.as_os_str() == "-"
}

/// The text that an argument stands for.
pub(crate) fn text(source: &mut FileSource, input: &Path) -> Result<SourceText, Report> {
    match is_standard_input(input) {
        true => standard_input(),
        false => source.open(input).map_err(Report::from),
    }
}

/// Compiles the keymaps that arguments stand for, together.
pub(crate) fn compile(
    source: &mut FileSource,
    inputs: &[&Path],
    options: &Options,
) -> Result<Compiled, Report> {
    let texts = inputs
        .iter()
        .map(|input| text(source, input))
        .collect::<Result<Vec<_>, _>>()?;
    kmap::compile_texts(source, &texts, options)
}

/// The keymap that an argument stands for, text or binary, with the warnings of its making. Without a mode, Unicode is tried
/// first, since that is what consoles are in.
pub(crate) fn keymap(input: &Path, reading: &Reading) -> Result<Keymap, Failure> {
    let mut source = FileSource::new(reading.search());
    let text = text(&mut source, input).map_err(|report| failure(&report))?;
    if emit::is_bkeymap(&text.bytes) {
        return Keymap::from_bkeymap(&text.bytes, reading.endian.into()).map_err(|error| {
            Failure::input(format_args!(
                "cannot read `{}`: {error}",
                text.path.display()
            ))
        });
    }
    let options = reading.options();
    let texts = [text];
    let mut compile = |mode| kmap::compile_texts(&mut source, &texts, &Options { mode, ..options });
    let compiled = match options.mode {
        Mode::Automatic => {
            compile(Mode::Unicode).or_else(|report| compile(Mode::EightBit).map_err(|_| report))
        }
        mode => compile(mode),
    };
    let compiled = compiled.map_err(|report| failure(&report))?;
    Ok(compiled.keymap)
}

pub(crate) fn failure(report: &Report) -> Failure {
    match report.is_machine_fault() {
        true => Failure::machine(report),
        false => Failure::input(explain(report)),
    }
}

/// The report, and a hint where the file is not a keymap's text at all.
pub(crate) fn explain(report: &Report) -> String {
    let is_binary = report.errors().first().is_some_and(|error| {
        matches!(&error.kind, DiagnosticKind::UnknownWord { word, .. } if word.starts_with("bkeymap"))
    });
    match is_binary {
        true => "this is a compiled keymap already; `kmapc decompile` makes text of it".to_owned(),
        false => report.to_string(),
    }
}

fn standard_input() -> Result<SourceText, Report> {
    let mut bytes = Vec::new();
    let unreadable = |error: io::Error| Report::unreadable("standard input", error);
    io::stdin()
        .lock()
        .take(INPUT_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let too_much = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it holds more than {INPUT_LIMIT} bytes"),
        )
    };
    if bytes.len() as u64 > INPUT_LIMIT {
        return Err(unreadable(too_much()));
    }
    let bytes = codec::decode(&bytes, INPUT_LIMIT)
        .map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    Ok(SourceText {
        path: "<standard input>".into(),
        bytes: bytes.into_owned(),
    })
}

/// Shows a warning or a note.
pub(crate) fn show(diagnostic: &Diagnostic) {
    match (diagnostic.severity(), &diagnostic.place) {
        // The reason for Unicode mode is nothing to mend, so a line will do.
        (Severity::Note, Some(place)) => {
            let (path, line, column) = (place.path.display(), place.line, place.column);
            eprintln!("note: {} ({path}:{line}:{column})", diagnostic.kind);
        }
        (Severity::Note, None) => eprintln!("note: {diagnostic}"),
        (Severity::Warning, _) => eprintln!("warning: {diagnostic}"),
        (Severity::Error, _) => eprintln!("error: {diagnostic}"),
    }
}
