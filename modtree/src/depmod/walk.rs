//! Which file of a directory is the module of a name.
//!
//! depmod takes directory entries as the file system lists them, enters a directory where it meets it, and keeps the first
//! of two files with equal claims. So this walk is sequential, in that order.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::config::{DepmodConfig, Priority};
use super::listing::{Kind, Listings, list};
use crate::TreeError;
use crate::fast_hash::FastMap;
use crate::index::files::module_name;
use crate::tree::has_suffix;

/// The file of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) name: Cow<'a, [u8]>,
    /// As `modules.dep` has it: below the modules directory, else the whole path.
    pub(super) place: Cow<'a, [u8]>,
    pub(super) is_external: bool,
    /// Its number in the cache.
    pub(super) kept: Option<usize>,
}

impl Found<'_> {
    /// The file. `dir` is the modules directory.
    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        let place = Path::new(OsStr::from_bytes(&self.place));
        match self.is_external {
            true => place.to_path_buf(),
            false => dir.join(place),
        }
    }

    /// The place of the plain file with the module's name, by which `modules.order` is looked up.
    pub(super) fn uncompressed(&self) -> Cow<'_, [u8]> {
        let stem = self.stem();
        match &self.place[stem.len()..] {
            b".ko" => self.place.as_ref().into(),
            _ => [stem, b".ko"].concat().into(),
        }
    }

    /// The place up to where the file's name has as many bytes as the module's.
    fn stem(&self) -> &[u8] {
        let file = memchr::memrchr(b'/', &self.place);
        let start = file.map_or(0, |at| at + 1);
        &self.place[..(start + self.name.len()).min(self.place.len())]
    }
}

/// Every module below `dir` and the configured external directories, each name once, in the order of discovery. Uses the
/// listings of an earlier run where there are any.
pub(super) fn find<'a, 'b>(
    dir: &'a Path,
    config: &'a DepmodConfig,
    listings: Option<&'a mut Listings<'b>>,
    warnings: &'a mut Vec<String>,
) -> Result<Vec<Found<'b>>, TreeError> {
    let modules = listings.as_ref().map_or(0, |listings| listings.modules());
    let mut by_name = FastMap::default();
    by_name.reserve(modules);
    let mut finder = Finder {
        dir,
        config,
        listings,
        found: Vec::with_capacity(modules),
        by_name,
        ancestors: Vec::new(),
        is_external: false,
        warnings,
    };
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| TreeError::Directory { path, source }
    };
    finder.directory(dir, b"").map_err(failed(dir))?;
    for external in config.externals() {
        // depmod goes on without an external directory that is not there.
        let place = finder.place(external);
        finder.is_external = place == external.as_os_str().as_bytes();
        if let Err(error) = finder.directory(external, &place) {
            let place = external.display();
            finder
                .warnings
                .push(format!("cannot search `{place}`: {error}"));
        }
    }
    Ok(finder.found)
}

struct Finder<'a, 'b> {
    dir: &'a Path,
    config: &'a DepmodConfig,
    listings: Option<&'a mut Listings<'b>>,
    found: Vec<Found<'b>>,
    by_name: FastMap<Cow<'b, [u8]>, usize>,
    ancestors: Vec<PathBuf>,
    /// Whether the walk is in an external directory.
    is_external: bool,
    warnings: &'a mut Vec<String>,
}

impl<'b> Finder<'_, 'b> {
    /// Takes in the directory at `path`, which is known as `place`: as `modules.dep` has places.
    fn directory(&mut self, path: &Path, place: &[u8]) -> io::Result<()> {
        // A relative path elsewhere is not what the same place below the modules directory is.
        let is_known = !self.is_external || path.is_absolute();
        let listings = self.listings.as_deref_mut().filter(|_| is_known);
        let listing = list(path, place, listings)?;
        let separator = match place {
            [] | [.., b'/'] => &b""[..],
            _ => b"/",
        };
        let mut below = [place, separator].concat();
        let start = below.len();
        self.ancestors.push(path.to_path_buf());
        for (kind, name) in listing.entries() {
            if name == "build" || name == "source" || self.config.excludes(name) {
                continue;
            }
            below.truncate(start);
            below.extend_from_slice(name.as_bytes());
            let place = below.as_slice();
            let path = || path.join(name);
            match self.target(kind, path) {
                Ok(Some(Kind::Directory)) => {
                    let path = path();
                    if let Err(error) = self.directory(&path, place) {
                        let path = path.display();
                        self.warnings
                            .push(format!("cannot search `{path}`: {error}"));
                    }
                }
                Ok(Some(Kind::Module)) => self.file(place),
                Ok(Some(Kind::Link) | None) => {}
                Err(error) => {
                    let path = path();
                    let path = path.display();
                    self.warnings
                        .push(format!("`{path}` is passed over: {error}"));
                }
            }
        }
        self.ancestors.pop();
        Ok(())
    }

    /// What an entry is, a symbolic link followed. A link to a directory that it lies in is an error: kmod goes round
    /// until the path is too long.
    fn target(&self, kind: Kind, path: impl Fn() -> PathBuf) -> io::Result<Option<Kind>> {
        if kind != Kind::Link {
            return Ok(Some(kind));
        }
        let path = path();
        let target = std::fs::metadata(&path)?;
        let same = |ancestor: &PathBuf| {
            std::fs::metadata(ancestor)
                .is_ok_and(|found| (found.dev(), found.ino()) == (target.dev(), target.ino()))
        };
        if target.is_dir() && self.ancestors.iter().any(same) {
            return Err(io::Error::other("a symbolic link to a directory above it"));
        }
        let name = path.file_name().unwrap_or_default();
        Ok(Kind::new(target.file_type(), name))
    }

    fn file(&mut self, place: &[u8]) {
        let known = self.listings.as_ref();
        let known = known.and_then(|listings| listings.module(place));
        // Places of the cache are below the modules directory.
        let known = known.filter(|_| !self.is_external);
        let place = known.map_or(place.to_vec().into(), |(_, place)| Cow::Borrowed(place));
        let new = Found {
            name: match &place {
                Cow::Borrowed(place) => module_name(place),
                Cow::Owned(place) => module_name(place).into_owned().into(),
            },
            place,
            is_external: self.is_external,
            kept: known.map(|(number, _)| number),
        };
        match self.by_name.get(&new.name) {
            None => {
                self.by_name.insert(new.name.clone(), self.found.len());
                self.found.push(new);
            }
            Some(&at) => {
                let old = &self.found[at];
                let wins = self.config.wins(
                    &Priority::new(&new.path(self.dir), &new.place, new.stem()),
                    &Priority::new(&old.path(self.dir), &old.place, old.stem()),
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
        } else if has_suffix(&name) && found.modified()? > than {
            return Ok(false);
        }
    }
    Ok(true)
}
