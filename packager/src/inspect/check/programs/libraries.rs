//! The libraries of programs: whether they are there, whole, of the same machine, and where the loader looks (ld.so(8)).

use std::cell::{LazyCell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::is_elf;
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
    told: LazyCell<BTreeSet<String>, Paths<'files>>,
    wanted: OnceCell<BTreeSet<String>>,
    parsed: &'files Parsed<'image>,
    verdicts: RefCell<HashMap<(String, Kind), Verdict>>,
}

type Names<'files> = Box<dyn FnOnce() -> BTreeMap<&'files str, Vec<&'files str>> + 'files>;
type Paths<'files> = Box<dyn FnOnce() -> BTreeSet<String> + 'files>;

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
            wanted: OnceCell::new(),
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
            let code = || match program.interpreter {
                None if !self.is_wanted(path) => &codes::PLUGIN_LIBRARY,
                _ => &codes::LIBRARY,
            };
            match verdict {
                Verdict::Right => {}
                Verdict::Missing => report.find(code(), needs),
                Verdict::Wrong(first) => report.find(
                    code(),
                    format_args!("{needs}, and /{first} is no library for it"),
                ),
                Verdict::OutOfTheWay(first) => report.find(
                    &codes::LIBRARY_PLACE,
                    format_args!("{needs}, which is at /{first}"),
                ),
            }
        }
    }

    /// Whether a program needs the library at `path`, or a library that one needs: else it is a plug-in, which starts nothing.
    fn is_wanted(&self, path: &str) -> bool {
        self.wanted.get_or_init(|| self.wanted()).contains(path)
    }

    fn wanted(&self) -> BTreeSet<String> {
        let mut wanted = BTreeSet::new();
        let mut asked = BTreeSet::new();
        let elf = |data| self.parsed.elf(data);
        let files = self.files.iter();
        let programs = files.filter(|(path, file)| is_elf(path, file));
        let mut open: Vec<_> = programs
            .map(|(_, file)| elf(file.data))
            .filter(|elf| matches!(&**elf, Ok(elf) if elf.interpreter.is_some()))
            .collect();
        while let Some(next) = open.pop() {
            let Ok(next) = &*next else {
                continue;
            };
            let names = asked_for(next).filter(|name| asked.insert((*name).to_owned()));
            let paths = { names }.flat_map(|name| self.candidates(name));
            for (path, file) in paths.filter_map(|path| self.files.follow(path)) {
                if wanted.insert(path) {
                    open.push(elf(file.data));
                }
            }
        }
        wanted
    }

    /// The paths where a library may be: its own if it is named by one, else those of all files of its name.
    fn candidates<'a>(&'a self, library: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.names.get(library).filter(|_| !library.contains('/'));
        let own = library.contains('/').then_some(library);
        named.into_iter().flatten().copied().chain(own)
    }

    fn look_for(&self, library: &str, kind: Kind) -> Verdict {
        let candidates = self.candidates(library);
        let there: Vec<&str> = candidates
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

/// The libraries that a program or library asks its loader for, and those that it cannot do without once it runs.
fn asked_for(elf: &Elf) -> impl Iterator<Item = &str> {
    let notes = elf.dlopen.iter();
    let required = notes.filter(|note| note.priority.as_deref() == Some("required"));
    let opened = required.flat_map(|note| &note.soname);
    elf.needed.iter().chain(opened).map(String::as_str)
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
