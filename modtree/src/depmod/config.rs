//! `depmod.d`: where modules are searched, and which of two with the same name wins.
//!
//! Files end in `.conf`; of two with the same name the one in the directory of higher priority counts, and all are read in
//! the order of their names. A line has a keyword and words; a backslash at its end joins the next one; `#` in the first
//! column begins a comment.
//!
//! | line | meaning |
//! | --- | --- |
//! | `search A B…` | directories below the modules directory, the best first; `built-in` stands for all others, `external` for external ones |
//! | `override MODULE VERSION DIR` | the module in this directory wins, for kernels whose version matches (an extended regular expression, or `*`) |
//! | `external VERSION DIR` | a directory elsewhere that is searched too |
//! | `exclude NAME…` | files and directories of this name are passed over |

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use codec::file::{ReadError, read};

use super::Compat;
use super::ere::Ere;

/// Such files have a few lines.
const LIMIT: u64 = 1 << 20;

/// The directories in which depmod looks, the one of highest priority first.
const DIRS: [&str; 5] = [
    "/etc/depmod.d",
    "/run/depmod.d",
    "/usr/local/lib/depmod.d",
    "/usr/lib/depmod.d",
    "/lib/depmod.d",
];

/// The meaning of `depmod.d` for one kernel version. The default is what holds without any file: `updates` wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepmodConfig {
    /// In kmod's order: what was written first is last, and wins.
    searches: Vec<Search>,
    /// Places of modules without suffix, such as `updates/dkms/nvidia`.
    overrides: Vec<Vec<u8>>,
    externals: Vec<PathBuf>,
    excludes: Vec<OsString>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Search {
    Builtin,
    External,
    Dir(Vec<u8>),
}

/// A file's claims to a module's name.
pub(super) struct Priority<'a> {
    path: &'a [u8],
    place: &'a [u8],
    stem: &'a [u8],
}

impl<'a> Priority<'a> {
    pub(super) fn new(path: &'a Path, place: &'a [u8], stem: &'a [u8]) -> Self {
        Self {
            path: path.as_os_str().as_bytes(),
            place,
            stem,
        }
    }
}

impl DepmodConfig {
    /// Reads the directories that depmod reads, or `places` (files or directories) instead of them. Gives the lines that it
    /// does not understand, too, and those of `places` that are not there.
    ///
    /// A file that is empty, or a link to `/dev/null`, hides those of its name in directories of lower priority. A link to nowhere
    /// does so for kmod 30 only.
    ///
    /// # Errors
    /// See [`ReadError`]; a directory that is missing is none.
    pub fn read(
        places: &[PathBuf],
        version: &str,
        compat: Compat,
    ) -> Result<(Self, Vec<String>), ReadError> {
        let defaults: Vec<PathBuf> = DIRS.iter().map(PathBuf::from).collect();
        let (mut config, mut notes) = (Self::default(), Vec::new());
        let mut files: Vec<(OsString, PathBuf)> = Vec::new();
        for place in if places.is_empty() { &defaults } else { places } {
            let found = config_files(place, compat)?;
            if found.is_none() && !places.is_empty() {
                notes.push(format!("there is no `{}`", place.display()));
            }
            for (name, path) in found.unwrap_or_default() {
                if files.iter().all(|(known, _)| *known != name) {
                    files.push((name, path));
                }
            }
        }
        files.sort();
        for (_, path) in files {
            if is_mask(&path) {
                continue;
            }
            let text = read(&path, LIMIT)?;
            for note in config.parse(&text, version) {
                notes.push(format!("{}: {note}", path.display()));
            }
        }
        Ok((config, notes))
    }

    /// Takes the text of a file in; gives a note for each line that means nothing.
    pub fn parse(&mut self, text: &[u8], version: &str) -> Vec<String> {
        let mut notes = Vec::new();
        for (number, line) in logical_lines(text) {
            if let Err(note) = self.line(&line, version) {
                notes.push(format!("line {number}: {note}"));
            }
        }
        notes
    }

