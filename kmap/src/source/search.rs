//! Finding keymaps: by path, by name on the search path, and what `include` names.
//!
//! `loadkeys` and keymaps(5) have the rules. Where 2.5.1 and later releases of kbd differ, or where the result would depend
//! on the current directory, the more predictable rule was taken; each function says which.

mod listing;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::SourceError;
use crate::render;

/// Where distributions keep keymaps: Debian; Arch and openSUSE; Fedora.
const KEYMAP_DIRECTORIES: [&str; 3] = [
    "/usr/share/keymaps",
    "/usr/share/kbd/keymaps",
    "/usr/lib/kbd/keymaps",
];
/// Where, under those, files that keymaps include are kept.
const INCLUDE_DIRECTORIES: [&str; 3] = ["include", "i386/include", "mac/include"];
/// How many directories deep keymaps lie under the search path: `i386/qwerty/us.kmap.gz`; Fedora's in `legacy` before that.
const DEPTH: usize = 3;
/// The ways of compression in the order in which kbd tries them behind a path,
const COMPRESSION: [&str; 5] = ["", ".gz", ".bz2", ".xz", ".zst"];
/// and in the order in which it takes what a directory lists.
const LISTED_COMPRESSION: [&str; 5] = ["", ".bz2", ".gz", ".xz", ".zst"];
const KEYMAP_SUFFIXES: [&str; 3] = ["", ".kmap", ".map"];
/// A longer name cannot be a file's, and would be tried with every suffix in every place.
const LONGEST_NAME: usize = 4095;
const INCLUDE_SUFFIXES: [&str; 2] = ["", ".inc"];

/// A directory, and how many levels of directories under it are searched too.
type Place = (PathBuf, usize);

/// Where keymaps and the files that they include are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath {
    /// Directories with keymaps.
    keymaps: Vec<Place>,
    /// Places for files to include, `None` among them for the standard places; `None` as a whole where only those count.
    includes: Option<Vec<Option<Place>>>,
}

impl SearchPath {
    /// The directories of the distributions, whatever the environment says.
    pub fn standard() -> Self {
        Self {
            keymaps: KEYMAP_DIRECTORIES
                .iter()
                .map(|path| (path.into(), DEPTH))
                .collect(),
            includes: None,
        }
    }

    /// As [`standard`](Self::standard), but `LOADKEYS_KEYMAP_PATH` replaces the directory of keymaps (each `*` at its end
    /// adds a level of directories), and `LOADKEYS_INCLUDE_PATH` the places for includes (separated by colons,
    /// with `*` as well; an empty element stands for the standard places).
    pub fn from_env() -> Self {
        let mut path = Self::standard();
        if let Some(directory) = std::env::var_os("LOADKEYS_KEYMAP_PATH") {
            path = path.with_keymaps([directory]);
        }
        if let Some(list) = std::env::var_os("LOADKEYS_INCLUDE_PATH") {
            path.includes = Some(include_path(&list));
        }
        path
    }

    /// Replaces the directories of keymaps. Each `*` at the end of one adds a level of directories under it.
    #[must_use]
    pub fn with_keymaps(
        mut self,
        directories: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        self.keymaps = directories
            .into_iter()
            .map(|directory| starred(directory.into().as_bytes()))
            .collect();
        self
    }

    /// The file that `name` stands for: the path itself; the path with a suffix, where it has a directory; else the first
    /// on the search path, directories before the directories in them, in byte order.
    ///
    /// A bare name is completed with a suffix in the current directory only where the search path has nothing: kbd 2.5.1 looks there
    /// first, 2.6.2 and later do not at all.
    pub(super) fn find_keymap(&self, name: &Path) -> Option<PathBuf> {
        if name.is_file() {
            return Some(name.to_path_buf());
        }
        if name.as_os_str().as_bytes().contains(&b'/')
            && let Some(found) = with_suffix(name, &suffixes(&KEYMAP_SUFFIXES, &COMPRESSION))
        {
            return Some(found);
        }
        if name.is_absolute() || name.file_name().is_none() {
            return None;
        }
        let suffixes = suffixes(&KEYMAP_SUFFIXES, &LISTED_COMPRESSION);
        let mut places = self.keymaps.iter();
        places
            .find_map(|(directory, depth)| find_below(directory, name, &suffixes, *depth))
            .or_else(|| with_suffix(name, &suffixes))
    }

