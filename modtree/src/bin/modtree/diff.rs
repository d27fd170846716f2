//! `modtree diff`: what changed between two kernels.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use cli::{Failure, Fault, print};
use modtree::{Difference, Tree, diff};
use serde_json::json;

use crate::questions::print_json;
use crate::run::{choice_failure, open_package, tree_failure};

/// Print what changed between two kernels: modules, dependencies, aliases, symbols
///
/// The exit code is 0 where nothing did, 1 where something did, and 2 where one of the kernels is at fault: a damaged module is told,
/// and the others are compared.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The old modules directory, a root with one kernel, or a kernel's Debian package
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The new one
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn run(args: &DiffArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let differ = || {
        let found = diff(&open_any(&args.old)?, &open_any(&args.new)?).map_err(tree_failure)?;
        let text = as_text(&found);
        match args.json {
            true => print_json(&json!(found))?,
            false => print(text.as_bytes())?,
        }
        // It is why the command fails, which is said in any case.
        for damage in &found.damaged {
            cli::tell!("error: {damage}; this module is not compared");
        }
        match found.damaged.is_empty() {
            true => Ok(!text.is_empty()),
            // What is at fault has been told.
            false => Err(Failure::reported(Fault::Input)),
        }
    };
    cli::compared(differ())
}

fn as_text(found: &Difference) -> String {
    let mut text = String::new();
    for (what, names) in [
        ("new module", &found.added),
        ("gone", &found.removed),
        ("now built in", &found.became_builtin),
        ("now a module", &found.became_module),
    ] {
        for name in names {
            let _ = writeln!(text, "{what}: {name}");
        }
    }
    for (name, changes) in &found.dependencies {
        let signed = |sign: &str, names: &std::collections::BTreeSet<String>| {
            names
                .iter()
                .map(|name| format!(" {sign}{name}"))
                .collect::<String>()
        };
        let (added, removed) = (signed("+", &changes.added), signed("-", &changes.removed));
        let _ = writeln!(text, "dependencies of {name}:{added}{removed}");
    }
    for (name, changes) in &found.aliases {
        for alias in &changes.removed {
            let _ = writeln!(text, "alias gone: {alias} {name}");
        }
        for alias in &changes.added {
            let _ = writeln!(text, "alias new: {alias} {name}");
        }
    }
    for (what, symbols) in [
        ("gone", &found.symbols.removed),
        ("new", &found.symbols.added),
    ] {
        for symbol in symbols {
            let _ = writeln!(text, "symbol {what}: {symbol}");
        }
    }
    text
}

/// A modules directory itself, the root of one, or a package.
fn open_any(path: &Path) -> Result<Tree, Failure> {
    if path.is_file() {
        return open_package(path, None);
    }
    let tree = match path.join("kernel").is_dir() || path.join("modules.order").is_file() {
        true => Tree::open(path),
        false => Tree::select(path, None),
    };
    tree.map_err(|error| {
        let root = "give a modules directory, a root with one kernel, or a kernel's package";
        choice_failure(error, root, "give the modules directory of one of them")
    })
}
