//! Keymaps as the command line names them: a path, a name, or standard input; text or binary.

use std::io::{self, Read as _};
use std::path::Path;

use cli::Failure;
use kmap::{
    Compiled, Diagnostic, DiagnosticKind, Endian, FileSource, Keymap, Mode, Options, Report,
    SearchPath, Source as _, SourceText, emit,
};

use crate::args::Reading;
use crate::json;
use crate::screen::{self, Screen};

/// As much is read from standard input, and as much may come out of it.
const INPUT_LIMIT: u64 = 16 << 20;

/// A keymap is small whose text has no more bytes, with its includes. The largest known one has 60 kB.
const SMALL: u64 = 256 << 10;

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

/// Compiles as [`compile`] does, but nothing that takes much memory: for many keymaps at the same time. `None` where that has to wait.
pub(crate) fn compile_small(
    source: &FileSource,
    inputs: &[&Path],
    options: &Options,
) -> Option<Result<Compiled, Report>> {
    // What is read from standard input cannot be read again.
    if inputs.iter().any(|input| is_standard_input(input)) {
        return None;
    }
    let mut source = source.clone().within(SMALL);
    let result = compile(&mut source, inputs, options);
    (!source.is_short()).then_some(result)
}

/// Compiles the keymaps that arguments stand for, together.
pub(crate) fn compile(
    source: &mut FileSource,
    inputs: &[&Path],
    options: &Options,
) -> Result<Compiled, Report> {
    let mut texts: Vec<SourceText> = Vec::new();
    let mut total = 0;
    let mut notes = Vec::new();
    for input in inputs {
        let text = text(source, input)?;
        total += text.bytes.len();
        notes.extend(passed_over(source.search(), input, &text));
        texts.push(text);
        // The compiler says that this is too much, and reads no more of it.
        if total as u64 > INPUT_LIMIT {
            break;
        }
    }
    let mut compiled = kmap::compile_texts(source, texts, options)?;
    compiled.warnings.extend(notes);
    Ok(compiled)
}

/// That a keymap of the current directory was passed over for an installed one.
fn passed_over(search: &SearchPath, input: &Path, text: &SourceText) -> Option<Diagnostic> {
    let local = search.passed_over(input, &text.path)?;
    let kind = DiagnosticKind::LocalPassedOver {
        name: kmap::shown_path(input),
        taken: text.path.clone(),
        local,
    };
    Some(Diagnostic { kind, place: None })
}

/// How a keymap is looked at, and how it is told what is wrong with it.
#[derive(Clone, Copy)]
pub(crate) struct Viewer<'a> {
    pub(crate) reading: &'a Reading,
    pub(crate) screen: Screen,
    /// As JSON, on standard output.
    pub(crate) json: bool,
}

impl Viewer<'_> {
    /// Tells the errors of a keymap.
    fn failure(&self, input: &Path, report: &Report) -> Failure {
        if !self.json {
            return self.screen.report(report);
        }
        match json::print(&json::failure(input, report)) {
            Ok(()) => Failure::reported(screen::fault(report)),
            Err(failure) => failure,
        }
    }

    /// The keymap that an argument stands for, text or binary.
    pub(crate) fn keymap(self, input: &Path) -> Result<Keymap, Failure> {
        Input::read(input, self)?.keymap()
    }
}

/// A keymap that is only looked at, text or binary.
pub(crate) struct Input<'a> {
    viewer: Viewer<'a>,
    name: &'a Path,
    source: FileSource,
    text: [SourceText; 1],
}

impl<'a> Input<'a> {
    /// Reads what an argument stands for.
    pub(crate) fn read(name: &'a Path, viewer: Viewer<'a>) -> Result<Self, Failure> {
        let search = viewer.reading.search();
        let mut source = FileSource::new(search.clone());
        let text = text(&mut source, name).map_err(|report| viewer.failure(name, &report))?;
        if let Some(note) = passed_over(&search, name, &text)
            && cli::is_talkative()
        {
            viewer.screen.show(&note);
        }
        Ok(Self {
            viewer,
            name,
            source,
            text: [text],
        })
    }

    /// The keymap.
    pub(crate) fn keymap(&mut self) -> Result<Keymap, Failure> {
        self.ordered_keymap().map(|(keymap, _)| keymap)
    }

    /// The keymap, and the byte order of its binary form: its own one, or the one that is asked for.
    pub(crate) fn ordered_keymap(&mut self) -> Result<(Keymap, Endian), Failure> {
        let [text] = &self.text;
        let reading = self.viewer.reading;
        let keymap = match emit::is_bkeymap(&text.bytes) {
            true => binary(text, reading.asked_endian()),
            false => self.compiled().map(|keymap| (keymap, reading.endian())),
        };
        keymap.map_err(|report| self.viewer.failure(self.name, &report))
    }

    /// The text's keymap. Without a mode, Unicode is tried first, since that is what consoles are in.
    fn compiled(&mut self) -> Result<Keymap, Report> {
        let [text] = &self.text;
        match self.viewer.reading.mode() {
            Mode::Automatic if emit::named_mode(&text.bytes).is_none() => {
                let unicode = self.compile(Mode::Unicode);
                unicode.or_else(|report| self.compile(Mode::EightBit).map_err(|_| report))
            }
            mode => self.compile(mode),
        }
    }

    /// The keymap in one mode. A binary keymap is no text.
    pub(crate) fn compile(&mut self, mode: Mode) -> Result<Keymap, Report> {
        let options = Options {
            mode,
            ..self.viewer.reading.options()
        };
        let compiled = kmap::compile_texts(&mut self.source, self.text.clone(), &options);
        compiled.map(|compiled| compiled.keymap)
    }
}

/// A binary keymap, with its byte order: the one in which it makes sense, unless one is asked for.
fn binary(file: &SourceText, asked: Option<Endian>) -> Result<(Keymap, Endian), Report> {
    let read = match asked {
        Some(endian) => Keymap::from_bkeymap(&file.bytes, endian).map(|keymap| (keymap, endian)),
        None => Keymap::from_any_bkeymap(&file.bytes),
    };
    let read = read.map_err(|error| Report::damaged(&file.path, error))?;
    if asked.is_none() && read.1 != Endian::default() {
        cli::note!(
            "`{}` is read as a big-endian keymap, since it makes sense only so; `--endian` says which it is",
            kmap::shown_path(&file.path)
        );
    }
    Ok(read)
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
