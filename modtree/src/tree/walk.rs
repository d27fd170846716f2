//! Finding module files: a walk of the directory, and `modules.order`, which saves it.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::ModuleName;

/// The suffixes of module files. Where one directory has a module in several forms, the first of these is taken.
const SUFFIXES: [&str; 4] = [".ko", ".ko.zst", ".ko.xz", ".ko.gz"];

/// A module's file in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The module's name.
    pub name: ModuleName,
    /// The file's path below the modules directory, for example `kernel/fs/fat/vfat.ko.xz`.
    pub relative: PathBuf,
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
pub(super) fn has_suffix(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    SUFFIXES
        .iter()
        .any(|suffix| bytes.ends_with(suffix.as_bytes()))
}

/// The lines of `modules.order` by module: where the kernel's build put each module, and its place in the load order.
#[derive(Debug, Default)]
pub(super) struct Order {
    lines: HashMap<ModuleName, (usize, PathBuf)>,
}

impl Order {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut lines = HashMap::new();
        for (position, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let path = Path::new(OsStr::from_bytes(line));
            let Some(file) = path.file_name() else {
                continue;
            };
            lines
                .entry(ModuleName::of_file(file))
                .or_insert_with(|| (position, path.to_path_buf()));
        }
        Self { lines }
    }

    /// The module's file, if it is where `modules.order` says, in whatever form.
    pub(super) fn find(&self, dir: &Path, name: &ModuleName) -> Option<Entry> {
        let (_, listed) = self.lines.get(name)?;
        let stem = listed.as_os_str().as_bytes();
        let stem = stem.strip_suffix(b".ko").unwrap_or(stem);
        SUFFIXES.iter().find_map(|suffix| {
            let path = [stem, suffix.as_bytes()].concat();
            let relative = PathBuf::from(OsStr::from_bytes(&path));
            let inside = relative
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            (inside && dir.join(&relative).is_file()).then(|| Entry {
                name: name.clone(),
                relative,
            })
        })
    }

    /// What modules are sorted by: as `modules.order` has them, and the ones which that does not list behind them, by path.
    pub(super) fn key(&self, name: &ModuleName, relative: &Path) -> (usize, PathBuf) {
        (self.position(name), relative.to_path_buf())
    }

    /// The module's place, or the last one of all.
    fn position(&self, name: &ModuleName) -> usize {
        self.lines
            .get(name)
            .map_or(usize::MAX, |&(position, _)| position)
    }
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
        let listed = order.lines.get(&entry.name).is_some_and(|(_, path)| {
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
    /// Directories that were reached through a symbolic link: device and inode, against loops.
    linked: HashSet<(u64, u64)>,
}

impl<'a> Walker<'a> {
    fn new(dir: &'a Path) -> Self {
        Self {
            dir,
            linked: HashSet::new(),
        }
    }

    /// Collects the module files below `relative`. As depmod does, skips `build` and `source`, which lead out of the
    /// tree, and follows other symbolic links.
    fn directory(
        &mut self,
        relative: &Path,
        found: &mut Vec<Entry>,
        enter: &dyn Fn(&Path) -> bool,
    ) -> io::Result<()> {
        for entry in std::fs::read_dir(self.dir.join(relative))? {
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
                if kind.is_dir() && !self.linked.insert((target.dev(), target.ino())) {
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
        Ok(())
    }
}
