//! Recipe -> Plan: the sorted file tree of the image, each entry with the reason why it is there.
//!
//! Making a plan reads every input; making an archive of it reads nothing more.

mod archive;
mod build;
mod busybox;
mod data;
mod error;
mod extras;
mod kept;
mod loading;
mod modules;
mod record;
mod selection;
mod skeleton;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use modtree::{KernelConfig, ModInfo};

use crate::compression::Compression;
use crate::cpio::{Attributes, Kind};
use crate::kernel::Kernel;
use crate::paths::{is_direct, resolve};
use crate::timing::Timings;

pub use archive::SEGMENT_LENGTH;
pub use data::Data;
pub use error::PlanError;
pub use record::{Given, RECORD, Record, Recorded};

/// Every file of the image, sorted by path, parents first.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The kernel version whose modules are inside.
    pub version: String,
    /// The kernel's image, where one was found beside the modules: what boots with this plan. One from a package is there as long as
    /// the plan.
    pub kernel_image: Option<PathBuf>,
    /// The kernel's configuration, where it is known.
    pub config: Option<KernelConfig>,
    /// An uncompressed archive that begins the image: the processors' microcode.
    pub early: Option<Data>,
    /// How the archive is compressed.
    pub compression: Compression,
    /// What the user should know: builtins that need no module, what is missing and optional, warnings of the keymap.
    pub notes: Vec<String>,
    /// The modules, in load order.
    pub modules: Vec<String>,
    /// Every file that was read and named: what a build system must watch.
    pub inputs: Vec<PathBuf>,
    /// How long the phases took.
    pub timings: Timings,
    /// A module and the machine (`e_machine`) that it is for.
    machine: Option<(PathBuf, u16)>,
    items: BTreeMap<String, Item>,
    /// A directory that is there, with no links among its parents: the one in which something was put last.
    last_folder: String,
    /// Whether a file has taken a directory's place, so that a link may come to stand above paths that are there.
    has_buried: bool,
    /// Before the first file was looked at.
    pub(crate) begun: Option<SystemTime>,
    /// A package's files are there as long as the plan is, and modules are mapped: who ends with it need not unmap them, page by
    /// page.
    kernel: Option<Arc<Kernel>>,
}

/// One entry of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is, and whose.
    pub attributes: Attributes,
    /// A file's contents or a symbolic link's target; empty for everything else.
    pub data: Data,
    /// Why it is there, for people.
    pub reason: String,
    /// The paths of those because of which it is there: for a module, the modules that need it.
    pub because: Vec<String>,
    /// A module's fields, if it has been read as a whole.
    info: Option<Arc<ModInfo>>,
}

