//! `syslinux.cfg`, of syslinux and of isolinux: what it starts is there.

use super::files::Files;
use super::payload::Payload;
use super::{Report, codes, entries};
use crate::disk::fat::read::FatError;
use crate::disk::syslinux::config::{Config, Entry, Kind, SUFFIXES};

/// More entries than people make; those behind them are not looked at. Each of them is looked for in a directory several times.
const ENTRIES_MAX: usize = 1000;

/// Checks the first configuration that is at one of the places; gives how many entries it has, and where it is.
pub(super) fn check(
    files: &Files<'_>,
    places: &[String],
    report: &mut Report,
) -> Result<Option<String>, FatError> {
    let mut found = None;
    for place in places {
        if let Some(bytes) = files.file(place, report)?.bytes() {
            found = Some((place, bytes));
            break;
        }
    }
    let Some((place, bytes)) = found else {
        let seen = format!("none of {} is there", places.join(", "));
        report.find(&codes::NO_CONFIG, seen);
        return Ok(None);
    };
    let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut failed = None;
    let mut include = |path: &str| match files.file(&resolve(folder, path), report) {
        Ok(file) => Some(String::from_utf8_lossy(&file.bytes()?).into_owned()),
        Err(error) => {
            failed = Some(error);
            None
        }
    };
    let config = Config::parse_with(&String::from_utf8_lossy(&bytes), &mut include);
    if let Some(error) = failed {
        return Err(error);
    }
    let check = Check {
        files,
        place,
        folder,
        config: &config,
    };
    check.run(report)?;
    let count = entries(config.entries.len());
    Ok(Some(format!("{count} in {place}")))
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
    folder: &'a str,
    config: &'a Config,
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
            self.files.require(self.place, &program, report);
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
            Kind::ByName | Kind::Other => self.find(&entry.kernel),
            Kind::Linux => None,
        };
        let kernel = kernel.unwrap_or_else(|| self.path(&entry.kernel));
        let lower = kernel.to_lowercase();
        let has_suffix = SUFFIXES.iter().any(|suffix| lower.ends_with(suffix));
        if entry.kind == Kind::Other || entry.kind == Kind::ByName && has_suffix {
            self.files.require(self.place, &kernel, report);
            return Ok(());
        }
        let payload = Payload {
            named_in: self.place,
            kernel,
            initramfs: entry.initramfs.iter().map(|it| self.path(it)).collect(),
        };
        payload.check(self.files, false, report)
    }

    /// A kernel under its name, or with a suffix that syslinux tries.
    fn find(&self, name: &str) -> Option<String> {
        let path = self.path(name);
        let suffixes = [""].into_iter().chain(SUFFIXES);
        let mut paths = suffixes.map(|suffix| format!("{path}{suffix}"));
        let beside = paths.find(|path| self.files.is_there(path));
        beside.or_else(|| self.in_path(name))
    }

    /// A module in one of the folders of `PATH`.
    fn in_path(&self, name: &str) -> Option<String> {
        let is_module = name.to_lowercase().ends_with(".c32") && !name.contains('/');
        let folders = self.config.path.iter().filter(|_| is_module);
        let mut paths = folders.map(|folder| self.path(&format!("{folder}/{name}")));
        paths.find(|path| self.files.is_there(path))
    }
}

/// The first word, and the others.
fn words(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::files::Tree;
    use super::*;

    /// Files that are not looked into.
    struct Names(BTreeMap<&'static str, &'static str>);

    impl Tree for Names {
        fn size(&self, path: &str) -> Result<Option<u64>, FatError> {
            Ok(self.0.get(path).map(|text| text.len() as u64))
        }

        fn contents(&self, path: &str) -> Result<Vec<u8>, FatError> {
            let text = self.0.get(path).copied().unwrap_or_default();
            Ok(text.as_bytes().to_vec())
        }

        fn names(&self, _: &str) -> Result<Vec<String>, FatError> {
            Ok(Vec::new())
        }
    }

    /// What is found in a configuration beside `chain.c32`, `menu.c32` and `more.cfg`.
    fn found(text: &'static str) -> Vec<String> {
        let files = [
            ("boot/syslinux/syslinux.cfg", text),
            ("boot/syslinux/chain.c32", ""),
            ("boot/syslinux/more.cfg", "LABEL more\nLOCALBOOT 0\n"),
            ("menu.c32", ""),
        ];
        let tree = Names(files.into_iter().collect());
        let files = Files::new(&tree, 1 << 20);
        let mut report = Report::default();
        let place = "boot/syslinux/syslinux.cfg".to_owned();
        check(&files, &[place], &mut report).unwrap();
        let findings = report.findings.iter();
        findings
            .map(|it| format!("{}: {}", it.code.name, it.seen))
            .collect()
    }

    #[test]
    fn paths_begin_in_the_configurations_folder() {
        assert_eq!(resolve("boot/syslinux", "/vmlinuz"), "vmlinuz");
        assert_eq!(
            resolve("boot/syslinux", "./vmlinuz"),
            "boot/syslinux/vmlinuz"
        );
        assert_eq!(resolve("boot/syslinux", "../../vmlinuz"), "vmlinuz");
        assert_eq!(resolve("", "../a//b/./c"), "a/b/c");
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (text, code, words) in [
            ("", "no-syslinux-entries", "no LABEL"),
            ("# nothing\nPROMPT 1\n", "no-syslinux-entries", "no LABEL"),
            (
                "LABEL a\nLOCALBOOT 0\n",
                "no-default-entry",
                "neither DEFAULT",
            ),
            (
                "DEFAULT b\nLABEL a\nLOCALBOOT 0\n",
                "missing-file",
                "is `b`",
            ),
            ("DEFAULT a\nLABEL a\n", "missing-file", "syslinux/a`"),
            (
                "DEFAULT a\nLABEL a\nCOM32 no.c32\n",
                "missing-file",
                "no.c32",
            ),
            (
                "DEFAULT a\nLABEL a\nKERNEL no.c32\n",
                "missing-file",
                "no.c32",
            ),
            (
                "DEFAULT a\nLABEL a\nCONFIG no.cfg\n",
                "missing-file",
                "no.cfg",
            ),
            ("UI menu.c32\n", "missing-file", "syslinux/menu.c32"),
            (
                "DEFAULT chain\nDISPLAY x.txt\n",
                "missing-extra-file",
                "x.txt",
            ),
            (
                "DEFAULT chain\nINCLUDE no.cfg\n",
                "missing-extra-file",
                "no.cfg",
            ),
            ("DEFAULT chain\nONTIMEOUT b\n", "missing-file", "ONTIMEOUT"),
        ] {
            let found = found(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].starts_with(&format!("{code}: ")), "{found:?}");
            assert!(found[0].contains(words), "{found:?}");
        }
    }

    #[test]
    fn what_works_is_no_finding() {
        for text in [
            "DEFAULT chain hd0 1\n",
            "DEFAULT chain.c32\n",
            "UI ../../menu.c32\nLABEL a\nLOCALBOOT 0\n",
            "UI ../../menu.c32\nDEFAULT b\nLABEL a\nKERNEL ./chain.c32\n",
            "PATH /none:/\nUI menu.c32\nDEFAULT b\nLABEL a\nCOM32 menu.c32\n",
            "DEFAULT more\nMENU INCLUDE more.cfg Title\n",
            "DEFAULT a\nLABEL a\nLOCALBOOT 0\nTEXT HELP\nKERNEL of no use\nENDTEXT\n",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
