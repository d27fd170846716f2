//! What a boot loader loads: a kernel and an initramfs, for every command that makes something bootable of them.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use cli::Failure;
use codec::Mapped;
use modtree::KernelConfig;
use packager::disk::menu::Choice;
use packager::disk::uki::{Uki, UkiError, os_release};
use packager::finding::Report;
use packager::inspect::check::{Booted, check};
use packager::kernel::{Kernel, KernelChoice, KernelSource, configuration, length_of, version_of};
use packager::timing::Timings;
use packager::{Initramfs, Plan};

use crate::recipe::{RecipeArgs, source_date_epoch};
use crate::report;

/// Larger than any kernel or initramfs that a boot loader takes.
const LIMIT: u64 = 2 << 30;

/// The options about where the kernel comes from.
pub(crate) const KERNEL: [&str; 3] = ["kernel", "root", "deb"];

/// The options about an initramfs that is packed, and not there already.
pub(crate) const PACKING: [&str; 21] = [
    "recipe",
    "modules",
    "goals",
    "exclude",
    "load",
    "module_files",
    "strip_signed",
    "microcode",
    "no_runtime",
    "keymap",
    "busybox",
    "compress",
    "level",
    "program",
    "sysroot",
    "archive_before",
    "archive_behind",
    "align",
    "checksum",
    "segments",
    "cache",
];

// What a boot loader loads.
#[derive(Debug, ClapArgs)]
pub(crate) struct ContentArgs {
    #[command(flatten)]
    recipe: RecipeArgs,

    /// Take this initramfs as it is, instead of packing one
    #[arg(long, value_name = "FILE", conflicts_with_all = PACKING)]
    initramfs: Option<PathBuf>,

    /// The kernel's command line
    #[arg(long, value_name = "WORDS", default_value = "quiet")]
    pub(crate) append: String,

    /// Go on also if `packager check` says that the initramfs would not work
    #[arg(long)]
    no_check: bool,
}

/// Kernel and initramfs in memory.
pub(crate) struct Content {
    pub(crate) kernel: Mapped,
    /// As `uname -r` says it.
    pub(crate) version: String,
    pub(crate) initramfs: Vec<u8>,
    /// The kernel's configuration, where it is known.
    config: Option<KernelConfig>,
    /// The files that all this was made from.
    inputs: Vec<PathBuf>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
    /// Seconds since 1970.
    pub(crate) time: u64,
}

impl ContentArgs {
    /// What is booted where nobody chooses.
    pub(crate) fn choice(&self) -> Result<Choice, Failure> {
        Choice::new("linux", &self.append).map_err(Failure::usage)
    }

    /// The files that the options name. What is found without them is known when it has been [read](Content::check_output).
    pub(crate) fn named(&self) -> impl Iterator<Item = &Path> {
        let recipe = self.recipe.recipe.as_deref();
        recipe.into_iter().chain(self.initramfs.as_deref())
    }

    /// Reads the kernel, packs the initramfs or reads it, and checks that the two get along.
    pub(crate) fn load(&self, quiet: bool, timings: &mut Timings) -> Result<Content, Failure> {
        let content = self.load_unchecked(timings)?;
        timings.measure("check", || self.judge(&content, quiet))?;
        Ok(content)
    }

    /// As [`load`](Self::load), for who judges while something else is going on.
    pub(crate) fn load_unchecked(&self, timings: &mut Timings) -> Result<Content, Failure> {
        self.choice()?;
        let time = source_date_epoch()?.into();
        match &self.initramfs {
            Some(path) => self.with_initramfs(path, time, timings),
            None => self.pack(time, timings),
        }
    }

    /// Shows what is wrong with kernel and initramfs, and fails where they would not work.
    pub(crate) fn judge(&self, content: &Content, quiet: bool) -> Result<(), Failure> {
        let what = match &self.initramfs {
            Some(path) => format!("`{}`", path.display()),
            None => "the initramfs".to_owned(),
        };
        let report = match &self.initramfs {
            Some(_) => content.check(),
            None => report::of_own(content.check()),
        };
        report::verdict(&report, self.no_check, quiet, &what)
    }

    fn pack(&self, time: u64, timings: &mut Timings) -> Result<Content, Failure> {
        let recipe = self.recipe.recipe(None)?;
        let cache = self.recipe.cache()?;
        let mut plan = Plan::with_cache(&recipe, cache.as_ref())
            .map_err(|error| self.recipe.failure(error))?;
        *timings = std::mem::take(&mut plan.timings);
        let image = Initramfs::with_cache(&plan, &recipe, cache.as_ref(), timings)
            .map_err(report::initramfs)?;
        if let Some(cache) = &cache {
            image.keep(cache);
        }
        let (kernel, _) = read_kernel(plan.kernel_image.as_deref(), &plan.version)?;
        Ok(Content {
            kernel,
            initramfs: image.to_bytes(),
            version: plan.version,
            config: plan.config,
            inputs: plan.inputs,
            notes: plan.notes,
            time,
        })
    }

