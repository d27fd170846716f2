//! Recipes in TOML, as `packager init` writes one. Unknown keys are errors; relative paths are relative to the recipe's folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::entries::{DirectoryTable, FileTable, SymlinkTable};
use super::error::RecipeError;
use super::{Entry, Recipe, Segments};
use crate::compression::Compression;
use crate::kernel::{KernelChoice, KernelSource};

/// A recipe to start from, with every key explained.
pub const TEMPLATE: &str = include_str!("../../../data/recipe/packager.toml");

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    kernel: KernelTable,
    modules: Option<Vec<String>>,
    runtime: Option<bool>,
    firmware: Option<bool>,
    keymaps: Vec<String>,
    busybox: Option<PathBuf>,
    sysroot: Option<PathBuf>,
    programs: Vec<String>,
    compress: Option<String>,
    level: Option<i32>,
    segments: Option<String>,
    explain: Option<bool>,
    size_limit: Option<u64>,
    prepend: Vec<PathBuf>,
    append: Vec<PathBuf>,
    file: Vec<FileTable>,
    directory: Vec<DirectoryTable>,
    symlink: Vec<SymlinkTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KernelTable {
    root: Option<PathBuf>,
    deb: Option<PathBuf>,
    version: Option<String>,
    image: Option<PathBuf>,
}

impl Recipe {
    /// Reads a recipe's text. `folder` is what relative paths are relative to.
    ///
    /// ```
    /// use packager::Recipe;
    ///
    /// let recipe = Recipe::from_toml("keymaps = [\"es\"]\nmodules = [\"nvme\"]\n", "".as_ref())?;
    /// assert_eq!(recipe.modules, ["nvme"]);
    /// let error = Recipe::from_toml("modul = []\n", "".as_ref()).unwrap_err();
    /// assert_eq!(error.to_string(), "1:1: unknown key `modul`; did you mean `modules`?");
    /// # Ok::<(), packager::recipe::RecipeError>(())
    /// ```
    ///
    /// # Errors
    /// See [`RecipeError`].
    pub fn from_toml(text: &str, folder: &Path) -> Result<Self, RecipeError> {
        let file: File =
            toml::from_str(text).map_err(|error| RecipeError::from_toml(text, &error))?;
        file.into_recipe(folder)
    }
}

impl File {
    fn into_recipe(self, folder: &Path) -> Result<Recipe, RecipeError> {
        let absolute = |path: PathBuf| folder.join(path);
        let default = Recipe::default();
        let entries = self.entries(folder)?;
        Ok(Recipe {
            compression: self.compression()?,
            segments: self.segments()?,
            kernel: self.kernel.source(folder)?,
            choice: self.kernel.choice(folder)?,
            busybox: self.busybox.map(absolute),
            keymaps: self
                .keymaps
                .iter()
                .map(|name| keymap(name, folder))
                .collect(),
            modules: self.modules.unwrap_or(default.modules),
            runtime: self.runtime.unwrap_or(default.runtime),
            firmware: self.firmware.unwrap_or(default.firmware),
            sysroot: self.sysroot.map(absolute),
            programs: self.programs,
            entries,
            prepend: self.prepend.into_iter().map(absolute).collect(),
            append: self.append.into_iter().map(absolute).collect(),
            explain: self.explain.unwrap_or(default.explain),
            size_limit: self.size_limit,
            archive: default.archive,
        })
    }

    fn compression(&self) -> Result<Option<Compression>, RecipeError> {
        let Some(name) = &self.compress else {
            return match self.level {
                None => Ok(None),
                Some(_) => Err(RecipeError::Value {
                    key: "level".to_owned(),
                    reason: "`compress` must say of which compressor".to_owned(),
                }),
            };
        };
        let format = Compression::by_name(name).ok_or_else(|| RecipeError::Value {
            key: "compress".to_owned(),
            reason: format!("`{name}` is none of {}", Compression::NAMES.join(", ")),
        })?;
        let level = self.level;
        Ok(Some(Compression { format, level }))
    }
}

impl File {
    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, RecipeError> {
        let directories = self.directory.iter().map(DirectoryTable::entry);
        let files = self.file.iter().map(|table| table.entry(folder));
        let symlinks = self.symlink.iter().map(|table| Ok(table.entry()));
        directories.chain(files).chain(symlinks).collect()
    }

