//! `kmapc decompile`, `diff` and `show`: a keymap for people.

use std::fmt::Write as _;
use std::path::Path;

use cli::Failure;
use kmap::{KeyDifference, Press, emit, layout};

use crate::args::{Decompile, Diff, Show};
use crate::input;
use crate::json;
use crate::screen::Screen;

pub(crate) fn decompile(args: &Decompile, screen: Screen) -> Result<(), Failure> {
    let keymap = input::keymap(&args.input, &args.reading, screen)?;
    let mut text = emit::text(&keymap).map_err(Failure::input)?;
    if kmap::Endian::from(args.reading.endian) == kmap::Endian::Big {
        text = text.replacen('\n', " --endian big\n", 1);
    }
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
