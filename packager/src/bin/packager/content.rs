//! What a boot loader loads: a kernel and an initramfs, for every command that makes something bootable of them.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use cli::Failure;
use packager::compression::Compression;
use packager::inspect;
use packager::kernel::{Kernel, KernelChoice, KernelSource, version_of};
use packager::timing::Timings;
use packager::{Initramfs, Plan};

use crate::recipe::{RecipeArgs, source_date_epoch};
use crate::report;

/// Larger than any kernel or initramfs that a boot loader takes.
const LIMIT: u64 = 2 << 30;

/// What a boot loader loads.
#[derive(Debug, ClapArgs)]
pub(crate) struct ContentArgs {
    #[command(flatten)]
    recipe: RecipeArgs,

    /// Take this initramfs as it is, instead of packing one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recipe", "modules", "no_runtime", "keymap", "busybox", "compress"])]
    initramfs: Option<PathBuf>,

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
        let mut recipe = self.recipe.recipe(None)?;
        // A package is unpacked once, for the image and for the modules.
        let opened = Kernel::open(&recipe.kernel, &recipe.choice).map_err(report::kernel)?;
        if let Some(folder) = opened.unpacked() {
            recipe.sysroot = Some(recipe.root().to_path_buf());
            recipe.kernel = KernelSource::Root(folder.to_path_buf());
        }
        let mut plan = Plan::new(&recipe).map_err(report::plan)?;
        *timings = std::mem::take(&mut plan.timings);
        let cache = self.recipe.cache()?;
        let image = Initramfs::with_cache(&plan, &recipe, cache.as_ref(), timings)
            .map_err(report::initramfs)?;
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
        let (kernel, config) = match self.recipe.kernel.choice() {
            KernelChoice::Image(path) => {
                (codec::file::read(&path, LIMIT).map_err(report::read)?, None)
            }
            choice => {
                let opened =
                    Kernel::open(&self.recipe.kernel.source(), &choice).map_err(report::kernel)?;
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
            let compression = Compression {
                format,
                level: None,
            };
            if let Some(option) = compression.lacking(config.as_ref()) {
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
