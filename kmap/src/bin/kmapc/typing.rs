//! `kmapc type`: which keys type a text.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _};

use cli::{Failure, Fault};
use kmap::{Keymap, Mode, Typing, Way};

use crate::args::Type;
use crate::input::{Input, Viewer, is_standard_input};
use crate::json;
use crate::screen::Screen;

/// The longest text on standard input, in bytes: as much as an argument may have (MAX_ARG_STRLEN, `linux/binfmts.h`).
const TEXT_LIMIT: u64 = 128 << 10;

/// A character, the way to type it with the binary keymap, and where there is none, what else could be done.
pub(crate) struct Answer {
    pub(crate) character: char,
    pub(crate) way: Option<Way>,
    pub(crate) hint: Option<&'static str>,
}

pub(crate) fn run(args: &Type, screen: Screen) -> Result<(), Failure> {
    args.quiet.heed();
    let viewer = Viewer {
        reading: &args.reading,
        screen,
        json: args.json,
    };
    if args.text == "-" && is_standard_input(&args.input) {
        return Err(Failure::usage(
            "standard input can be the keymap or the text, but not both",
        ));
    }
    let mut input = Input::read(&args.input, viewer)?;
    let keymap = input.keymap()?;
    // Who types it has been told by now what is wrong with the keymap.
    let text = wanted(args)?;
    let typing = Typing::new(&keymap);
    let own = LazyCell::new(|| Typing::with_own_rules(&keymap));
    let other = LazyCell::new(|| other_mode(&mut input, &keymap));
    let answers: Vec<Answer> = text
        .chars()
        .map(|character| {
            let way = typing.way(character);
            let hint = match way {
                Some(_) => None,
                None if own.way(character).is_some() => Some(OWN_RULES),
                None => hint(other.as_ref(), character),
            };
            Answer {
                character,
                way,
                hint,
            }
        })
        .collect();
    match args.json {
        true => json::print(&json::ways(&answers))?,
        false => cli::print(screen_text(&answers).as_bytes())?,
    }
    // A character that cannot be typed is the keymap's fault.
    match answers.iter().any(|answer| answer.way.is_none()) {
        false => Ok(()),
        true => Err(Failure::reported(Fault::Input)),
    }
}

const OWN_RULES: &str = "with the compose rules of the text it can, which `loadkeys` loads and no binary keymap carries";

/// What is to be typed: the argument, or standard input up to its last line feed.
fn wanted(args: &Type) -> Result<Cow<'_, str>, Failure> {
    if args.text != "-" {
        return Ok(Cow::Borrowed(&args.text));
    }
    if io::stdin().is_terminal() {
        cli::note!(
            "the text is read from the keyboard, where it can be seen, up to Control-D on a line of its own"
        );
    }
    let mut bytes = Vec::new();
    let mut limited = io::stdin().lock().take(TEXT_LIMIT + 1);
    limited
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::machine(format_args!("cannot read standard input: {error}")))?;
    if bytes.len() as u64 > TEXT_LIMIT {
        return Err(Failure::input(format_args!(
            "the text on standard input has more than {TEXT_LIMIT} bytes"
        )));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        Failure::input(format_args!(
            "the text on standard input is not UTF-8: {}",
            error.utf8_error()
        ))
    })?;
    Ok(Cow::Owned(text))
}

fn screen_text(answers: &[Answer]) -> String {
    let mut out = String::new();
    let mut locks = BTreeSet::new();
    for answer in answers {
        let shown = match answer.character.is_control() {
            true => ' ',
            false => answer.character,
        };
        let how = match &answer.way {
            Some(way) => {
                let strokes = way.strokes().into_iter();
                let pressed = strokes.flat_map(|stroke| &stroke.route.locks);
                locks.extend(pressed.filter_map(|lock| lock.duration()));
                way.describe()
            }
            None => {
                let hint = answer.hint.map(|hint| format!("; {hint}"));
                format!("cannot be typed{}", hint.unwrap_or_default())
            }
        };
        let _ = writeln!(out, "{shown}  {how}");
    }
    for lock in locks {
        let _ = writeln!(out, "{lock}");
    }
    out
}

/// The text's keymap in the other mode, and whether that is Unicode.
fn other_mode(input: &mut Input<'_>, keymap: &Keymap) -> Option<(Typing, bool)> {
    let mode = match keymap.is_unicode() {
        true => Mode::EightBit,
        false => Mode::Unicode,
    };
    let other = input.compile(mode).ok()?;
    // A charset can put Unicode mode off, whatever was asked for.
    let is_other = other.is_unicode() != keymap.is_unicode();
    is_other.then(|| (Typing::new(&other), other.is_unicode()))
}

/// Whether the other mode has the character.
fn hint(other: Option<&(Typing, bool)>, character: char) -> Option<&'static str> {
    let (typing, is_unicode) = other?;
    typing.way(character)?;
    Some(match is_unicode {
        true => "in Unicode mode (-u) it can",
        false => "in 8-bit mode (-8) it can",
    })
}
