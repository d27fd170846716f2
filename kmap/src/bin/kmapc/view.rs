//! `kmapc decompile`, `diff`, `show` and `type`: a keymap for people.

use std::fmt::Write as _;
use std::path::Path;

use cli::{Failure, Fault};
use kmap::{Keymap, Press, Typing, Way, emit, layout};

use crate::args::{Decompile, Diff, Show, Type};
use crate::{input, output};

pub(crate) fn decompile(args: &Decompile) -> Result<(), Failure> {
    let keymap = input::keymap(&args.input, &args.reading)?;
    let text = emit::text(&keymap).map_err(Failure::input)?;
    write(args.output.as_deref(), text)
}

pub(crate) fn show(args: &Show) -> Result<(), Failure> {
    let keymap = input::keymap(&args.input, &args.reading)?;
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
            output::write(&[(path.to_owned(), text.into_bytes())])
        }
        _ => cli::print(text.as_bytes()),
    }
}

pub(crate) fn type_text(args: &Type) -> Result<(), Failure> {
    let keymap = input::keymap(&args.input, &args.reading)?;
    let typing = Typing::new(&keymap);
    let mut out = String::new();
    let mut missing = 0;
    for character in args.text.chars() {
        let way = typing.way(character);
        missing += usize::from(way.is_none());
        let shown = if character.is_control() {
            ' '
        } else {
            character
        };
        let _ = match way {
            Some(way) => writeln!(out, "{shown}  {}", describe(&way)),
            None => writeln!(
                out,
                "{shown}  cannot be typed{}",
                other_mode(args, character, &keymap)
            ),
        };
    }
    cli::print(out.as_bytes())?;
    match missing {
        0 => Ok(()),
        _ => Err(Failure::reported(Fault::Input)),
    }
}

/// Whether the other mode has the character.
fn other_mode(args: &Type, character: char, keymap: &Keymap) -> &'static str {
    let mut reading = args.reading.clone();
    (reading.unicode, reading.eight_bit) = (!keymap.is_unicode(), keymap.is_unicode());
    let other = input::keymap(&args.input, &reading).ok();
    match other.filter(|other| other.is_unicode() != keymap.is_unicode()) {
        Some(other) if Typing::new(&other).way(character).is_some() => match other.is_unicode() {
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
pub(crate) fn diff(args: &Diff) -> Result<(), Failure> {
    let read = |path: &Path| {
        input::keymap(path, &args.reading).map_err(|failure| match failure.fault() {
            Fault::Input => Failure::usage(failure.message().unwrap_or_default()),
            _ => failure,
        })
    };
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let out = differences(&old, &new);
    cli::print(out.as_bytes())?;
    match out.is_empty() {
        true => Ok(()),
        false => Err(Failure::reported(Fault::Input)),
    }
}

/// Key by key, with a line for each level that does something else.
fn differences(old: &Keymap, new: &Keymap) -> String {
    let mut out = String::new();
    let mut key = None;
    for difference in old.differences(new) {
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
