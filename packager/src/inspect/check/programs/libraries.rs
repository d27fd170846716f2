//! The libraries of programs: whether they are there, whole, of the same machine, and where the loader looks (ld.so(8)).

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::cpio::Kind;
use crate::elf::Elf;
use crate::finding::Report;
use crate::inspect::Files;
use crate::inspect::check::codes;

/// Where lists of folders are: glibc's, as text and as its cache has it, and musl's.
const LISTS: [&str; 4] = [
    "etc/ld.so.conf",
    "etc/ld.so.conf.d/",
    "etc/ld.so.cache",
    "etc/ld-musl-",
];

/// What is worked out where a program asks for it: a static busybox does not.
pub(super) struct Libraries<'files, 'image> {
    files: &'files Files<'image>,
    names: LazyCell<BTreeMap<&'files str, Vec<&'files str>>, Names<'files>>,
    told: LazyCell<Told, Tells<'files>>,
}

type Names<'files> = Box<dyn FnOnce() -> BTreeMap<&'files str, Vec<&'files str>> + 'files>;
type Tells<'files> = Box<dyn FnOnce() -> Told + 'files>;

/// What the image says of where to look.
struct Told {
    /// The folders that programs and libraries name; a loader knows only those of the program and of the library that asks, which is
    /// more than is looked at here.
    folders: BTreeSet<String>,
    lists: Vec<u8>,
}

impl<'files, 'image> Libraries<'files, 'image> {
    pub(super) fn new(files: &'files Files<'image>) -> Self {
        let names = || {
            let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (path, _) in files.iter() {
                let name = path.rsplit('/').next().unwrap_or(path);
                names.entry(name).or_default().push(path);
            }
            names
        };
        Self {
            files,
            names: LazyCell::new(Box::new(names)),
            told: LazyCell::new(Box::new(|| Told::of(files))),
        }
    }

    /// Looks for the libraries of the program at `path`.
    pub(super) fn check(&self, path: &str, program: &Elf, report: &mut Report) {
        for library in &program.needed {
            let by_path = [library.as_str()];
            let candidates: &[&str] = match library.contains('/') {
                true => &by_path,
                false => self.names.get(library.as_str()).map_or(&[], Vec::as_slice),
            };
            let there = candidates
                .iter()
                .filter(|it| self.files.follow(it).is_some());
            let there: Vec<&str> = there.copied().collect();
            let [first, ..] = there.as_slice() else {
                report.find(&codes::LIBRARY, format_args!("/{path} needs {library}"));
                continue;
            };
            let mut right = there
                .iter()
                .filter(|it| self.is_right(it, program))
                .peekable();
            if right.peek().is_none() {
                report.find(
                    &codes::LIBRARY,
                    format_args!("/{path} needs {library}, and /{first} is no library for it"),
                );
            } else if !library.contains('/') && !right.any(|it| self.is_looked_at(it)) {
                report.find(
                    &codes::LIBRARY_PLACE,
                    format_args!("/{path} needs {library}, which is at /{first}"),
                );
            }
        }
    }

    fn is_right(&self, path: &str, program: &Elf) -> bool {
        let file = self
            .files
            .follow(path)
            .filter(|(_, file)| file.attributes.kind == Kind::File);
        let library = file.and_then(|(_, file)| Elf::parse(file.data).ok());
        library.is_some_and(|it| it.machine == program.machine && it.is_64 == program.is_64)
    }

    fn is_looked_at(&self, path: &str) -> bool {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        is_standard(folder) || self.told.names(folder, self.files)
    }
}

/// Whether loaders look there without being told: `/lib`, `/usr/lib64`, `/usr/lib/x86_64-linux-gnu`, and for processors of a kind
/// `glibc-hwcaps/x86-64-v3` below them.
fn is_standard(folder: &str) -> bool {
    let folder = folder.split("/glibc-hwcaps/").next().unwrap_or(folder);
    let below = folder.strip_prefix("usr/").unwrap_or(folder);
    let below = below.strip_prefix("local/").unwrap_or(below);
    match below.split_once('/') {
        None => matches!(below, "lib" | "lib32" | "lib64" | "libx32"),
        Some((first, rest)) => first == "lib" && rest.contains("-linux-") && !rest.contains('/'),
    }
}

impl Told {
    fn of(files: &Files<'_>) -> Self {
        let mut told = Self {
            folders: BTreeSet::new(),
            lists: Vec::new(),
        };
        for (path, file) in files.iter() {
            if LISTS.iter().any(|list| path.starts_with(list)) {
                told.lists.extend(file.data);
                told.lists.push(0);
            }
            let Ok(elf) = Elf::parse(file.data) else {
                continue;
            };
            let origin = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            for folder in elf.runpath.iter().chain(&elf.rpath) {
                let folder = folder.replace("${ORIGIN}", "$ORIGIN");
                let folder = folder.replace("$ORIGIN", &format!("/{origin}"));
                told.folders.extend(files.leads_to(&folder));
            }
        }
        told
    }

    /// Whether a folder, under any of its names, is one of those.
    fn names(&self, folder: &str, files: &Files<'_>) -> bool {
        let is_listed = |line: &str| {
            let path = line.trim();
            path.starts_with('/') && files.leads_to(path).is_some_and(|it| it == folder)
        };
        // The cache holds whole paths, one behind the other.
        let text = String::from_utf8_lossy(&self.lists);
        let mut lines = text.split(['\n', ':', '\0']);
        self.folders.contains(folder)
            || lines.any(|line| {
                let parent = line.rsplit_once('/').map_or("", |(parent, _)| parent);
                is_listed(line) || is_listed(parent)
            })
    }
}
