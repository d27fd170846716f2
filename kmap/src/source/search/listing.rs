//! All keymaps on the search path at once: their names, and the files that these find.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{COMPRESSION, KEYMAP_SUFFIXES, LISTED_COMPRESSION, SearchPath, list, suffixes};

impl SearchPath {
    /// The names of the keymaps on the search path, in byte order, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (directory, depth) in &self.keymaps {
            list_below(directory, *depth, &mut names);
        }
        names.sort();
        names.dedup();
        names
    }

    /// The keymaps that plain names find, in byte order of the names: the names, and the files.
    pub fn keymaps(&self) -> Vec<(String, PathBuf)> {
        let mut wanted: BTreeSet<String> = self.names().into_iter().collect();
        let mut found = BTreeMap::new();
        // As `find_keymap` does for each: the current directory first, then one walk for all.
        for name in &wanted {
            if Path::new(name).is_file() {
                found.insert(name.clone(), PathBuf::from(name));
            }
        }
        wanted.retain(|name| !found.contains_key(name));
        let suffixes = suffixes(&KEYMAP_SUFFIXES, &LISTED_COMPRESSION);
        for (directory, depth) in &self.keymaps {
            find_all_below(directory, *depth, &suffixes, &mut wanted, &mut found);
        }
        found.into_iter().collect()
    }
}

/// As [`find_below`](super::find_below), for many names at once: what is found goes from `wanted` to `found`.
fn find_all_below(
    directory: &Path,
    depth: usize,
    suffixes: &[String],
    wanted: &mut BTreeSet<String>,
    found: &mut BTreeMap<String, PathBuf>,
) {
    let (entries, directories) = list(directory);
    let mut ranked = Vec::new();
    for entry in entries.iter().filter_map(|entry| entry.to_str()) {
        for (rank, suffix) in suffixes.iter().enumerate() {
            if let Some(name) = entry.strip_suffix(suffix.as_str())
                && wanted.contains(name)
            {
                ranked.push((rank, entry, name));
            }
        }
    }
    ranked.sort_unstable();
    for (_, entry, name) in ranked {
        let path = directory.join(entry);
        if wanted.contains(name) && path.is_file() {
            wanted.remove(name);
            found.insert(name.to_owned(), path);
        }
    }
    if let Some(depth) = depth.checked_sub(1) {
        for sub in directories {
            find_all_below(&directory.join(sub), depth, suffixes, wanted, found);
        }
    }
}

/// The names of all keymaps under a directory, without suffixes.
fn list_below(directory: &Path, depth: usize, names: &mut Vec<String>) {
    let (entries, directories) = list(directory);
    let suffixes = suffixes(&KEYMAP_SUFFIXES, &COMPRESSION);
    for entry in entries {
        let stem = suffixes
            .iter()
            .rev()
            .filter(|suffix| suffix.contains("map"));
        let stem = stem
            .filter_map(|suffix| entry.as_bytes().strip_suffix(suffix.as_bytes()))
            .next();
        names.extend(stem.and_then(|stem| String::from_utf8(stem.to_vec()).ok()));
    }
    if let Some(depth) = depth.checked_sub(1) {
        for sub in directories {
            list_below(&directory.join(sub), depth, names);
        }
    }
}
