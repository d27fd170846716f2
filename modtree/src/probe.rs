//! What `modprobe` would do, line by line: its own order, with its repetitions and its omissions.
//!
//! modprobe reads indexes, and of the `softdep` lines of a module it takes the first only. A module that is reached twice
//! is listed twice, unless it is entered as a root or as a softdep again (`libkmod-module.c`,
//! `__kmod_module_get_probe_list`). [`closure()`](crate::closure()) is the better answer; this one is for comparing.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use codec::file::{ReadError, read};

use crate::alias::normalize;
use crate::depmod::{DepmodError, DepmodOptions, depmod};
use crate::index::files::module_name;
use crate::{FormatError, Index};

/// Index files have some MB.
const LIMIT: u64 = 256 << 20;

/// The files that modprobe looks at.
const FILES: [&str; 6] = [
    "modules.dep.bin",
    "modules.alias.bin",
    "modules.symbols.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
    "modules.softdep",
];

/// The indexes of a modules directory: from its files, or made in memory.
#[derive(Clone, Debug)]
pub struct Indexes {
    dir: PathBuf,
    files: HashMap<&'static str, Vec<u8>>,
    /// The first softdep line of each module.
    softdeps: HashMap<Vec<u8>, Softdeps>,
}

/// What comes before a module, and what after it.
type Softdeps = (Vec<Vec<u8>>, Vec<Vec<u8>>);

/// Why there are no indexes.
#[derive(Debug, thiserror::Error)]
pub enum IndexesError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is no index.
    #[error("index `{}`: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FormatError,
    },
    /// They could not be made.
    #[error(transparent)]
    Depmod(#[from] DepmodError),
}

/// A line of `modprobe --show-depends`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `insmod PATH`: a module to be loaded.
    Insmod(PathBuf),
    /// `builtin NAME`: part of the kernel.
    Builtin(String),
}

impl Indexes {
    /// Reads the index files of a modules directory.
    ///
    /// # Errors
    /// [`IndexesError::Read`], [`IndexesError::Format`].
    pub fn open(dir: &Path) -> Result<Self, IndexesError> {
        let mut files = HashMap::new();
        for name in FILES {
            files.insert(name, read(&dir.join(name), LIMIT)?);
        }
        Self::new(dir, files)
    }

    /// Makes the indexes of a directory in memory, as [`depmod()`] would write them.
    ///
    /// # Errors
    /// [`IndexesError::Depmod`].
    pub fn make(dir: &Path) -> Result<Self, IndexesError> {
        let options = DepmodOptions {
            dir: dir.to_path_buf(),
            ..DepmodOptions::default()
        };
        let files = depmod(&options)?.files;
        let files = files.into_iter().map(|(name, made)| (name, made.to_vec()));
        Self::new(dir, files.collect())
    }

    fn new(dir: &Path, files: HashMap<&'static str, Vec<u8>>) -> Result<Self, IndexesError> {
        for (name, bytes) in &files {
            // depmod leaves an empty file where the kernel's build left no listing.
            if name.ends_with(".bin") && !bytes.is_empty() {
                Index::new(bytes).map_err(|source| IndexesError::Format {
                    path: dir.join(name),
                    source,
                })?;
            }
        }
        let softdeps = first_softdeps(files.get("modules.softdep").map_or(b"", Vec::as_slice));
        Ok(Self {
            dir: dir.to_path_buf(),
            files,
            softdeps,
        })
    }

    /// What modprobe would do for a name or an alias; empty where it knows neither.
    pub fn show_depends(&self, query: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        for name in self.named(query.as_bytes()) {
            let mut probe = Probe {
                indexes: self,
                visited: HashSet::new(),
                names: Vec::new(),
            };
            probe.enter(&name, 0);
            actions.extend(probe.names.iter().filter_map(|name| self.action(name)));
        }
        actions
    }

    /// The modules that a name or an alias stands for: the first of modprobe's steps that finds any.
    pub fn lookup(&self, query: &str) -> Vec<String> {
        let names = self.named(query.as_bytes()).into_iter();
        names
            .map(|name| String::from_utf8_lossy(&name).into_owned())
            .collect()
    }