    fn segments(&self) -> Result<Segments, RecipeError> {
        match self.segments.as_deref() {
            None => Ok(Segments::default()),
            Some("several") => Ok(Segments::Several),
            Some("one") => Ok(Segments::One),
            Some(other) => Err(RecipeError::Value {
                key: "segments".to_owned(),
                reason: format!("`{other}` is neither `one` nor `several`"),
            }),
        }
    }
}

impl KernelTable {
    fn source(&self, folder: &Path) -> Result<KernelSource, RecipeError> {
        match (&self.root, &self.deb) {
            (None, None) => Ok(KernelSource::Root("/".into())),
            (Some(root), None) => Ok(KernelSource::Root(folder.join(root))),
            (None, Some(package)) => Ok(KernelSource::Deb(folder.join(package))),
            (Some(_), Some(_)) => Err(one_of("kernel.root", "kernel.deb")),
        }
    }

    fn choice(&self, folder: &Path) -> Result<KernelChoice, RecipeError> {
        match (&self.version, &self.image) {
            (None, None) => Ok(KernelChoice::Default),
            (Some(version), None) => Ok(KernelChoice::Version(version.clone())),
            (None, Some(image)) => Ok(KernelChoice::Image(folder.join(image))),
            (Some(_), Some(_)) => Err(one_of("kernel.version", "kernel.image")),
        }
    }
}

fn one_of(first: &str, second: &str) -> RecipeError {
    RecipeError::Value {
        key: first.to_owned(),
        reason: format!("it excludes `{second}`; give one of them"),
    }
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
mod tests {
    use super::*;
    use crate::recipe::Contents;

    fn parse(text: &str) -> Result<Recipe, RecipeError> {
        Recipe::from_toml(text, Path::new("/recipes"))
    }

    #[test]
    fn the_template_is_the_default_recipe() {
        assert_eq!(parse(TEMPLATE).unwrap(), Recipe::default());
    }

    /// Every key that the template explains is one that is known: the examples in its comments are read, too.
    #[test]
    fn the_templates_examples_are_read() {
        let text: String = TEMPLATE
            .lines()
            .filter_map(|line| line.strip_prefix("#: "))
            .map(|line| format!("{line}\n"))
            .collect();
        let recipe = parse(&text).unwrap();
        assert_eq!(recipe.kernel, KernelSource::Root("/srv/target".into()));
        assert_eq!(recipe.entries.len(), 4);
        assert_eq!(
            recipe.entries[1].contents,
            Contents::File("/recipes/motd".into())
        );
        assert_eq!(recipe.entries[0].permissions, Some(0o700));
        assert_eq!(recipe.compression.unwrap().level, Some(19));
    }

    #[test]
    fn unknown_keys_are_told_with_place_and_suggestion() {
        let error = parse("modules = []\n\n[kernel]\n  vresion = \"6.1\"\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "4:3: unknown key `vresion`; did you mean `version`?"
        );
        let error = parse("zzzzzzzzzz = 1\n").unwrap_err();
        assert!(
            error.to_string().contains("known here: kernel, modules"),
            "{error}"
        );
        let error = parse("modules = 3\n").unwrap_err();
        assert!(
            error.to_string().starts_with("1:11: invalid type"),
            "{error}"
        );
        let error = parse("modules = [\n").unwrap_err();
        assert!(matches!(error, RecipeError::Toml { .. }), "{error}");
    }

    #[test]
    fn values_that_contradict_are_refused() {
        for text in [
            "compress = \"rar\"\n",
            "level = 3\n",
            "segments = \"two\"\n",
            "[kernel]\nroot = \"/\"\ndeb = \"x.deb\"\n",
            "[kernel]\nversion = \"1\"\nimage = \"x\"\n",
            "[[file]]\npath = \"/x\"\n",
            "[[file]]\npath = \"/x\"\ntext = \"\"\nmode = \"888\"\n",
        ] {
            assert!(
                matches!(parse(text), Err(RecipeError::Value { .. })),
                "{text}"
            );
        }
    }
}
