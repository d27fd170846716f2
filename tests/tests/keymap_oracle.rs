//! Keymaps against the installed `loadkeys`: the same bytes for what it accepts, an error for what it rejects, and a list
//! of the differences that are meant.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::process::Command;

use kmap::{Compiled, DiagnosticKind, Endian, FileSource, Mode, SearchPath, SourceText};
use tests::environment::required;
use tests::keymaps::{Characters, Loadkeys, console_data};

/// Maps of console-data that `loadkeys` rejects in both modes: unknown charsets, code points that no key can have, a
/// syntax error, and includes that the package lacks.
const REJECTED: usize = 14;
/// Those that it rejects in 8-bit mode only.
const UNICODE_ONLY: [&str; 8] = [
    "kg",
    "kk",
    "lt",
    "ro",
    "ro-academic",
    "ua-utf",
    "ua-utf-ws",
    "uaw_uni",
];

const MODES: [(Characters, Mode); 2] = [
    (Characters::Bytes, Mode::EightBit),
    (Characters::Unicode, Mode::Unicode),
];

fn bytes(compiled: Compiled) -> Vec<u8> {
    compiled.keymap.to_bkeymap(Endian::Little)
}

fn ours(path: &Path, mode: Mode) -> Option<Vec<u8>> {
    kmap::compile_named(path, &SearchPath::standard(), mode)
        .ok()
        .map(bytes)
}

#[test]
fn every_map_of_console_data_in_three_modes() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let maps = console_data();
    if maps.is_empty() {
        return;
    }
    let (mut eight_bit, mut unicode) = (0, 0);
    let mut unicode_only = Vec::new();
    for map in &maps {
        let expected_bytes = loadkeys.file(map, Characters::Bytes).unwrap();
        let expected_unicode = loadkeys.file(map, Characters::Unicode).unwrap();
        let name = map.file_name().unwrap().to_str().unwrap();
        eight_bit += usize::from(expected_bytes.is_some());
        unicode += usize::from(expected_unicode.is_some());
        if expected_bytes.is_none() && expected_unicode.is_some() {
            unicode_only.push(name.trim_end_matches(".kmap.gz").to_owned());
        }
        assert!(
            ours(map, Mode::EightBit) == expected_bytes,
            "{name} in 8-bit mode"
        );
        assert!(
            ours(map, Mode::Unicode) == expected_unicode,
            "{name} in Unicode mode"
        );
        let expected = expected_bytes.or(expected_unicode);
        assert!(
            ours(map, Mode::Automatic) == expected,
            "{name} in automatic mode"
        );
    }
    println!(
        "{} maps: {eight_bit} equal in 8-bit mode, {unicode} in Unicode mode",
        maps.len()
    );
    if maps.len() == 216 {
        unicode_only.sort();
        assert_eq!(unicode_only, UNICODE_ONLY);
        assert_eq!(unicode, 216 - REJECTED);
    }
}

#[test]
fn a_name_finds_the_same_file() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    for map in console_data() {
        let name = map
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".kmap.gz");
        let expected = loadkeys.file(Path::new(name), Characters::Unicode).unwrap();
        assert!(ours(Path::new(name), Mode::Unicode) == expected, "{name}");
    }
}

/// Texts separated by `---`, each tried in both modes.
#[test]
fn snippets() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let mut accepted = 0;
    let mut count = 0;
    for snippet in include_str!("keymap_snippets.txt").split("\n---\n") {
        let text = format!("{}\n", snippet.strip_suffix('\n').unwrap_or(snippet));
        for (characters, mode) in MODES {
            let expected = loadkeys
                .text(text.as_bytes(), characters, directory.path())
                .unwrap();
            let found = kmap::compile_bytes(text.as_bytes(), mode).ok().map(bytes);
            accepted += usize::from(expected.is_some());
            count += 1;
            assert!(
                found == expected,
                "{mode:?}, accepted by loadkeys: {}\n{text}",
                expected.is_some()
            );
        }
    }
    println!("{count} runs, {accepted} accepted");
}

/// `compose 'a' 'b' to +U+00e8` gave 0x0be8 where the charset has another character at that byte.
#[test]
fn the_result_of_a_compose_rule_changes_sides_behind_plus() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    for charset in ["koi8-u", "iso-8859-2", "iso-8859-1"] {
        let results = ["+U+00e8", "+0xb3", "0x0be8", "+a", "U+00e8", "+eacute"];
        let rules = results.map(|result| format!("compose 'a' 'b' to {result}\n"));
        let text = format!("charset \"{charset}\"\n{}", rules.concat());
        let expected = loadkeys
            .c_source_of_text(text.as_bytes(), Characters::Unicode, Path::new("/"))
            .unwrap();
        let found = kmap::compile_bytes(text.as_bytes(), Mode::Unicode).unwrap();
        let found = kmap::emit::c_source(&found.keymap).into_bytes();
        assert!(Some(found) == expected, "{charset}");
    }
}

