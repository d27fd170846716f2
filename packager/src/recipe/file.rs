//! Recipes in TOML, as `packager init` writes one. Unknown keys are errors; relative paths are relative to the recipe's folder.

use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use toml::Spanned;

use super::choice::{Choice, choose, none_of};
use super::entries::{DirectoryTable, FileTable, StepTable, SymlinkTable};
use super::error::{RecipeError, Refused};
use super::size::Size;
use super::{ALIGNED, Entry, Load, ModuleFiles, Recipe, Segments, Step};
use crate::compression::Compression;
use crate::cpio;
use crate::kernel::{KernelChoice, KernelSource};

/// A recipe to start from, with every key explained.
pub const TEMPLATE: &str = include_str!("../../../data/recipe/packager.toml");

/// What an initramfs is made of. Relative paths are relative to the recipe's folder.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "packager recipe")]
struct File {
    /// Where the kernel comes from. Without this: this machine's running kernel, or its only one.
    #[schemars(with = "KernelTable")]
    kernel: Option<Spanned<KernelTable>>,
    /// Kernel modules to load, with all that they need: names, aliases or modaliases.
    modules: Option<Vec<String>>,
    /// What the modules are for, such as `usb-storage` or `rootfs:ext4` (`modtree goals`).
    goals: Vec<String>,
    /// Modules to leave out, whoever needs them, by name.
    exclude: Vec<String>,
    /// When modules are loaded: all in their order, or those whose devices are there.
    #[schemars(schema_with = "one_of::<Load>")]
    load: Option<Spanned<String>>,
    /// How modules are stored: plain, stripped of their debugging sections, or kept as the kernel's package has them.
    #[schemars(schema_with = "one_of::<ModuleFiles>")]
    module_files: Option<Spanned<String>>,
    /// Strip signed modules, too, which destroys their signatures.
    strip_signed: bool,
    /// Also modules that are only asked for while running: code pages, host controllers, disk drivers.
    runtime: Option<bool>,
    /// Also the firmware that the modules name.
    firmware: Option<bool>,
    /// The processors' microcode, before the image.
    microcode: bool,
    /// The console's keymaps: names, or files (with a slash). The first one is loaded.
    keymaps: Vec<String>,
    /// The busybox; without one it is looked for below `kernel.root`, then on this machine.
    busybox: Option<PathBuf>,
    /// Where programs and firmware come from; without it, `kernel.root`.
    sysroot: Option<PathBuf>,
    /// Programs by their absolute paths below `sysroot`; their loader and libraries come with them.
    programs: Vec<String>,
    /// The compressor; without one zstd, or gzip where the kernel's configuration does not have zstd.
    #[schemars(schema_with = "compressors")]
    compress: Option<Spanned<String>>,
    /// The compressor's level: gzip and xz 0-9, zstd 1-19, bzip2 1-9.
    #[schemars(with = "Option<i32>")]
    level: Option<Spanned<i32>>,
    /// Several compressed archives in a row, or one.
    #[schemars(schema_with = "one_of::<Segments>")]
    segments: Option<Spanned<String>>,
    /// Begin files' data at multiples of 4096 bytes, for file systems that share blocks.
    align: bool,
    /// Give each file a checksum, which the kernel checks.
    checksum: bool,
    /// Keep the reasons of all files inside the image, for `packager why`.
    explain: Option<bool>,
    /// The most that the image may have: bytes, or a text with K, M or G.
    size_limit: Option<Size>,
    /// Archives to put before the image's own, as they are.
    prepend: Vec<PathBuf>,
    /// Archives to put behind the image's own, as they are.
    append: Vec<PathBuf>,
    /// Scripts that `/init` runs before one of its steps.
    #[schemars(with = "Vec<StepTable>")]
    step: Vec<Spanned<StepTable>>,
    /// Files: a copy or a text.
    #[schemars(with = "Vec<FileTable>")]
    file: Vec<Spanned<FileTable>>,
    /// Directories.
    directory: Vec<DirectoryTable>,
    /// Symbolic links.
    symlink: Vec<SymlinkTable>,
}

/// Where the kernel comes from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct KernelTable {
    /// The root that holds `boot/` and `lib/modules/`.
    root: Option<PathBuf>,
    /// A Debian package instead of `root`.
    deb: Option<PathBuf>,
    /// The version, as in `lib/modules/VERSION`.
    version: Option<String>,
    /// The file of a kernel image, instead of `version`.
    image: Option<PathBuf>,
}

fn one_of<T: Choice>(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = T::NAMES.iter().map(|(name, _)| *name).collect();
    json_schema!({ "type": "string", "enum": names })
}

fn compressors(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Compression::NAMES })
}

/// The JSON Schema of recipes, for editors and for programs that write them.
pub fn schema() -> String {
    format!("{:#}\n", schemars::schema_for!(File).as_value())
}

