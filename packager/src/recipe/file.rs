//! Recipes in TOML, as `packager init` writes one. Unknown keys are errors; relative paths are relative to the recipe's folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Contents, Entry, Recipe};
use crate::compression::Compression;
use crate::kernel::{KernelChoice, KernelSource};

/// A recipe to start from, with every key explained.
pub const TEMPLATE: &str = include_str!("../../../data/recipe/packager.toml");

/// Why a recipe cannot be used. The text names line and column where there is a place.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecipeError {
    /// The TOML is wrong, or a key or its value is.
    #[error("{line}:{column}: {message}")]
    Toml {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong, with a suggestion where there is one.
        message: String,
    },
    /// A value that TOML takes and a recipe does not.
    #[error("`{key}`: {reason}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong with it, and what would do.
        reason: String,
    },
}

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

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FileTable {
    path: String,
    source: Option<PathBuf>,
    text: Option<String>,
    mode: Option<String>,
    uid: u32,
    gid: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DirectoryTable {
    path: String,
    mode: Option<String>,
    uid: u32,
    gid: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SymlinkTable {
    path: String,
    target: String,
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

    fn compression(&self) -> Result<Compression, RecipeError> {
        let default = Compression::default();
        let format = match &self.compress {
            None => default.format,
            Some(name) => Compression::by_name(name).ok_or_else(|| RecipeError::Value {
                key: "compress".to_owned(),
                reason: format!("`{name}` is none of {}", Compression::NAMES.join(", ")),
            })?,
        };
        Ok(Compression {
            format,
            level: self.level,
        })
    }

    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, RecipeError> {
        let mut entries = Vec::new();
        for table in &self.directory {
            let (permissions, uid, gid) = (
                mode(&table.path, table.mode.as_deref())?,
                table.uid,
                table.gid,
            );
            entries.push(Entry {
                path: table.path.clone(),
                contents: Contents::Directory,
                permissions,
                uid,
                gid,
            });
        }
        for table in &self.file {
            let contents = match (&table.source, &table.text) {
                (Some(source), None) => Contents::File(folder.join(source)),
                (None, Some(text)) => Contents::Text(text.clone()),
                _ => {
                    return Err(RecipeError::Value {
                        key: format!("file {}", table.path),
                        reason: "either `source` or `text` says what is in it".to_owned(),
                    });
                }
            };
            let (permissions, uid, gid) = (
                mode(&table.path, table.mode.as_deref())?,
                table.uid,
                table.gid,
            );
            entries.push(Entry {
                path: table.path.clone(),
                contents,
                permissions,
                uid,
                gid,
            });
        }
        for table in &self.symlink {
            let contents = Contents::Symlink(table.target.clone());
            entries.push(Entry {
                path: table.path.clone(),
                contents,
                permissions: None,
                uid: 0,
                gid: 0,
            });
        }
        Ok(entries)
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

/// Modes are octal numbers in quotes, as chmod(1) takes them: TOML's own octal numbers begin with `0o`, which is forgotten.
fn mode(path: &str, text: Option<&str>) -> Result<Option<u32>, RecipeError> {
    let Some(text) = text else { return Ok(None) };
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(Some(mode)),
        _ => Err(RecipeError::Value {
            key: format!("mode of {path}"),
            reason: format!("`{text}` is no octal number from 0000 to 7777"),
        }),
    }
}

impl RecipeError {
    fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        RecipeError::Toml {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: with_suggestion(error.message()),
        }
    }
}

/// serde lists all known keys behind an unknown one; the nearest says more, where one is near.
fn with_suggestion(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (true, Some(unknown)) = (message.starts_with("unknown field"), quoted.next()) else {
        return message.trim_end().replace('\n', "; ");
    };
    let known: Vec<_> = quoted.collect();
    let near = known.iter().map(|key| (distance(unknown, key), key)).min();
    match near {
        Some((distance, key)) if distance <= 2 + unknown.len() / 4 => {
            format!("unknown key `{unknown}`; did you mean `{key}`?")
        }
        _ => format!("unknown key `{unknown}`; known here: {}", known.join(", ")),
    }
}

/// How many letters have to be changed, added or dropped (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(recipe.compression.level, Some(19));
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
