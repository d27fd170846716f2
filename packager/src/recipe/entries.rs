//! The tables of a recipe that name files, directories and links of its own.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::RecipeError;
use super::{Contents, Entry};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileTable {
    path: String,
    source: Option<PathBuf>,
    text: Option<String>,
    mode: Option<String>,
    uid: u32,
    gid: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DirectoryTable {
    path: String,
    mode: Option<String>,
    uid: u32,
    gid: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SymlinkTable {
    path: String,
    target: String,
}

impl FileTable {
    pub(super) fn entry(&self, folder: &Path) -> Result<Entry, RecipeError> {
        let contents = match (&self.source, &self.text) {
            (Some(source), None) => Contents::File(folder.join(source)),
            (None, Some(text)) => Contents::Text(text.clone()),
            _ => {
                return Err(RecipeError::Value {
                    key: format!("file {}", self.path),
                    reason: "either `source` or `text` says what is in it".to_owned(),
                });
            }
        };
        Ok(Entry {
            path: self.path.clone(),
            contents,
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
    pub(super) fn entry(&self) -> Entry {
        Entry {
            path: self.path.clone(),
            contents: Contents::Symlink(self.target.clone()),
            permissions: None,
            uid: 0,
            gid: 0,
        }
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
