//! `kmapc type`: which keys type a text.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use cli::{Failure, Fault};
use kmap::{Keymap, Mode, Typing, Way};

use crate::args::Type;
use crate::input::{Input, Viewer};
use crate::json;
use crate::screen::Screen;

/// A character, the way to type it with the binary keymap, and where there is none, what else could be done.
pub(crate) struct Answer {
    pub(crate) character: char,
    pub(crate) way: Option<Way>,
    pub(crate) hint: Option<&'static str>,
}

pub(crate) fn run(args: &Type, screen: Screen) -> Result<(), Failure> {
    let viewer = Viewer {
        reading: &args.reading,
        screen,
        json: args.json,
    };
    let mut input = Input::read(&args.input, viewer)?;
    let keymap = input.keymap()?;
    let typing = Typing::new(&keymap);
    let own = LazyCell::new(|| Typing::with_own_rules(&keymap));
    let other = LazyCell::new(|| other_mode(&mut input, &keymap));
    let answers: Vec<Answer> = args
        .text
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
        false => cli::print(text(&answers).as_bytes())?,
    }
    // A character that cannot be typed is the keymap's fault.
    match answers.iter().any(|answer| answer.way.is_none()) {
        false => Ok(()),
        true => Err(Failure::reported(Fault::Input)),
    }
}

const OWN_RULES: &str = "with the compose rules of the text it can, which `loadkeys` loads and no binary keymap carries";

fn text(answers: &[Answer]) -> String {
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
