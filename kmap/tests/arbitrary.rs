//! Whatever the bytes are, the compiler returns, and what it returns can be shown.

use kmap::{Endian, Mode};
use proptest::prelude::*;

fn compiles_or_reports(text: &[u8]) {
    for mode in [Mode::Automatic, Mode::EightBit, Mode::Unicode] {
        match kmap::compile_bytes(text, mode) {
            Ok(compiled) => {
                let tables = compiled.keymap.tables().len();
                assert_eq!(
                    compiled.keymap.to_bkeymap(Endian::Little).len(),
                    263 + 256 * tables
                );
                assert_ne!(compiled.mode, Mode::Automatic);
                compiled
                    .warnings
                    .iter()
                    .for_each(|warning| drop(warning.to_string()));
            }
            Err(report) => {
                assert!(!report.errors().is_empty());
                assert!(!report.to_string().is_empty());
            }
        }
    }
}

/// Pieces of the language in any order.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed = prop::sample::select(vec![
        "keycode ",
        "keymaps ",
        "shift ",
        "altgr ",
        "plain ",
        "capsshift ",
        "= ",
        "\n",
        "\r\n",
        "+",
        "-",
        ",",
        "\\\n",
        "# ",
        "a ",
        "Escape ",
        "F1 ",
        "Meta_a ",
        "Meta_F1 ",
        "dead2_ ",
        "eacute ",
        "cyrillic_small_letter_a ",
        "U+00e9 ",
        "U+F000 ",
        "U+12 ",
        "0x10061 ",
        "99999999999 ",
        "string ",
        "strings as usual\n",
        "compose ",
        "'a' ",
        "'\\''",
        "to ",
        "\"",
        "\"iso-8859-1\"",
        "\"koi8-r\"",
        "charset ",
        "alt_is_meta\n",
        "include \"x\"",
        "include ",
        "\\",
        "'",
        "\0",
        "\u{e9}",
    ]);
    prop_oneof![
        8 => fixed.prop_map(|text| text.as_bytes().to_vec()),
        2 => (0u32..300).prop_map(|number| format!("{number} ").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(text in prop::collection::vec(any::<u8>(), 0..200)) {
        compiles_or_reports(&text);
    }

    #[test]
    fn arbitrary_statements(pieces in prop::collection::vec(piece(), 0..60)) {
        compiles_or_reports(&pieces.concat());
    }
}

/// A letter that Caps Lock leaves alone, in a keymap of one table: one column would make a letter of it.
#[test]
fn a_plain_letter_in_the_only_table_stays_one() {
    let text = b"keymaps 0\nplain keycode 30 = a\n";
    let keymap = kmap::compile(text).unwrap();
    assert_eq!(keymap.get(0, 30), Some(kmap::Keysym(0x61)));
    let again = kmap::compile(kmap::emit::text(&keymap).unwrap().as_bytes()).unwrap();
    assert_eq!(again.get(0, 30), Some(kmap::Keysym(0x61)));
}
