//! What is told as data: diagnostics, keys, ways to type.

use std::path::Path;

use cli::Failure;
use kmap::{Diagnostic, KEYS, KeyDifference, Keymap, Press, Severity, Way};
use serde_json::{Value, json};

/// Prints a document.
pub(crate) fn print(document: &Value) -> Result<(), Failure> {
    cli::print(format!("{document:#}\n").as_bytes())
}

/// A key with modifiers: `keycode` is the kernel's, `map` the number of the table, `key` and `modifiers` are for people.
fn press(press: Press) -> Value {
    json!({
        "keycode": press.keycode,
        "map": press.map,
        "key": press.key(),
        "modifiers": press.modifiers(),
    })
}

fn with(mut press: Value, more: Value) -> Value {
    if let (Some(press), Value::Object(more)) = (press.as_object_mut(), more) {
        press.extend(more);
    }
    press
}

/// The keys that do something else, with what they did and what they do.
pub(crate) fn differences(differences: &[KeyDifference]) -> Value {
    let all = differences.iter().map(|difference| {
        let (old, new) = (difference.before(), difference.after());
        with(press(difference.press), json!({ "old": old, "new": new }))
    });
    all.collect()
}

/// All keys that do something, on all tables: `does` is the character, else the name of what happens.
pub(crate) fn keys(keymap: &Keymap) -> Value {
    let maps: Vec<u8> = keymap.tables().map(|(map, _)| map).collect();
    let presses =
        (0..KEYS as u8).flat_map(|keycode| maps.iter().map(move |&map| Press { keycode, map }));
    let all = presses.filter_map(|one| {
        let does = keymap.action(one)?;
        Some(with(press(one), json!({ "does": does })))
    });
    all.collect()
}

/// For each character the presses that type it, in their order; `null` where it cannot be typed.
pub(crate) fn ways(ways: &[(char, Option<Way>)]) -> Value {
    let all = ways.iter().map(|(character, way)| {
        let presses = way.as_ref().map(|way| {
            let presses = match *way {
                Way::Direct(press) => vec![press],
                Way::Dead(dead, press) => vec![dead, press],
                Way::Compose(compose, first, second) => vec![compose, first, second],
            };
            presses.into_iter().map(press).collect::<Value>()
        });
        json!({ "character": character, "presses": presses })
    });
    all.collect()
}

/// One diagnostic: the fields are those of the text on the screen; `code` is the stable name of the kind. `line` and `column`
/// begin at 1; `underline` has two offsets in bytes into `text`, the source line.
pub(crate) fn diagnostic(diagnostic: &Diagnostic) -> Value {
    let severity = match diagnostic.severity() {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let place = diagnostic.place.as_ref().map(|place| {
        let chain = place.included_from.iter().rev();
        let chain: Vec<Value> = chain
            .map(|(file, line)| json!({"file": path(file), "line": line}))
            .collect();
        match place.line {
            0 => json!({"file": path(&place.path)}),
            line => json!({
                "file": path(&place.path),
                "line": line,
                "column": place.column,
                "text": String::from_utf8_lossy(&place.line_text),
                "underline": [place.underline.start, place.underline.end],
                "included_from": chain,
            }),
        }
    });
    json!({
        "severity": severity,
        "code": diagnostic.kind.name(),
        "message": diagnostic.kind.to_string(),
        "help": diagnostic.kind.help(),
        "place": place,
    })
}

/// A path; JSON has no bytes, so what is not UTF-8 is replaced.
pub(crate) fn path(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}
