//! The command line, as plain data.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::check::CheckArgs;
use crate::complete;
use crate::depmod::DepmodArgs;
use crate::diff::DiffArgs;
use crate::goals::{GoalFileArgs, GoalsArgs};
use crate::host::{HostArgs, SysArgs};
use crate::info::InfoArgs;
use crate::questions::{ProvidersArgs, RequestsArgs, ResolveArgs, UsersArgs, WhyArgs};

/// Kernel modules: what each one needs, in load order, with the reason
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "\
Exit codes: 0 done, 1 the input is at fault, 2 the command line is, 3 the machine is. `modtree diff` says 1 where \
there are differences, and 2 where a kernel is at fault.

Manual pages: modtree --man DIR. Completion of lines: source <(COMPLETE=bash modtree), zsh likewise; in fish: \
COMPLETE=fish modtree | source"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Closure(ClosureArgs),
    Graph(GraphArgs),
    Goals(GoalsArgs),
    Host(HostArgs),
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
/// the kernel and what else is worth knowing goes to standard error. Indexes that are up to date save the reading: with --quiet all
/// of it, otherwise most of it where modules are compressed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  modtree closure usb_storage vfat              for the running kernel, or the only one installed
  modtree closure --runtime usb_storage vfat    also what they ask for while running
  modtree closure --runtime --why vfat          with the reasons
  modtree closure --for usb-storage --for rootfs:ext4
  modtree closure --host --format tree          for the devices of this machine
  cp $(modtree closure -b /mnt fs-ext4) modules/
  modtree closure -b unpacked -k 6.1.0-56-amd64 --format insmod usb_storage
  modtree closure --deb linux-image.deb vfat    in a package that is not installed; and to take the files out of it:
  dpkg-deb --fsys-tarfile linux-image.deb | tar x $(modtree closure --deb linux-image.deb vfat | sed 's,.*:,./,')

Exit codes: 0 done, 1 the input is at fault, 2 the command line is, 3 the machine is")]
pub(crate) struct ClosureArgs {
    #[command(flatten)]
    pub(crate) wanted: WantedArgs,

    /// Print what `modprobe --show-depends` prints: the first softdep line only, repetitions included
    #[arg(long, conflicts_with_all = ["runtime", "weak", "format", "json", "why", "goals", "host", "exclude", "builtin", "minimal"])]
    pub(crate) modprobe_compat: bool,

    /// What to print for each module
    #[arg(short, long, value_enum, default_value_t = Format::Path)]
    pub(crate) format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,

    /// Also print what is part of the kernel, as `builtin NAME`
    #[arg(long)]
    pub(crate) builtin: bool,

    /// Print to standard error what keeps each module in the list: the proof that it cannot be dropped, or the others that
    /// would do in its place
    #[arg(long)]
    pub(crate) minimal: bool,

    /// Print each module's reasons and their evidence to standard error
    #[arg(short = 'v', long, visible_alias = "verbose")]
    pub(crate) why: bool,

    /// Do not print notes to standard error
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What a closure is made of.
#[derive(Debug, ClapArgs)]
pub(crate) struct WantedArgs {
    /// Modules, aliases (fs-vfat), modaliases of devices (usb:v0781p5567...) or files of modules; - and _ are the same in a
    /// module's name
    #[arg(required_unless_present_any = ["goals", "host", "host_file"], value_name = "MODULE", add = complete::modules())]
    pub(crate) modules: Vec<String>,

    /// What the modules are for: usb-storage, keyboard, rootfs:ext4 ... (`modtree goals` lists them); can be given often,
    /// and turns --runtime on
    #[arg(long = "for", value_name = "GOAL", add = complete::goals())]
    pub(crate) goals: Vec<String>,

    #[command(flatten)]
    pub(crate) goal_files: GoalFileArgs,

    /// The modules for the devices of this machine; turns --runtime on
    #[arg(long)]
    pub(crate) host: bool,

    #[command(flatten)]
    pub(crate) sys: SysArgs,

    /// The modules for the devices of another machine, which `modtree host --record` has written into FILE; - is
    /// standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) host_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) tree: TreeArgs,

    /// Add what the modules ask for while running: character sets, host controllers, drivers of disks
    #[arg(short, long)]
    pub(crate) runtime: bool,

    /// Add weak dependencies (weakdep)
    #[arg(long)]
    pub(crate) weak: bool,

    /// Leave a module out, whoever needs it, with a warning of what is missing then; can be given often
    #[arg(short = 'x', long, value_name = "NAME", add = complete::modules())]
    pub(crate) exclude: Vec<String>,
}

/// Draw a closure: layers from left to right, each module left of what it needs
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  modtree graph --runtime usb_storage vfat --svg stick.svg
  modtree graph --for rootfs:btrfs --dot - | dot -Tpdf > btrfs.pdf
  modtree graph --for rootfs:btrfs --json | jq '.edges[].from'")]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) wanted: WantedArgs,

    /// A picture for any browser; - is standard output
    #[arg(long, value_name = "FILE", required_unless_present_any = ["dot", "json"])]
    pub(crate) svg: Option<PathBuf>,

    /// The graph in DOT, the language of Graphviz; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) dot: Option<PathBuf>,

    /// One JSON document to standard output: modules, and an edge for each reason
    #[arg(long, conflicts_with_all = ["svg", "dot"])]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TreeArgs {
    /// The root below which lib/modules or usr/lib/modules is, or a modules directory
    #[arg(
        short,
        long,
        visible_alias = "root",
        value_name = "ROOT",
        default_value = "/"
    )]
    pub(crate) basedir: PathBuf,

    /// Read the modules in a kernel's Debian package; their files show as PACKAGE:lib/modules/...
    #[arg(long, value_name = "PACKAGE", conflicts_with = "basedir")]
    pub(crate) deb: Option<PathBuf>,

    /// The kernel's version [default: the running kernel if its modules are there, else the only version present]
    #[arg(short, long, value_name = "VERSION", add = complete::versions())]
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
    /// Who needs whom, as a tree
    Tree,
    /// The graph in DOT, for Graphviz
    Dot,
    /// The graph, as a picture
    Svg,
    /// One JSON document: modules, builtins, notes, each with its reasons
    Json,
}
