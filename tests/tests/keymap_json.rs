//! What `kmapc … --json` prints is what `data/schemas/kmapc.json` says.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::fs;

use serde_json::{Value, json};
use tests::schema::{conforms, is_filled};

const SPANISH: &str = "\
keymaps 0-2
keycode 18 = e E euro
keycode 30 = a A
keycode 39 = ntilde Ntilde
keycode 40 = dead_acute
keycode 42 = Shift
keycode 100 = AltGr
compose '\\'' 'a' to aacute
";

/// A folder with keymaps: `es.kmap`, `us.kmap`, and `bad.kmap` with an error in an included file.
fn keymaps() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("es.kmap", SPANISH),
        (
            "us.kmap",
            "keycode 39 = semicolon colon\nkeycode 42 = Shift\n",
        ),
        ("bad.kmap", "include \"worse\"\n"),
        ("worse.inc", "keycode 39 = semicolonn\n"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn every_command_prints_what_is_documented() {
    let folder = keymaps();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (es, us, bad) = (file("es.kmap"), file("us.kmap"), file("bad.kmap"));
    let out = folder.path().to_str().unwrap();
    let filled = |name: &str, arguments: &[&str], places: &[&str]| -> Value {
        let document = conforms("kmapc", name, arguments);
        for place in places {
            assert!(is_filled(&document, place), "{arguments:?}: {place}");
        }
        document
    };
    filled(
        "compile",
        &["-u", &es, "--out-dir", out],
        &["/0/result/output", "/0/keymaps"],
    );
    let wrong = filled(
        "compile",
        &[&bad, "--out-dir", out],
        &[
            "/0/diagnostics/0/help",
            "/0/diagnostics/0/place/included_from/0/line",
        ],
    );
    assert_eq!(wrong.pointer("/0/result"), Some(&Value::Null));
    filled(
        "check",
        &["check", &es, &bad],
        &["/0/tables", "/1/diagnostics"],
    );
    let differences = filled("diff", &["diff", "-u", &us, &es], &["/0"]);
    let semicolon = json!({
        "keycode": 39, "map": 0, "key": "key ; (39)", "modifiers": "plain", "old": ";", "new": "ñ",
    });
    assert!(
        differences.as_array().unwrap().contains(&semicolon),
        "{differences}"
    );
    let listed = filled("list", &["list", "--search-path", out], &["/0/name"]);
    assert_eq!(
        listed,
        json!(
            ["bad", "es", "us"]
                .map(|name| { json!({ "name": name, "path": file(&format!("{name}.kmap")) }) })
        )
    );
    let shown = filled("show", &["show", "-u", &es], &["/0"]);
    let euro = json!({
        "keycode": 18, "map": 2, "key": "key E (18)", "modifiers": "AltGr", "does": "€",
    });
    assert!(shown.as_array().unwrap().contains(&euro), "{shown}");
    let ways = filled(
        "type",
        &["type", "-u", &es, "ñáx"],
        &["/0/presses/0", "/1/presses/1"],
    );
    assert_eq!(ways.pointer("/2/presses"), Some(&Value::Null));
    for arguments in [
        &["show", &bad][..],
        &["type", &bad, "x"],
        &["diff", &us, &bad],
    ] {
        filled(
            arguments[0],
            arguments,
            &["/keymap", "/diagnostics/0/place"],
        );
    }
    assert_eq!(conforms("kmapc", "diff", &["diff", &us, &us]), json!([]));
}