    fn line(&mut self, line: &[u8], version: &str) -> Result<(), String> {
        let mut words = line
            .split(|byte| b" \t".contains(byte))
            .filter(|word| !word.is_empty());
        if line.starts_with(b"#") {
            return Ok(());
        }
        let Some(keyword) = words.next() else {
            return Ok(());
        };
        match keyword {
            b"search" => words.for_each(|word| self.searches.insert(0, search(word))),
            b"override" => {
                if let (Some(module), Some(pattern), Some(dir)) =
                    (words.next(), words.next(), words.next())
                    && applies(pattern, version)?
                {
                    self.overrides.insert(0, [dir, b"/", module].concat());
                }
            }
            b"external" => {
                if let (Some(pattern), Some(dir)) = (words.next(), words.next())
                    && applies(pattern, version)?
                {
                    self.externals.insert(0, OsStr::from_bytes(dir).into());
                }
            }
            b"exclude" => {
                words.for_each(|word| self.excludes.push(OsString::from_vec(word.to_vec())))
            }
            b"include" | b"make_map_files" => {}
            other => return Err(format!("`{}` is no keyword", other.escape_ascii())),
        }
        Ok(())
    }

    pub(super) fn excludes(&self, name: &OsStr) -> bool {
        self.excludes.iter().any(|excluded| excluded == name)
    }

    /// The directories to be searched behind the modules directory.
    pub(super) fn externals(&self) -> impl Iterator<Item = &Path> {
        self.externals.iter().map(PathBuf::as_path)
    }

    /// Whether a newly found file takes the name from the one that has it.
    pub(super) fn wins(&self, new: &Priority<'_>, old: &Priority<'_>) -> bool {
        for place in &self.overrides {
            if place == new.stem {
                return true;
            }
            if place == old.stem {
                return false;
            }
        }
        let default = [Search::Dir(b"updates".to_vec())];
        let searches = match self.searches.as_slice() {
            [] => &default[..],
            searches => searches,
        };
        let (mut builtin, mut of_new, mut of_old) = (None, None, None);
        for (at, search) in searches.iter().enumerate() {
            match search {
                Search::Builtin => builtin = Some(at),
                Search::External => {
                    for external in &self.externals {
                        let external = external.as_os_str().as_bytes();
                        if below(new.path, external) {
                            of_new = Some(at);
                        } else if below(old.path, external) {
                            of_old = Some(at);
                        }
                    }
                }
                // Where both lie in it, only the new one counts: so it is in kmod.
                Search::Dir(dir) if below(new.place, dir) => of_new = Some(at),
                Search::Dir(dir) if below(old.place, dir) => of_old = Some(at),
                Search::Dir(_) => {}
            }
        }
        of_new.or(builtin) > of_old.or(builtin)
    }
}

fn below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.starts_with(b"/"))
}

fn search(word: &[u8]) -> Search {
    match word {
        b"built-in" => Search::Builtin,
        b"external" => Search::External,
        dir => Search::Dir(dir.to_vec()),
    }
}

/// Whether a pattern is for this kernel.
fn applies(pattern: &[u8], version: &str) -> Result<bool, String> {
    if pattern == b"*" {
        return Ok(true);
    }
    Ok(Ere::new(pattern)?.is_match(version.as_bytes()))
}

/// Lines with their first line's number; a backslash at the end of one joins the next.
fn logical_lines(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let (part, joins) = match line.strip_suffix(b"\\") {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, last)) if open => last.extend_from_slice(part),
            _ => lines.push((number, part.to_vec())),
        }
        open = joins;
    }
    lines
}

