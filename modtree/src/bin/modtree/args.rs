//! The command line, as plain data.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::depmod::DepmodArgs;
use crate::goals::{GoalFileArgs, GoalsArgs};
use crate::questions::{
    CheckArgs, DiffArgs, ProvidersArgs, RequestsArgs, ResolveArgs, UsersArgs, WhyArgs,
};

/// Kernel modules: what each one needs, in load order, with the reason
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Closure(ClosureArgs),
    Goals(GoalsArgs),
    Info(InfoArgs),
    Depmod(DepmodArgs),
    Why(WhyArgs),
    Users(UsersArgs),
    Providers(ProvidersArgs),
    Resolve(ResolveArgs),
    Requests(RequestsArgs),
    Diff(DiffArgs),
    Check(CheckArgs),
}

/// Print everything that has to be loaded for some modules, in load order
///
/// Reads the modules themselves: depmod need not have run. Paths go to standard output, one a line; what is built into
/// the kernel and what else is worth knowing goes to standard error.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  modtree closure usb_storage vfat              for the running kernel, or the only one installed
  modtree closure --runtime usb_storage vfat    also what they ask for while running
  modtree closure --runtime --why vfat          with the reasons
  modtree closure --for usb-storage --for rootfs:ext4
  cp $(modtree closure -b /mnt fs-ext4) modules/
  modtree closure -b unpacked -k 6.1.0-56-amd64 --format insmod usb_storage

Exit codes: 0 done, 1 the input is at fault, 2 the command line is, 3 the machine is")]
pub(crate) struct ClosureArgs {
    /// Modules, aliases (fs-vfat) or modaliases of devices (usb:v0781p5567...); - and _ are the same in a module's name
    #[arg(required_unless_present = "goals", value_name = "MODULE")]
    pub(crate) modules: Vec<String>,

    /// What the modules are for: usb-storage, keyboard, rootfs:ext4 ... (`modtree goals` lists them); can be given often,
    /// and turns --runtime on
    #[arg(long = "for", value_name = "GOAL")]
    pub(crate) goals: Vec<String>,

    #[command(flatten)]
    pub(crate) goal_files: GoalFileArgs,

    #[command(flatten)]
    pub(crate) tree: TreeArgs,

    /// Add what the modules ask for while running: character sets, host controllers, drivers of disks
    #[arg(short, long)]
    pub(crate) runtime: bool,

    /// Add weak dependencies (weakdep)
    #[arg(long)]
    pub(crate) weak: bool,

    /// Print what `modprobe --show-depends` prints: the first softdep line only, repetitions included
    #[arg(long, conflicts_with_all = ["runtime", "weak", "format", "json", "why", "goals"])]
    pub(crate) modprobe_compat: bool,

    /// What to print for each module
    #[arg(short, long, value_enum, default_value_t = Format::Path)]
    pub(crate) format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,

    /// Print each module's reasons and their evidence to standard error
    #[arg(short = 'v', long, visible_alias = "verbose")]
    pub(crate) why: bool,

    /// Do not print notes to standard error
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Print what a module says about itself
#[derive(Debug, ClapArgs)]
pub(crate) struct InfoArgs {
    /// A module's name, an alias, or the path of a module's file
    #[arg(value_name = "MODULE")]
    pub(crate) module: String,

    #[command(flatten)]
    pub(crate) tree: TreeArgs,

    /// Also print the symbols that it imports and exports
    #[arg(short, long)]
    pub(crate) symbols: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TreeArgs {
    /// The root below which lib/modules or usr/lib/modules is
    #[arg(short, long, value_name = "ROOT", default_value = "/")]
    pub(crate) basedir: PathBuf,

    /// The kernel's version [default: the running kernel if its modules are there, else the only version present]
    #[arg(short, long, value_name = "VERSION")]
    pub(crate) kernel: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// The file's path, below the root as it was given
    Path,
    /// The module's name
    Name,
    /// `insmod PATH`
    Insmod,
    /// One JSON document: modules, builtins, notes, each with its reasons
    Json,
}
