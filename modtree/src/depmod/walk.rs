//! Which file of a directory is the module of a name.
//!
//! depmod takes directory entries as the file system lists them, enters a directory where it meets it, and keeps the first
//! of two files with equal claims. So this walk is sequential, in that order.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::FileType;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::config::{DepmodConfig, Priority};
use crate::TreeError;
use crate::index::files::module_name;

const SUFFIXES: [&[u8]; 4] = [b".ko", b".ko.xz", b".ko.zst", b".ko.gz"];

/// The file of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: Vec<u8>,
    pub(super) path: PathBuf,
    /// As `modules.dep` has it: below the modules directory, else the whole path.
    pub(super) place: Vec<u8>,
}

impl Found {
    /// The place of the plain file with the module's name, by which `modules.order` is looked up.
    pub(super) fn uncompressed(&self) -> Vec<u8> {
        let file = self.place.iter().rposition(|&byte| byte == b'/');
        let start = file.map_or(0, |at| at + 1);
        let end = (start + self.name.len()).min(self.place.len());
        [&self.place[..end], b".ko"].concat()
    }
}

/// Every module below `dir` and the configured external directories, each name once, in the order of discovery.
pub(super) fn find(
    dir: &Path,
    config: &DepmodConfig,
    warnings: &mut Vec<String>,
) -> Result<Vec<Found>, TreeError> {
    let mut finder = Finder {
        dir,
        config,
        found: Vec::new(),
        by_name: HashMap::new(),
        ancestors: Vec::new(),
        warnings,
    };
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| TreeError::Directory { path, source }
    };
    finder.directory(dir.to_path_buf()).map_err(failed(dir))?;
    for external in config.externals() {
        // depmod goes on without an external directory that is not there.
        if let Err(error) = finder.directory(external.to_path_buf()) {
            let place = external.display();
            finder
                .warnings
                .push(format!("cannot search `{place}`: {error}"));
        }
    }
    Ok(finder.found)
}

struct Finder<'a> {
    dir: &'a Path,
    config: &'a DepmodConfig,
    found: Vec<Found>,
    by_name: HashMap<Vec<u8>, usize>,
    ancestors: Vec<PathBuf>,
    warnings: &'a mut Vec<String>,
}

impl Finder<'_> {
    fn directory(&mut self, path: PathBuf) -> io::Result<()> {
        let entries = std::fs::read_dir(&path)?;
        self.ancestors.push(path.clone());
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if name == "build" || name == "source" || self.config.excludes(&name) {
                continue;
            }
            let at = path.join(&name);
            let kind = match self.kind(entry.file_type()?, &at) {
                Ok(kind) => kind,
                Err(error) => {
                    let place = at.display();
                    self.warnings
                        .push(format!("`{place}` is passed over: {error}"));
                    continue;
                }
            };
            if kind.is_dir() {
                if let Err(error) = self.directory(at.clone()) {
                    let place = at.display();
                    self.warnings
                        .push(format!("cannot search `{place}`: {error}"));
                }
            } else if kind.is_file() && is_module(&name) {
                self.file(at, &name);
            }
        }
        self.ancestors.pop();
        Ok(())
    }

    /// What an entry is, a symbolic link followed. A link to a directory that it lies in is an error: kmod goes round
    /// until the path is too long.
    fn kind(&self, kind: FileType, path: &Path) -> io::Result<FileType> {
        if !kind.is_symlink() {
            return Ok(kind);
        }
        let target = std::fs::metadata(path)?;
        let same = |ancestor: &PathBuf| {
            std::fs::metadata(ancestor)
                .is_ok_and(|found| (found.dev(), found.ino()) == (target.dev(), target.ino()))
        };
        if target.is_dir() && self.ancestors.iter().any(same) {
            return Err(io::Error::other("a symbolic link to a directory above it"));
        }
        Ok(target.file_type())
    }

    fn file(&mut self, path: PathBuf, file_name: &OsStr) {
        let name = module_name(file_name.as_bytes());
        let place = self.place(&path);
        let new = Found { name, path, place };
        match self.by_name.get(&new.name) {
            None => {
                self.by_name.insert(new.name.clone(), self.found.len());
                self.found.push(new);
            }
            Some(&at) => {
                let old = &self.found[at];
                let stem = |found: &Found| {
                    let uncompressed = found.uncompressed();
                    uncompressed[..uncompressed.len() - 3].to_vec()
                };
                let wins = self.config.wins(
                    &Priority::new(&new.path, &new.place, &stem(&new)),
                    &Priority::new(&old.path, &old.place, &stem(old)),
                );
                if wins {
                    self.found[at] = new;
                }
            }
        }
    }

    fn place(&self, path: &Path) -> Vec<u8> {
        let place = path.strip_prefix(self.dir).unwrap_or(path);
        place.as_os_str().as_bytes().to_vec()
    }
}

fn is_module(name: &OsStr) -> bool {
    SUFFIXES
        .iter()
        .any(|suffix| name.as_bytes().ends_with(suffix))
}

/// Whether `modules.dep` in `out` is as new as every module file below `dir` (`depmod -A`).
///
/// # Errors
/// Where a directory or a file cannot be looked at.
pub fn is_up_to_date(dir: &Path, out: &Path) -> io::Result<bool> {
    let Ok(dep) = std::fs::metadata(out.join("modules.dep")) else {
        return Ok(false);
    };
    no_newer(dir, dep.modified()?)
}

fn no_newer(dir: &Path, than: SystemTime) -> io::Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "build" || name == "source" || name.as_bytes().starts_with(b".") {
            continue;
        }
        // A link to nowhere is no module.
        let Ok(found) = std::fs::metadata(entry.path()) else {
            continue;
        };
        if found.is_dir() {
            if !entry.file_type()?.is_symlink() && !no_newer(&entry.path(), than)? {
                return Ok(false);
            }
        } else if is_module(&name) && found.modified()? > than {
            return Ok(false);
        }
    }
    Ok(true)
}