    /// Kernel and initramfs are taken as they are.
    fn with_initramfs(
        &self,
        path: &Path,
        time: u64,
        timings: &mut Timings,
    ) -> Result<Content, Failure> {
        let read = || codec::file::read(path, LIMIT).map_err(report::read);
        let initramfs = timings.measure("initramfs", read)?;
        let ((kernel, version), config, from) = timings.measure("kernel", || self.kernel())?;
        let is_package = matches!(self.recipe.kernel.source(), KernelSource::Deb(_));
        let config_file = config.as_ref().and_then(KernelConfig::path);
        let config_file = config_file.filter(|_| !is_package).map(Path::to_path_buf);
        Ok(Content {
            kernel,
            version,
            initramfs,
            config,
            inputs: [from].into_iter().chain(config_file).collect(),
            notes: Vec::new(),
            time,
        })
    }

    /// A kernel's image without its modules, and the file that it is in.
    fn kernel(&self) -> Result<(Image, Option<KernelConfig>, PathBuf), Failure> {
        let choice = self.recipe.kernel.choice();
        if let KernelChoice::Image(path) = choice {
            if self.recipe.kernel.named_source().is_some() {
                return Err(Failure::usage(
                    "--kernel names the kernel's file, and --initramfs has its modules, so that --root and --deb would do nothing; give a version with them, or leave them out",
                ));
            }
            let image = read_image(&path)?;
            let config = configuration(&path, &image.1);
            return Ok((image, config, path));
        }
        let source = self.recipe.kernel.source();
        let kernel = Kernel::open(&source, &choice).map_err(report::kernel)?;
        let config = kernel.tree.config();
        let config = config
            .map_err(|error| report::kernel(error.into()))?
            .cloned();
        let image = read_kernel(kernel.image.as_deref(), kernel.version())?;
        let from = match (source, kernel.image) {
            (KernelSource::Deb(package), _) => package,
            (_, image) => image.unwrap_or_default(),
        };
        Ok((image, config, from))
    }
}

impl Content {
    /// The files that kernel and initramfs were made from, beside [those that are named](ContentArgs::named).
    pub(crate) fn inputs<'a>(
        content: impl IntoIterator<Item = &'a Self>,
    ) -> impl Iterator<Item = &'a Path> {
        let inputs = content.into_iter().flat_map(|content| &content.inputs);
        inputs.map(PathBuf::as_path)
    }

    /// Refuses an output in the place of what all this was made from.
    pub(crate) fn check_output(&self, output: &Path) -> Result<(), Failure> {
        report::check_output(output, Self::inputs([self]))
    }

    /// What `packager check` says of the initramfs, for this kernel.
    fn check(&self) -> Report {
        let kernel = Booted {
            version: Some(&self.version),
            config: self.config.as_ref(),
        };
        check(&self.initramfs, kernel)
    }

    /// One EFI program of everything. `release` is an os-release(5); there is one that says what the image is.
    pub(crate) fn uki(
        &self,
        stub: &[u8],
        append: &str,
        release: Option<&str>,
    ) -> Result<Vec<u8>, UkiError> {
        let own = os_release(&self.version);
        let uki = Uki {
            stub,
            kernel: &self.kernel,
            initramfs: &self.initramfs,
            append,
            version: &self.version,
            os_release: release.unwrap_or(&own),
        };
        uki.build()
    }
}

/// A kernel's bytes, and the version that they say.
type Image = (Mapped, String);

fn read_kernel(path: Option<&Path>, version: &str) -> Result<Image, Failure> {
    read_image(path.ok_or_else(|| report::no_image(version))?)
}

fn read_image(path: &Path) -> Result<Image, Failure> {
    // A copy of 8 MB takes a third of the time that the whole image does.
    let kernel = codec::map(path, LIMIT).map_err(report::read)?;
    let Some(version) = version_of(&kernel) else {
        return Err(Failure::input(format_args!(
            "`{}` is not a kernel image of x86 (bzImage), and the boot loaders are a PC's; `packager initramfs` makes images for other machines",
            path.display()
        )));
    };
    check_whole(path, &kernel)?;
    Ok((kernel, version))
}

/// Refuses an empty file, and an x86 kernel that has been cut off: a machine that starts it ends without a word.
pub(crate) fn check_whole(path: &Path, kernel: &[u8]) -> Result<(), Failure> {
    if kernel.is_empty() {
        return Err(Failure::input(format_args!(
            "`{}` is empty; name a kernel's image, such as /boot/vmlinuz-VERSION",
            path.display()
        )));
    }
    match length_of(kernel) {
        Some(length) if length > kernel.len() as u64 => Err(Failure::input(format_args!(
            "`{}` is cut off: it has {} bytes, and its header says that there are at least {length}; copy the kernel again",
            path.display(),
            kernel.len()
        ))),
        _ => Ok(()),
    }
}
