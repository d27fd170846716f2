//! What depmod wrote down about a tree, where it is certain that nothing has changed since.
//!
//! Reading 4,000 modules takes a tenth of a second, decoding 4,000 xz files seconds, and depmod's text files have what a
//! question about all modules wants. They are believed only if they are newer than the last change of every module file
//! that they list and of every directory that holds one. The change time counts (`ctime`), not the modification time: a
//! package manager gives a new file an old modification time.
//!
//! What is not seen: a new module in a directory below `kernel` that held none, and no directory with any, when depmod ran.
//!
//! The files are not parsed before a question comes, and then only searched for its answer.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use codec::{Mapped, map};
use memchr::{memchr, memchr_iter, memmem, memrchr};
use rayon::prelude::*;
use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, statat};

use super::walk::Entry;
use crate::ModuleName;
use crate::alias::{matches, normal, normalize};
use crate::fast_hash::FastMap;

pub(super) const LIMIT: u64 = 256 << 20;

/// A time: seconds and nanoseconds since 1970.
pub(super) type Time = (i64, i64);

/// Where a line's pattern begins and ends, and where the module's name ends, a blank behind the pattern.
type AliasLine = (u32, u32, u32);

/// The text indexes of a tree, up to date.
#[derive(Debug)]
pub(super) struct Listed {
    /// Lines `PATH: PATH PATH`.
    dep: Mapped,
    /// Where in `dep` each module's line is.
    modules: FastMap<ModuleName, Range<usize>>,
    /// Lines `alias PATTERN MODULE`.
    alias: Mapped,
    /// Where in `alias` each pattern and its module are.
    aliases: OnceLock<Vec<AliasLine>>,
    /// Lines `alias symbol:NAME MODULE`.
    symbols: Mapped,
}

impl Listed {
    /// Reads the files, if they are there, are newer than all modules, and know those outside of `kernel`.
    pub(super) fn read(dir: &Path, outside_kernel: &[Entry]) -> Option<Self> {
        let files = ["modules.dep", "modules.alias", "modules.symbols"].map(|name| dir.join(name));
        let [dep, alias, symbols] = &files;
        let since = oldest([dep.as_path(), alias.as_path(), symbols.as_path()])?;
        let dep = map(dep, LIMIT).ok()?;
        // What is below `kernel` is known by the directories above it.
        let knows_kernel = paths(&dep).any(|path| path.starts_with(b"kernel/"));
        if !knows_kernel && dir.join("kernel").exists() {
            return None;
        }
        let [alias, symbols] = [map(alias, LIMIT).ok()?, map(symbols, LIMIT).ok()?];
        let unchanged = unchanged_since(dir, &dep, since);
        let modules = unchanged.then(|| lines_by_name(&dep))?;
        let known = |entry: &Entry| modules.contains_key(&entry.name);
        outside_kernel.iter().all(known).then_some(Self {
            dep,
            modules,
            alias,
            aliases: OnceLock::new(),
            symbols,
        })
    }

    /// The file of a module.
    pub(super) fn entry(&self, name: &ModuleName) -> Option<Entry> {
        let line = self.dep.get(self.modules.get(name)?.clone())?;
        let path = paths(line).next()?;
        Some(Entry {
            name: name.clone(),
            relative: OsStr::from_bytes(path).into(),
        })
    }

    /// The modules with an alias that `query` matches, in the order of the file, each once.
    pub(super) fn matching(&self, query: &str) -> Vec<ModuleName> {
        let Some(query) = normalize(query.as_bytes()) else {
            return Vec::new();
        };
        self.having(|alias| {
            // Most differ at once.
            let may = match alias.first() {
                Some(b'*' | b'?' | b'[' | b'\\' | b'-') | None => true,
                first => first == query.first(),
            };
            may && normal(alias).is_some_and(|normal| matches(&normal, &query))
        })
    }

