//! The tables of a recipe that name files, directories, links and steps of its own.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::RecipeError;
use super::{Contents, Entry, STEPS, Step};

/// A file of one's own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileTable {
    /// The absolute path in the image.
    path: String,
    /// The file to copy.
    source: Option<PathBuf>,
    /// The contents, instead of `source`.
    text: Option<String>,
    /// The mode as chmod(1) has it, in quotes; without one the source's, or 0644.
    mode: Option<String>,
    /// The owner.
    uid: u32,
    /// The group.
    gid: u32,
}

/// A directory.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DirectoryTable {
    /// The absolute path in the image.
    path: String,
    /// The mode as chmod(1) has it, in quotes; without one 0755.
    mode: Option<String>,
    /// The owner.
    uid: u32,
    /// The group.
    gid: u32,
}

/// A symbolic link.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SymlinkTable {
    /// The absolute path in the image.
    path: String,
    /// Where it leads.
    target: String,
}

/// A script that `/init` runs before one of its steps.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StepTable {
    /// The step: modules, hotplug, keymap, wait, mount, root or init.
    before: String,
    /// The script's name; scripts run in the order of their names.
    name: String,
    /// The file to copy.
    source: Option<PathBuf>,
    /// The script, instead of `source`.
    text: Option<String>,
}

impl StepTable {
    pub(super) fn step(&self, folder: &Path) -> Result<Step, RecipeError> {
        let key = format!("step {}", self.name);
        let refuse = |reason: String| RecipeError::Value {
            key: key.clone(),
            reason,
        };
        if !STEPS.contains(&self.before.as_str()) {
            let known = STEPS.join(", ");
            return Err(refuse(format!(
                "`before` is `{}`, which is none of {known}",
                self.before
            )));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.bytes().all(is_plain) {
            return Err(refuse(
                "a name is made of letters, digits, `-`, `_` and `.`".to_owned(),
            ));
        }
        Ok(Step {
            before: self.before.clone(),
            name: self.name.clone(),
            contents: contents(&key, folder, self.source.as_deref(), self.text.as_deref())?,
        })
    }
}

/// A file's contents: a copy or a text.
fn contents(
    key: &str,
    folder: &Path,
    source: Option<&Path>,
    text: Option<&str>,
) -> Result<Contents, RecipeError> {
    match (source, text) {
        (Some(source), None) => Ok(Contents::File(folder.join(source))),
        (None, Some(text)) => Ok(Contents::Text(text.to_owned())),
        _ => Err(RecipeError::Value {
            key: key.to_owned(),
            reason: "either `source` or `text` says what is in it".to_owned(),
        }),
    }
}

impl FileTable {
    pub(super) fn entry(&self, folder: &Path) -> Result<Entry, RecipeError> {
        let key = format!("file {}", self.path);
        Ok(Entry {
            path: self.path.clone(),
            contents: contents(&key, folder, self.source.as_deref(), self.text.as_deref())?,
            permissions: mode(&self.path, self.mode.as_deref())?,
            uid: self.uid,
            gid: self.gid,
        })
    }
}

impl DirectoryTable {
    pub(super) fn entry(&self) -> Result<Entry, RecipeError> {
        Ok(Entry {
            path: self.path.clone(),
            contents: Contents::Directory,
            permissions: mode(&self.path, self.mode.as_deref())?,
            uid: self.uid,
            gid: self.gid,
        })
    }
}

impl SymlinkTable {
    pub(super) fn entry(&self) -> Result<Entry, RecipeError> {
        if self.target.is_empty() {
            return Err(RecipeError::Value {
                key: format!("symlink {}", self.path),
                reason: "`target` says where it leads, and is missing or empty".to_owned(),
            });
        }
        Ok(Entry {
            path: self.path.clone(),
            contents: Contents::Symlink(self.target.clone()),
            permissions: None,
            uid: 0,
            gid: 0,
        })
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
