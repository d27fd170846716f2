//! `kmapc decompile`, `diff`, `show` and `type`: a keymap for people.

use std::cell::LazyCell;
use std::fmt::Write as _;
use std::path::Path;

use cli::{Failure, Fault};
use kmap::{KEYS, Keymap, Keysym, Mode, Press, Typing, Way, emit, layout};

use crate::args::{Decompile, Diff, Show, Type};
use crate::input::{self, Input};
use crate::screen::Screen;

/// What a keyboard of the United States has on its keys, by keycode.
const KEY_NAMES: [&str; 89] = [
    "",
    "Esc",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "0",
    "-",
    "=",
    "Backspace",
    "Tab",
    "Q",
    "W",
    "E",
    "R",
    "T",
    "Y",
    "U",
    "I",
    "O",
    "P",
    "[",
    "]",
    "Enter",
    "Ctrl",
    "A",
    "S",
    "D",
    "F",
    "G",
    "H",
    "J",
    "K",
    "L",
    ";",
    "'",
    "`",
    "Shift",
    "\\",
    "Z",
    "X",
    "C",
    "V",
    "B",
    "N",
    "M",
    ",",
    ".",
    "/",
    "right Shift",
    "keypad *",
    "Alt",
    "Space",
    "Caps Lock",
    "F1",
    "F2",
    "F3",
    "F4",
    "F5",
    "F6",
    "F7",
    "F8",
    "F9",
    "F10",
    "Num Lock",
    "Scroll Lock",
    "keypad 7",
    "keypad 8",
    "keypad 9",
    "keypad -",
    "keypad 4",
    "keypad 5",
    "keypad 6",
    "keypad +",
    "keypad 1",
    "keypad 2",
    "keypad 3",
    "keypad 0",
    "keypad .",
    "",
    "",
    "< beside left Shift",
    "F11",
    "F12",
];
const MODIFIERS: [&str; 8] = [
    "Shift", "AltGr", "Ctrl", "Alt", "ShiftL", "ShiftR", "CtrlL", "CtrlR",
];

pub(crate) fn decompile(args: &Decompile, screen: Screen) -> Result<(), Failure> {
    let keymap = input::keymap(&args.input, &args.reading, screen)?;
    let text = emit::text(&keymap).map_err(Failure::input)?;
    write(args.output.as_deref(), text)
}

pub(crate) fn show(args: &Show, screen: Screen) -> Result<(), Failure> {
    let keymap = input::keymap(&args.input, &args.reading, screen)?;
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
            None => {
                let hint = other_mode(other.as_ref(), character);
                writeln!(out, "{shown}  cannot be typed{hint}")
            }
        };
    }
    cli::print(out.as_bytes())?;
    match missing {
        0 => Ok(()),
        _ => Err(Failure::reported(Fault::Input)),
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
        Way::Direct(press) => describe_press(*press),
        Way::Dead(dead, press) => {
            format!("{}, then {}", describe_press(*dead), describe_press(*press))
        }
        Way::Compose(compose, first, second) => {
            let presses = [compose, first, second].map(|press| describe_press(*press));
            presses.join(", then ")
        }
    }
}

fn describe_press(press: Press) -> String {
    let name = key_name(press.keycode);
    match press.map {
        0 => name,
        map => format!("{}+{name}", modifiers(map)),
    }
}

/// `key ; (39)`: what is on the key in the United States, and its keycode.
fn key_name(keycode: u8) -> String {
    match KEY_NAMES.get(usize::from(keycode)) {
        Some(name) if !name.is_empty() => format!("key {name} ({keycode})"),
        _ => format!("key {keycode}"),
    }
}

fn modifiers(map: u8) -> String {
    let names = MODIFIERS.iter().enumerate();
    let held: Vec<&str> = names
        .filter(|(bit, _)| map & (1 << bit) != 0)
        .map(|(_, name)| *name)
        .collect();
    match held.is_empty() {
        true => "plain".to_owned(),
        false => held.join("+"),
    }
}

/// Exit code 1 says that the keymaps differ, as diff's does, so what is wrong with a keymap becomes 2.
pub(crate) fn diff(args: &Diff, screen: Screen) -> Result<(), Failure> {
    let read = |path: &Path| {
        input::keymap(path, &args.reading, screen).map_err(|failure| {
            match (failure.fault(), failure.message()) {
                (Fault::Input, Some(message)) => Failure::usage(message),
                (Fault::Input, None) => Failure::reported(Fault::Usage),
                _ => failure,
            }
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

/// Key by key, the levels that a person can get to with either keymap and that do something else.
fn differences(old: &Keymap, new: &Keymap) -> String {
    let reachable = old.reachable_modifiers() | new.reachable_modifiers();
    let mut out = String::new();
    for keycode in 0..KEYS as u8 {
        let mut lines = String::new();
        for map in (0..=u8::MAX).filter(|map| map & !reachable == 0) {
            let [before, after] = [old, new].map(|keymap| action(keymap.get(map, keycode)));
            if before != after {
                let _ = writeln!(lines, "  {:12}  {before} -> {after}", modifiers(map));
            }
        }
        if !lines.is_empty() {
            let _ = write!(out, "{}\n{lines}", key_name(keycode));
        }
    }
    out
}

/// A character as such, anything else by its name. Caps Lock's effect is no difference that is seen on the key.
fn action(keysym: Option<Keysym>) -> String {
    match keysym {
        None | Some(Keysym::VOID) => "nothing".to_owned(),
        Some(keysym) => match keysym.character() {
            Some(' ') => "space".to_owned(),
            Some(character) if !character.is_control() => character.to_string(),
            _ => keysym.describe(),
        },
    }
}
