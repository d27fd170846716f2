//! Differences for programs.

use packager::cpio::Kind;
use packager::inspect::{
    Comparison, Difference, File, KeymapDifference, Line, ModuleDifference, ModuleState,
    TextDifference,
};
use serde_json::{Value, json};

use crate::report;

/// One object; every list is empty, and `segments` null, where nothing differs.
pub(super) fn text(comparison: &Comparison<'_>) -> String {
    let segments = comparison.segments.as_ref().map(|both| {
        both.each_ref().map(|formats| {
            let names = formats.iter().map(|format| format.map(|it| it.name()));
            names.collect::<Vec<_>>()
        })
    });
    let json = json!({
        "segments": segments,
        "modules": list(&comparison.modules, module),
        "keymaps": list(&comparison.keymaps, keymap),
        "texts": list(&comparison.texts, lines),
        "files": list(&comparison.files, difference),
    });
    format!("{json:#}\n")
}

fn list<T>(items: &[T], value: impl Fn(&T) -> Value) -> Vec<Value> {
    items.iter().map(value).collect()
}

fn module(module: &ModuleDifference) -> Value {
    json!({
        "name": module.name,
        "old": module.old.as_ref().map(state),
        "new": module.new.as_ref().map(state),
    })
}

fn state(state: &ModuleState) -> Value {
    json!({
        "path": format!("/{}", state.path),
        "size": state.size,
        "compression": state.compression.map(|format| format.name()),
        "kernel": state.kernel,
        "version": state.version,
    })
}

fn keymap(keymap: &KeymapDifference) -> Value {
    let keys = keymap.keys.iter().map(|key| {
        json!({
            "keycode": key.press.keycode,
            "map": key.press.map,
            "modifiers": key.press.modifiers(),
            "old": key.before(),
            "new": key.after(),
        })
    });
    json!({ "path": format!("/{}", keymap.path), "keys": keys.collect::<Vec<_>>() })
}

fn lines(text: &TextDifference<'_>) -> Value {
    let lines = text.lines.iter().map(|line| match line {
        Line::Removed(line) => json!({ "old": line }),
        Line::Added(line) => json!({ "new": line }),
    });
    json!({
        "path": format!("/{}", text.path),
        "reordered": text.reordered,
        "lines": lines.collect::<Vec<_>>(),
    })
}

fn difference(difference: &Difference<'_>) -> Value {
    let (old, new) = match difference {
        Difference::Added(_, new) => (None, Some(new)),
        Difference::Removed(_, old) => (Some(old), None),
        Difference::Changed(_, old, new) => (Some(old), Some(new)),
    };
    let path = format!("/{}", difference.path());
    json!({ "path": path, "old": old.map(file), "new": new.map(file) })
}

fn file(file: &File<'_>) -> Value {
    let attributes = file.attributes;
    let size = (attributes.kind == Kind::File).then_some(file.data.len());
    json!({
        "type": report::type_name(attributes.kind),
        "mode": format!("{:04o}", attributes.permissions),
        "uid": attributes.uid,
        "gid": attributes.gid,
        "size": size,
        "target": report::target(attributes.kind, file.data),
        "device": report::device(attributes.kind),
    })
}
