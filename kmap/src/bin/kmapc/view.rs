//! `kmapc decompile`, `diff` and `show`: a keymap for people.

use std::fmt::Write as _;
use std::path::Path;

use cli::Failure;
use kmap::{Endian, KEYS, KeyDifference, Keymap, Press, Table, Typing, emit, layout};

use crate::args::{Decompile, Diff, Reading, Show};
use crate::input::{self, Input, Viewer};
use crate::job::{check_output, check_standard_input};
use crate::json;
use crate::screen::Screen;

pub(crate) fn decompile(args: &Decompile, screen: Screen) -> Result<(), Failure> {
    args.quiet.heed();
    if let Some(output) = &args.output {
        check_output(&args.input, output)?;
    }
    let viewer = viewer(&args.reading, screen, false);
    let (keymap, endian) = Input::read(&args.input, viewer)?.ordered_keymap()?;
    let mut text = emit::text(&keymap).map_err(Failure::input)?;
    if endian == Endian::Big {
        text = text.replacen('\n', " --endian big\n", 1);
    }
    write(args.output.as_deref(), text)
}

pub(crate) fn show(args: &Show, screen: Screen) -> Result<(), Failure> {
    args.quiet.heed();
    for output in args.svg.iter().chain(&args.html) {
        check_output(&args.input, output)?;
    }
    let keymap = viewer(&args.reading, screen, args.json).keymap(&args.input)?;
    if args.json {
        return json::print(&json::keys(&keymap));
    }
    let (shape, title) = (args.shape.into(), kmap::shown_path(&args.input));
    if let Some(note) = not_drawn(&keymap) {
        cli::note!("{note}");
    }
    match (&args.svg, &args.html) {
        (Some(path), _) => write(Some(path), layout::svg(&keymap, shape, &title)),
        (_, Some(path)) => write(Some(path), layout::html(&keymap, shape, &title)),
        _ => write(None, layout::terminal(&keymap, shape)),
    }
}

fn viewer(reading: &Reading, screen: Screen, json: bool) -> Viewer<'_> {
    Viewer {
        reading,
        screen,
        json,
    }
}

/// What the picture leaves out: a second layout, for example.
fn not_drawn(keymap: &Keymap) -> Option<String> {
    let typing = Typing::new(keymap);
    let drawn = |map: &u8| map & !layout::DRAWN == 0;
    let types = |map: u8, table: &Table| {
        let keys = (0..KEYS as u8).zip(table).take(KEYS);
        let mut characters = keys.filter_map(|(_, keysym)| keysym.character());
        !drawn(&map) && characters.any(|character| !character.is_ascii())
    };
    let mut others = keymap.tables().filter(|(map, table)| types(*map, table));
    let (map, route) = others.find_map(|(map, _)| Some((map, typing.route_to(map)?)))?;
    let first = route.describe_table();
    Some(format!(
        "not in the picture: the characters of map {map} and its like, {first}; `--json` has them"
    ))
}

fn write(path: Option<&Path>, text: String) -> Result<(), Failure> {
    match path {
        Some(path) if !input::is_standard_input(path) => {
            cli::write_atomically(path, text.as_bytes())
        }
        _ => cli::print(text.as_bytes()),
    }
}

/// Exit code 1 says that the keymaps differ, as diff's does, so what is wrong with a keymap becomes 2.
pub(crate) fn diff(args: &Diff, screen: Screen) -> Result<(), Failure> {
    args.quiet.heed();
    let differ = || {
        check_standard_input([&*args.old, &*args.new].into_iter())?;
        let read = |path: &Path| viewer(&args.reading, screen, args.json).keymap(path);
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