impl Recipe {
    /// Reads a recipe's text. `folder` is what relative paths are relative to.
    ///
    /// ```
    /// use packager::Recipe;
    ///
    /// let recipe = Recipe::from_toml("keymaps = [\"es\"]\nmodules = [\"nvme\"]\n", "".as_ref())?;
    /// assert_eq!(recipe.modules, ["nvme"]);
    /// let error = Recipe::from_toml("modlues = []\n", "".as_ref()).unwrap_err();
    /// assert_eq!(error.to_string(), "1:1: unknown key `modlues`; did you mean `modules`?");
    /// # Ok::<(), packager::recipe::RecipeError>(())
    /// ```
    ///
    /// # Errors
    /// See [`RecipeError`].
    pub fn from_toml(text: &str, folder: &Path) -> Result<Self, RecipeError> {
        let file: File =
            toml::from_str(text).map_err(|error| RecipeError::from_toml(text, &error))?;
        file.into_recipe(folder)
            .map_err(|refused| RecipeError::refused(text, refused))
    }
}

impl File {
    fn into_recipe(self, folder: &Path) -> Result<Recipe, Refused> {
        let absolute = |path: PathBuf| folder.join(path);
        let default = Recipe::default();
        let entries = self.entries(folder)?;
        let steps = self.steps(folder)?;
        let (kernel, choice) = match &self.kernel {
            Some(table) => (source(table, folder)?, choice(table, folder)?),
            None => (default.kernel, default.choice),
        };
        // Goals say what is wanted in place of the usual modules.
        let usual = match self.goals.is_empty() {
            true => default.modules,
            false => Vec::new(),
        };
        Ok(Recipe {
            compression: self.compression()?,
            segments: choose(self.segments.as_ref())?,
            kernel,
            choice,
            busybox: self.busybox.map(absolute),
            keymaps: self
                .keymaps
                .iter()
                .map(|name| keymap(name, folder))
                .collect(),
            load: choose(self.load.as_ref())?,
            module_files: choose(self.module_files.as_ref())?,
            strip_signed: self.strip_signed,
            steps,
            microcode: self.microcode,
            modules: self.modules.unwrap_or(usual),
            goals: self.goals,
            exclude: self.exclude,
            runtime: self.runtime.unwrap_or(default.runtime),
            firmware: self.firmware.unwrap_or(default.firmware),
            sysroot: self.sysroot.map(absolute),
            programs: self.programs,
            entries,
            prepend: self.prepend.into_iter().map(absolute).collect(),
            append: self.append.into_iter().map(absolute).collect(),
            explain: self.explain.unwrap_or(default.explain),
            size_limit: self.size_limit.map(|size| size.0),
            archive: cpio::Options {
                alignment: match self.align {
                    true => ALIGNED,
                    false => default.archive.alignment,
                },
                checksums: self.checksum,
                ..default.archive
            },
        })
    }

    fn compression(&self) -> Result<Option<Compression>, Refused> {
        let level = self.level.as_ref();
        let Some(name) = &self.compress else {
            return match level {
                None => Ok(None),
                Some(level) => Err(Refused::new(
                    level.span(),
                    "`level` needs a compressor: `compress` says which",
                )),
            };
        };
        let format = Compression::by_name(name.get_ref())
            .ok_or_else(|| none_of(name, &Compression::NAMES))?;
        let compression = Compression {
            format,
            level: level.map(|level| *level.get_ref()),
        };
        match (compression.level_error(), level) {
            (Some(wrong), Some(level)) => Err(Refused::new(level.span(), wrong)),
            _ => Ok(Some(compression)),
        }
    }

    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, Refused> {
        let directories = self.directory.iter().map(DirectoryTable::entry);
        let files = self.file.iter();
        let files = files.map(|table| table.get_ref().entry(table.span(), folder));
        let symlinks = self.symlink.iter().map(SymlinkTable::entry);
        directories.chain(files).chain(symlinks).collect()
    }

    fn steps(&self, folder: &Path) -> Result<Vec<Step>, Refused> {
        let steps = self.step.iter();
        steps
            .map(|table| table.get_ref().step(table.span(), folder))
            .collect()
    }
}

fn source(table: &Spanned<KernelTable>, folder: &Path) -> Result<KernelSource, Refused> {
    match (&table.get_ref().root, &table.get_ref().deb) {
        (None, None) => Ok(KernelSource::Root("/".into())),
        (Some(root), None) => Ok(KernelSource::Root(folder.join(root))),
        (None, Some(package)) => Ok(KernelSource::Deb(folder.join(package))),
        (Some(_), Some(_)) => Err(exclude(table, "root", "deb")),
    }
}

fn choice(table: &Spanned<KernelTable>, folder: &Path) -> Result<KernelChoice, Refused> {
    match (&table.get_ref().version, &table.get_ref().image) {
        (None, None) => Ok(KernelChoice::Default),
        (Some(version), None) => Ok(KernelChoice::Version(version.clone())),
        (None, Some(image)) => Ok(KernelChoice::Image(folder.join(image))),
        (Some(_), Some(_)) => Err(exclude(table, "version", "image")),
    }
}

fn exclude(table: &Spanned<KernelTable>, first: &str, second: &str) -> Refused {
    Refused::new(
        table.span(),
        format!("`{first}` excludes `{second}`; give one of them"),
    )
}

/// A name stays a name; what has a slash is a path.
fn keymap(name: &str, folder: &Path) -> std::ffi::OsString {
    if name.contains('/') {
        folder.join(name).into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests;