    /// The modules with an alias for which `test` holds, in the order of the file, each once.
    pub(super) fn having(&self, test: impl Fn(&[u8]) -> bool) -> Vec<ModuleName> {
        let mut found: Vec<ModuleName> = Vec::new();
        let lines = self.aliases.get_or_init(|| aliases(&self.alias));
        for &(start, space, end) in lines {
            let [start, space, end] = [start, space, end].map(|at| at as usize);
            if test(&self.alias[start..space]) {
                let name = &self.alias[space + 1..end];
                let name = ModuleName::new(&String::from_utf8_lossy(name));
                // The aliases of a module stand together.
                if found.last() != Some(&name) && !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        found
    }

    /// The module that exports a symbol; the last where several do.
    pub(super) fn exporter(&self, symbol: &str) -> Option<ModuleName> {
        let wanted = format!("\nalias symbol:{symbol} ");
        let at = memmem::rfind(&self.symbols, wanted.as_bytes())? + wanted.len();
        let line = lines(self.symbols.get(at..)?).next()?;
        Some(ModuleName::new(&String::from_utf8_lossy(line)))
    }

    /// Every module.
    pub(super) fn names(&self) -> impl Iterator<Item = &ModuleName> {
        self.modules.keys()
    }

    /// Tells of a module whether it may import one of these symbols: not if another module exports it that this one does
    /// not need.
    pub(super) fn importing(&self, symbols: &[String]) -> impl Fn(&ModuleName) -> bool {
        let owners: Vec<_> = symbols.iter().map(|symbol| self.exporter(symbol)).collect();
        move |name| {
            let mut owners = owners.iter();
            owners.any(|owner| match owner {
                Some(owner) => self.needs(name, owner),
                None => true,
            })
        }
    }

    fn needs(&self, name: &ModuleName, needed: &ModuleName) -> bool {
        let Some(line) = self.modules.get(name).map(|range| &self.dep[range.clone()]) else {
            return true;
        };
        let mut paths = line.split(|&byte| byte == b' ').skip(1);
        paths.any(|path| file_name(path) == *needed)
    }
}

/// When the oldest of some files was written; `None` where one is missing.
pub(super) fn oldest<const N: usize>(files: [&Path; N]) -> Option<Time> {
    let written = files.into_iter().map(|file| {
        let found = std::fs::metadata(file).ok()?;
        Some((found.mtime(), found.mtime_nsec()))
    });
    written.min().flatten()
}

/// Whether a file has certainly not changed since then. What happened within one tick of the file system's clock counts as a
/// change.
pub(super) fn changed_before(found: &Metadata, since: Time) -> bool {
    (found.ctime(), found.ctime_nsec()) < since
}

pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = memchr_iter(b'\n', text).chain([text.len()]);
    ends.map(move |end| &text[std::mem::replace(&mut start, end + 1)..end])
}

/// A file is shorter than [`LIMIT`].
fn aliases(text: &[u8]) -> Vec<AliasLine> {
    // A line has 50 bytes or more on average.
    let mut places = Vec::with_capacity(text.len() / 50);
    let mut at = 0;
    for line in lines(text) {
        let start = at;
        at += line.len() + 1;
        if let Some(rest) = line.strip_prefix(b"alias ")
            && let Some(space) = memrchr(b' ', rest)
        {
            let pattern = start + line.len() - rest.len();
            let [end, space] = [start + line.len(), pattern + space];
            places.push((pattern as u32, space as u32, end as u32));
        }
    }
    places
}

/// The paths at the beginnings of the lines of `modules.dep`.
fn paths(dep: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(dep).filter_map(|line| Some(&line[..memchr(b':', line)?]))
}

pub(super) fn file_name(path: &[u8]) -> ModuleName {
    let start = memrchr(b'/', path).map_or(0, |slash| slash + 1);
    ModuleName::of_file(OsStr::from_bytes(&path[start..]))
}

fn lines_by_name(dep: &[u8]) -> FastMap<ModuleName, Range<usize>> {
    let mut start = 0;
    let mut modules = FastMap::default();
    for line in lines(dep) {
        let range = start..start + line.len();
        start = range.end + 1;
        if let Some(colon) = memchr(b':', line) {
            modules.insert(file_name(&line[..colon]), range);
        }
    }
    modules
}

/// Whether no module that is listed and no directory with one has changed since then. What happened within one tick of the
/// file system's clock counts as changed.
fn unchanged_since(dir: &Path, dep: &[u8], since: Time) -> bool {
    let mut files: FastMap<&[u8], Vec<&[u8]>> = FastMap::default();
    for path in paths(dep) {
        let (above, file) = split(path);
        files.entry(above).or_default().push(file);
    }
    // The directories that hold directories with modules. The modules directory itself changes with every file that is
    // written beside `kernel`.
    let mut above: Vec<&[u8]> = files.keys().copied().collect();
    while let Some(path) = above.pop() {
        let (above_it, _) = split(path);
        if !above_it.is_empty() && !files.contains_key(above_it) {
            files.insert(above_it, Vec::new());
            above.push(above_it);
        }
    }
    let Ok(root) = File::open(dir) else {
        return false;
    };
    let by_directory: Vec<_> = files.into_iter().collect();
    by_directory
        .par_iter()
        .all(|(path, files)| directory_unchanged(&root, path, files, since).unwrap_or(false))
}

/// The directory and the file's name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match memrchr(b'/', path) {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// Looks at the files relative to their directory: a long path costs twice as much.
fn directory_unchanged(
    root: &File,
    path: &[u8],
    files: &[&[u8]],
    since: Time,
) -> rustix::io::Result<bool> {
    let before = |found: &rustix::fs::Stat| {
        // The types differ between architectures.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        let changed = (i64::from(found.st_ctime), found.st_ctime_nsec as i64);
        changed < since
    };
    let is_root = path.is_empty();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match is_root {
        true => root
            .try_clone()
            .map_err(|_| rustix::io::Errno::BADF)?
            .into(),
        false => openat(root, path, flags, Mode::empty())?,
    };
    if !is_root && !before(&fstat(&opened)?) {
        return Ok(false);
    }
    for file in files {
        if !before(&statat(&opened, *file, AtFlags::empty())?) {
            return Ok(false);
        }
    }
    Ok(true)
}
