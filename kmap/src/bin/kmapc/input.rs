//! Keymaps as the command line names them: a path, a name, or standard input; text or binary.

use std::io::{self, Read as _};
use std::path::Path;

use cli::Failure;
use kmap::{Compiled, FileSource, Keymap, Mode, Options, Report, Source as _, SourceText, emit};

use crate::args::Reading;
use crate::screen::Screen;

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

/// A keymap that is only looked at, text or binary.
pub(crate) struct Input {
    source: FileSource,
    text: [SourceText; 1],
}

impl Input {
    /// Reads what an argument stands for.
    pub(crate) fn read(input: &Path, reading: &Reading, screen: Screen) -> Result<Self, Failure> {
        let mut source = FileSource::new(reading.search());
        let text = text(&mut source, input).map_err(|report| screen.report(&report))?;
        Ok(Self {
            source,
            text: [text],
        })
    }

    /// The keymap. Without a mode, Unicode is tried first, since that is what consoles are in.
    pub(crate) fn keymap(&mut self, reading: &Reading, screen: Screen) -> Result<Keymap, Failure> {
        let [text] = &self.text;
        if emit::is_bkeymap(&text.bytes) {
            return Keymap::from_bkeymap(&text.bytes, reading.endian.into()).map_err(|error| {
                Failure::input(format_args!(
                    "cannot read `{}`: {error}",
                    text.path.display()
                ))
            });
        }
        let named = emit::named_mode(&text.bytes);
        let mut compile = |mode| self.compile(mode, reading);
        let keymap = match reading.mode() {
            Mode::Automatic if named.is_none() => {
                compile(Mode::Unicode).or_else(|report| compile(Mode::EightBit).map_err(|_| report))
            }
            mode => compile(mode),
        };
        keymap.map_err(|report| screen.report(&report))
    }

    /// The keymap in one mode. A binary keymap is no text.
    pub(crate) fn compile(&mut self, mode: Mode, reading: &Reading) -> Result<Keymap, Report> {
        let options = Options {
            mode,
            ..reading.options()
        };
        kmap::compile_texts(&mut self.source, &self.text, &options).map(|compiled| compiled.keymap)
    }
}

/// The keymap that an argument stands for, text or binary.
pub(crate) fn keymap(input: &Path, reading: &Reading, screen: Screen) -> Result<Keymap, Failure> {
    Input::read(input, reading, screen)?.keymap(reading, screen)
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
