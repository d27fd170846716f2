//! What single modules need, as depmod wrote it down: names and paths without opening a module.
//!
//! A module's line in `modules.dep` lists everything that it needs by the symbols that it uses, and `modules.softdep` has
//! all `softdep=` lines. For a kernel's own modules, all of them there, that is what their `.modinfo` sections say: modpost
//! makes `depends=` from the same symbols. So the files are believed where
//! * every module that `modules.order` lists has its line: depmod is silent about a module whose provider is missing;
//! * the module and all that it needs are below `kernel`, are the files that this tree finds by these names, and have not
//!   changed since ([`listed`](super::listed) has more about times).
//!
//! Where there will be notes, a compressed module has to [agree](glance), too.
//!
//! Whatever else came, went or changed in the tree is of no concern to this module. Where there is a doubt, the module
//! itself is read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;

use codec::Mapped;
use codec::file::read;
use memchr::{memchr, memchr_iter};

use super::listed::{LIMIT, file_name, lines};
use super::order::Order;
use super::unchanged::{Time, changed_before, oldest};
use super::{Entry, Tree, TreeError, lock, try_once};
use crate::fast_hash::FastMap;
use crate::{Detail, ModInfo, ModuleName};

/// `modules.dep` and `modules.softdep` of a tree, line by line those of `modules.order`.
#[derive(Debug)]
pub(super) struct Indexed {
    dep: Mapped,
    /// Where in `dep` the line of each line of `modules.order` begins.
    starts: Vec<u32>,
    softdep: Vec<u8>,
    since: Time,
    /// By path: whether a module is the one that was indexed.
    sound: Mutex<FastMap<Vec<u8>, bool>>,
    /// By name: whether a compressed module [agrees](Tree::agrees).
    agree: Mutex<FastMap<ModuleName, bool>>,
}

impl Tree {
    /// What a module needs, if an index tells and no more than `detail` is wanted: the fields `depends` and `softdep` alone. `depends`
    /// may list what the direct dependencies need, too, and has what shows by symbols only.
    pub(crate) fn indexed_needs(
        &self,
        entry: &Entry,
        detail: Detail,
    ) -> Result<Option<ModInfo>, TreeError> {
        // To read some sections of a plain module costs little more than a glance.
        if detail == Detail::All || detail == Detail::Notes && entry.is_plain() {
            return Ok(None);
        }
        let order = self.order()?;
        let indexed = try_once(&self.indexed, || Ok(Indexed::read(&self.dir, order)))?;
        let Some(indexed) = indexed else {
            return Ok(None);
        };
        let Some((path, needed)) = indexed.line(order, entry) else {
            return Ok(None);
        };
        for path in std::iter::once(path).chain(needed.clone()) {
            if !self.is_sound(indexed, path)? {
                return Ok(None);
            }
        }
        let needed: Vec<ModuleName> = needed.map(file_name).collect();
        if detail == Detail::Notes && !self.agrees_once(indexed, entry, &needed) {
            return Ok(None);
        }
        let mut section = b"depends=".to_vec();
        for name in needed {
            section.extend_from_slice(name.as_str().as_bytes());
            section.push(b',');
        }
        let start = format!("softdep {} ", entry.name);
        for line in lines(&indexed.softdep) {
            if let Some(value) = line.strip_prefix(start.as_bytes()) {
                section.extend_from_slice(b"\0softdep=");
                section.extend_from_slice(value);
            }
        }
        Ok(Some(ModInfo::new(&section)))
    }

    /// Whether a module [agrees](Self::agrees), which is asked of each once.
    fn agrees_once(&self, indexed: &Indexed, entry: &Entry, needed: &[ModuleName]) -> bool {
        if let Some(&known) = lock(&indexed.agree).get(&entry.name) {
            return known;
        }
        let agrees = self.agrees(entry, needed);
        lock(&indexed.agree).insert(entry.name.clone(), agrees);
        agrees
    }

