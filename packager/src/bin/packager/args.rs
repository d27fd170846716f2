//! The command line, as plain data.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use packager::kernel::{KernelChoice, KernelSource};

use crate::boot::BootArgs;
use crate::cat::CatArgs;
use crate::check::CheckArgs;
use crate::diff::DiffArgs;
use crate::extract::ExtractArgs;
use crate::image::ImageArgs;
use crate::plan::PlanArgs;
use crate::pxe::PxeArgs;
use crate::recipe::RecipeArgs;
use crate::size::SizeArgs;
use crate::uki::UkiArgs;
use crate::why::WhyArgs;
use crate::write::WriteArgs;

/// Make a small Linux that boots: from a kernel, busybox and a keymap to an initramfs, without root.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done; 1 the input is at fault; 2 the command line is; 3 the machine is."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Initramfs(InitramfsArgs),
    Plan(PlanArgs),
    Image(ImageArgs),
    Uki(UkiArgs),
    Init(InitArgs),
    Pxe(PxeArgs),
    Check(CheckArgs),
    Write(WriteArgs),
    List(ListArgs),
    Cat(CatArgs),
    Extract(ExtractArgs),
    Diff(DiffArgs),
    Size(SizeArgs),
    Why(WhyArgs),
    Boot(BootArgs),
}

/// Pack an initramfs: busybox, kernel modules in load order, a keymap, and an /init that gives you a shell.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  packager initramfs -o simple.igz                       this machine's kernel; reads USB sticks
  packager initramfs --keymap es -o simple.igz           with a Spanish keyboard
  packager initramfs --modules nvme,ext4 -o root.izst    other modules, compressed with zstd
  packager initramfs --deb linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb -o simple.igz
  packager initramfs --keymap es --dry-run               what would be inside, and why (packager plan)")]
pub(crate) struct InitramfsArgs {
    /// The image to write [default: initramfs-VERSION.izst, or .igz]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) content: RecipeArgs,

    /// Write the names of all inputs, as a rule for make and ninja
    #[arg(long, value_name = "FILE")]
    pub(crate) depfile: Option<PathBuf>,

    /// Write nothing; print every file of the image with the reason why it is there
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// With --dry-run: print the plan as JSON
    #[arg(long, requires = "dry_run")]
    pub(crate) json: bool,

    /// Write the image also if `packager check` says that it would not work
    #[arg(long)]
    pub(crate) no_check: bool,

    /// Print nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Print how long each phase took
    #[arg(long)]
    pub(crate) timings: bool,
}

/// Where the kernel comes from.
#[derive(Debug, ClapArgs)]
pub(crate) struct KernelArgs {
    /// A kernel's version (as in /lib/modules/VERSION), or the file of a kernel image
    /// [default: the running kernel if it is there, else the only one]
    #[arg(short, long, value_name = "VERSION|FILE")]
    kernel: Option<OsString>,

    /// The root that holds boot/ and lib/modules/ [default: /]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Take the kernel from a Debian package instead
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    deb: Option<PathBuf>,
}

impl KernelArgs {
    /// Where to look; this machine where nothing is said.
    pub(crate) fn source(&self) -> KernelSource {
        self.named_source()
            .unwrap_or_else(|| KernelSource::Root("/".into()))
    }

    /// Where to look, if anything is said about it.
    pub(crate) fn named_source(&self) -> Option<KernelSource> {
        match (&self.deb, &self.root) {
            (Some(package), _) => Some(KernelSource::Deb(package.clone())),
            (None, Some(root)) => Some(KernelSource::Root(root.clone())),
            (None, None) => None,
        }
    }

    /// What is given with `/` is a file; a version never has one. So is what is there under that name.
    pub(crate) fn choice(&self) -> KernelChoice {
        let Some(kernel) = &self.kernel else {
            return KernelChoice::Default;
        };
        match kernel.to_str() {
            Some(version) if !version.contains('/') && !PathBuf::from(version).is_file() => {
                KernelChoice::Version(version.to_owned())
            }
            _ => KernelChoice::Image(kernel.into()),
        }
    }
}

/// Write a recipe to start from, with every key explained
#[derive(Debug, ClapArgs)]
pub(crate) struct InitArgs {
    /// The file to write; one that exists is not touched
    #[arg(value_name = "FILE", default_value = "packager.toml")]
    pub(crate) file: PathBuf,

    /// Write nothing; print the JSON Schema of recipes, for editors
    #[arg(long)]
    pub(crate) schema: bool,
}

/// List what is in an initramfs: every segment, whatever made and compressed it.
#[derive(Debug, ClapArgs)]
pub(crate) struct ListArgs {
    /// The image
    pub(crate) image: PathBuf,

    /// Print only the names
    #[arg(short, long)]
    pub(crate) names: bool,
}
