//! `syslinux.cfg`, of syslinux and of isolinux: what it starts is there, and what that needs.

mod sources;
#[cfg(test)]
mod tests;

use super::files::Files;
use super::payload::Payload;
use super::{Report, codes, entries};
use crate::disk::fat::read::FatError;
use crate::disk::syslinux::config::{Config, ENTRIES_MAX, Entry, Kind, SUFFIXES};
use crate::elf::Elf;

pub(super) use sources::sources;

/// How many configurations may lead to one another.
const DEPTH_MAX: usize = 8;

/// How many modules one may need (`MAX_NR_DEPS` in syslinux).
const NEEDED_MAX: usize = 64;

/// Checks the first configuration that is at one of the places, and those that it leads to; gives how many entries it has, and where it
/// is. `core` is the folder of `ldlinux.c32`.
pub(super) fn check(
    files: &Files<'_>,
    places: &[String],
    core: &str,
    report: &mut Report,
) -> Result<Option<String>, FatError> {
    let Some((place, bytes)) = first(files, places, report)? else {
        let seen = format!("none of {} is there", places.join(", "));
        report.find(&codes::NO_CONFIG, seen);
        return Ok(None);
    };
    let folder = folder_of(place);
    files.is_checked(mark(place));
    let config = read(files, folder, &bytes, report)?;
    let check = Check {
        files,
        place,
        folder,
        core,
        config: &config,
        path: &config.path,
        depth: 0,
    };
    check.run(report)?;
    let count = entries(config.entries.len());
    Ok(Some(format!("{count} in {place}")))
}

/// The first of the places where there is a configuration, and its bytes.
fn first<'p>(
    files: &Files<'_>,
    places: &'p [String],
    report: &mut Report,
) -> Result<Option<(&'p str, Vec<u8>)>, FatError> {
    for place in places {
        if let Some(bytes) = files.file(place, report)?.bytes() {
            return Ok(Some((place, bytes)));
        }
    }
    Ok(None)
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What is noted of a configuration that has been checked.
fn mark(place: &str) -> String {
    format!("configuration {}", place.to_lowercase())
}

/// A configuration with what it includes.
fn read(
    files: &Files<'_>,
    folder: &str,
    bytes: &[u8],
    report: &mut Report,
) -> Result<Config, FatError> {
    let mut failed = None;
    let mut include = |path: &str| match files.file(&resolve(folder, path), report) {
        Ok(file) => Some(String::from_utf8_lossy(&file.bytes()?).into_owned()),
        Err(error) => {
            failed = Some(error);
            None
        }
    };
    let config = Config::parse_with(&String::from_utf8_lossy(bytes), &mut include);
    match failed {
        Some(error) => Err(error),
        None => Ok(config),
    }
}

/// A path from the root, without a leading `/`. `..` of the root is the root.
fn resolve(folder: &str, path: &str) -> String {
    // Two colons are how the root of a TFTP server is written; a disk has the same.
    let path = path.strip_prefix("::").unwrap_or(path);
    let base = if path.starts_with('/') { "" } else { folder };
    let mut out = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out.join("/")
}

struct Check<'a> {
    files: &'a Files<'a>,
    place: &'a str,
    /// Where relative paths begin.
    folder: &'a str,
    core: &'a str,
    config: &'a Config,
    /// Where modules are looked for, too: what this configuration says, and what those say that led to it.
    path: &'a [String],
    depth: usize,
}

