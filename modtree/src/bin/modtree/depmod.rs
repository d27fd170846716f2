//! `modtree depmod`: what kmod's depmod does.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use cli::{Failure, Fault, print};
use modtree::{
    Compat, DepmodConfig, DepmodError, DepmodOptions, KernelSymbols, Tree, depmod, is_up_to_date,
};

use crate::complete;
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
    let dir = modules_dir(args)?;
    let out = out_dir(args, &dir);
    if args.quick && is_up_to_date(&dir, &out).map_err(|error| io_failure(&dir, &error))? {
        return Ok(());
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
    if !args.quiet {
        if args.errsyms && !options.unresolved {
            cli::tell!("warning: -e needs -E or -F");
        }
        for warning in notes.iter().chain(&done.warnings) {
            cli::tell!("warning: {warning}");
        }
    }
    if args.dry_run {
        return print(&done.text());
    }
    done.write(&out).map_err(|error| io_failure(&out, &error))
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

fn modules_dir(args: &DepmodArgs) -> Result<PathBuf, Failure> {
    let Some(moduledir) = &args.moduledir else {
        let tree = Tree::select(&args.basedir, args.version.as_deref());
        let tree = tree.map_err(|error| {
            let root = "name the root of another system with --root";
            choice_failure(error, root, "give one of them as VERSION")
        })?;
        return Ok(tree.dir().to_path_buf());
    };
    let Some(version) = &args.version else {
        return Err(Failure::usage("--moduledir needs a VERSION"));
    };
    let relative = moduledir.strip_prefix("/").unwrap_or(moduledir);
    let dir = args.basedir.join(relative).join(version);
    Tree::open(&dir).map_err(tree_failure)?;
    Ok(dir)
}

/// The same place below the output root as the modules have below theirs.
fn out_dir(args: &DepmodArgs, dir: &Path) -> PathBuf {
    match &args.outdir {
        None => dir.to_path_buf(),
        Some(out) => out.join(dir.strip_prefix(&args.basedir).unwrap_or(dir)),
    }
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
