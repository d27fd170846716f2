//! `kmapc list`: the keymaps that names find, and the layouts of XKB.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cli::Failure;
use kmap::xkb::{ListedLayout, listed_layouts};
use serde_json::{Value, json};

use crate::args::{List, search};
use crate::json;

pub(crate) fn run(args: &List) -> Result<(), Failure> {
    args.quiet.heed();
    match args.xkb {
        true => list_layouts(args),
        false => list_keymaps(args),
    }
}

fn list_keymaps(args: &List) -> Result<(), Failure> {
    let mut keymaps = search(&args.search_path).keymaps();
    if let (true, [directory, ..]) = (keymaps.is_empty(), &*args.search_path) {
        return Err(Failure::input(format_args!(
            "there is no keymap in `{}`; stars behind it let a search go deeper, a level each (`maps**`)",
            kmap::shown_path(directory)
        )));
    }
    if keymaps.is_empty() {
        return Err(Failure::machine(
            "there are no keymaps where they are looked for; on Debian and Ubuntu they are in the package console-data, elsewhere in kbd, and --search-path names another directory",
        ));
    }
    if let Some((name, path)) = keymaps.iter().find(|(name, _)| name == "list") {
        cli::note!(
            "`{name}` is a keymap, too; `kmapc {}` compiles it",
            kmap::shown_path(path)
        );
    }
    let filter = Filter::of(args);
    keymaps.retain(|(name, _)| filter.takes([name]));
    print(args, keymaps_text(&keymaps), keymaps.iter().map(keymap))
}

fn list_layouts(args: &List) -> Result<(), Failure> {
    let mut layouts = listed_layouts().map_err(Failure::machine)?;
    let filter = Filter::of(args);
    // As words for `kmapc xkb`, with what they are.
    let mut rows = Vec::new();
    layouts.retain_mut(|one| {
        let is_meant = filter.takes([&one.layout, &one.description]);
        if is_meant {
            rows.push((one.layout.clone(), one.description.clone()));
        }
        // Of a layout that is meant itself, all variants are.
        one.variants
            .retain(|it| is_meant || filter.takes([&it.variant, &it.description]));
        rows.extend(one.variants.iter().map(|it| {
            let words = format!("{} {}", one.layout, it.variant);
            (words, it.description.clone())
        }));
        is_meant || !one.variants.is_empty()
    });
    print(args, columns(rows), layouts.iter().map(layout))
}

/// The text that is looked for, in small letters.
struct Filter(Option<String>);

impl Filter {
    fn of(args: &List) -> Self {
        Self(args.text.as_ref().map(|text| text.to_lowercase()))
    }

    /// Whether one of the words has the text.
    fn takes<'a>(&self, words: impl IntoIterator<Item = &'a String>) -> bool {
        let Some(text) = &self.0 else { return true };
        let mut words = words.into_iter();
        words.any(|word| word.to_lowercase().contains(text))
    }
}

/// Prints the text or the objects; that there are none is an error.
fn print(args: &List, text: String, objects: impl Iterator<Item = Value>) -> Result<(), Failure> {
    match args.json {
        true => json::print(&objects.collect())?,
        false => cli::print(text.as_bytes())?,
    }
    match (&args.text, text.is_empty()) {
        (Some(wanted), true) => {
            let (what, more) = match args.xkb {
                true => ("XKB layout or variant", " or description"),
                false => ("keymap", ""),
            };
            Err(Failure::input(format_args!(
                "no {what} has `{wanted}` in its name{more}"
            )))
        }
        _ => Ok(()),
    }
}

/// A keymap a line.
fn keymaps_text(keymaps: &[(String, PathBuf)]) -> String {
    let rows = keymaps.iter();
    let rows = rows.map(|(name, path)| (kmap::shown_path(Path::new(name)), kmap::shown_path(path)));
    columns(rows.collect())
}

/// Two columns, the first as wide as its longest entry.
fn columns(rows: Vec<(String, String)>) -> String {
    let widths = rows.iter().map(|(first, _)| first.chars().count());
    let width = widths.max().unwrap_or_default();
    let mut out = String::new();
    for (first, second) in rows {
        let _ = writeln!(out, "{first:width$}  {second}");
    }
    out
}

fn keymap((name, path): &(String, PathBuf)) -> Value {
    json!({ "name": name, "path": json::path(path) })
}

fn layout(listed: &ListedLayout) -> Value {
    let variants = listed.variants.iter();
    let variants =
        variants.map(|it| json!({ "variant": it.variant, "description": it.description }));
    json!({
        "layout": listed.layout,
        "description": listed.description,
        "variants": variants.collect::<Value>(),
    })
}
