//! `kmapc decompile`, `diff`, `show` and `type`: a keymap for people.

use std::cell::LazyCell;
use std::fmt::Write as _;
use std::path::Path;

use cli::{Failure, Fault};
use kmap::{KeyDifference, Mode, Press, Typing, Way, emit, layout};

use crate::args::{Decompile, Diff, Show, Type};
use crate::input::{self, Input};
use crate::json;
use crate::screen::Screen;

pub(crate) fn decompile(args: &Decompile, screen: Screen) -> Result<(), Failure> {
    let keymap = input::keymap(&args.input, &args.reading, screen)?;
    let text = emit::text(&keymap).map_err(Failure::input)?;
    write(args.output.as_deref(), text)
}

pub(crate) fn show(args: &Show, screen: Screen) -> Result<(), Failure> {
    let keymap = input::keymap(&args.input, &args.reading, screen)?;
    if args.json {
        return json::print(&json::keys(&keymap));
    }
    let (shape, title) = (args.shape.into(), args.input.display().to_string());
    match (&args.svg, &args.html) {
        (Some(path), _) => write(Some(path), layout::svg(&keymap, shape, &title)),
        (_, Some(path)) => write(Some(path), layout::html(&keymap, shape, &title)),
        _ => write(None, layout::terminal(&keymap, shape)),
    }
}

fn write(path: Option<&Path>, text: String) -> Result<(), Failure> {
    match path {
        Some(path) if !input::is_standard_input(path) => {
            cli::write_atomically(path, text.as_bytes())
        }
        _ => cli::print(text.as_bytes()),
    }
}

pub(crate) fn type_text(args: &Type, screen: Screen) -> Result<(), Failure> {
    let mut input = Input::read(&args.input, &args.reading, screen)?;
    let keymap = input.keymap(&args.reading, screen)?;
    let typing = Typing::new(&keymap);
    let other = LazyCell::new(|| {
        let mode = match keymap.is_unicode() {
            true => Mode::EightBit,
            false => Mode::Unicode,
        };
        let other = input.compile(mode, &args.reading).ok();
        // A charset can put Unicode mode off, whatever was asked for.
        let other = other.filter(|other| other.is_unicode() != keymap.is_unicode());
        other.map(|other| (Typing::new(&other), other.is_unicode()))
    });
    let ways: Vec<(char, Option<Way>)> = args
        .text
        .chars()
        .map(|character| (character, typing.way(character)))
        .collect();
    let is_missing = ways.iter().any(|(_, way)| way.is_none());
    if args.json {
        json::print(&json::ways(&ways))?;
        return end(is_missing);
    }
    let mut out = String::new();
    for (character, way) in ways {
        let shown = if character.is_control() {
            ' '
        } else {
            character
        };
        let _ = match way {
            Some(way) => writeln!(out, "{shown}  {}", describe(&way)),
            None => {
                let hint = other_mode(other.as_ref(), character);
                writeln!(out, "{shown}  cannot be typed{hint}")
            }
        };
    }
    cli::print(out.as_bytes())?;
    end(is_missing)
}

/// A character that cannot be typed is the keymap's fault.
fn end(is_missing: bool) -> Result<(), Failure> {
    match is_missing {
        false => Ok(()),
        true => Err(Failure::reported(Fault::Input)),
    }
}

/// Whether the other mode has the character.
fn other_mode(other: Option<&(Typing, bool)>, character: char) -> &'static str {
    match other {
        Some((typing, is_unicode)) if typing.way(character).is_some() => match is_unicode {
            true => "; in Unicode mode (-u) it can",
            false => "; in 8-bit mode (-8) it can",
        },
        _ => "",
    }
}

fn describe(way: &Way) -> String {
    match way {
        Way::Direct(press) => press.to_string(),
        Way::Dead(dead, press) => {
            format!("{dead}, then {press}")
        }
        Way::Compose(compose, first, second) => {
            format!("{compose}, then {first}, then {second}")
        }
    }
}

/// Exit code 1 says that the keymaps differ, as diff's does, so what is wrong with a keymap becomes 2.
pub(crate) fn diff(args: &Diff, screen: Screen) -> Result<(), Failure> {
    let differ = || {
        let read = |path: &Path| input::keymap(path, &args.reading, screen);
        let differences = read(&args.old)?.differences(&read(&args.new)?);
        match args.json {
            true => json::print(&json::differences(&differences))?,
            false => cli::print(text(&differences).as_bytes())?,
        }
        Ok(!differences.is_empty())
    };
    cli::compared(differ())
}

/// Key by key, with a line for each level that does something else.
fn text(differences: &[KeyDifference]) -> String {
    let mut out = String::new();
    let mut key = None;
    for difference in differences {
        let Press { keycode, .. } = difference.press;
        if key.replace(keycode) != Some(keycode) {
            let _ = writeln!(out, "{}", difference.press.key());
        }
        let (before, after) = (difference.before(), difference.after());
        let modifiers = difference.press.modifiers();
        let _ = writeln!(out, "  {modifiers:12}  {before} -> {after}");
    }
    out
}
