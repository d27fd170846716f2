//! Differences for people.

use codec::Format;
use packager::cpio::Kind;
use packager::inspect::{
    Comparison, Difference, File, KeymapDifference, Line, ModuleDifference, ModuleState,
    TextDifference,
};

use packager::names;

use crate::report;

/// `most` lines of each keymap and each text are shown; 0 stands for all.
pub(super) fn text(comparison: &Comparison<'_>, most: usize) -> String {
    let most = if most == 0 { usize::MAX } else { most };
    let mut out = String::new();
    if let Some([old, new]) = &comparison.segments {
        out += &format!("~ segments: {} -> {}\n", formats(old), formats(new));
    }
    out.extend(comparison.modules.iter().map(module));
    out.extend(comparison.files.iter().map(file));
    for keymap in &comparison.keymaps {
        out += &keymap_text(keymap, most);
    }
    for text in &comparison.texts {
        out += &changed_lines(text, most);
    }
    out
}

fn formats(segments: &[Option<Format>]) -> String {
    let names = segments.iter().copied().map(report::format_name);
    names.collect::<Vec<_>>().join(", ")
}

fn module(module: &ModuleDifference) -> String {
    let name = &module.name;
    match (&module.old, &module.new) {
        (Some(old), Some(new)) => format!("~ module {name}: {}\n", module_changes(old, new)),
        (None, Some(new)) => format!("+ module {name} ({})\n", module_state(new)),
        (Some(old), None) => format!("- module {name} ({})\n", module_state(old)),
        (None, None) => String::new(),
    }
}

fn module_state(state: &ModuleState) -> String {
    let mut parts = vec![format!("{} bytes", state.size)];
    parts.extend(state.compression.map(|format| format.to_string()));
    parts.extend(state.kernel.as_ref().map(|kernel| format!("for {kernel}")));
    parts.extend(
        state
            .version
            .as_ref()
            .map(|version| format!("version {version}")),
    );
    parts.join(", ")
}

fn module_changes(old: &ModuleState, new: &ModuleState) -> String {
    let unknown = || "unknown".to_owned();
    let mut changes = Vec::new();
    let mut change = |what: &str, old: String, new: String| {
        if old != new {
            changes.push(format!("{what}{old} -> {new}"));
        }
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_else(unknown);
    change("for ", text(&old.kernel), text(&new.kernel));
    change("version ", text(&old.version), text(&new.version));
    let compression = |state: &ModuleState| report::format_name(state.compression);
    change("", compression(old), compression(new));
    if old.size != new.size {
        changes.push(format!("{} -> {} bytes", old.size, new.size));
    }
    match changes.is_empty() {
        false => changes.join(", "),
        true if old.path == new.path => "other contents of the same size".to_owned(),
        true => format!("/{} -> /{}", old.path, new.path),
    }
}

fn keymap_text(keymap: &KeymapDifference, most: usize) -> String {
    let count = keymap.keys.len();
    let mut out = format!("keymap /{}: {count} differences\n", keymap.path);
    for key in keymap.keys.iter().take(most) {
        let (modifiers, key_name) = (key.press.modifiers(), key.press.key());
        out += &format!(
            "  {modifiers:12} {key_name:14}  {} -> {}\n",
            key.before(),
            key.after()
        );
    }
    out + &more(count, most)
}

fn changed_lines(text: &TextDifference<'_>, most: usize) -> String {
    let order = if text.reordered {
        ", only the order"
    } else {
        ""
    };
    let mut out = format!("text /{}: {} lines{order}\n", text.path, text.lines.len());
    for line in text.lines.iter().take(most) {
        let (sign, line) = match line {
            Line::Removed(line) => ('-', line),
            Line::Added(line) => ('+', line),
        };
        out += &format!("  {sign}{}\n", report::escaped(line.as_bytes()));
    }
    out + &more(text.lines.len(), most)
}

fn more(count: usize, most: usize) -> String {
    match count.saturating_sub(most) {
        0 => String::new(),
        rest => format!("  … and {rest} more (--lines 0 shows all)\n"),
    }
}

fn file(difference: &Difference<'_>) -> String {
    match difference {
        Difference::Added(path, file) => format!("+ {}\n", entry(path, file)),
        Difference::Removed(path, file) => format!("- {}\n", entry(path, file)),
        Difference::Changed(path, old, new) => {
            let path = names::shown(path);
            format!("~ /{path}: {}\n", changes(old, new).join(", "))
        }
    }
}

fn entry(path: &str, file: &File<'_>) -> String {
    let name = report::name(
        &[b"/", &*names::bytes(path)].concat(),
        file.attributes.kind,
        file.data,
    );
    match (file.attributes.kind, report::device(file.attributes.kind)) {
        (Kind::File, _) => format!("{name} ({} bytes)", file.data.len()),
        (_, Some([major, minor])) => format!("{name} (device {major}:{minor})"),
        _ => name,
    }
}

fn changes(old: &File<'_>, new: &File<'_>) -> Vec<String> {
    let mut changes = Vec::new();
    let (before, after) = (old.attributes, new.attributes);
    let [one, other] = [before.kind, after.kind].map(report::type_name);
    if one != other {
        changes.push(format!("{one} -> {other}"));
    } else if before.kind != after.kind {
        let numbers = |kind| report::device(kind).map(|[major, minor]| format!("{major}:{minor}"));
        let numbers = [before.kind, after.kind].map(|kind| numbers(kind).unwrap_or_default());
        changes.push(format!("device {}", numbers.join(" -> ")));
    }
    if before.permissions != after.permissions {
        changes.push(format!(
            "mode {:04o} -> {:04o}",
            before.permissions, after.permissions
        ));
    }
    if (before.uid, before.gid) != (after.uid, after.gid) {
        changes.push(format!(
            "owner {}:{} -> {}:{}",
            before.uid, before.gid, after.uid, after.gid
        ));
    }
    if old.data != new.data {
        changes.push(match (before.kind, after.kind) {
            (Kind::Symlink, Kind::Symlink) => {
                format!(
                    "{} -> {}",
                    String::from_utf8_lossy(old.data),
                    String::from_utf8_lossy(new.data)
                )
            }
            _ if old.data.len() == new.data.len() => {
                format!("other contents, {} bytes as before", new.data.len())
            }
            _ => format!("{} -> {} bytes", old.data.len(), new.data.len()),
        });
    }
    changes
}