/// What loadkeys cuts off a string: what is too long, and what is behind a nul, in a charset's name as well.
#[test]
fn c_source_of_strings_that_are_cut_off() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let texts = [
        format!(
            "string F1 = \"{}\"\nstring F2 = \"b\"\n",
            "\\141".repeat(512)
        ),
        "string F1 = \"a\\0b\"\n".to_owned(),
        "string F1 = \"a\0b\\103d\0e\"\n".to_owned(),
        format!("string F1 = \"a\0{}\"\n", "b".repeat(600)),
        format!("string F1 = \"{}\0a\"\n", "b".repeat(600)),
        "charset \"koi8-r\0x\"\nkeycode 30 = 0xc1\ncompose as usual for \"iso-8859-1\0x\"\n"
            .to_owned(),
        "charset \"koi8-r\\0x\"\nkeycode 30 = 0xc1\ncompose as usual for \"iso-8859-1\\0x\"\n"
            .to_owned(),
        "charset \"\0koi8-r\"\n".to_owned(),
    ];
    for text in texts {
        for (characters, mode) in MODES {
            let expected = loadkeys
                .c_source_of_text(text.as_bytes(), characters, Path::new("/"))
                .unwrap();
            let found = kmap::compile_bytes(text.as_bytes(), mode).ok();
            let found = found.map(|found| kmap::emit::c_source(&found.keymap).into_bytes());
            assert!(found == expected, "{mode:?}: {text:?}");
        }
    }
}

/// Strings have a limit, and a different one where the last byte is an escape.
#[test]
fn lengths_of_strings() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    for length in [510, 511, 512, 513] {
        let plain = "a".repeat(length);
        let escapes = "\\141".repeat(length);
        let mixed = format!("{}\\141", "a".repeat(length - 1));
        let mixed_first = format!("\\141{}", "a".repeat(length - 1));
        for text in [plain, escapes, mixed, mixed_first] {
            let line = format!("string F1 = \"{text}\"\n");
            let expected = loadkeys
                .text(line.as_bytes(), Characters::Bytes, Path::new("/"))
                .unwrap();
            let found = kmap::compile_bytes(line.as_bytes(), Mode::EightBit);
            assert_eq!(
                found.is_ok(),
                expected.is_some(),
                "{length} bytes: {}…",
                &text[..8]
            );
        }
    }
}

/// An included file may hold any part of a line.
#[test]
fn includes_are_spliced_into_the_line() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let files = [
        ("k", "keycode 5 = e\n"),
        ("open-line", "keycode 5 = e"),
        ("keycode", "keycode"),
        ("three", "3"),
        ("three-line", "3\n"),
        ("equals", "="),
        ("names", "a b"),
        ("open-string", "string F1 = \"abc"),
        ("nested", "include \"k\"\nshift keycode 5 = f\n"),
        ("comment", "# c\n"),
        ("suffix.inc", "keycode 6 = f\n"),
        ("alt", "alt_is_meta\n"),
    ];
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let texts = [
        "include \"k\"\n",
        "include \"k\"",
        "include\"k\"\n",
        "include\t \"k\"\n",
        "include \\\n\"k\"\n",
        "include \"k\" keycode 32 = c\n",
        "include \"open-line\" f\n",
        "include \"open-line\"\n",
        "include \"open-line\" keycode 32 = c\n",
        "keycode include \"three\" = a\n",
        "keycode include \"three-line\" = a\n",
        "include \"keycode\" include \"three\" include \"equals\" a\n",
        "keycode 1 = include \"names\"\n",
        "keycode 1 = a include \"three\" 3\n",
        "keycode 1 = a include \"three\" b\n",
        "keycode 1 = include \"k\"\n",
        "include \"open-string\" def\"\n",
        "include \"open-string\"\ndef\"\n",
        "include \"open-string\"\n",
        "include \"nested\"\ninclude \"nested\"\n",
        "include \"comment\" keycode 1 = a\n",
        "include \"suffix\"\n",
        "include \"alt\"\nkeymaps 0-15\nkeycode 30 = a\n",
        "include \"none\"\n",
        "include \"\"\n",
        "include k\n",
        "include \"k\n\"\n",
    ];
    let from = directory.path().join("from");
    for text in texts {
        let expected = loadkeys
            .text(text.as_bytes(), Characters::Bytes, directory.path())
            .unwrap();
        let source = &mut FileSource::new(SearchPath::standard());
        let text_here = SourceText {
            path: from.clone(),
            bytes: text.into(),
        };
        let found = kmap::compile_text(source, text_here, Mode::EightBit)
            .ok()
            .map(bytes);
        assert!(
            found == expected,
            "accepted by loadkeys: {}\n{text}",
            expected.is_some()
        );
    }
}

