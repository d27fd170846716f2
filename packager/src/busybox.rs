//! Busybox: where it is found, and which applets it has, read from the ELF file and never by running it.
//!
//! A multi-call binary keeps its applets' names in one table (`applet_names` in busybox's generated `applet_tables.h`): a
//! run of NUL-terminated names, sorted by their bytes, because busybox finds an applet by binary search. The table has no
//! symbol in a stripped binary, but nothing else in the file is a sorted run of names that holds `mount` or `sh`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use codec::file::ReadError;
use memchr::memmem::Finder;

use crate::elf::{self, Elf};
use crate::plan::Data;

/// Larger than any busybox: Debian's static one has 2 MB.
const SIZE_LIMIT: u64 = 64 << 20;

/// Where distributions put busybox below their root: the static ones first.
const PLACES: [&str; 9] = [
    "usr/lib/initcpio/busybox",
    "bin/busybox.static",
    "usr/bin/busybox.static",
    "bin/busybox-static",
    "usr/bin/busybox-static",
    "bin/busybox",
    "usr/bin/busybox",
    "sbin/busybox",
    "usr/sbin/busybox",
];

/// Names that every busybox with a shell has; the longest sorted run around one of them is the table.
const LANDMARKS: [&str; 6] = ["busybox", "mount", "sh", "ls", "cat", "init"];

/// A busybox and what it offers.
#[derive(Clone, Debug)]
pub struct Busybox {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Data,
    /// The names of its applets, for example `sh` and `loadkmap`.
    pub applets: BTreeSet<String>,
    /// The ELF machine number (`e_machine`), for example 62 for x86-64.
    pub machine: u16,
    /// Whether it needs a dynamic loader and libraries.
    pub is_dynamic: bool,
}

/// Why there is no busybox to use.
#[derive(Debug, thiserror::Error)]
pub enum BusyboxError {
    /// No busybox in any of the usual places.
    #[error("no busybox found under `{}` (looked in {}); install the package busybox-static, or name one with --busybox", root.display(), PLACES.join(", "))]
    NotFound {
        /// The root that was searched.
        root: PathBuf,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is not an ELF executable.
    #[error("`{}` is not an ELF executable: {reason}", path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No table of applets in the file.
    #[error("`{}` has no table of applets: it is not a busybox", path.display())]
    NoApplets {
        /// The file.
        path: PathBuf,
    },
    /// Applets that the image needs are missing.
    #[error("`{}` lacks the applet{} {}, which the image needs {purpose}; use a busybox that has {}", path.display(),
        if missing.len() == 1 { "" } else { "s" }, missing.join(", "), if missing.len() == 1 { "it" } else { "them" })]
    Lacks {
        /// The file.
        path: PathBuf,
        /// The applets that are missing.
        missing: Vec<String>,
        /// What the image needs them for.
        purpose: &'static str,
    },
}

impl Busybox {
    /// Finds a busybox below `root`: the first static one in the usual places, else the first one with libraries.
    ///
    /// # Errors
    /// [`BusyboxError::NotFound`]; where only unusable ones are found, the reason against the first of them.
    pub fn find(root: &Path) -> Result<Self, BusyboxError> {
        let mut first = Err(BusyboxError::NotFound {
            root: root.to_path_buf(),
        });
        let paths = PLACES.iter().map(|place| root.join(place));
        for path in paths.filter(|path| path.is_file()) {
            match Self::open(&path) {
                Ok(busybox) if !busybox.is_dynamic => return Ok(busybox),
                found if first.is_err() && found.is_ok() => first = found,
                found if matches!(first, Err(BusyboxError::NotFound { .. })) => first = found,
                _ => {}
            }
        }
        first
    }

    /// Reads the busybox at `path`.
    ///
    /// # Errors
    /// See [`BusyboxError`].
    pub fn open(path: &Path) -> Result<Self, BusyboxError> {
        let bytes = Data::read(path, SIZE_LIMIT)?;
        bytes.populate();
        let not_elf = |reason: String| BusyboxError::NotElf {
            path: path.to_path_buf(),
            reason,
        };
        let program = Elf::parse(&bytes).map_err(not_elf)?;
        let applets = applets(&bytes);
        if applets.is_empty() {
            return Err(BusyboxError::NoApplets {
                path: path.to_path_buf(),
            });
        }
        Ok(Self {
            path: path.to_path_buf(),
            bytes,
            applets,
            machine: program.machine,
            is_dynamic: program.interpreter.is_some(),
        })
    }

    /// Checks that each of `applets` is there.
    ///
    /// # Errors
    /// [`BusyboxError::Lacks`].
    pub fn require(&self, applets: &[&str], purpose: &'static str) -> Result<(), BusyboxError> {
        let missing: Vec<_> = applets
            .iter()
            .filter(|name| !self.applets.contains(**name))
            .map(ToString::to_string)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(BusyboxError::Lacks {
            path: self.path.clone(),
            missing,
            purpose,
        })
    }
}

