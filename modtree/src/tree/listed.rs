//! What depmod wrote down about a tree, where it is certain that nothing has changed since.
//!
//! Decoding 4,000 xz files takes seconds, and `modules.alias` has what a question about all aliases wants. It is believed
//! only if it is newer than the last change of every module file and of every directory that holds one. The change time
//! counts (`ctime`), not the modification time: a package manager gives a new file an old modification time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use codec::file::read;
use rayon::prelude::*;

use super::walk::Entry;
use crate::{ModInfo, ModuleName};

const LIMIT: u64 = 256 << 20;

/// The text indexes of a tree, up to date.
#[derive(Debug)]
pub(super) struct Listed {
    /// The aliases of each module, as the fields they were.
    aliases: HashMap<ModuleName, Arc<ModInfo>>,
    /// The module that exports a symbol.
    owners: HashMap<String, ModuleName>,
    /// The names of all modules that one needs.
    needs: HashMap<ModuleName, HashSet<ModuleName>>,
}

impl Listed {
    /// Reads the files, if they are there, are newer than all modules, and know the same modules.
    pub(super) fn read(dir: &Path, modules: &[Entry]) -> Option<Self> {
        let files = ["modules.alias", "modules.symbols", "modules.dep"];
        let mut oldest = (i64::MAX, i64::MAX);
        for name in files {
            let found = std::fs::metadata(dir.join(name)).ok()?;
            oldest = oldest.min((found.mtime(), found.mtime_nsec()));
        }
        if !unchanged_since(dir, modules, oldest) {
            return None;
        }
        let [aliases, symbols, dep] = files.map(|name| read(&dir.join(name), LIMIT).ok());
        let needs = needs(&dep?);
        // A module that was deleted, or is new in a directory of its own, shows here.
        let same = needs.len() == modules.len()
            && modules.iter().all(|entry| needs.contains_key(&entry.name));
        same.then_some(())?;
        Some(Self {
            aliases: alias_fields(&aliases?, modules),
            owners: owners(&symbols?),
            needs,
        })
    }

    /// The `alias` fields of a module.
    pub(super) fn aliases(&self, name: &ModuleName) -> Arc<ModInfo> {
        self.aliases.get(name).cloned().unwrap_or_default()
    }

    /// Whether a module may import one of these symbols: not if another module exports it that this one does not need.
    pub(super) fn may_import(&self, name: &ModuleName, symbols: &[String]) -> bool {
        let needs = self.needs.get(name);
        symbols.iter().any(|symbol| match self.owners.get(symbol) {
            Some(owner) => needs.is_none_or(|needs| needs.contains(owner)),
            None => true,
        })
    }
}

/// Whether no module and no directory with modules has changed since then. What happened within one tick of the file
/// system's clock counts as changed.
fn unchanged_since(dir: &Path, modules: &[Entry], since: (i64, i64)) -> bool {
    let mut dirs = BTreeSet::new();
    for entry in modules {
        for above in entry.relative.ancestors().skip(1) {
            // The modules directory itself changes with every file that is written beside `kernel`.
            if above == Path::new("") || !dirs.insert(above) {
                break;
            }
        }
    }
    let files = modules.iter().map(|entry| entry.relative.as_path());
    let all: Vec<&Path> = dirs.into_iter().chain(files).collect();
    all.par_iter().all(|path| {
        std::fs::metadata(dir.join(path))
            .is_ok_and(|found| (found.ctime(), found.ctime_nsec()) < since)
    })
}

/// Lines `alias PATTERN MODULE`, as fields by module.
fn alias_fields(text: &[u8], modules: &[Entry]) -> HashMap<ModuleName, Arc<ModInfo>> {
    let mut fields: HashMap<&[u8], Vec<u8>> = HashMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        if let Some(rest) = line.strip_prefix(b"alias ")
            && let Some(space) = rest.iter().rposition(|&byte| byte == b' ')
        {
            let field = fields.entry(&rest[space + 1..]).or_default();
            field.extend_from_slice(b"alias=");
            field.extend_from_slice(&rest[..space]);
            field.push(0);
        }
    }
    let of_module = |entry: &Entry| {
        let field = fields.get(entry.name.as_str().as_bytes())?;
        Some((entry.name.clone(), Arc::new(ModInfo::new(field))))
    };
    modules.iter().filter_map(of_module).collect()
}

/// Lines `alias symbol:NAME MODULE`.
fn owners(text: &[u8]) -> HashMap<String, ModuleName> {
    let text = String::from_utf8_lossy(text);
    let owner = |line: &str| {
        let (symbol, module) = line.strip_prefix("alias symbol:")?.split_once(' ')?;
        Some((symbol.to_owned(), ModuleName::new(module)))
    };
    text.lines().filter_map(owner).collect()
}

/// Lines `PATH: PATH PATH`.
fn needs(text: &[u8]) -> HashMap<ModuleName, HashSet<ModuleName>> {
    let name = |path: &[u8]| {
        let file = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        ModuleName::of_file(OsStr::from_bytes(file))
    };
    let line = |line: &[u8]| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let needed = line[colon + 1..].split(|&byte| byte == b' ');
        let needed = needed.filter(|path| !path.is_empty()).map(name);
        Some((name(&line[..colon]), needed.collect()))
    };
    text.split(|&byte| byte == b'\n').filter_map(line).collect()
}
