//! The tables of a recipe that name files, directories, links and steps of its own.

use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use toml::Spanned;

use super::choice::none_of;
use super::error::Refused;
use super::path::clean;
use super::{Contents, Entry, STEPS, Step};

/// A file of one's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileTable {
    /// The absolute path in the image.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// The file to copy.
    source: Option<PathBuf>,
    /// The contents, instead of `source`.
    text: Option<String>,
    /// The mode as chmod(1) has it, in quotes; without one the source's, or 0644.
    #[schemars(schema_with = "modes")]
    mode: Option<Spanned<String>>,
    /// The owner.
    #[serde(default)]
    uid: u32,
    /// The group.
    #[serde(default)]
    gid: u32,
}

/// A directory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectoryTable {
    /// The absolute path in the image.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// The mode as chmod(1) has it, in quotes; without one 0755.
    #[schemars(schema_with = "modes")]
    mode: Option<Spanned<String>>,
    /// The owner.
    #[serde(default)]
    uid: u32,
    /// The group.
    #[serde(default)]
    gid: u32,
}

/// A symbolic link.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SymlinkTable {
    /// The absolute path in the image.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// Where it leads.
    #[schemars(with = "String")]
    target: Spanned<String>,
}

/// A script that `/init` runs before one of its steps.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepTable {
    /// The step: modules, hotplug, keymap, wait, mount, root or init.
    #[schemars(schema_with = "steps")]
    before: Spanned<String>,
    /// The script's name; scripts run in the order of their names.
    #[schemars(with = "String")]
    name: Spanned<String>,
    /// The file to copy.
    source: Option<PathBuf>,
    /// The script, instead of `source`.
    text: Option<String>,
}

fn steps(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": STEPS })
}

fn modes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "pattern": "^0*[0-7]{1,4}$" })
}

impl StepTable {
    /// `span` is the table's place.
    pub(super) fn step(&self, span: Range<usize>, folder: &Path) -> Result<Step, Refused> {
        let contents = contents(span, folder, self.source.as_deref(), self.text.as_deref())?;
        if !STEPS.contains(&self.before.get_ref().as_str()) {
            return Err(none_of(&self.before, &STEPS));
        }
        let name = self.name.get_ref();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(is_plain) {
            return Err(Refused::new(
                self.name.span(),
                "a name is made of letters, digits, `-`, `_` and `.`",
            ));
        }
        Ok(Step {
            before: self.before.get_ref().clone(),
            name: name.clone(),
            contents,
        })
    }
}

/// A file's contents: a copy or a text. `span` is the table's place.
fn contents(
    span: Range<usize>,
    folder: &Path,
    source: Option<&Path>,
    text: Option<&str>,
) -> Result<Contents, Refused> {
    match (source, text) {
        (Some(source), None) => Ok(Contents::File(folder.join(source))),
        (None, Some(text)) => Ok(Contents::Text(text.to_owned())),
        _ => Err(Refused::new(
            span,
            "either `source` or `text` says what is in it",
        )),
    }
}

impl FileTable {
    /// `span` is the table's place.
    pub(super) fn entry(&self, span: Range<usize>, folder: &Path) -> Result<Entry, Refused> {
        let contents = contents(span, folder, self.source.as_deref(), self.text.as_deref())?;
        Ok(Entry {
            path: path(&self.path)?,
            contents,
            permissions: self.mode.as_ref().map(mode).transpose()?,
            uid: self.uid,
            gid: self.gid,
        })
    }
}

impl DirectoryTable {
    pub(super) fn entry(&self) -> Result<Entry, Refused> {
        Ok(Entry {
            path: path(&self.path)?,
            contents: Contents::Directory,
            permissions: self.mode.as_ref().map(mode).transpose()?,
            uid: self.uid,
            gid: self.gid,
        })
    }
}

impl SymlinkTable {
    pub(super) fn entry(&self) -> Result<Entry, Refused> {
        let target = self.target.get_ref();
        if target.is_empty() {
            return Err(Refused::new(
                self.target.span(),
                "`target` says where the link leads, and is empty",
            ));
        }
        if target.contains('\0') {
            return Err(Refused::new(self.target.span(), "a target has no NUL"));
        }
        Ok(Entry {
            path: path(&self.path)?,
            contents: Contents::Symlink(target.clone()),
            permissions: None,
            uid: 0,
            gid: 0,
        })
    }
}

/// A path in the image, if it can be one.
fn path(path: &Spanned<String>) -> Result<String, Refused> {
    clean(path.get_ref())
        .map(|_| path.get_ref().clone())
        .map_err(|reason| Refused::new(path.span(), reason))
}

/// Modes are octal numbers in quotes, as chmod(1) takes them: TOML's own octal numbers begin with `0o`, which is forgotten.
fn mode(text: &Spanned<String>) -> Result<u32, Refused> {
    let is_number = text.get_ref().bytes().all(|byte| byte.is_ascii_digit());
    match u32::from_str_radix(text.get_ref(), 8) {
        Ok(mode) if mode <= 0o7777 && is_number => Ok(mode),
        _ => Err(Refused::new(
            text.span(),
            format!("`{}` is no octal number from 0000 to 7777", text.get_ref()),
        )),
    }
}