/// Of files that differ in their compression only, the one that the directory lists first; behind a whole path, gzip's.
#[test]
fn of_two_compressed_includes_the_same_is_taken() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let compressors = [
        ("gzip", "gz"),
        ("bzip2", "bz2"),
        ("xz", "xz"),
        ("zstd", "zst"),
    ];
    for (keycode, (program, suffix)) in (1..).zip(compressors) {
        let text = directory.path().join("text");
        std::fs::write(&text, format!("keycode {keycode} = a\n")).unwrap();
        let output = Command::new(program).arg("-c").arg(&text).output();
        let Some(output) = required(output.ok(), program) else {
            return;
        };
        for name in ["all.inc", "plain", "late"] {
            if name != "late" || ["xz", "zst"].contains(&suffix) {
                let file = directory.path().join(format!("{name}.{suffix}"));
                std::fs::write(file, &output.stdout).unwrap();
            }
        }
    }
    for name in ["all", "plain", "late"] {
        let path = directory.path().join(name);
        for name in [name, path.to_str().unwrap()] {
            let text = format!("include \"{name}\"\n");
            let expected = loadkeys
                .text(text.as_bytes(), Characters::Bytes, directory.path())
                .unwrap();
            let source = &mut FileSource::new(SearchPath::standard());
            let text_here = SourceText {
                path: directory.path().join("from"),
                bytes: text.into(),
            };
            let found = kmap::compile_text(source, text_here, Mode::EightBit);
            assert!(expected.is_some(), "{name}");
            assert!(found.ok().map(bytes) == expected, "{name}");
        }
    }
}

type IsKind = fn(&DiagnosticKind) -> bool;

/// What `kmapc` accepts and `loadkeys` does not, and the warning that it gives.
#[test]
fn differences_that_are_meant() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let newline: IsKind = |kind| matches!(kind, DiagnosticKind::MissingNewline);
    let carriage_return: IsKind = |kind| matches!(kind, DiagnosticKind::CarriageReturn);
    let accepted: [(&str, &str, IsKind); 7] = [
        ("keycode 1 = a", "keycode 1 = a\n", newline),
        ("keycode 1 =", "keycode 1 =\n", newline),
        ("keycode 1 = a # c", "keycode 1 = a\n", newline),
        ("keycode 1 = a\n# c", "keycode 1 = a\n", newline),
        ("keycode 1 = a\r\n", "keycode 1 = a\n", carriage_return),
        (
            "keycode 1 = a \\\r\n b\r\n",
            "keycode 1 = a b\n",
            carriage_return,
        ),
        (
            "keymaps 0-1\r\nkeycode 1 = a b\r\n",
            "keymaps 0-1\nkeycode 1 = a b\n",
            carriage_return,
        ),
    ];
    let root = Path::new("/");
    for (text, equivalent, is_kind) in accepted {
        assert_eq!(
            loadkeys
                .text(text.as_bytes(), Characters::Bytes, root)
                .unwrap(),
            None,
            "{text:?}"
        );
        let compiled = kmap::compile_bytes(text.as_bytes(), Mode::EightBit).unwrap();
        assert!(
            compiled
                .warnings
                .iter()
                .any(|warning| is_kind(&warning.kind)),
            "{text:?}"
        );
        let expected = loadkeys
            .text(equivalent.as_bytes(), Characters::Bytes, root)
            .unwrap();
        assert!(Some(bytes(compiled)) == expected, "{text:?}");
    }
    // loadkeys writes the backslash before the keymap.
    let text = b"string F1 = \"\\x\"\n";
    let broken = loadkeys
        .text(text, Characters::Bytes, root)
        .unwrap()
        .unwrap();
    let whole = bytes(kmap::compile_bytes(text, Mode::EightBit).unwrap());
    assert_eq!(broken.strip_prefix(b"\\"), Some(&*whole));
    // Names that came with later releases of kbd.
    assert_eq!(
        loadkeys
            .text(b"keycode 1 = Backtab\n", Characters::Bytes, root)
            .unwrap(),
        None
    );
    assert!(kmap::compile_bytes(b"keycode 1 = Backtab\n", Mode::EightBit).is_ok());
}

/// What `loadkeys` accepts and `kmapc` does not: more columns, maps, ranges and rules than anything can use.
#[test]
fn limits_that_are_meant() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let columns = format!("keycode 1 ={}\n", " a".repeat(4097));
    let ranges = format!("keymaps {}0\n", "0,".repeat(4096));
    let rules = "compose as usual\n".repeat(964);
    for text in [&*columns, "keymaps 4096\n", &ranges, &rules] {
        assert!(
            loadkeys
                .text(text.as_bytes(), Characters::Bytes, Path::new("/"))
                .unwrap()
                .is_some()
        );
        assert!(kmap::compile_bytes(text.as_bytes(), Mode::EightBit).is_err());
    }
}