    /// The file of the current directory that was passed over for `found`, the one on the search path with the same bare name.
    pub fn passed_over(&self, name: &Path, found: &Path) -> Option<PathBuf> {
        let is_bare = name.file_name() == Some(name.as_os_str());
        let suffixes = suffixes(&KEYMAP_SUFFIXES, &LISTED_COMPRESSION);
        let local = with_suffix(name, &suffixes).filter(|_| is_bare)?;
        let is_same = match (fs::canonicalize(&local), fs::canonicalize(found)) {
            (Ok(local), Ok(found)) => local == found,
            _ => true,
        };
        (!is_same).then_some(local)
    }

    pub(super) fn not_found(&self, name: &Path) -> SourceError {
        let names = self.names();
        let wanted = name.to_string_lossy();
        SourceError::NotFound {
            name: render::path(name),
            included: false,
            searched: self.keymaps.iter().map(|(path, _)| path.clone()).collect(),
            suggestion: suggest::nearest(&wanted, names.iter().map(String::as_str))
                .map(str::to_owned),
            // What another path lacks says nothing about the machine.
            installed: !names.is_empty() || self.keymaps != Self::standard().keymaps,
        }
    }

    /// The file that `include "name"` stands for in the file `from`.
    pub(super) fn find_include(&self, name: &[u8], from: &Path) -> Result<PathBuf, SourceError> {
        let path = Path::new(OsStr::from_bytes(name));
        let compression = match path.is_absolute() {
            true => &COMPRESSION,
            false => &LISTED_COMPRESSION,
        };
        let suffixes = suffixes(&INCLUDE_SUFFIXES, compression);
        // An absolute name replaces the directory that it is joined to.
        let places = match name.len() > LONGEST_NAME {
            true => Vec::new(),
            false => self.include_places(from),
        };
        let found = places.iter().find_map(|(directory, depth)| match depth {
            // Without a listing: most places do not exist.
            0 => with_suffix(&directory.join(path), &suffixes),
            _ => find_below(directory, path, &suffixes, *depth),
        });
        // What is there but no regular file gets the error that says so.
        let found = found.or_else(|| there(&places, path));
        found.ok_or_else(|| SourceError::NotFound {
            name: render::word(name),
            included: true,
            searched: match path.is_absolute() {
                true => Vec::new(),
                false => directories(&places),
            },
            suggestion: None,
            installed: true,
        })
    }

    /// The places for `include` in the file `from`, in order. Each is a directory.
    ///
    /// The including file's own directory and its neighbours come first, then those of the file that it is a symbolic link
    /// to, then the standard directories, and the current directory last. kbd looks into the current directory first
    /// (where 2.5.1 then fails); a keymap should not change with the place from which it is compiled.
    fn include_places(&self, from: &Path) -> Vec<Place> {
        let Some(list) = &self.includes else {
            return standard_includes(from);
        };
        let mut places = Vec::new();
        for element in list {
            match element {
                Some(place) => places.push(place.clone()),
                None => places.extend(standard_includes(from)),
            }
        }
        places
    }
}

/// `DIRECTORY**`: each `*` is a level.
fn starred(directory: &[u8]) -> Place {
    let stars = directory
        .iter()
        .rev()
        .take_while(|&&byte| byte == b'*')
        .count();
    let path = directory.get(..directory.len() - stars).unwrap_or_default();
    (PathBuf::from(OsStr::from_bytes(path)), stars)
}

fn include_path(list: &OsStr) -> Vec<Option<Place>> {
    let elements = list.as_bytes().split(|&byte| byte == b':');
    elements
        .map(|element| (!element.is_empty()).then(|| starred(element)))
        .collect()
}

