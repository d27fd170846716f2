//! Every row of `data/keysyms/` measured again on the installed `loadkeys`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use kmap::{Endian, Mode};
use tests::keymaps::{Characters, Loadkeys};

const MODES: [(Characters, Mode); 2] = [
    (Characters::Bytes, Mode::EightBit),
    (Characters::Unicode, Mode::Unicode),
];
/// Of what must be rejected outside the default charset, each test tries one in so many: a rejection takes a whole run.
const SAMPLE: usize = 24;

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
}

/// The names of kbd 2.5.1.
fn names() -> Vec<&'static str> {
    let rows = rows(include_str!("../../data/keysyms/keysyms.tsv"));
    rows.filter(|row| row[3] == "2.5.1")
        .map(|row| row[0])
        .collect()
}

/// The statements that choose each charset; the first is none.
fn charsets() -> Vec<String> {
    let rows = rows(include_str!("../../data/keysyms/charsets.tsv"));
    let charsets = rows.skip(1).map(|row| format!("charset \"{}\"\n", row[0]));
    [String::new(), "charset \"iso-8859-1\"\n".to_owned()]
        .into_iter()
        .chain(charsets)
        .collect()
}

/// Compiles one key a value, with ours and theirs: what is accepted in batches, what is rejected one by one.
fn compare(
    loadkeys: Loadkeys,
    charset: &str,
    values: &[String],
    characters: Characters,
    mode: Mode,
    sample: usize,
) {
    let theirs = |text: &str| {
        loadkeys
            .text(text.as_bytes(), characters, Path::new("/"))
            .unwrap()
    };
    let ours = |text: &str| {
        let compiled = kmap::compile_bytes(text.as_bytes(), mode).ok()?;
        Some(compiled.keymap.to_bkeymap(Endian::Little))
    };
    let single = |value: &String| format!("{charset}plain keycode 1 = {value}\n");
    let (accepted, rejected): (Vec<_>, Vec<_>) = values
        .iter()
        .partition(|value| ours(&single(value)).is_some());
    for batch in accepted.chunks(128) {
        let lines = batch
            .iter()
            .enumerate()
            .map(|(key, value)| format!("plain keycode {key} = {value}\n"));
        let text = format!("{charset}{}", lines.collect::<String>());
        assert!(ours(&text) == theirs(&text), "{mode:?}\n{text}");
    }
    for value in rejected.into_iter().step_by(sample) {
        assert_eq!(theirs(&single(value)), None, "{mode:?} {charset}{value}");
    }
}

#[test]
fn names_stand_for_the_same_codes() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let names: Vec<String> = names().into_iter().map(str::to_owned).collect();
    for charset in charsets() {
        let sample = if charset.is_empty() { 1 } else { SAMPLE };
        for (characters, mode) in MODES {
            compare(loadkeys, &charset, &names, characters, mode, sample);
        }
    }
}

#[test]
fn names_with_a_prefix_and_letters() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    for prefix in ["Meta_", "dead2_", "+"] {
        let names: Vec<String> = names()
            .into_iter()
            .map(|name| format!("{prefix}{name}"))
            .collect();
        for charset in ["", "charset \"iso-8859-2\"\n", "charset \"koi8-r\"\n"] {
            for (characters, mode) in MODES {
                compare(loadkeys, charset, &names, characters, mode, SAMPLE);
            }
        }
    }
}

#[test]
fn code_points_stand_for_the_same_codes() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let named =
        rows(include_str!("../../data/keysyms/codepoints.tsv")).map(|row| format!("U+{}", row[0]));
    let low = (0x00..0x250).map(|point| format!("U+{point:04x}"));
    let sampled = (0x250..0xf000)
        .step_by(97)
        .map(|point| format!("U+{point:04x}"));
    let points: Vec<String> = named.chain(low).chain(sampled).collect();
    let letters: Vec<String> = points.iter().map(|point| format!("+{point}")).collect();
    for charset in charsets() {
        for (characters, mode) in MODES {
            compare(loadkeys, &charset, &points, characters, mode, SAMPLE);
        }
        compare(
            loadkeys,
            &charset,
            &letters,
            Characters::Bytes,
            Mode::EightBit,
            SAMPLE,
        );
    }
}

#[test]
fn numbers_stand_for_the_same_codes() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let numbers = (0..0x1000).chain((0x1000..0x10000).step_by(61));
    let numbers: Vec<String> = numbers
        .flat_map(|code| [format!("{code:#x}"), format!("+{code:#x}")])
        .collect();
    for charset in charsets() {
        for (characters, mode) in MODES {
            compare(loadkeys, &charset, &numbers, characters, mode, SAMPLE);
        }
    }
}
