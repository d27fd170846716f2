//! The options that say what an initramfs is made of, for every command that packs one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cli::Failure;
use packager::Recipe;
use packager::cache::Cache;
use packager::compression::Compression;
use packager::kernel::KernelChoice;
use packager::recipe::{ALIGNED, Choice, Load, ModuleFiles, Segments};

use crate::args::KernelArgs;
use crate::complete;
use crate::report;
use crate::values::parse_size;

/// A recipe that is larger is none.
const RECIPE_LIMIT: u64 = 1 << 20;

// What goes into the initramfs.
#[derive(Debug, ClapArgs)]
pub(crate) struct RecipeArgs {
    #[command(flatten)]
    pub(crate) kernel: KernelArgs,

    /// A recipe (see `packager init`); another option takes the place of the key that it stands for
    #[arg(short, long, value_name = "FILE")]
    pub(crate) recipe: Option<PathBuf>,

    /// Modules to load, with all that they need: names, aliases (fs-vfat) or modaliases
    /// [default: usb_storage,vfat,usbhid]
    #[arg(short, long, value_name = "NAME,…", value_delimiter = ',', add = complete::modules())]
    pub(crate) modules: Option<Vec<String>>,

    /// What the modules are for: usb-storage, keyboard, rootfs:ext4, … (`modtree goals` lists them)
    #[arg(long = "for", value_name = "GOAL,…", value_delimiter = ',', add = complete::goals())]
    pub(crate) goals: Option<Vec<String>>,

    /// Leave out these modules, whoever needs them; a note says what is missing then
    #[arg(short = 'x', long, value_name = "NAME,…", value_delimiter = ',', add = complete::modules())]
    exclude: Option<Vec<String>>,

    /// When /init loads the modules: all, in their order, or those whose devices are there [default: all]
    #[arg(long, value_name = "WHEN", value_parser = one_of::<Load>())]
    load: Option<Load>,

    /// How modules are stored: plain, stripped of their debugging sections, or kept as they are [default: plain]
    #[arg(long, value_name = "FORM", value_parser = one_of::<ModuleFiles>())]
    module_files: Option<ModuleFiles>,

    /// Strip signed modules, too, which destroys their signatures
    #[arg(long)]
    strip_signed: bool,

    /// Put the processors' microcode before the image, for the kernel to load at its start
    #[arg(long)]
    microcode: bool,

    /// Leave out the modules that are only asked for while running (code pages, host controllers, disk drivers)
    #[arg(long)]
    no_runtime: bool,

    /// Keymaps of the console, names (es) or files; the first is loaded, unless the kernel is told keymap=NAME
    /// [default: the kernel's own, us]
    #[arg(long, value_name = "NAME|FILE,…", value_delimiter = ',', add = complete::keymaps())]
    pub(crate) keymap: Option<Vec<OsString>>,

    /// A statically linked busybox [default: looked for under --root, then on this machine]
    #[arg(long, value_name = "FILE")]
    busybox: Option<PathBuf>,

    /// The compressor [default: by the output's suffix: .igz gzip, .ixz xz, .izst zstd, .ilz4 lz4, .cpio none; else zstd, or
    /// gzip where the kernel's configuration has no zstd]
    #[arg(long, value_name = "NAME", value_parser = Compression::NAMES)]
    compress: Option<String>,

    /// The compressor's level: gzip and xz 0-9, zstd 1-19, bzip2 1-9
    #[arg(long, value_name = "N")]
    level: Option<i32>,

    /// Take along a program, with its loader and libraries
    #[arg(long, value_name = "PATH")]
    program: Vec<String>,

    /// The root of programs and firmware [default: the kernel's root]
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,

    /// Put an archive before the image's own, as it is: microcode, for example
    #[arg(long, value_name = "FILE")]
    archive_before: Vec<PathBuf>,

    /// Put an archive behind the image's own, as it is
    #[arg(long, value_name = "FILE")]
    archive_behind: Vec<PathBuf>,

    /// Begin files' data at a multiple of 4096 bytes, for file systems that share blocks; where the padding is longer than a name
    /// may be, a file keeps its place
    #[arg(long)]
    align: bool,

    /// Give each file a checksum, which the kernel checks
    #[arg(long)]
    checksum: bool,

    /// One compressed archive, which other programs read to its end, or several, which are compressed at the same time
    /// [default: several]
    #[arg(long, value_name = "HOW", value_parser = one_of::<Segments>())]
    segments: Option<Segments>,

    /// Keep what was found and compressed in this folder for the next run; it may be deleted at any time
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// The cache's largest size, in bytes or with K, M, G or T
    #[arg(long, value_name = "SIZE", requires = "cache", default_value = "1G", value_parser = parse_size)]
    cache_limit: u64,
}