fn standard_includes(from: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    near(from, &mut places);
    if let Ok(target) = fs::read_link(from) {
        let target = from.parent().unwrap_or(Path::new("")).join(target);
        near(&target, &mut places);
    }
    for directory in KEYMAP_DIRECTORIES {
        let includes = INCLUDE_DIRECTORIES.iter();
        places.extend(includes.map(|sub| (Path::new(directory).join(sub), 0)));
    }
    near(Path::new("./"), &mut places);
    places
}

/// The directory of a file, and `include` beside and above it.
fn near(file: &Path, places: &mut Vec<Place>) {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let around = [
        directory.to_path_buf(),
        directory.join("../include"),
        directory.join("../../include"),
    ];
    places.extend(around.map(|directory| (directory, 0)));
}

/// Something with this very name in one of the places.
fn there(places: &[Place], name: &Path) -> Option<PathBuf> {
    let mut paths = places.iter().map(|(directory, _)| directory.join(name));
    paths.find(|path| path.exists())
}

/// Those of the places that exist, each once.
fn directories(places: &[Place]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for (path, _) in places {
        // Without `.` in front and the like: `.` and the empty path are one place.
        let is_known = found
            .iter()
            .any(|known| known.components().eq(path.components()));
        if path.is_dir() && !is_known {
            found.push(path.clone());
        }
    }
    found
}

/// Each suffix with each way of compression, in the order of preference.
fn suffixes(kinds: &[&str], compression: &[&str]) -> Vec<String> {
    let all = kinds.iter().flat_map(|kind| {
        let with = move |compression| format!("{kind}{compression}");
        compression.iter().map(with)
    });
    all.collect()
}

fn with_suffix(path: &Path, suffixes: &[String]) -> Option<PathBuf> {
    suffixes.iter().find_map(|suffix| {
        let mut candidate = path.as_os_str().to_owned();
        candidate.push(suffix);
        Some(PathBuf::from(candidate)).filter(|path| path.is_file())
    })
}

/// Looks for `name` in a directory, then in those under it. Reads each directory once instead of asking for every
/// suffix. A name such as `qwerty/us` is looked for as a path under each.
fn find_below(directory: &Path, name: &Path, suffixes: &[String], depth: usize) -> Option<PathBuf> {
    let (entries, directories) = list(directory);
    let bytes = name.as_os_str().as_bytes();
    if bytes.contains(&b'/') {
        if let Some(found) = with_suffix(&directory.join(name), suffixes) {
            return Some(found);
        }
    } else {
        let rank = |entry: &OsString| {
            let suffix = entry.as_bytes().strip_prefix(bytes)?;
            suffixes.iter().position(|known| known.as_bytes() == suffix)
        };
        let mut ranked: Vec<_> = entries
            .iter()
            .filter_map(|entry| Some((rank(entry)?, entry)))
            .collect();
        ranked.sort();
        let mut paths = ranked.into_iter().map(|(_, entry)| directory.join(entry));
        if let Some(found) = paths.find(|path| path.is_file()) {
            return Some(found);
        }
    }
    let depth = depth.checked_sub(1)?;
    directories
        .iter()
        .find_map(|sub| find_below(&directory.join(sub), name, suffixes, depth))
}