/// The table of names; empty where there is none.
pub(crate) fn applets(bytes: &[u8]) -> BTreeSet<String> {
    // Most of the file is code, which is searched only where the linker has put constants there, too.
    let mut tables = elf::data(bytes).into_iter().map(table);
    let names = tables.find(|names| is_table(names));
    let names = names.unwrap_or_else(|| table(bytes)).into_iter();
    names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

/// The longest sorted run of names around a landmark; empty where there is none that deserves to be called a table.
fn table(bytes: &[u8]) -> Vec<&[u8]> {
    let mut longest = Vec::new();
    let mut runs = LANDMARKS
        .iter()
        .flat_map(|name| occurrences(bytes, name))
        .map(|range| sorted_run(bytes, range));
    // The file is not searched to its end, and for each landmark again, where the table is beyond doubt.
    while !is_table(&longest)
        && let Some(run) = runs.next()
    {
        if run.len() > longest.len() {
            longest = run;
        }
    }
    // A shell and its landmarks alone are more than this; shorter runs are chance.
    match longest.len() {
        ..4 => Vec::new(),
        _ => longest,
    }
}

/// Whether a sorted run has most landmarks, which does not happen by chance.
fn is_table(run: &[&[u8]]) -> bool {
    let landmarks = LANDMARKS.iter();
    let found = landmarks.filter(|name| run.contains(&name.as_bytes()));
    found.count() > LANDMARKS.len() / 2
}

/// Where `name` stands as a NUL-terminated string of its own; the ranges exclude the NULs.
fn occurrences<'a>(bytes: &'a [u8], name: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let needle = Finder::new(&[b"\0", name.as_bytes(), b"\0"].concat()).into_owned();
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + needle.find(&bytes[from..])? + 1;
        // The next one may begin with the NUL that ends this one.
        from = start + name.len();
        Some(start..from)
    })
}

/// The names before and after the one at `middle`, as long as they are names and in ascending order.
fn sorted_run(bytes: &[u8], middle: Range<usize>) -> Vec<&[u8]> {
    let mut run = vec![&bytes[middle.clone()]];
    let mut end = middle.end;
    while let Some(next) = string_after(bytes, end) {
        if !is_name(next) || run.last().is_some_and(|last| *last >= next) {
            break;
        }
        end += 1 + next.len();
        run.push(next);
    }
    let mut start = middle.start;
    let mut before = Vec::new();
    while let Some(previous) = string_before(bytes, start) {
        if !is_name(previous) || before.last().unwrap_or(&run[0]) <= &previous {
            break;
        }
        start -= 1 + previous.len();
        before.push(previous);
    }
    before.reverse();
    before.extend(run);
    before
}

/// The string behind the NUL at `nul`.
fn string_after(bytes: &[u8], nul: usize) -> Option<&[u8]> {
    let rest = bytes.get(nul + 1..)?;
    Some(&rest[..memchr::memchr(0, rest)?])
}

/// The string whose NUL stands just before `start`.
fn string_before(bytes: &[u8], start: usize) -> Option<&[u8]> {
    let before = bytes.get(..start.checked_sub(1)?)?;
    let begin = memchr::memrchr(0, before).map_or(0, |nul| nul + 1);
    Some(&before[begin..])
}

/// An applet's name begins with a small letter or is `[` or `[[`.
fn is_name(text: &[u8]) -> bool {
    match text {
        b"[" | b"[[" => true,
        [first, rest @ ..] if rest.len() < 32 => {
            first.is_ascii_lowercase()
                && rest.iter().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(byte)
                })
        }
        _ => false,
    }
}

/// The version that a busybox says of itself, major and minor number: `BusyBox v1.35.0`.
pub fn version(bytes: &[u8]) -> Option<(u32, u32)> {
    let start = memchr::memmem::find(bytes, b"BusyBox v")? + "BusyBox v".len();
    let rest = bytes.get(start..)?;
    let text = rest
        .get(..rest.len().min(16))
        .map(String::from_utf8_lossy)?;
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_found_among_other_strings() {
        let bytes = b"junk\0sh\0can't open\0zz\0[\0[[\0ash\0cat\0ls\0mount\0sh\0\x01\x02zip\0";
        let names: Vec<_> = applets(bytes).into_iter().collect();
        assert_eq!(names, ["[", "[[", "ash", "cat", "ls", "mount", "sh"]);
    }

    #[test]
    fn a_file_without_a_table_has_no_applets() {
        assert!(applets(b"\0sh\0usage\0").is_empty());
        assert!(applets(b"").is_empty());
    }

    #[test]
    fn a_text_file_is_no_executable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("busybox");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        assert!(matches!(
            Busybox::open(&path),
            Err(BusyboxError::NotElf { .. })
        ));
    }
}