impl Check<'_> {
    fn run(&self, report: &mut Report) -> Result<(), FatError> {
        let config = self.config;
        let default = config.default.as_str();
        if config.entries.is_empty() && default.is_empty() && config.ui.is_empty() {
            let seen = format!("`{}` has no LABEL, no DEFAULT and no UI", self.place);
            report.find(&codes::NO_ENTRIES, seen);
        } else if !config.ui.is_empty() {
            // The menu marks another entry where there is none of this name.
            let program = words(&config.ui).0;
            let program = self.find(program).unwrap_or_else(|| self.path(program));
            self.program(&program, report)?;
        } else if default.is_empty() {
            let seen = format!("`{}` has neither DEFAULT nor UI", self.place);
            report.find(&codes::NO_DEFAULT, seen);
        } else {
            self.command("DEFAULT", default, report)?;
        }
        if !config.on_timeout.is_empty() {
            self.command("ONTIMEOUT", &config.on_timeout, report)?;
        }
        for path in &config.files {
            let path = self.path(path);
            if !self.files.is_there(&path) {
                let seen = format!("`{}` names `{path}`, which is not there", self.place);
                report.find_once(&codes::MISSING_EXTRA, seen);
            }
        }
        for entry in config.entries.iter().take(ENTRIES_MAX) {
            self.entry(entry, report)?;
        }
        Ok(())
    }

    fn path(&self, path: &str) -> String {
        resolve(self.folder, path)
    }

    /// What is typed by itself: a label, or a kernel with its words.
    fn command(&self, keyword: &str, text: &str, report: &mut Report) -> Result<(), FatError> {
        let (name, append) = words(text);
        let mut labels = self.config.entries.iter();
        if labels.any(|entry| entry.label.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        if self.find(name).is_none() {
            let seen = format!(
                "{keyword} of `{}` is `{name}`, which is neither a LABEL nor a file",
                self.place
            );
            report.find(&codes::MISSING_FILE, seen);
            return Ok(());
        }
        let append = format!("{} {append}", self.config.append);
        let entry = Entry {
            kernel: name.to_owned(),
            kind: Kind::ByName,
            initramfs: Config::initramfs_of(&append),
            ..Entry::default()
        };
        self.entry(&entry, report)
    }

    fn entry(&self, entry: &Entry, report: &mut Report) -> Result<(), FatError> {
        let kernel = match entry.kind {
            Kind::Local => return Ok(()),
            Kind::Config => return self.configuration(entry, report),
            Kind::ByName | Kind::Other => self.find(&entry.kernel),
            Kind::Linux => None,
        };
        let kernel = kernel.unwrap_or_else(|| self.path(&entry.kernel));
        if entry.kind == Kind::Other || entry.kind == Kind::ByName && !is_kernel(&kernel) {
            return self.program(&kernel, report);
        }
        let payload = Payload {
            named_in: self.place,
            kernel,
            initramfs: entry.initramfs.iter().map(|it| self.path(it)).collect(),
        };
        payload.check(self.files, false, report)
    }

    /// What is started instead of a kernel, with what it needs.
    fn program(&self, path: &str, report: &mut Report) -> Result<(), FatError> {
        self.files.require(self.place, path, report);
        match is_module(path) {
            true => self.modules(path, report),
            false => Ok(()),
        }
    }

    /// A module names others, which syslinux loads first. Before version 5 modules were no ELF files, and needed none.
    fn modules(&self, path: &str, report: &mut Report) -> Result<(), FatError> {
        let mut paths = vec![path.to_owned()];
        while let Some(path) = paths.pop() {
            if self.files.is_checked(format!("module {path}")) {
                continue;
            }
            let module = self.files.file(&path, report)?.bytes();
            let Some(Ok(module)) = module.map(|bytes| Elf::parse(&bytes)) else {
                continue;
            };
            for needed in module.needed.into_iter().take(NEEDED_MAX) {
                match self.library(&needed) {
                    Some(path) => paths.push(path),
                    None => {
                        let seen =
                            format!("`{path}` needs `{needed}`, which is not where syslinux looks");
                        report.find_once(&codes::NO_LIBRARY, seen);
                    }
                }
            }
        }
        Ok(())
    }

    /// Another configuration. The words behind it are the folder that its paths begin in.
    fn configuration(&self, entry: &Entry, report: &mut Report) -> Result<(), FatError> {
        let place = self.path(&entry.kernel);
        let Some(bytes) = self.files.named(self.place, &place, report)? else {
            return Ok(());
        };
        if self.depth == DEPTH_MAX || self.files.is_checked(mark(&place)) {
            return Ok(());
        }
        let folder = self.path(words(&entry.append).0);
        let config = read(self.files, &folder, &bytes, report)?;
        let path = [self.path, &config.path].concat();
        let check = Check {
            place: &place,
            folder: &folder,
            config: &config,
            path: &path,
            depth: self.depth + 1,
            ..*self
        };
        check.run(report)
    }

    /// A kernel under its name, or with a suffix that syslinux tries.
    fn find(&self, name: &str) -> Option<String> {
        let path = self.path(name);
        let suffixes = [""].into_iter().chain(SUFFIXES);
        let mut paths = suffixes.map(|suffix| format!("{path}{suffix}"));
        let beside = paths.find(|path| self.files.is_there(path));
        beside.or_else(|| self.in_path(name))
    }

    /// A module that another one needs. Where syslinux is installed is where it begins to look.
    fn library(&self, name: &str) -> Option<String> {
        let beside = [self.path(name), resolve(self.core, name)];
        let mut beside = beside.into_iter();
        let beside = beside.find(|path| self.files.is_there(path));
        beside.or_else(|| self.in_path(name))
    }

    /// A module in one of the folders of `PATH`.
    fn in_path(&self, name: &str) -> Option<String> {
        let may_be = is_module(name) && !name.contains('/');
        let folders = self.path.iter().filter(|_| may_be);
        let mut paths = folders.map(|folder| self.path(&format!("{folder}/{name}")));
        paths.find(|path| self.files.is_there(path))
    }
}

/// Whether what is started by its name is a kernel.
fn is_kernel(path: &str) -> bool {
    let lower = path.to_lowercase();
    !SUFFIXES.iter().any(|suffix| lower.ends_with(suffix))
}

fn is_module(path: &str) -> bool {
    path.to_lowercase().ends_with(".c32")
}

/// The first word, and the others.
fn words(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}
