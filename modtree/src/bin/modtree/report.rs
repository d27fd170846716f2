//! Results as text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cli::Failure;
use modtree::{Closure, ModuleName, Necessity, Reason, Tree};
use serde_json::{Value, json};

use crate::args::Format;

/// The modules in load order, one a line; before them what is part of the kernel, if that is wanted.
pub(crate) fn modules(
    tree: &Tree,
    closure: &Closure,
    format: Format,
    builtin: bool,
) -> Result<String, Failure> {
    let mut text = String::new();
    for builtin in closure.builtins.iter().filter(|_| builtin) {
        let _ = writeln!(text, "builtin {}", builtin.name);
    }
    for module in &closure.modules {
        let path = tree.shown(&module.path);
        match format {
            Format::Name => text.push_str(module.name.as_str()),
            Format::Insmod => {
                text.push_str("insmod ");
                text.push_str(path_text(&path)?);
            }
            _ => text.push_str(path_text(&path)?),
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

/// A path as text, without loss: see [`codec::names`].
pub(crate) fn json_path(path: &Path) -> Cow<'_, str> {
    codec::names::text(path.as_os_str().as_bytes())
}

/// One document: modules, builtins, what is left out, notes, each with its reasons.
pub(crate) fn json(tree: &Tree, closure: &Closure) -> Result<String, Failure> {
    let modules: Vec<_> = closure
        .modules
        .iter()
        .map(|module| {
            json!({
                "name": module.name,
                "path": json_path(&tree.shown(&module.path)),
                "relative": json_path(&module.relative),
                "firmware": module.info.all("firmware").collect::<Vec<_>>(),
                "reasons": module.reasons,
            })
        })
        .collect();
    let necessities = closure.necessities().into_iter();
    let necessities = necessities.map(|(name, why)| json!({ "module": name, "because": why }));
    let document = json!({
        "kernel": tree.version(),
        "modules": modules,
        "builtins": closure.builtins,
        "excluded": closure.excluded,
        "may": closure.possible,
        "necessities": necessities.collect::<Vec<_>>(),
        "notes": closure.notes,
    });
    serde_json::to_string_pretty(&document)
        .map(|text| text + "\n")
        .map_err(Failure::machine)
}

/// The graph: modules in load order, and an edge from who needs to what is needed for each reason.
pub(crate) fn graph(tree: &Tree, closure: &Closure) -> Value {
    let modules = closure.modules.iter().map(|module| {
        let is_root = module.reasons.iter().any(|reason| reason.by.is_none());
        json!({ "name": module.name, "root": is_root })
    });
    let edges = closure.modules.iter().flat_map(|module| {
        let edge = |reason: &Reason| {
            let from = reason.by.as_ref()?;
            Some(json!({ "from": from, "to": module.name, "reason": reason }))
        };
        module.reasons.iter().filter_map(edge)
    });
    json!({
        "kernel": tree.version(),
        "modules": modules.collect::<Vec<_>>(),
        "edges": edges.collect::<Vec<_>>(),
    })
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
    for possible in &closure.possible {
        let _ = writeln!(
            text,
            "{} may ask for {}: {}",
            possible.by, possible.asked, possible.site
        );
    }
    text
}

/// What keeps each module in the list.
pub(crate) fn necessities(closure: &Closure) -> String {
    let mut text = String::new();
    let mut alternatives = 0;
    let necessities = closure.necessities();
    for (name, necessity) in &necessities {
        let _ = match necessity {
            Necessity::Needed(reason) => writeln!(text, "{name} cannot be dropped: {reason}"),
            Necessity::Alternative { reason, others } => {
                alternatives += 1;
                let others: Vec<_> = others.iter().map(ModuleName::as_str).collect();
                let others = others.join(" or ");
                writeln!(
                    text,
                    "{name} can be dropped where {others} does for it: {reason}"
                )
            }
        };
    }
    let needed = necessities.len() - alternatives;
    let _ = writeln!(
        text,
        "{needed} of {} modules cannot be dropped, {alternatives} have alternatives in the list",
        necessities.len()
    );
    text
}

/// What is worth knowing beside the list.
pub(crate) fn notes(tree: &Tree, closure: &Closure) -> String {
    let mut text = String::new();
    for builtin in &closure.builtins {
        let reasons = Reason::all(&builtin.reasons);
        let _ = writeln!(
            text,
            "note: {} is built into the kernel ({reasons})",
            builtin.name
        );
    }
    for excluded in &closure.excluded {
        let _ = match Reason::all(&excluded.reasons) {
            none if none.is_empty() => {
                writeln!(
                    text,
                    "note: {} would not be in the list anyway",
                    excluded.name
                )
            }
            reasons if excluded.is_vital() => writeln!(
                text,
                "warning: without {} not all modules of the list can be loaded: {reasons}",
                excluded.name
            ),
            reasons => writeln!(text, "warning: {} is left out: {reasons}", excluded.name),
        };
    }
    if !closure.possible.is_empty() {
        let note = match closure.possible.len() {
            1 => "note: 1 request depends on what happens while running and adds nothing; --why lists it".to_owned(),
            count => format!("note: {count} requests depend on what happens while running and add nothing; --why lists them"),
        };
        let _ = writeln!(text, "{note}");
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
