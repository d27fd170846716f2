//! Recipe -> Plan: the sorted file tree of the image, each entry with the reason why it is there.
//!
//! Making a plan reads every input; making an archive of it reads nothing more.

mod build;

use std::collections::BTreeMap;

use crate::cpio::{Kind, WriteError, Writer};
use crate::timing::Timings;

pub use build::PlanError;

/// Every file of the image, sorted by path, parents first.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The kernel version whose modules are inside.
    pub version: String,
    /// The kernel's image, where one was found beside the modules: what boots with this plan.
    pub kernel_image: Option<std::path::PathBuf>,
    /// What the user should know: builtins that need no module, what is missing and optional, warnings of the keymap.
    pub notes: Vec<String>,
    /// The modules, in load order.
    pub modules: Vec<String>,
    /// How long the phases took.
    pub timings: Timings,
    items: BTreeMap<String, Item>,
}

/// One entry of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// The lower 12 mode bits.
    pub permissions: u32,
    /// A file's contents or a symbolic link's target; empty for everything else.
    pub data: Vec<u8>,
    /// Why it is there, for people.
    pub reason: String,
}

impl Plan {
    /// The entries with their paths, which have no leading `/`. A directory comes before what it holds.
    pub fn items(&self) -> impl Iterator<Item = (&str, &Item)> {
        self.items.iter().map(|(path, item)| (path.as_str(), item))
    }

    /// The entry at `path`, given without a leading `/`.
    pub fn get(&self, path: &str) -> Option<&Item> {
        self.items.get(path)
    }

    /// Adds a directory, and its parents.
    pub fn directory(&mut self, path: &str, permissions: u32, reason: &str) {
        self.insert(path, Kind::Directory, permissions, Vec::new(), reason);
    }

    /// Adds a regular file, and its parents.
    pub fn file(&mut self, path: &str, permissions: u32, data: Vec<u8>, reason: &str) {
        self.insert(path, Kind::File, permissions, data, reason);
    }

    /// Adds a symbolic link, and its parents.
    pub fn symlink(&mut self, path: &str, target: &str, reason: &str) {
        self.insert(path, Kind::Symlink, 0o777, target.into(), reason);
    }

    /// Adds a character device, and its parents.
    pub fn device(&mut self, path: &str, permissions: u32, major: u32, minor: u32, reason: &str) {
        let kind = Kind::CharacterDevice { major, minor };
        self.insert(path, kind, permissions, Vec::new(), reason);
    }

    /// The uncompressed archive.
    ///
    /// # Errors
    /// [`WriteError`]: a file is larger, or a name longer, than the format can hold.
    pub fn archive(&self, mtime: u32) -> Result<Vec<u8>, WriteError> {
        let mut writer = Writer::new(mtime);
        for (path, item) in self.items() {
            writer.entry(path.as_bytes(), item.kind, item.permissions, &item.data)?;
        }
        Ok(writer.finish())
    }

    fn insert(&mut self, path: &str, kind: Kind, permissions: u32, data: Vec<u8>, reason: &str) {
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.items.contains_key(parent)
        {
            self.directory(parent, 0o755, &format!("holds /{path}"));
        }
        let item = Item {
            kind,
            permissions,
            data,
            reason: reason.to_owned(),
        };
        self.items.insert(path.to_owned(), item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_are_explained() {
        let mut plan = Plan::default();
        plan.file("etc/deep/er/file", 0o644, b"x".to_vec(), "a test");
        plan.file("etc-like", 0o644, Vec::new(), "sorts between etc and etc/");
        let paths: Vec<_> = plan.items().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [
                "etc",
                "etc-like",
                "etc/deep",
                "etc/deep/er",
                "etc/deep/er/file"
            ]
        );
        assert_eq!(plan.get("etc/deep").unwrap().reason, "holds /etc/deep/er");
    }

    #[test]
    fn a_directory_that_is_there_keeps_its_mode() {
        let mut plan = Plan::default();
        plan.directory("root", 0o700, "home");
        plan.file("root/.profile", 0o600, Vec::new(), "a test");
        assert_eq!(plan.get("root").unwrap().permissions, 0o700);
    }
}
