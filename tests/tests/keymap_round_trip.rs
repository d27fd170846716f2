//! What `kmapc` makes of its own output: text of binary keymaps, companions, pruned tables; over every collection.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use kmap::{Endian, Keymap, Mode, SearchPath, emit};
use rayon::prelude::*;
use tests::keymaps::{Characters, Loadkeys, console_data, kbd_maps, xkb_maps};

fn collections() -> Vec<PathBuf> {
    [console_data(), kbd_maps(), xkb_maps()].concat()
}

/// Every keymap of the collections that compiles, in every mode in which it does.
fn keymaps() -> Vec<(String, Mode, Keymap)> {
    let maps = collections();
    let modes = [Mode::EightBit, Mode::Unicode];
    let compiled = maps.par_iter().flat_map_iter(|path| {
        modes.into_iter().filter_map(move |mode| {
            let compiled = kmap::compile_named(path, &SearchPath::standard(), mode).ok()?;
            Some((path.display().to_string(), mode, compiled.keymap))
        })
    });
    compiled.collect()
}

#[test]
fn a_decompiled_keymap_compiles_to_the_same_bytes() {
    let loadkeys = Loadkeys::find();
    let keymaps = keymaps();
    let lines: usize = keymaps
        .par_iter()
        .enumerate()
        .map(|(index, (name, _, keymap))| {
            let bytes = keymap.to_bkeymap(Endian::Little);
            let read = Keymap::from_bkeymap(&bytes, Endian::Little).unwrap();
            let text = emit::text(&read).unwrap_or_else(|error| panic!("{name}: {error}"));
            let characters = match read.is_unicode() {
                true => Characters::Unicode,
                false => Characters::Bytes,
            };
            // The first line names the mode.
            let again = kmap::compile_bytes(text.as_bytes(), Mode::Automatic)
                .unwrap_or_else(|report| panic!("{name}: {report}\n{text}"));
            for (map, table) in read.tables() {
                for (key, keysym) in (0..128).zip(table) {
                    let found = again.keymap.get(map, key);
                    assert_eq!(found, Some(*keysym), "{name}: map {map}, key {key}");
                }
            }
            assert!(
                again.keymap.to_bkeymap(Endian::Little) == bytes,
                "{name}\n{text}"
            );
            // The peer reads the text as well; one in seven, because each takes a process.
            if let Some(loadkeys) = loadkeys.filter(|_| index % 7 == 0) {
                let theirs = loadkeys
                    .text(text.as_bytes(), characters, "/".as_ref())
                    .unwrap();
                assert!(theirs == Some(bytes), "{name}, by loadkeys\n{text}");
            }
            text.lines().count()
        })
        .sum();
    println!("{} keymaps, {lines} lines", keymaps.len());
}

#[test]
fn the_byte_order_of_every_keymap_is_found() {
    for (name, mode, keymap) in keymaps() {
        for order in [Endian::Little, Endian::Big] {
            let bytes = keymap.to_bkeymap(order);
            let (read, found) = Keymap::from_any_bkeymap(&bytes).unwrap();
            let is_empty = keymap.tables().len() == 0;
            assert!(is_empty || found == order, "{name} {mode:?} {order:?}");
            assert_eq!(read.to_bkeymap(found), bytes);
        }
    }
}

#[test]
fn a_companion_holds_all_strings_and_rules() {
    let keymaps = keymaps();
    let mut count = 0;
    for (name, mode, keymap) in &keymaps {
        let Some(text) = emit::companion(keymap) else {
            continue;
        };
        count += 1;
        // A charset may have ended Unicode mode.
        let mode = if keymap.is_unicode() {
            *mode
        } else {
            Mode::EightBit
        };
        let again = kmap::compile_bytes(&text, mode)
            .unwrap_or_else(|report| panic!("{name}: {report}"))
            .keymap;
        assert!(again.strings().eq(keymap.strings()), "{name}");
        let possible = |rule: &&kmap::ComposeRule| {
            [rule.first, rule.second, rule.result]
                .iter()
                .all(|value| *value != u32::MAX)
        };
        let rules: Vec<_> = keymap.compose().iter().filter(possible).collect();
        assert!(again.compose().iter().eq(rules), "{name}");
    }
    println!("{count} of {} keymaps have a companion", keymaps.len());
}

/// The tables that a person can get to, found by pressing every key in every state.
fn states(keymap: &Keymap) -> BTreeSet<u8> {
    let mut states = BTreeSet::from([0]);
    loop {
        let mut found = states.clone();
        for &state in &states {
            // Caps Lock takes letters from the table with Shift exchanged.
            for table in [state, state ^ 1] {
                for key in 0..=127 {
                    let Some(keysym) = keymap.get(table, key) else {
                        continue;
                    };
                    let weight = match (keysym.kind(), keysym.value()) {
                        (7, 8) => 1,
                        (7 | 10 | 12, value @ 0..=7) => 1 << value,
                        _ => continue,
                    };
                    found.extend([state | weight, state ^ weight]);
                }
            }
        }
        if found == states {
            let shifted = states.iter().map(|state| state ^ 1);
            return states.iter().copied().chain(shifted).collect();
        }
        states = found;
    }
}

#[test]
fn a_pruned_keymap_does_the_same_in_every_state() {
    let keymaps = keymaps();
    let sizes: Vec<(usize, usize)> = keymaps
        .par_iter()
        .map(|(name, _, keymap)| {
            let mut pruned = keymap.clone();
            let dropped = pruned.prune();
            for state in states(keymap) {
                assert!(
                    !dropped.contains(&state),
                    "{name}: map {state} can be reached"
                );
                for key in 0..=255 {
                    assert_eq!(
                        pruned.get(state, key),
                        keymap.get(state, key),
                        "{name}: map {state}, key {key}"
                    );
                }
            }
            (
                keymap.to_bkeymap(Endian::Little).len(),
                pruned.to_bkeymap(Endian::Little).len(),
            )
        })
        .collect();
    let (before, after) = sizes
        .iter()
        .fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
    println!("{} keymaps: {before} bytes, {after} pruned", keymaps.len());
}
