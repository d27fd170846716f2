//! Finding module files by a walk of the directory.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::order::Order;
use crate::ModuleName;

/// The suffixes of module files. Where one directory has a module in several forms, the first of these is taken.
pub(super) const SUFFIXES: [&str; 4] = [".ko", ".ko.zst", ".ko.xz", ".ko.gz"];

/// A module's file in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The module's name.
    pub name: ModuleName,
    /// The file's path below the modules directory, for example `kernel/fs/fat/vfat.ko.xz`.
    pub relative: PathBuf,
}

impl Entry {
    /// Whether the file is, by its name, not compressed.
    pub(super) fn is_plain(&self) -> bool {
        self.relative.extension() == Some(OsStr::new("ko"))
    }
}

/// Which of two files with the same module wins: lower comes first.
///
/// depmod's default search order has `updates` alone, and lets the first file that it happens to find win otherwise. We
/// prefer the kernel's own file then, so that the same tree gives the same answer on every file system.
fn rank(relative: &Path) -> u8 {
    match relative
        .components()
        .next()
        .map(|first| first.as_os_str().as_bytes())
    {
        Some(b"updates") => 0,
        Some(b"kernel") => 1,
        _ => 2,
    }
}

fn suffix_rank(relative: &Path) -> usize {
    let name = relative.as_os_str().as_bytes();
    let of = |suffix: &&str| name.ends_with(suffix.as_bytes());
    SUFFIXES.iter().position(of).unwrap_or(SUFFIXES.len())
}

/// Whether a file of this name is a module's.
pub(crate) fn has_suffix(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    SUFFIXES
        .iter()
        .any(|suffix| bytes.ends_with(suffix.as_bytes()))
}

/// Every module file below `dir`.
pub(super) fn files(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    Walker::new(dir).directory(Path::new(""), &mut found, &|_| true)?;
    Ok(found)
}

/// Every module below `dir`, each name once, in the order of `modules.order`; the ones which that does not list follow by path.
pub(super) fn all(dir: &Path, order: &Order) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    Walker::new(dir).directory(Path::new(""), &mut found, &|_| true)?;
    Ok(unique(found, order))
}

/// The modules outside `kernel/`, which `modules.order` never lists. Most trees have none.
pub(super) fn outside_kernel(dir: &Path, order: &Order) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    let outside = |relative: &Path| relative != Path::new("kernel");
    Walker::new(dir).directory(Path::new(""), &mut found, &outside)?;
    Ok(unique(found, order))
}

fn unique(mut found: Vec<Entry>, order: &Order) -> Vec<Entry> {
    found.sort_by_cached_key(|entry| {
        let file = &entry.relative;
        // A file that modules.order lists beats another one in kernel/ with the same name.
        let listed = order.line(&entry.name).is_some_and(|(_, path)| {
            file.as_os_str()
                .as_bytes()
                .starts_with(path.as_os_str().as_bytes())
        });
        (rank(file), !listed, suffix_rank(file), file.clone())
    });
    let mut seen = HashSet::new();
    found.retain(|entry| seen.insert(entry.name.clone()));
    found.sort_by_cached_key(|entry| order.key(&entry.name, &entry.relative));
    found
}

/// The best of the entries which share a name: the lowest rank.
pub(super) fn is_update(entry: &Entry) -> bool {
    rank(&entry.relative) == 0
}

struct Walker<'a> {
    dir: &'a Path,
    /// Directories that were reached through a symbolic link: device and inode. None is searched twice.
    linked: HashSet<(u64, u64)>,
    /// The directories that are being searched, each in the one before it.
    ancestors: Vec<PathBuf>,
}

impl<'a> Walker<'a> {
    fn new(dir: &'a Path) -> Self {
        Self {
            dir,
            linked: HashSet::new(),
            ancestors: Vec::new(),
        }
    }

    /// Whether a link leads to a directory that it lies in, or that another link has led to.
    fn leads_astray(&mut self, target: &Metadata) -> bool {
        let place = |found: &Metadata| (found.dev(), found.ino());
        let mut ancestors = self.ancestors.iter();
        let is_above = ancestors.any(|ancestor| {
            let found = std::fs::metadata(self.dir.join(ancestor));
            found.is_ok_and(|found| place(&found) == place(target))
        });
        is_above || !self.linked.insert(place(target))
    }

    /// Collects the module files below `relative`. As depmod does, skips `build` and `source`, which lead out of the
    /// tree, and follows other symbolic links, but for those to a directory above them.
    fn directory(
        &mut self,
        relative: &Path,
        found: &mut Vec<Entry>,
        enter: &dyn Fn(&Path) -> bool,
    ) -> io::Result<()> {
        let entries = std::fs::read_dir(self.dir.join(relative))?;
        self.ancestors.push(relative.to_path_buf());
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if name == "build" || name == "source" {
                continue;
            }
            let path = relative.join(&name);
            let mut kind = entry.file_type()?;
            if kind.is_symlink() {
                // A link to nowhere is no module; asking for it by name says that it is missing.
                let Ok(target) = std::fs::metadata(entry.path()) else {
                    continue;
                };
                kind = target.file_type();
                if kind.is_dir() && self.leads_astray(&target) {
                    continue;
                }
            }
            if kind.is_dir() {
                if enter(&path) {
                    self.directory(&path, found, enter)?;
                }
            } else if kind.is_file() && has_suffix(&name) {
                found.push(Entry {
                    name: ModuleName::of_file(&name),
                    relative: path,
                });
            }
        }
        self.ancestors.pop();
        Ok(())
    }
}
