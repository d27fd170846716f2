//! `modtree depmod`: what kmod's depmod does.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use cli::{Failure, Fault, print};
use modtree::{
    Compat, Depmod, DepmodConfig, DepmodError, DepmodOptions, KernelSymbols, Tree, depmod,
    is_up_to_date,
};
use serde_json::{Value, json};

use crate::complete;
use crate::questions::print_json;
use crate::report::json_path;
use crate::run::{choice_failure, tree_failure};

/// Write the files by which modprobe finds modules, as depmod does
///
/// modules.dep, .alias, .softdep, .weakdep, .symbols, .devname, .builtin.bin, .builtin.alias.bin and their .bin forms: the
/// same bytes as kmod's. Nothing is written before all of them are complete.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modtree depmod                              for the running kernel
  modtree depmod -b /mnt 6.1.0-56-amd64       for a kernel of another root
  modtree depmod -b /usr/src/root -o /tmp/x   written somewhere else
  modtree depmod -n | grep '^alias fs-'       to standard output

Exit codes: 0 done, 1 the modules are at fault (a cycle), 2 the command line is, 3 the machine is")]
pub(crate) struct DepmodArgs {
    /// The kernel's version [default: the running kernel if its modules are there, else the only version present]
    #[arg(value_name = "VERSION", add = complete::versions())]
    version: Option<String>,

    /// The root below which the modules directory is
    #[arg(
        short,
        long,
        visible_alias = "root",
        value_name = "BASE",
        default_value = "/"
    )]
    basedir: PathBuf,

    /// Write below this root instead
    #[arg(short, long, value_name = "OUTDIR")]
    outdir: Option<PathBuf>,

    /// Where versions are below the root [default: lib/modules, else usr/lib/modules]
    #[arg(short, long, value_name = "DIR")]
    moduledir: Option<PathBuf>,

    /// Whose files to write
    #[arg(long, value_enum, default_value_t = CompatArg::Kmod34)]
    compat: CompatArg,

    /// All modules: what is done anyway
    #[arg(short, long)]
    all: bool,

    /// Do nothing if no module is newer than modules.dep
    #[arg(short = 'A', long)]
    quick: bool,

    /// Read only modules that changed since the last run with this option; keeps a cache beside the indexes
    #[arg(short, long)]
    incremental: bool,

    /// Read this file or directory instead of the system's depmod.d; can be given often
    #[arg(short = 'C', long, value_name = "CONFIG")]
    config: Vec<PathBuf>,

    /// Warn of symbols that neither a module nor the kernel has, and with -E of checksums that differ; wants -E or -F
    #[arg(short = 'e', long)]
    errsyms: bool,

    /// The kernel's symbols with their checksums, for -e
    #[arg(short = 'E', long, value_name = "MODULE.SYMVERS")]
    symvers: Option<PathBuf>,

    /// The kernel's symbols, for -e; -E goes before it
    #[arg(short = 'F', long, value_name = "SYSTEM.MAP")]
    filesyms: Option<PathBuf>,

    /// Print the text files and write nothing
    #[arg(short = 'n', long, visible_alias = "show")]
    dry_run: bool,

    /// A character that symbols of this architecture begin with
    #[arg(short = 'P', long, value_name = "CHAR")]
    symbol_prefix: Option<char>,

    /// Warn of aliases that a module declares twice
    #[arg(short = 'w', long)]
    warn: bool,

    /// Do not print warnings
    #[arg(short, long)]
    quiet: bool,

    /// Print what was done as one JSON document: modules, files with their sizes in bytes, warnings
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompatArg {
    Kmod34,
    Kmod30,
}

impl From<CompatArg> for Compat {
    fn from(compat: CompatArg) -> Self {
        match compat {
            CompatArg::Kmod34 => Compat::Kmod34,
            CompatArg::Kmod30 => Compat::Kmod30,
        }
    }
}

