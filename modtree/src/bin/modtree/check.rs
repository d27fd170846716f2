//! `modtree check`: what is wrong with a kernel's modules.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use cli::{Failure, Fault, print};
use modtree::{CheckOptions, Finding, KernelSymbols, Tree, check};
use serde_json::json;

use crate::args::TreeArgs;
use crate::questions::print_json;
use crate::run::{open, tree_failure};

/// Look for what is wrong with the modules of a kernel
///
/// Damaged modules, cycles, missing dependencies, unknown symbols, symbol versions that differ, modules of other kernels, indexes
/// that are out of date; and, as hints, dependencies that differ from the symbols, other releases, duplicate names, missing firmware,
/// unsigned modules. Exit code 1 if there is more than hints.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    tree: TreeArgs,
    /// Also miss firmware files, in this directory [default: lib/firmware below the root, if it is there; with --deb, none]
    #[arg(long, value_name = "DIR")]
    firmware: Option<PathBuf>,
    /// The symbols that the kernel exports, with their checksums [default: boot/System.map-VERSION below the root, if it is there]
    #[arg(
        short = 'E',
        long,
        value_name = "MODULE.SYMVERS",
        conflicts_with = "system_map"
    )]
    symvers: Option<PathBuf>,
    /// The symbols that the kernel exports
    #[arg(short = 'F', long, value_name = "SYSTEM.MAP")]
    system_map: Option<PathBuf>,
    /// Print all hints, not only the first ones of each kind
    #[arg(short, long)]
    all: bool,
    /// One JSON document, with all hints
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    quiet: cli::Quiet,
}

/// So many hints of a kind are printed; a kernel without its firmware has thousands.
const HINTS: usize = 5;

pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let tree = open(&args.tree)?;
    // A kernel's package has none of its firmware.
    let default = match args.tree.deb {
        Some(_) => None,
        None => tree.firmware_dir(),
    };
    let firmware = args.firmware.clone();
    let symvers = args.symvers.clone().map(KernelSymbols::Symvers);
    let system_map = args.system_map.clone().map(KernelSymbols::SystemMap);
    let options = CheckOptions {
        firmware: firmware.or(default),
        kernel_symbols: symvers.or(system_map),
    };
    let checked = check(&tree, &options).map_err(tree_failure)?;
    for note in &checked.notes {
        cli::note!("{note}");
    }
    let found = checked.findings;
    let errors = found
        .iter()
        .filter(|finding| finding.kind.is_error())
        .count();
    match args.json {
        true => print_json(&json!(found))?,
        false => print(check_text(&tree, &found, args.all)?.as_bytes())?,
    }
    match errors {
        0 => Ok(()),
        _ => Err(Failure::reported(Fault::Input)),
    }
}

fn check_text(tree: &Tree, found: &[Finding], all: bool) -> Result<String, Failure> {
    let mut text = String::new();
    for kind in found.chunk_by(|a, b| a.kind == b.kind) {
        let is_short = |finding: &&Finding| all || finding.kind.is_error();
        let printed = match kind.first().filter(is_short) {
            Some(_) => kind.len(),
            // One line less for one line more is nothing.
            None if kind.len() == HINTS + 1 => kind.len(),
            None => kind.len().min(HINTS),
        };
        for finding in kind.iter().take(printed) {
            let (kind, subject) = (finding.kind, &finding.subject);
            let _ = writeln!(text, "{kind}: {subject}: {}", finding.text);
        }
        if let (Some(first), more @ 1..) = (kind.first(), kind.len() - printed) {
            let _ = writeln!(text, "{}: {more} more, with --all", first.kind);
        }
    }
    let modules = match tree.modules().map_err(tree_failure)?.len() {
        1 => "1 module".to_owned(),
        count => format!("{count} modules"),
    };
    let _ = writeln!(text, "{modules} of {}", tree.version());
    for kind in found.chunk_by(|a, b| a.kind == b.kind) {
        let first = kind.first().map(|finding| finding.kind);
        if let Some(first) = first {
            let _ = writeln!(text, "{first:20}{:6}", kind.len());
        }
    }
    Ok(text)
}