    fn named(&self, query: &[u8]) -> Vec<Vec<u8>> {
        let Some(query) = normalize(query) else {
            return Vec::new();
        };
        let matching = |name| {
            let index = self.index(name);
            let values = index.map(|index| index.matching(&query));
            let values = values.unwrap_or_default().into_iter();
            values.map(|found| found.value.to_vec()).collect()
        };
        let steps: [&dyn Fn() -> Vec<Vec<u8>>; 5] = [
            &|| self.exact("modules.dep.bin", &query),
            &|| match query.starts_with(b"symbol:") {
                true => matching("modules.symbols.bin"),
                false => Vec::new(),
            },
            &|| matching("modules.alias.bin"),
            &|| self.exact("modules.builtin.bin", &query),
            &|| matching("modules.builtin.alias.bin"),
        ];
        let found = steps.iter().map(|step| step());
        found
            .into_iter()
            .find(|names| !names.is_empty())
            .unwrap_or_default()
    }

    /// The name itself, if the index has it.
    fn exact(&self, file: &str, name: &[u8]) -> Vec<Vec<u8>> {
        let found = self.index(file).map(|index| index.get(name));
        match found.is_some_and(|values| !values.is_empty()) {
            true => vec![name.to_vec()],
            false => Vec::new(),
        }
    }

    /// A module's file and what it needs, in the order of `modules.dep`.
    fn line(&self, name: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
        let index = self.index("modules.dep.bin")?;
        let line = index.get(name).first()?.value;
        let colon = line.iter().position(|&byte| byte == b':')?;
        let needed = line[colon + 1..].split(|&byte| byte == b' ');
        let needed = needed.filter(|path| !path.is_empty());
        Some((&line[..colon], needed.collect()))
    }

    fn action(&self, name: &[u8]) -> Option<Action> {
        match self.line(name) {
            Some((path, _)) => Some(Action::Insmod(self.dir.join(OsStr::from_bytes(path)))),
            None if self.exact("modules.builtin.bin", name).is_empty() => None,
            None => Some(Action::Builtin(String::from_utf8_lossy(name).into_owned())),
        }
    }

    fn index(&self, name: &str) -> Option<Index<'_>> {
        Index::new(self.files.get(name)?).ok()
    }
}

/// The list for one module in the making.
struct Probe<'a> {
    indexes: &'a Indexes,
    visited: HashSet<Vec<u8>>,
    names: Vec<Vec<u8>>,
}

/// No real chain of softdeps is as long; one that is would take the stack.
const DEEPEST: usize = 1000;

impl Probe<'_> {
    /// A root or a softdep: what it needs, then itself. A second time it is passed over.
    fn enter(&mut self, name: &[u8], depth: usize) {
        if depth > DEEPEST || !self.visited.insert(name.to_vec()) {
            return;
        }
        let needed = self.indexes.line(name).map(|(_, needed)| needed);
        // The deepest dependency is last in the line, and first to be loaded.
        for path in needed.unwrap_or_default().into_iter().rev() {
            self.with_softdeps(&module_name(path), depth);
        }
        self.with_softdeps(name, depth);
    }

    fn with_softdeps(&mut self, name: &[u8], depth: usize) {
        let none = (Vec::new(), Vec::new());
        let (before, after) = self.indexes.softdeps.get(name).unwrap_or(&none);
        for query in before {
            self.all(query, depth);
        }
        self.names.push(name.to_vec());
        for query in after {
            self.all(query, depth);
        }
    }

    fn all(&mut self, query: &[u8], depth: usize) {
        for name in self.indexes.named(query) {
            self.enter(&name, depth + 1);
        }
    }
}

/// The first line of each module in `modules.softdep`.
fn first_softdeps(text: &[u8]) -> HashMap<Vec<u8>, Softdeps> {
    let mut all = HashMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        if words.next() != Some(b"softdep") {
            continue;
        }
        let Some(module) = words.next() else {
            continue;
        };
        let mut softdeps: Softdeps = (Vec::new(), Vec::new());
        let mut post = None;
        for word in words {
            match (word, post) {
                (b"pre:", _) => post = Some(false),
                (b"post:", _) => post = Some(true),
                (name, Some(false)) => softdeps.0.push(name.to_vec()),
                (name, Some(true)) => softdeps.1.push(name.to_vec()),
                (_, None) => {}
            }
        }
        all.entry(module_name(module).into_owned())
            .or_insert(softdeps);
    }
    all
}
