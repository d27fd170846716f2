//! XKB layouts against `ckbcomp`: the same characters on the same keys, plain, with Shift, with AltGr and with both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use kmap::xkb::{Layout, convert};
use kmap::{Keymap, Mode, Options, SearchPath};
use rayon::prelude::*;
use tests::environment::corpus;
use tests::keymaps::{XkbLayout, xkb_layouts, xkb_maps};

/// Of a hundred levels, fewer than so many differ.
const MOST_DIFFERENCES: usize = 2;

/// The keys that type: the main block without modifiers, the 102nd key and those of Japan.
fn keys() -> impl Iterator<Item = u8> {
    (2..=13)
        .chain(16..=27)
        .chain(30..=41)
        .chain(43..=53)
        .chain([57, 86, 89, 124])
}

fn theirs(layout: &XkbLayout) -> Option<Keymap> {
    let path = corpus().join("xkb").join(layout.file_name());
    let options = Options {
        mode: Mode::Unicode,
        skip_unsupported: true,
        ..Options::default()
    };
    let mut source = kmap::FileSource::new(SearchPath::standard());
    let text = kmap::Source::open(&mut source, &path).ok()?;
    kmap::compile_texts(&mut source, &[text], &options)
        .ok()
        .map(|compiled| compiled.keymap)
}

fn ours(layout: &XkbLayout) -> Keymap {
    let names = Layout {
        layout: layout.layout.clone(),
        variant: layout.variant.clone().unwrap_or_default(),
        ..Layout::default()
    };
    convert(&names)
        .unwrap_or_else(|error| panic!("{layout:?}: {error}"))
        .keymap
}

/// The key, the table, and the characters, ours first, where they are not the same.
type Difference = (u8, u8, Option<char>, Option<char>);

fn differences(ours: &Keymap, theirs: &Keymap) -> Vec<Difference> {
    let mut found = Vec::new();
    for key in keys() {
        for map in 0..4 {
            let character = |keymap: &Keymap| {
                let character = keymap.get(map, key).and_then(|keysym| keysym.character());
                character.filter(|character| !character.is_control())
            };
            let (mine, other) = (character(ours), character(theirs));
            // ckbcomp types an apostrophe where the layout has an acute accent.
            let is_acute = mine == Some('´') && other == Some('\'');
            if mine != other && !is_acute {
                found.push((key, map, mine, other));
            }
        }
    }
    found
}

#[test]
fn every_layout_has_the_characters_that_ckbcomp_gives() {
    if xkb_maps().is_empty() {
        return;
    }
    let layouts = xkb_layouts();
    let results: Vec<(String, Vec<Difference>)> = layouts
        .par_iter()
        .filter_map(|layout| {
            Some((
                layout.file_name(),
                differences(&ours(layout), &theirs(layout)?),
            ))
        })
        .collect();
    let total: usize = results.len() * keys().count() * 4;
    let differing: usize = results.iter().map(|(_, found)| found.len()).sum();
    let same = results.iter().filter(|(_, found)| found.is_empty()).count();
    for (name, found) in results.iter().filter(|(_, found)| !found.is_empty()) {
        println!(
            "{name}: {} differ, {:?}",
            found.len(),
            &found[..found.len().min(3)]
        );
    }
    println!(
        "{} layouts, {same} the same; of {total} levels, {differing} differ",
        results.len()
    );
    assert!(
        results.len() >= layouts.len() - 1,
        "{} of {}",
        results.len(),
        layouts.len()
    );
    // What is left: levels that one of the two leaves empty, and layouts of key types that ckbcomp does not know.
    assert!(
        differing * 100 < total * MOST_DIFFERENCES,
        "{differing} of {total}"
    );
}
