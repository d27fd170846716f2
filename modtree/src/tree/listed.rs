//! What depmod wrote down about a tree, where nothing that counts has changed since.
//!
//! Reading 4,000 modules takes a tenth of a second, decoding 4,000 xz files seconds, and depmod's files have what a question
//! about all modules wants. They are believed only if they are newer than the last change
//! * of every directory that holds a module that they list, and of those above it: files that came, went, got another name,
//!   or took another one's place by being renamed, which is how package managers, DKMS and installers work;
//! * of every module outside `kernel`;
//! * of every module that the answer names ([`is_unchanged`](Listed::is_unchanged)). What is looked for further in the module
//!   itself need not be that old: see [`Tree::candidates`](super::Tree::candidates).
//!
//! The change time counts (`ctime`), not the modification time: a package manager gives a new file an old modification time.
//!
//! What is not seen: a new module in a directory below `kernel` that held none, and no directory with any, when depmod ran;
//! and in a module below `kernel` whose file was overwritten in place, an alias or an exported symbol that it did not have
//! before. modprobe and udev, which believe the files without a look, do not find such a module either.
//!
//! A tree may [suppose](super::Tree::supposing_current) the first of these, for callers that look at them later.
//!
//! Nothing is parsed before a question comes. Names, aliases and symbols are looked up in the binary files, of which a lookup
//! touches a few pages; a pattern is searched for in the text of `modules.alias`.

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use codec::{Mapped, map};
use memchr::{memchr, memchr_iter, memrchr};

use super::unchanged::{Time, changed_before, oldest, unchanged_since};
use super::walk::Entry;
use crate::alias::{Pattern, normalize};
use crate::fast_hash::FastSet;
use crate::{FormatError, Index, ModuleName};

pub(super) const LIMIT: u64 = 256 << 20;

/// The indexes of a tree.
#[derive(Debug)]
pub(super) struct Listed {
    since: Time,
    /// Lines `PATH: PATH PATH`.
    dep: Mapped,
    /// The same lines by the modules' names.
    lines: Mapped,
    /// Lines `alias PATTERN MODULE`.
    alias: Mapped,
    /// Modules by patterns.
    aliases: Mapped,
    /// Modules by `symbol:NAME`.
    symbols: Mapped,
}