impl Item {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.attributes.kind
    }

    /// A module's fields, if they have been read, and found to be whole with its symbols.
    pub(crate) fn info(&self) -> Option<&ModInfo> {
        self.info.as_deref()
    }
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

    /// Adds a directory of user 0, and its parents.
    pub fn directory(&mut self, path: &str, permissions: u32, reason: &str) {
        let attributes = Attributes::of_root(Kind::Directory, permissions);
        self.insert(path, attributes, Vec::new(), reason);
    }

    /// Adds a regular file of user 0, and its parents.
    pub fn file(&mut self, path: &str, permissions: u32, data: Vec<u8>, reason: &str) {
        self.shared_file(path, permissions, data.into(), reason);
    }

    /// As [`file`](Self::file), of contents that need not be in memory.
    pub fn shared_file(&mut self, path: &str, permissions: u32, data: Data, reason: &str) {
        let attributes = Attributes::of_root(Kind::File, permissions);
        self.insert_shared(path, attributes, data, reason);
    }

    /// Adds a symbolic link, and its parents.
    pub fn symlink(&mut self, path: &str, target: &str, reason: &str) {
        let attributes = Attributes::of_root(Kind::Symlink, 0o777);
        self.insert(path, attributes, target.into(), reason);
    }

    /// Adds a character device of user 0, and its parents.
    pub fn device(&mut self, path: &str, permissions: u32, major: u32, minor: u32, reason: &str) {
        let attributes = Attributes::of_root(Kind::CharacterDevice { major, minor }, permissions);
        self.insert(path, attributes, Vec::new(), reason);
    }

    /// Adds an entry of any kind, and its parents. What was at `path` before is replaced, but a directory, or a link to one, keeps
    /// its place where a link shall stand: what it leads to is reached all the same.
    pub fn insert(&mut self, path: &str, attributes: Attributes, data: Vec<u8>, reason: &str) {
        self.insert_shared(path, attributes, data.into(), reason);
    }

    fn insert_shared(&mut self, path: &str, attributes: Attributes, data: Data, reason: &str) {
        let path = match self.is_direct(path) {
            true => {
                let above = path.rsplit_once('/').map_or("", |(above, _)| above);
                if self.last_folder != above {
                    above.clone_into(&mut self.last_folder);
                }
                path.to_owned()
            }
            false => {
                let path = self.real_path(path);
                if let Some((parent, _)) = path.rsplit_once('/')
                    && !self.items.contains_key(parent)
                {
                    self.directory(parent, 0o755, &format!("holds /{path}"));
                }
                path
            }
        };
        let item = Item {
            attributes,
            data,
            reason: reason.to_owned(),
            because: Vec::new(),
            info: None,
        };
        let path = match self.items.entry(path) {
            Entry::Vacant(place) => {
                place.insert(item);
                return;
            }
            Entry::Occupied(place) => place.key().clone(),
        };
        if attributes.kind == Kind::Symlink && self.is_folder(&path) {
            return;
        }
        if let Some(old) = self.items.insert(path, item) {
            self.has_buried |= old.kind() == Kind::Directory && attributes.kind != Kind::Directory;
        }
    }

    /// Says because of which other entries the one at `path` is there, and what is known of a module already.
    fn because(&mut self, path: &str, others: Vec<String>, info: Option<Arc<ModInfo>>) {
        if let Some(item) = self.items.get_mut(path) {
            item.because = others;
            item.info = info;
        }
    }

    /// Whether a path names something in a directory that is there, with no links among its parents.
    fn is_direct(&self, path: &str) -> bool {
        let is_directory = |path: &str| {
            // Nothing has taken its place: see the other condition.
            let is_known = self.last_folder == path;
            let item = || self.items.get(path);
            is_known || item().is_some_and(|item| item.kind() == Kind::Directory)
        };
        !self.has_buried && is_direct(path, is_directory)
    }

    /// Whether a directory is there, or a link that leads to one.
    fn is_folder(&self, path: &str) -> bool {
        let real = resolve(path, true, |path| self.target(path));
        let item = real.and_then(|real| self.items.get(&real));
        item.is_some_and(|item| item.kind() == Kind::Directory)
    }

    /// What the link at `path` says.
    fn target(&self, path: &str) -> Option<String> {
        let item = self.items.get(path);
        let link = item.filter(|item| item.kind() == Kind::Symlink)?;
        Some(String::from_utf8_lossy(&link.data).into_owned())
    }

    /// The path with the links among its parents replaced by what they lead to: `sbin/mdev` is `usr/bin/mdev`.
    fn real_path(&self, path: &str) -> String {
        // A circle of links is left as it is.
        resolve(path, false, |path| self.target(path)).unwrap_or_else(|| path.to_owned())
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
    fn a_path_through_a_link_is_where_the_link_leads() {
        let mut plan = Plan::default();
        plan.directory("usr/bin", 0o755, "programs");
        plan.symlink("sbin", "/usr/bin", "a test");
        plan.symlink("usr/sbin", "bin", "a test");
        plan.file("sbin/a", 0o755, Vec::new(), "a test");
        plan.file("usr/sbin/b", 0o755, Vec::new(), "a test");
        assert!(plan.get("usr/bin/a").is_some() && plan.get("usr/bin/b").is_some());
        plan.symlink("usr/bin", "elsewhere", "a directory stays a directory");
        assert_eq!(plan.get("usr/bin").unwrap().kind(), Kind::Directory);
        plan.symlink("sbin", "elsewhere", "so does a link to one");
        assert_eq!(*plan.get("sbin").unwrap().data, *b"/usr/bin");
        plan.symlink("usr/bin/vi", "busybox", "an applet");
        plan.symlink("sbin/vi", "vim", "another program");
        assert_eq!(*plan.get("usr/bin/vi").unwrap().data, *b"vim");
    }

    #[test]
    fn a_link_over_a_file_over_a_directory_leads() {
        let mut plan = Plan::default();
        plan.directory("opt/a/b", 0o755, "a test");
        plan.file("opt/a", 0o644, Vec::new(), "over a directory");
        plan.symlink("opt/a", "/srv", "over the file");
        plan.symlink("opt/a/b/link", "/x", "through the link");
        assert!(plan.get("srv/b/link").is_some());
    }

    #[test]
    fn a_directory_that_is_there_keeps_its_mode() {
        let mut plan = Plan::default();
        plan.directory("root", 0o700, "home");
        plan.file("root/.profile", 0o600, Vec::new(), "a test");
        assert_eq!(plan.get("root").unwrap().attributes.permissions, 0o700);
    }
}