pub(crate) fn run(args: &DepmodArgs) -> Result<(), Failure> {
    let tree = open(args)?;
    let dir = tree.dir().to_path_buf();
    let out = out_dir(args, &tree);
    if args.quick && is_up_to_date(&dir, &out).map_err(|error| io_failure(&dir, &error))? {
        return match args.json {
            true => print_json(&summary(&out, None, &[])),
            false => Ok(()),
        };
    }
    let version = dir.file_name().unwrap_or_default().to_string_lossy();
    let (config, notes) = DepmodConfig::read(&args.config, &version, args.compat.into())
        .map_err(|error| tree_failure(error.into()))?;
    let kernel_symbols = kernel_symbols(args);
    let options = DepmodOptions {
        dir: dir.clone(),
        compat: args.compat.into(),
        config,
        symbol_prefix: prefix(args)?,
        unresolved: args.errsyms && kernel_symbols.is_some(),
        kernel_symbols: kernel_symbols.filter(|_| args.errsyms),
        text_only: args.dry_run,
        duplicates: args.warn,
        incremental: args.incremental.then(|| out.clone()),
    };
    let done = depmod(&options).map_err(failure)?;
    let mut warnings = Vec::new();
    if args.errsyms && !options.unresolved {
        warnings.push("-e needs -E or -F");
    }
    warnings.extend(notes.iter().chain(&done.warnings).map(String::as_str));
    if !args.quiet {
        for warning in &warnings {
            cli::tell!("warning: {warning}");
        }
    }
    if args.dry_run {
        return print(&done.text());
    }
    done.write(&out).map_err(|error| io_failure(&out, &error))?;
    match args.json {
        true => print_json(&summary(&out, Some(&done), &warnings)),
        false => Ok(()),
    }
}

/// What was done; nothing, where all was up to date.
fn summary(out: &Path, done: Option<&Depmod>, warnings: &[&str]) -> Value {
    let files = done.map_or(&[][..], |done| &done.files);
    let files = files
        .iter()
        .map(|(name, contents)| json!({ "name": name, "size": contents.len() }));
    json!({
        "directory": json_path(out),
        "written": done.is_some(),
        "modules": done.map(|done| done.modules),
        "read": done.map(|done| done.read),
        "files": files.collect::<Vec<_>>(),
        "warnings": warnings,
    })
}

fn prefix(args: &DepmodArgs) -> Result<Option<u8>, Failure> {
    match args.symbol_prefix.map(u8::try_from) {
        None => Ok(None),
        Some(Ok(byte)) if byte.is_ascii() => Ok(Some(byte)),
        Some(_) => Err(Failure::usage("--symbol-prefix must be an ASCII character")),
    }
}

fn kernel_symbols(args: &DepmodArgs) -> Option<KernelSymbols> {
    let symvers = args.symvers.clone().map(KernelSymbols::Symvers);
    symvers.or_else(|| args.filesyms.clone().map(KernelSymbols::SystemMap))
}

fn open(args: &DepmodArgs) -> Result<Tree, Failure> {
    let Some(moduledir) = &args.moduledir else {
        return Tree::select(&args.basedir, args.version.as_deref()).map_err(|error| {
            let root = "name the root of another system with --root";
            choice_failure(error, root, "give one of them as VERSION")
        });
    };
    let Some(version) = &args.version else {
        return Err(Failure::usage("--moduledir needs a VERSION"));
    };
    let relative = moduledir.strip_prefix("/").unwrap_or(moduledir);
    Tree::open(&args.basedir.join(relative).join(version)).map_err(tree_failure)
}

/// The same place below the output root as the modules have below theirs, also where their directory was named in its place.
fn out_dir(args: &DepmodArgs, tree: &Tree) -> PathBuf {
    let dir = tree.dir();
    let Some(out) = &args.outdir else {
        return dir.to_path_buf();
    };
    let of_root = || dir.strip_prefix(tree.root()?).ok();
    let below = match dir.strip_prefix(&args.basedir) {
        Ok(below) if below.as_os_str().is_empty() => of_root().unwrap_or(below),
        below => below.unwrap_or(dir),
    };
    out.join(below)
}

pub(crate) fn failure(error: DepmodError) -> Failure {
    match error {
        DepmodError::Tree(error) => tree_failure(error),
        error => Failure::from_error(Fault::Input, &error),
    }
}

fn io_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::machine(format_args!("cannot write `{}`: {error}", path.display()))
}
