//! Whole collections of keymaps against the installed `loadkeys`, in both modes: kbd's own, and every layout of xkb-data
//! that `ckbcomp` turns into a keymap; console-data is in `keymap_oracle.rs` too. Binary and C source.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};

use kmap::emit::c_source;
use kmap::{Endian, Mode, SearchPath};
use rayon::prelude::*;
use tests::keymaps::{Characters, Loadkeys, console_data, kbd_maps, xkb_maps};

const MODES: [(Characters, Mode); 2] = [
    (Characters::Bytes, Mode::EightBit),
    (Characters::Unicode, Mode::Unicode),
];

/// How many maps of a collection `loadkeys` accepts in 8-bit mode and in Unicode mode.
type Accepted = [usize; 2];

fn compare(loadkeys: Loadkeys, path: &Path) -> Result<[bool; 2], String> {
    let mut accepted = [false; 2];
    for (slot, (characters, mode)) in accepted.iter_mut().zip(MODES) {
        let theirs = loadkeys.file(path, characters).unwrap();
        let ours = kmap::compile_named(path, &SearchPath::standard(), mode);
        *slot = theirs.is_some();
        match (ours, theirs) {
            (Ok(ours), Some(theirs)) if ours.keymap.to_bkeymap(Endian::Little) == theirs => {
                let source = loadkeys.c_source(path, characters).unwrap();
                if source != Some(c_source(&ours.keymap).into_bytes()) {
                    return Err(format!("{} in {mode:?}: other C source", path.display()));
                }
            }
            (Err(_), None) => {}
            (Ok(_), Some(_)) => {
                return Err(format!("{} in {mode:?}: other bytes", path.display()));
            }
            (Ok(_), None) => {
                return Err(format!(
                    "{} in {mode:?}: loadkeys rejects it",
                    path.display()
                ));
            }
            (Err(report), Some(_)) => {
                return Err(format!("{} in {mode:?}: {report}", path.display()));
            }
        }
    }
    Ok(accepted)
}

fn collection(name: &str, maps: Vec<PathBuf>) -> Option<(usize, Accepted)> {
    let loadkeys = Loadkeys::find()?;
    if maps.is_empty() {
        return None;
    }
    let results: Vec<_> = maps.par_iter().map(|map| compare(loadkeys, map)).collect();
    let failures: Vec<&String> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        maps.len(),
        failures
            .iter()
            .take(20)
            .map(|failure| failure.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    );
    let count = |mode: usize| {
        let accepted = results.iter().flatten();
        accepted.filter(|accepted| accepted[mode]).count()
    };
    let accepted = [count(0), count(1)];
    println!(
        "{name}: {} maps, {} equal in 8-bit mode, {} in Unicode mode, the others rejected alike",
        maps.len(),
        accepted[0],
        accepted[1]
    );
    Some((maps.len(), accepted))
}

#[test]
fn every_map_of_console_data() {
    collection("console-data", console_data());
}

#[test]
fn every_map_of_kbd() {
    if let Some((count, accepted)) = collection("kbd", kbd_maps()) {
        assert!(accepted[1] > count * 9 / 10, "{accepted:?} of {count}");
    }
}

#[test]
fn every_layout_of_xkb_data() {
    if let Some((count, accepted)) = collection("xkb", xkb_maps()) {
        assert!(accepted[1] > count * 9 / 10, "{accepted:?} of {count}");
    }
}