impl Listed {
    /// Opens the files, if they are there and whole. Whether they are [newer](Self::is_current) than the directories with modules,
    /// and whether they know the modules outside of `kernel`, remains to be asked.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        let files = [
            "modules.dep",
            "modules.dep.bin",
            "modules.alias",
            "modules.alias.bin",
            "modules.symbols.bin",
        ];
        let files = files.map(|name| dir.join(name));
        let since = oldest(files.each_ref().map(|path| path.as_path()))?;
        let [dep, lines, alias, aliases, symbols] = files.map(|path| map(&path, LIMIT).ok());
        let listed = Self {
            since,
            dep: dep?,
            lines: lines?,
            alias: alias?,
            aliases: aliases?,
            symbols: symbols?,
        };
        // A file that is cut off, or of which a block is zero, as after a crash.
        if !listed.dep.ends_with(b"\n") || memchr(0, &listed.dep).is_some() {
            return None;
        }
        // What is below `kernel` is known by the directories above it.
        let knows_kernel = paths(&listed.dep).any(|path| path.starts_with(b"kernel/"));
        if !knows_kernel && dir.join("kernel").exists() {
            return None;
        }
        Some(listed)
    }

    /// Whether no directory with modules has changed since.
    pub(super) fn is_current(&self, dir: &Path) -> bool {
        unchanged_since(dir, &self.dep, self.since)
    }

    /// Whether it takes no more than one look to see that it is not current: at `kernel`.
    pub(super) fn is_older(&self, dir: &Path) -> bool {
        let found = std::fs::metadata(dir.join("kernel"));
        found.is_ok_and(|found| !changed_before(&found, self.since))
    }

    /// Whether a module is listed, with this file, and has certainly not changed since.
    pub(super) fn is_unchanged(&self, dir: &Path, entry: &Entry) -> bool {
        let known = matches!(self.entry(&entry.name), Ok(Some(known)) if known == *entry);
        let found = std::fs::metadata(dir.join(&entry.relative));
        known && found.is_ok_and(|found| changed_before(&found, self.since))
    }

    /// The file of a module.
    pub(super) fn entry(&self, name: &ModuleName) -> Result<Option<Entry>, FormatError> {
        let path = self.line(name)?.and_then(|line| paths(line).next());
        Ok(path.map(|path| Entry {
            name: name.clone(),
            relative: OsStr::from_bytes(path).into(),
        }))
    }

    /// The modules with an alias that `query` matches, in depmod's order, each once.
    pub(super) fn matching(&self, query: &str) -> Result<Vec<ModuleName>, FormatError> {
        let Some(query) = normalize(query.as_bytes()) else {
            return Ok(Vec::new());
        };
        let found = Index::new(&self.aliases)?.try_matching(&query)?;
        let mut names: Vec<_> = found.iter().map(|found| name(found.value)).collect();
        // The values of a module stand together.
        names.dedup();
        Ok(names)
    }

    /// The modules with an alias that one of `patterns` matches, each once.
    pub(super) fn having(&self, patterns: &[Pattern]) -> FastSet<ModuleName> {
        self.alias.populate();
        let (first, second) = halves(&self.alias);
        let (mut found, more) =
            rayon::join(|| having(first, patterns), || having(second, patterns));
        found.extend(more);
        found
    }

    /// The module that exports a symbol; the last where several do.
    pub(super) fn exporter(&self, symbol: &str) -> Result<Option<ModuleName>, FormatError> {
        let key = format!("symbol:{symbol}");
        let found = Index::new(&self.symbols)?.try_get(key.as_bytes())?;
        Ok(found.last().map(|found| name(found.value)))
    }

    /// Every module.
    pub(super) fn names(&self) -> FastSet<ModuleName> {
        paths(&self.dep).map(file_name).collect()
    }

    /// Tells of a module whether it may import one of these symbols: not if another module exports it that this one does
    /// not need.
    pub(super) fn importing(&self, symbols: &[String]) -> impl Fn(&ModuleName) -> bool {
        let owners: Vec<_> = symbols.iter().map(|symbol| self.exporter(symbol)).collect();
        move |name| {
            let mut owners = owners.iter();
            owners.any(|owner| match owner {
                Ok(Some(owner)) => self.may_need(name, owner),
                Ok(None) | Err(_) => true,
            })
        }
    }

    fn may_need(&self, name: &ModuleName, needed: &ModuleName) -> bool {
        let Ok(Some(line)) = self.line(name) else {
            return true;
        };
        let mut paths = line.split(|&byte| byte == b' ').skip(1);
        paths.any(|path| file_name(path) == *needed)
    }

    /// A module's line of `modules.dep`.
    fn line(&self, name: &ModuleName) -> Result<Option<&[u8]>, FormatError> {
        let found = Index::new(&self.lines)?.try_get(name.as_str().as_bytes())?;
        Ok(found.first().map(|found| found.value))
    }
}

/// The modules with a line of `modules.alias` that one of `patterns` matches.
fn having(text: &[u8], patterns: &[Pattern]) -> FastSet<ModuleName> {
    let mut found = FastSet::default();
    for pattern in patterns {
        for line in pattern.lines_with_it(text) {
            if let Some(rest) = line.strip_prefix(b"alias ")
                && let Some(space) = memrchr(b' ', rest)
                && pattern.matches(&rest[..space])
            {
                found.insert(name(&rest[space + 1..]));
            }
        }
    }
    found
}

/// The lines of a text in two parts, for two threads.
fn halves(text: &[u8]) -> (&[u8], &[u8]) {
    let middle = text.len() / 2;
    let end = memchr(b'\n', &text[middle..]).map_or(text.len(), |length| middle + length + 1);
    text.split_at(end)
}

pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = memchr_iter(b'\n', text).chain([text.len()]);
    ends.map(move |end| &text[std::mem::replace(&mut start, end + 1)..end])
}

/// The paths at the beginnings of the lines of `modules.dep`.
fn paths(dep: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(dep).filter_map(path)
}

/// The path at the beginning of a line of `modules.dep`.
pub(super) fn path(line: &[u8]) -> Option<&[u8]> {
    Some(&line[..memchr(b':', line)?])
}

pub(super) fn file_name(path: &[u8]) -> ModuleName {
    let start = memrchr(b'/', path).map_or(0, |slash| slash + 1);
    ModuleName::of_file(OsStr::from_bytes(&path[start..]))
}

fn name(text: &[u8]) -> ModuleName {
    ModuleName::new(&String::from_utf8_lossy(text))
}