/// A parser for the values that a recipe knows by the same names.
fn one_of<T: Choice>() -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(T::NAMES.iter().map(|(name, _)| *name))
        .map(|name| T::named(&name).unwrap_or_default())
}

impl RecipeArgs {
    /// What the recipe's file says, and over it what the options say. `output` may tell the compressor by its suffix.
    pub(crate) fn recipe(&self, output: Option<&Path>) -> Result<Recipe, Failure> {
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
        if let Some(goals) = &self.goals {
            recipe.goals.clone_from(goals);
            // What the modules are for takes the place of the usual ones; a recipe's own stay.
            if self.recipe.is_none() {
                recipe.modules.clear();
            }
        }
        if let Some(modules) = &self.modules {
            let named = modules.iter().filter(|name| !name.is_empty());
            recipe.modules = named.cloned().collect();
        }
        if let Some(exclude) = &self.exclude {
            let named = exclude.iter().filter(|name| !name.is_empty());
            recipe.exclude = named.cloned().collect();
        }
        if let Some(keymaps) = &self.keymap {
            recipe.keymaps.clone_from(keymaps);
        }
        recipe.runtime &= !self.no_runtime;
        recipe.busybox = self.busybox.clone().or(recipe.busybox);
        recipe.sysroot = self.sysroot.clone().or(recipe.sysroot);
        recipe.programs.extend(self.program.iter().cloned());
        recipe.prepend.extend(self.archive_before.iter().cloned());
        recipe.append.extend(self.archive_behind.iter().cloned());
        recipe.archive.mtime = source_date_epoch()?;
        recipe.archive.checksums |= self.checksum;
        if self.align {
            recipe.archive.alignment = ALIGNED;
        }
        recipe.compression = self.compression(output, recipe.compression)?;
        recipe.segments = self.segments.unwrap_or(recipe.segments);
        recipe.load = self.load.unwrap_or(recipe.load);
        recipe.module_files = self.module_files.unwrap_or(recipe.module_files);
        if self.strip_signed && recipe.module_files != ModuleFiles::Stripped {
            return Err(Failure::usage(
                "--strip-signed would do nothing, since no module is stripped: say --module-files stripped as well",
            ));
        }
        recipe.strip_signed |= self.strip_signed;
        recipe.microcode |= self.microcode;
        Ok(recipe)
    }

    /// The folder of `--cache`.
    pub(crate) fn cache(&self) -> Result<Option<Cache>, Failure> {
        let Some(folder) = &self.cache else {
            return Ok(None);
        };
        Cache::open(folder, self.cache_limit)
            .map(Some)
            .map_err(|error| {
                Failure::machine(format_args!(
                    "cannot keep a cache in `{}`: {error}",
                    folder.display()
                ))
            })
    }

    /// `--compress`, else what the output's suffix says, else what the recipe says, else what suits the kernel.
    fn compression(
        &self,
        output: Option<&Path>,
        of_recipe: Option<Compression>,
    ) -> Result<Option<Compression>, Failure> {
        let named = self.compress.as_deref().and_then(Compression::by_name);
        let suffix = output.and_then(Compression::by_suffix);
        let Some(format) = named.or(suffix).or(of_recipe.map(|it| it.format)) else {
            return match self.level {
                None => Ok(None),
                Some(_) => Err(Failure::usage(
                    "--level needs a compressor: name one with --compress, or by the output's suffix",
                )),
            };
        };
        let of_recipe = of_recipe.filter(|it| it.format == format);
        let level = self.level.or(of_recipe.and_then(|it| it.level));
        let compression = Compression { format, level };
        // Before any work is done.
        if let Some(wrong) = compression.level_error() {
            return Err(Failure::usage(wrong));
        }
        Ok(Some(compression))
    }
}

/// A recipe's text.
pub(crate) fn recipe_text(path: &Path) -> Result<String, Failure> {
    let bytes = codec::file::read(path, RECIPE_LIMIT).map_err(report::read)?;
    String::from_utf8(bytes).map_err(|_| {
        Failure::input(format_args!(
            "`{}` is not UTF-8, which TOML is",
            path.display()
        ))
    })
}

fn read_recipe(path: &Path) -> Result<Recipe, Failure> {
    let text = recipe_text(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    Recipe::from_toml(&text, folder)
        .map_err(|error| Failure::input(format_args!("{}:{error}", path.display())))
}

/// The one clock (<https://reproducible-builds.org/specs/source-date-epoch/>); 0 where it is not set.
pub(crate) fn source_date_epoch() -> Result<u32, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(0),
        Ok(text) => text.parse().map_err(|_| {
            Failure::usage(format_args!(
                "SOURCE_DATE_EPOCH is `{text}`; it must be seconds since 1970, from 0 to 4294967295"
            ))
        }),
    }
}
