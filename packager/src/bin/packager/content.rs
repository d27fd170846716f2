//! What a boot loader loads: a kernel and an initramfs, for every command that makes something bootable of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use cli::Failure;
use packager::compression::Compression;
use packager::inspect;
use packager::kernel::{Kernel, KernelChoice, KernelSource, version_of};
use packager::timing::Timings;
use packager::{Initramfs, Plan, Recipe, cpio};

use crate::args::KernelArgs;
use crate::initramfs::{read_recipe, source_date_epoch};
use crate::report;

/// Larger than any kernel or initramfs that a boot loader takes.
const LIMIT: u64 = 2 << 30;

/// What goes into the initramfs; `packager initramfs` has more options.
#[derive(Debug, ClapArgs)]
pub(crate) struct ContentArgs {
    #[command(flatten)]
    kernel: KernelArgs,

    /// Take this initramfs as it is, instead of packing one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recipe", "modules", "no_runtime", "keymap", "busybox", "compress"])]
    initramfs: Option<PathBuf>,

    /// A recipe (see `packager init`); the other options override what it says
    #[arg(short, long, value_name = "FILE")]
    recipe: Option<PathBuf>,

    /// Modules to load, with all that they need: names, aliases (fs-vfat) or modaliases
    /// [default: usb_storage,vfat,usbhid]
    #[arg(short, long, value_name = "NAME,…", value_delimiter = ',')]
    modules: Option<Vec<String>>,

    /// Leave out the modules that are only asked for while running (code pages, host controllers, disk drivers)
    #[arg(long)]
    no_runtime: bool,

    /// The console's keymap: a name (es) or a file [default: the kernel's own, us]
    #[arg(long, value_name = "NAME|FILE")]
    keymap: Option<OsString>,

    /// A statically linked busybox [default: looked for under --root, then on this machine]
    #[arg(long, value_name = "FILE")]
    busybox: Option<PathBuf>,

    /// The initramfs's compressor [default: gzip]
    #[arg(long, value_name = "NAME", value_parser = Compression::NAMES)]
    compress: Option<String>,

    /// The kernel's command line
    #[arg(long, value_name = "WORDS", default_value = "quiet")]
    pub(crate) append: String,
}

/// Kernel and initramfs in memory.
pub(crate) struct Content {
    pub(crate) kernel: Vec<u8>,
    /// As `uname -r` says it.
    pub(crate) version: String,
    pub(crate) initramfs: Vec<u8>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
    /// Seconds since 1970.
    pub(crate) time: u64,
}

impl ContentArgs {
    /// Reads the kernel, and packs the initramfs or reads it.
    pub(crate) fn load(&self, timings: &mut Timings) -> Result<Content, Failure> {
        let time = source_date_epoch()?;
        match &self.initramfs {
            Some(path) => self.with_initramfs(path, time),
            None => self.pack(time, timings),
        }
    }

    fn pack(&self, time: u32, timings: &mut Timings) -> Result<Content, Failure> {
        let mut recipe = self.recipe(time)?;
        // A package is unpacked once, for the image and for the modules.
        let opened = Kernel::open(&recipe.kernel, &recipe.choice).map_err(report::kernel)?;
        if let Some(folder) = opened.unpacked() {
            recipe.sysroot = Some(recipe.root().to_path_buf());
            recipe.kernel = KernelSource::Root(folder.to_path_buf());
        }
        let mut plan = Plan::new(&recipe).map_err(report::plan)?;
        *timings = std::mem::take(&mut plan.timings);
        let image = Initramfs::new(&plan, &recipe, timings).map_err(report::initramfs)?;
        Ok(Content {
            kernel: read_kernel(&opened)?,
            version: plan.version,
            initramfs: image.bytes,
            notes: plan.notes,
            time: time.into(),
        })
    }

    /// Kernel and initramfs are taken as they are, as far as they go together.
    fn with_initramfs(&self, path: &Path, time: u32) -> Result<Content, Failure> {
        let initramfs = codec::file::read(path, LIMIT).map_err(report::read)?;
        let at_fault = |error| Failure::input(format_args!("`{}`: {error}", path.display()));
        let segments = inspect::segments(&initramfs).map_err(at_fault)?;
        let formats: Vec<_> = segments.iter().map(|segment| segment.format).collect();
        drop(segments);
        let (kernel, config) = match self.kernel.choice() {
            KernelChoice::Image(path) => {
                (codec::file::read(&path, LIMIT).map_err(report::read)?, None)
            }
            choice => {
                let opened =
                    Kernel::open(&self.kernel.source(), &choice).map_err(report::kernel)?;
                let config = opened
                    .tree
                    .config()
                    .map_err(|error| report::kernel(error.into()))?;
                (read_kernel(&opened)?, config.cloned())
            }
        };
        let version = version_of(&kernel)
            .ok_or_else(|| Failure::input("the kernel is not a kernel image for x86 (bzImage)"))?;
        for format in formats {
            let option = Compression {
                format,
                level: None,
            }
            .kernel_option();
            if let Some(config) = &config
                && config.get(option) != Some("y")
            {
                return Err(Failure::input(format_args!(
                    "kernel {version} cannot unpack `{}`: its configuration does not set {option}",
                    path.display()
                )));
            }
        }
        Ok(Content {
            kernel,
            version,
            initramfs,
            notes: Vec::new(),
            time: time.into(),
        })
    }

    /// What the recipe's file says, and over it what the options say.
    fn recipe(&self, mtime: u32) -> Result<Recipe, Failure> {
        let mut recipe = match &self.recipe {
            Some(path) => read_recipe(path)?,
            None => Recipe::default(),
        };
        if let Some(source) = self.kernel.named_source() {
            recipe.kernel = source;
        }
        match self.kernel.choice() {
            KernelChoice::Default => {}
            choice => recipe.choice = choice,
        }
        if let Some(modules) = &self.modules {
            let named = modules.iter().filter(|name| !name.is_empty());
            recipe.modules = named.cloned().collect();
        }
        recipe.runtime &= !self.no_runtime;
        recipe.busybox = self.busybox.clone().or(recipe.busybox);
        recipe.keymap = self.keymap.clone().or(recipe.keymap);
        recipe.archive = cpio::Options {
            mtime,
            ..cpio::Options::default()
        };
        if let Some(format) = self.compress.as_deref().and_then(Compression::by_name) {
            recipe.compression = Compression {
                format,
                level: None,
            };
        }
        Ok(recipe)
    }
}

fn read_kernel(kernel: &Kernel) -> Result<Vec<u8>, Failure> {
    let path = kernel.image.as_ref().ok_or_else(|| {
        Failure::input(format_args!(
            "no image of kernel {} beside its modules; name one with --kernel FILE",
            kernel.version()
        ))
    })?;
    codec::file::read(path, LIMIT).map_err(report::read)
}