/// What is in a directory: everything else, and the directories in byte order. Nothing where it cannot be read.
fn list(directory: &Path) -> (Vec<OsString>, Vec<OsString>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_directory = |entry: &fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_symlink() => entry.path().is_dir(),
        Ok(kind) => kind.is_dir(),
        Err(_) => false,
    };
    let (directories, others): (Vec<_>, Vec<_>) = entries.partition(is_directory);
    let names = |list: Vec<fs::DirEntry>| list.iter().map(fs::DirEntry::file_name).collect();
    let mut directories: Vec<OsString> = names(directories);
    directories.sort();
    (names(others), directories)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{FileSource, Source, SourceText};

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        root
    }

    fn find(root: &Path, stars: &str, name: &str) -> Option<String> {
        let mut directory = root.as_os_str().to_owned();
        directory.push("/");
        directory.push(stars);
        let search = SearchPath::standard().with_keymaps([directory]);
        let found = search.find_keymap(Path::new(name))?;
        Some(
            found
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
        )
    }

    #[test]
    fn a_name_is_found_by_its_suffix_and_depth() {
        let root = tree(&["b/q/es.map", "b/q/es.kmap.gz", "a/x/y/us.kmap", "us.map"]);
        let found = |name| find(root.path(), "**", name);
        assert_eq!(found("es").as_deref(), Some("b/q/es.kmap.gz"));
        assert_eq!(found("es.map").as_deref(), Some("b/q/es.map"));
        assert_eq!(found("q/es").as_deref(), Some("b/q/es.kmap.gz"));
        assert_eq!(found("us").as_deref(), Some("us.map"));
        assert_eq!(found("fr"), None);
        assert_eq!(find(root.path(), "", "es"), None);
        let search = SearchPath::standard().with_keymaps([root.path().join("**")]);
        let listed = ["es", "us"].map(|name| {
            let path = root.path().join(found(name).unwrap());
            (name.to_owned(), path)
        });
        assert_eq!(search.keymaps(), listed);
    }

    #[test]
    fn of_two_compressed_files_the_one_that_kbd_takes_is_found() {
        let root = tree(&[
            "a/x.map.gz",
            "a/x.map.bz2",
            "a/x.map.zst",
            "a/y.gz",
            "a/y.bz2",
            "a/in",
        ]);
        let found = |name| find(root.path(), "**", name);
        assert_eq!(found("x").as_deref(), Some("a/x.map.bz2"));
        assert_eq!(found("a/x").as_deref(), Some("a/x.map.bz2"));
        let by_path = root.path().join("a/x");
        let by_path = found(by_path.to_str().unwrap());
        assert_eq!(by_path.as_deref(), Some("a/x.map.gz"));
        let search = SearchPath::standard();
        let included = |name: &str| {
            let from = root.path().join("a/in");
            let found = search.find_include(name.as_bytes(), &from);
            let found = found.ok()?.file_name()?.to_owned();
            found.into_string().ok()
        };
        let by_path = root.path().join("a/y");
        assert_eq!(included("y").as_deref(), Some("y.bz2"));
        assert_eq!(included(by_path.to_str().unwrap()).as_deref(), Some("y.gz"));
    }

    #[test]
    fn an_include_path_replaces_the_places() {
        let root = tree(&["q/map", "q/x", "a/x", "b/c/y.inc"]);
        let element = |sub: &str| {
            root.path()
                .join(sub)
                .into_os_string()
                .into_string()
                .unwrap()
        };
        let list = format!("{}:{}*", element("a"), element("b/"));
        let mut search = SearchPath::standard();
        search.includes = Some(include_path(list.as_ref()));
        let mut source = FileSource::new(search);
        let from = root.path().join("q/map");
        assert_eq!(source.include(b"x", &from).unwrap().bytes, b"a/x");
        assert_eq!(source.include(b"y", &from).unwrap().bytes, b"b/c/y.inc");
        assert!(source.include(b"map", &from).is_err());
    }

    #[test]
    fn an_include_is_found_near_the_file_that_includes_it() {
        let root = tree(&["include/x.inc", "q/map", "q/y", "include/y"]);
        let from = root.path().join("q/map");
        let mut source = FileSource::new(SearchPath::standard());
        let bytes = |text: SourceText| String::from_utf8(text.bytes).unwrap();
        assert_eq!(bytes(source.include(b"x", &from).unwrap()), "include/x.inc");
        assert_eq!(bytes(source.include(b"y", &from).unwrap()), "q/y");
        let error = source.include(b"z", &from).unwrap_err();
        assert!(!error.is_machine_fault());
        assert_eq!(error.to_string(), "cannot find the included file `z`");
    }
}