    /// Whether the module at `path` is the one of its name, and the one that was indexed.
    fn is_sound(&self, indexed: &Indexed, path: &[u8]) -> Result<bool, TreeError> {
        if let Some(&known) = lock(&indexed.sound).get(path) {
            return Ok(known);
        }
        let relative = Path::new(OsStr::from_bytes(path));
        let found = match path.starts_with(b"kernel/") {
            true => self.find(&file_name(path))?,
            false => None,
        };
        let sound = found.is_some_and(|entry| {
            self.looks_at(&entry);
            entry.relative == relative
        }) && std::fs::metadata(self.dir.join(relative))
            .is_ok_and(|found| changed_before(&found, indexed.since));
        lock(&indexed.sound).insert(path.to_vec(), sound);
        Ok(sound)
    }
}

impl Indexed {
    /// `None` where there are no such files, or they are not of the modules in `order`.
    fn read(dir: &Path, order: &Order) -> Option<Self> {
        let [dep, softdep] = ["modules.dep", "modules.softdep"].map(|name| dir.join(name));
        let since = oldest([dep.as_path(), softdep.as_path()])?;
        let dep = codec::map(&dep, LIMIT).ok()?;
        let softdep = read(&softdep, LIMIT).ok()?;
        let starts = starts(order, &dep)?;
        Some(Self {
            dep,
            starts,
            softdep: is_whole(&softdep).then_some(softdep)?,
            since,
            sound: Mutex::default(),
            agree: Mutex::default(),
        })
    }

    /// A module's line: its path, and those of what it needs.
    fn line(
        &self,
        order: &Order,
        entry: &Entry,
    ) -> Option<(&[u8], impl Iterator<Item = &[u8]> + Clone)> {
        let (number, _) = order.line(&entry.name)?;
        let line = lines(self.dep.get(*self.starts.get(number)? as usize..)?).next()?;
        let colon = memchr(b':', line)?;
        let (path, needed) = (&line[..colon], &line[colon + 1..]);
        let needed = needed.split(|&byte| byte == b' ');
        let needed = needed.filter(|path| !path.is_empty());
        (entry.relative.as_os_str().as_bytes() == path).then_some((path, needed))
    }
}

/// Whether `modules.softdep` has its first line and an end of the last one, and nothing but softdeps in between: a value of
/// several lines cannot be told from other lines.
fn is_whole(softdep: &[u8]) -> bool {
    let text = softdep.strip_suffix(b"\n").unwrap_or_default();
    text.starts_with(b"#")
        && lines(text)
            .skip(1)
            .all(|line| line.starts_with(b"softdep "))
}

/// Where the lines of `modules.dep` begin, if they are about the modules of `order`, line by line; others may follow.
fn starts(order: &Order, dep: &[u8]) -> Option<Vec<u32>> {
    let mut starts = Vec::new();
    let mut start = 0;
    let mut ends = memchr_iter(b'\n', dep);
    let mut modules = order.lines().peekable();
    while let Some(module) = modules.next() {
        if module.is_empty() && modules.peek().is_none() {
            break;
        }
        let end = ends.next()?;
        // Behind a module's place is the suffix of its compression, or nothing.
        let behind = dep.get(start..end)?.strip_prefix(module)?;
        if !module.ends_with(b".ko") || !matches!(behind.first(), Some(b':' | b'.')) {
            return None;
        }
        starts.push(u32::try_from(start).ok()?);
        start = end + 1;
    }
    Some(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(order: &[u8], dep: &[u8]) -> Option<Vec<u32>> {
        starts(&Order::new(order.to_vec().into()), dep)
    }

    #[test]
    fn lines_are_found_where_none_is_missing() {
        let dep = b"kernel/a.ko.xz:\nkernel/b.ko: kernel/a.ko.xz\nextra/c.ko:\n";
        assert_eq!(found(b"kernel/a.ko\nkernel/b.ko\n", dep), Some(vec![0, 16]));
        for order in [
            "kernel/b.ko\nkernel/a.ko\n",
            "kernel/a.ko\nkernel/x.ko\nkernel/b.ko\n",
            "kernel/a\n",
            "\n",
        ] {
            assert_eq!(found(order.as_bytes(), dep), None, "{order:?}");
        }
        // One that is cut.
        assert_eq!(found(b"kernel/a.ko\nkernel/b.ko\n", &dep[..40]), None);
    }
}
