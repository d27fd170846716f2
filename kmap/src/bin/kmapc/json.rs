//! What is told as data: diagnostics, keys, ways to type.

use std::path::Path;

use cli::Failure;
use kmap::{Diagnostic, KEYS, KeyDifference, Keymap, Press, Report, Route, Severity, Step};
use serde_json::{Value, json};

use crate::typing::Answer;

/// Prints a document.
pub(crate) fn print(document: &Value) -> Result<(), Failure> {
    cli::print(format!("{document:#}\n").as_bytes())
}

/// What is wrong with a keymap that was to be looked at.
pub(crate) fn failure(input: &Path, report: &Report) -> Value {
    let errors: Value = report.errors().iter().map(diagnostic).collect();
    json!({ "keymap": path(input), "diagnostics": errors })
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

/// For each character the presses that type it, in their order, each with the modifier keys that lead to it; `null` where it cannot
/// be typed, with what else could be done.
pub(crate) fn ways(answers: &[Answer]) -> Value {
    let all = answers.iter().map(|answer| {
        let presses = answer.way.as_ref().map(|way| {
            let strokes = way.strokes().into_iter();
            strokes
                .map(|stroke| with(press(stroke.press), route(&stroke.route)))
                .collect::<Value>()
        });
        json!({ "character": answer.character, "presses": presses, "hint": answer.hint })
    });
    all.collect()
}

fn route(route: &Route) -> Value {
    let locks = route.locks.iter().map(|lock| {
        let more = json!({ "held": steps(&lock.held) });
        with(step(&lock.key), more)
    });
    json!({
        "locks": locks.collect::<Value>(),
        "held": steps(&route.held),
        "latch": route.latch.as_ref().map(step),
    })
}

fn steps(steps: &[Step]) -> Value {
    steps.iter().map(step).collect()
}

/// A modifier key: `does` is its keysym.
fn step(step: &Step) -> Value {
    with(press(step.press), json!({ "does": step.keysym.describe() }))
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
        let chain = place.included_from.iter();
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
                "underline": [
                    shown_offset(&place.line_text, place.underline.start),
                    shown_offset(&place.line_text, place.underline.end),
                ],
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

/// Where an offset into a line is in the text that stands for it, in which every piece that is not UTF-8 is replaced; the start of
/// the character where it is inside one.
fn shown_offset(line: &[u8], offset: usize) -> usize {
    let (mut read, mut shown) = (0, 0);
    for chunk in line.utf8_chunks() {
        let valid = chunk.valid();
        if offset <= read + valid.len() {
            return shown + valid.floor_char_boundary(offset - read);
        }
        read += valid.len();
        shown += valid.len();
        if offset < read + chunk.invalid().len() {
            return shown;
        }
        read += chunk.invalid().len();
        shown += char::REPLACEMENT_CHARACTER.len_utf8();
    }
    shown
}

/// A path; JSON has no bytes, so what is not UTF-8 is replaced.
pub(crate) fn path(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_text_that_is_shown() {
        let line = b"\xe9 keycode \xc3\xa9 = x\xff";
        let shown = String::from_utf8_lossy(line);
        let find = |bytes: &[u8]| line.windows(bytes.len()).position(|found| found == bytes);
        for word in ["keycode", "=", "x"] {
            let offset = shown_offset(line, find(word.as_bytes()).unwrap());
            assert!(shown[offset..].starts_with(word), "{word}: {offset}");
        }
        assert_eq!(shown_offset(line, line.len()), shown.len());
        assert_eq!(shown_offset(line, 0), 0);
        assert_eq!(shown_offset("é".as_bytes(), 1), 0);
    }
}
