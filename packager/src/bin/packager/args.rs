//! The command line, as plain data.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use packager::kernel::{KernelChoice, KernelSource};

use crate::boot::BootArgs;
use crate::cat::CatArgs;
use crate::check::CheckArgs;
use crate::complete;
use crate::depfile::DepfileArgs;
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
    after_help = "\
Exit codes: 0 done; 1 the input is at fault; 2 the command line is; 3 the machine is. `packager diff` says 1 where \
there are differences, and 2 where an image is at fault.

Manual pages: packager --man DIR. Completion of lines: source <(COMPLETE=bash packager), zsh likewise; in fish: \
COMPLETE=fish packager | source"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do. The texts stand here, since of fifteen commands a run needs the arguments of one; a doc comment of a struct with
/// arguments would replace them.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Pack an initramfs: busybox, kernel modules in load order, a keymap, and an /init that gives you a shell.
    Initramfs(InitramfsArgs),
    /// Print every file that an initramfs would have, with its size and the reason why it is there; nothing is written.
    Plan(PlanArgs),
    /// Make a disk image that starts a PC from USB or disk, by BIOS and by UEFI: partition table, FAT, boot loaders, kernel and
    /// initramfs in one file.
    Image(Box<ImageArgs>),
    /// Make one EFI program of kernel, initramfs and command line (a unified kernel image), which can be signed as a whole.
    Uki(UkiArgs),
    /// Write a recipe to start from, with every key explained
    Init(InitArgs),
    /// Make a directory for a TFTP server: kernel, initramfs, and what PCs with a BIOS, with UEFI, or with iPXE load.
    Pxe(PxeArgs),
    /// Check that a disk image, a unified kernel image or an initramfs will start: boot loaders, archives, programs, modules.
    Check(CheckArgs),
    /// Write a disk image to a stick, and read it back. Without a device: list the disks that could be meant.
    ///
    /// What the disk gives back is compared with the image, and its SHA-256 is told: the one that `sha256sum` says of the image.
    /// The first MiB is written last, so that a disk that fails on the way holds no image that looks whole.
    Write(WriteArgs),
    /// List what is in an initramfs: every segment, whatever made and compressed it.
    List(ListArgs),
    /// Print a file of an initramfs
    Cat(CatArgs),
    /// Extract an initramfs into a new folder, and nowhere else
    ///
    /// No name and no link of the image leads out of the folder. Without root, files are yours and device nodes are left out.
    Extract(ExtractArgs),
    /// Show what differs between two images, by meaning: modules, keymaps key by key, init line by line, files
    ///
    /// A `+` is only in the second image, a `-` only in the first, a `~` in both. Exit code 0: no difference; 1: differences; 2: an
    /// image is wrong, as diff(1) has it; 3: the machine is at fault.
    Diff(DiffArgs),
    /// Show where the bytes of an initramfs go: folders and files with their shares of the compressed image, the largest first
    ///
    /// A file's share of a compressed segment is what the decoder reads to give the file out; where a compressor reads whole blocks
    /// (zstd, bzip2, lz4, lzo), a block is divided by what its files take when each is compressed alone. All shares, and what belongs
    /// to no file (trailers, padding), add up to the image.
    Size(SizeArgs),
    /// Show why a file is in an image: the chain of reasons, from the record that the image keeps
    Why(WhyArgs),
    /// Boot an initramfs or a disk image in QEMU, on this terminal. Ctrl-A X ends it.
    Boot(BootArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  packager initramfs -o simple.igz                       this machine's kernel; reads USB sticks
  packager initramfs --keymap es -o simple.igz           with a Spanish keyboard
  packager initramfs --modules nvme,ext4 -o root.izst    other modules, compressed with zstd
  packager initramfs --deb linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb -o simple.igz
  packager initramfs --keymap es --dry-run               what would be inside, and why (packager plan)")]
pub(crate) struct InitramfsArgs {
    /// The image to write; - is standard output [default: initramfs-VERSION.izst, or .igz]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) content: RecipeArgs,

    #[command(flatten)]
    pub(crate) depfile: DepfileArgs,

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

// Where the kernel comes from.
#[derive(Debug, ClapArgs)]
pub(crate) struct KernelArgs {
    /// A kernel's version (as in /lib/modules/VERSION), or the file of a kernel image
    /// [default: the running kernel if it is there, else the only one]
    #[arg(short, long, value_name = "VERSION|FILE", add = complete::versions())]
    kernel: Option<OsString>,

    /// The root that holds boot/ and lib/modules/, or a modules directory [default: /]
    #[arg(short = 'b', long, visible_alias = "basedir", value_name = "DIR")]
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

#[derive(Debug, ClapArgs)]
pub(crate) struct InitArgs {
    /// The file to write; one that exists is not touched
    #[arg(value_name = "FILE", default_value = "packager.toml")]
    pub(crate) file: PathBuf,

    /// Write nothing; print the JSON Schema of recipes, for editors
    #[arg(long)]
    pub(crate) schema: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ListArgs {
    /// The image; - is standard input
    pub(crate) image: PathBuf,

    /// Print only the names
    #[arg(short, long)]
    pub(crate) names: bool,

    /// Print JSON: a list of objects, one a line
    #[arg(long, conflicts_with = "names")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) quiet: cli::Quiet,
}