/// The configuration files at a place: the file itself, or those of a directory; `None` where there is no such place.
fn config_files(
    place: &Path,
    compat: Compat,
) -> Result<Option<Vec<(OsString, PathBuf)>>, ReadError> {
    let failed = ReadError::io(place);
    let found = match std::fs::metadata(place) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !found.is_dir() {
        let name = place.file_name().unwrap_or_default().to_owned();
        return Ok(Some(vec![(name, place.to_path_buf())]));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(place).map_err(&failed)? {
        let name = entry.map_err(&failed)?.file_name();
        let bytes = name.as_bytes();
        let path = place.join(&name);
        let counts = match std::fs::metadata(&path) {
            Ok(found) => !found.is_dir(),
            Err(_) => compat == Compat::Kmod30,
        };
        if bytes.ends_with(b".conf") && !bytes.starts_with(b".") && counts {
            files.push((name, path));
        }
    }
    Ok(Some(files))
}

/// Whether there is nothing to be read at the path of a configuration file, on purpose: `/dev/null`, or a link to nowhere.
fn is_mask(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(found) => found.file_type().is_char_device(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wins(config: &str, new: &str, old: &str) -> bool {
        let mut parsed = DepmodConfig::default();
        assert_eq!(parsed.parse(config.as_bytes(), "6.1.0-test"), [""; 0]);
        let (new, old) = (Path::new(new), Path::new(old));
        fn of(path: &Path) -> Priority<'_> {
            let bytes = path.as_os_str().as_bytes();
            Priority::new(path, bytes, &bytes[..bytes.len() - 3])
        }
        parsed.wins(&of(new), &of(old))
    }

    #[test]
    fn updates_win_without_configuration() {
        assert!(wins("", "updates/a.ko", "kernel/a.ko"));
        assert!(!wins("", "kernel/a.ko", "updates/a.ko"));
        assert!(!wins("", "extra/a.ko", "kernel/a.ko"));
    }

    #[test]
    fn what_is_named_first_wins() {
        let search = "search extra \\\n updates built-in\nsearch late\n";
        assert!(wins(search, "extra/a.ko", "updates/a.ko"));
        assert!(wins(search, "kernel/a.ko", "late/a.ko"));
    }

    #[test]
    fn an_override_is_for_its_kernels() {
        let text = "override a ^6\\.1 extra\n# override b * extra\noverride c 5.* extra";
        assert!(wins(text, "extra/a.ko", "updates/a.ko"));
        assert!(!wins(text, "extra/b.ko", "kernel/b.ko"));
        assert!(!wins(text, "extra/c.ko", "kernel/c.ko"));
    }

    #[test]
    fn an_unknown_keyword_is_a_note() {
        let mut config = DepmodConfig::default();
        let notes = config.parse(b"\nserach a\ninclude b\n", "1.0");
        assert_eq!(notes, ["line 2: `serach` is no keyword"]);
    }

    #[test]
    fn a_mask_hides_the_file_of_its_name() {
        let temporary = tempfile::tempdir().unwrap();
        let [high, low] = ["high", "low"].map(|name| temporary.path().join(name));
        for dir in [&high, &low] {
            std::fs::create_dir(dir).unwrap();
        }
        std::fs::write(low.join("a.conf"), "exclude x\n").unwrap();
        let places = [high.clone(), low];
        let excludes = |compat| {
            let (config, notes) = DepmodConfig::read(&places, "1.0", compat).unwrap();
            assert_eq!(notes, [""; 0]);
            config.excludes("x".as_ref())
        };
        for (target, by_34, by_30) in [("/dev/null", false, false), ("/nonexistent", true, false)] {
            let _not_yet_there = std::fs::remove_file(high.join("a.conf"));
            std::os::unix::fs::symlink(target, high.join("a.conf")).unwrap();
            assert_eq!(excludes(Compat::Kmod34), by_34, "{target}");
            assert_eq!(excludes(Compat::Kmod30), by_30, "{target}");
        }
    }

    #[test]
    fn places_that_are_asked_for_are_missed() {
        let places = ["/dev/null".into(), "/nonexistent/depmod.d".into()];
        let (config, notes) = DepmodConfig::read(&places, "1.0", Compat::Kmod34).unwrap();
        assert_eq!(config, DepmodConfig::default());
        assert_eq!(notes, ["there is no `/nonexistent/depmod.d`"]);
    }
}
