//! The libraries of programs: whether they are there, whole, of the same machine, and where the loader looks (ld.so(8)).

use std::cell::{LazyCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::parsed::Parsed;
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

/// Names by which programs ask musl for what is in its loader (`ldso/dynlink.c`).
const MUSL_OWN: [&str; 7] = [
    "libc.",
    "libpthread.",
    "librt.",
    "libm.",
    "libdl.",
    "libutil.",
    "libxnet.",
];

/// What is worked out where a program asks for it: a static busybox does not. Each library is looked for once for all programs of a
/// machine.
pub(super) struct Libraries<'files, 'image> {
    files: &'files Files<'image>,
    names: LazyCell<BTreeMap<&'files str, Vec<&'files str>>, Names<'files>>,
    told: LazyCell<BTreeSet<String>, Tells<'files>>,
    parsed: &'files Parsed<'image>,
    verdicts: RefCell<HashMap<(String, Kind), Verdict>>,
}

type Names<'files> = Box<dyn FnOnce() -> BTreeMap<&'files str, Vec<&'files str>> + 'files>;
type Tells<'files> = Box<dyn FnOnce() -> BTreeSet<String> + 'files>;

/// `e_machine`, and whether addresses have 64 bits.
type Kind = (u16, bool);

/// What was found of a library, where something is wrong the first file of its name.
#[derive(Clone)]
enum Verdict {
    Right,
    Missing,
    Wrong(String),
    OutOfTheWay(String),
}

impl<'files, 'image> Libraries<'files, 'image> {
    pub(super) fn new(files: &'files Files<'image>, parsed: &'files Parsed<'image>) -> Self {
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
            told: LazyCell::new(Box::new(|| told(files, parsed))),
            parsed,
            verdicts: RefCell::default(),
        }
    }

    /// Looks for the libraries of the program at `path`.
    pub(super) fn check(&self, path: &str, program: &Elf, report: &mut Report) {
        let kind = (program.machine, program.is_64);
        for library in &program.needed {
            let key = (library.clone(), kind);
            let known = self.verdicts.borrow().get(&key).cloned();
            let verdict = known.unwrap_or_else(|| {
                let verdict = self.look_for(library, kind);
                self.verdicts.borrow_mut().insert(key, verdict.clone());
                verdict
            });
            let needs = format!("/{path} needs {library}");
            match verdict {
                Verdict::Right => {}
                Verdict::Missing => report.find(&codes::LIBRARY, needs),
                Verdict::Wrong(first) => report.find(
                    &codes::LIBRARY,
                    format_args!("{needs}, and /{first} is no library for it"),
                ),
                Verdict::OutOfTheWay(first) => report.find(
                    &codes::LIBRARY_PLACE,
                    format_args!("{needs}, which is at /{first}"),
                ),
            }
        }
    }

    fn look_for(&self, library: &str, kind: Kind) -> Verdict {
        let by_path = [library];
        let candidates: &[&str] = match library.contains('/') {
            true => &by_path,
            false => self.names.get(library).map_or(&[], Vec::as_slice),
        };
        let there = candidates.iter().copied();
        let there: Vec<&str> = there
            .filter(|path| self.files.follow(path).is_some())
            .collect();
        let Some(first) = there.first().map(|first| (*first).to_owned()) else {
            return match self.is_musls_own(library) {
                true => Verdict::Right,
                false => Verdict::Missing,
            };
        };
        let right: Vec<&str> = there
            .into_iter()
            .filter(|path| self.machine_of(path) == Some(kind))
            .collect();
        match right.first() {
            None => Verdict::Wrong(first),
            Some(_) if library.contains('/') || right.iter().any(|it| self.is_looked_at(it)) => {
                Verdict::Right
            }
            Some(place) => Verdict::OutOfTheWay((*place).to_owned()),
        }
    }

    fn is_musls_own(&self, library: &str) -> bool {
        let has_musl = || {
            let mut loaders = self.names.keys();
            loaders.any(|name| name.starts_with("ld-musl-"))
        };
        MUSL_OWN.iter().any(|own| library.starts_with(own)) && has_musl()
    }

    fn machine_of(&self, path: &str) -> Option<Kind> {
        let (_, file) = self.files.follow(path)?;
        let elf = self.parsed.elf(file.data);
        elf.as_ref()
            .as_ref()
            .ok()
            .map(|elf| (elf.machine, elf.is_64))
    }

    fn is_looked_at(&self, path: &str) -> bool {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        is_standard(folder) || self.told.contains(folder)
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

/// What loaders put for `$LIB`.
const LIB: [&str; 3] = ["lib", "lib64", "lib/x86_64-linux-gnu"];

/// The folders that the image names: those of programs and libraries (a loader knows only those of the program and of the library that
/// asks, which is more than is looked at here), and those of the lists.
fn told<'image>(files: &Files<'image>, parsed: &Parsed<'image>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (path, file) in files.iter() {
        if LISTS.iter().any(|list| path.starts_with(list)) {
            let text = String::from_utf8_lossy(file.data);
            // The cache holds whole paths, one behind the other.
            for line in text.split(['\n', ':', '\0']).map(str::trim) {
                if line.starts_with('/') {
                    named.extend(line.rsplit_once('/').map(|(parent, _)| parent.to_owned()));
                    named.insert(line.to_owned());
                }
            }
        }
        if !file.data.starts_with(b"\x7fELF") {
            continue;
        }
        let elf = parsed.elf(file.data);
        let Ok(elf) = &*elf else {
            continue;
        };
        let origin = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for folder in elf.runpath.iter().chain(&elf.rpath) {
            let folder = folder.replace("${", "$").replace('}', "");
            let folder = folder.replace("$ORIGIN", &format!("/{origin}"));
            named.extend(LIB.map(|lib| folder.replace("$LIB", lib)));
        }
    }
    let folders = named.iter();
    folders
        .filter_map(|folder| files.leads_to(folder))
        .collect()
}
