//! Results as text.

use std::fmt::Write as _;
use std::path::Path;

use cli::Failure;
use modtree::{Closure, Module, Tree};
use serde_json::json;

use crate::args::Format;

/// The modules in load order, one a line (or one JSON document).
pub(crate) fn modules(tree: &Tree, closure: &Closure, format: Format) -> Result<String, Failure> {
    if let Format::Json = format {
        return json(tree, closure);
    }
    let mut text = String::new();
    for module in &closure.modules {
        match format {
            Format::Name => text.push_str(module.name.as_str()),
            Format::Insmod => {
                text.push_str("insmod ");
                text.push_str(path_text(&module.path)?);
            }
            Format::Path | Format::Json => text.push_str(path_text(&module.path)?),
        }
        text.push('\n');
    }
    Ok(text)
}

/// A path that can stand on a line of text.
pub(crate) fn path_text(path: &Path) -> Result<&str, Failure> {
    path.to_str()
        .filter(|text| !text.contains('\n'))
        .ok_or_else(|| {
            Failure::input(format_args!(
                "{path:?} cannot be printed as one line of UTF-8; use --format name"
            ))
        })
}

fn json(tree: &Tree, closure: &Closure) -> Result<String, Failure> {
    let modules: Vec<_> = closure
        .modules
        .iter()
        .map(|module| {
            json!({
                "name": module.name,
                "path": module.path.to_string_lossy(),
                "relative": module.relative.to_string_lossy(),
                "firmware": module.info.all("firmware").collect::<Vec<_>>(),
                "reasons": module.reasons,
            })
        })
        .collect();
    let document = json!({
        "kernel": tree.version(),
        "modules": modules,
        "builtins": closure.builtins,
        "notes": closure.notes,
    });
    serde_json::to_string_pretty(&document)
        .map(|text| text + "\n")
        .map_err(Failure::machine)
}

/// Each module with its reasons, indented.
pub(crate) fn reasons(closure: &Closure) -> String {
    let mut text = String::new();
    for module in &closure.modules {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", module.name);
        for reason in &module.reasons {
            let _ = writeln!(text, "    {reason}");
        }
    }
    text
}

/// What is worth knowing beside the list.
pub(crate) fn notes(tree: &Tree, closure: &Closure) -> String {
    let mut text = String::new();
    for builtin in &closure.builtins {
        let reasons: Vec<_> = builtin.reasons.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "note: {} is built into the kernel ({})",
            builtin.name,
            reasons.join("; ")
        );
    }
    for note in &closure.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for (module, release) in closure.foreign(tree.version()) {
        let _ = writeln!(
            text,
            "warning: {} was built for kernel {release}, and these are the modules of {}",
            module.name,
            tree.version()
        );
    }
    text
}

/// A module's fields, as modinfo shows them, and what its symbols tell.
pub(crate) fn info(path: &Path, module: &Module, symbols: bool) -> String {
    let mut text = format!("{:16}{}\n", "filename:", path.display());
    for (key, value) in module.info.fields() {
        let key = String::from_utf8_lossy(key) + ":";
        let _ = writeln!(text, "{key:16}{}", String::from_utf8_lossy(value));
    }
    let _ = writeln!(
        text,
        "{:16}{}",
        "signed:",
        if module.signed { "yes" } else { "no" }
    );
    let _ = writeln!(text, "{:16}{}", "imports:", module.imports.len());
    let _ = writeln!(text, "{:16}{}", "exports:", module.exports.len());
    if symbols {
        for (what, names) in [("import:", &module.imports), ("export:", &module.exports)] {
            for name in names {
                let _ = writeln!(text, "{what:16}{name}");
            }
        }
    }
    text
}
