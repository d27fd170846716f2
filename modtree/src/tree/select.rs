//! Which kernel's modules: the same choice as modprobe's `--basedir` and `--set-version`, with an answer where they have none.

use std::path::{Component, Path, PathBuf};

use codec::file::ReadError;

use super::{TreeError, has_suffix};
use crate::KernelConfig;

/// Where distributions keep modules, below the root. The first is what modprobe looks at.
const PLACES: [&str; 2] = ["lib/modules", "usr/lib/modules"];

/// Finds the modules directory and its version.
pub(super) fn select(basedir: &Path, kernel: Option<&str>) -> Result<(PathBuf, String), TreeError> {
    let at = |version: &str| {
        let dirs = PLACES.iter().map(|place| basedir.join(place).join(version));
        dirs.into_iter()
            .find(|dir| dir.is_dir())
            .map(|dir| (dir, version.to_owned()))
    };
    if let Some(wanted) = kernel {
        let mut parts = Path::new(wanted).components();
        if !matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return Err(TreeError::BadVersion(wanted.to_owned()));
        }
        return match at(wanted).or_else(|| itself(basedir).filter(|(_, own)| own == wanted)) {
            Some(found) => Ok(found),
            None => Err(TreeError::NoSuchKernel {
                wanted: wanted.to_owned(),
                basedir: basedir.to_path_buf(),
                present: present(basedir)?,
            }),
        };
    }
    let present = present(basedir)?;
    let running = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let chosen = match present.as_slice() {
        [only] => only,
        versions => match versions.iter().find(|&version| *version == running) {
            Some(running) => running,
            None if versions.is_empty() => {
                return itself(basedir).ok_or_else(|| none(basedir));
            }
            None => {
                return Err(TreeError::SeveralKernels {
                    basedir: basedir.to_path_buf(),
                    present,
                });
            }
        },
    };
    at(chosen).ok_or_else(|| none(basedir))
}

/// A modules directory that stands in the place of a root, or a folder of module files.
fn itself(dir: &Path) -> Option<(PathBuf, String)> {
    let real = dir.canonicalize().ok()?;
    // A root is not searched for modules that lie about.
    let depth = match real
        .parent()
        .is_some_and(|parent| parent.ends_with(PLACES[0]))
    {
        true => DEEPEST,
        false => 0,
    };
    if !has_listings(&real) && !has_module_files(&real, depth, &mut 0) {
        return None;
    }
    let version = real.file_name()?.to_str()?.to_owned();
    Some((dir.to_path_buf(), version))
}

/// There is no kernel below a root, or no root.
fn none(basedir: &Path) -> TreeError {
    let path = basedir.to_path_buf();
    match std::fs::metadata(basedir) {
        Err(source) => TreeError::Directory { path, source },
        Ok(_) => TreeError::NoKernel { basedir: path },
    }
}

/// The versions whose modules are below `basedir`, sorted. A directory that a removed kernel left behind is not one.
pub(super) fn present(basedir: &Path) -> Result<Vec<String>, TreeError> {
    let mut versions = Vec::new();
    for place in PLACES {
        let path = basedir.join(place);
        let failed = |source| TreeError::Directory {
            path: path.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if has_modules(&entry.path()) {
                versions.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    versions.sort();
    versions.dedup();
    Ok(versions)
}

fn has_modules(dir: &Path) -> bool {
    has_listings(dir) || has_module_files(dir, DEEPEST, &mut 0)
}

/// Whether a directory has what almost every modules directory has.
fn has_listings(dir: &Path) -> bool {
    [
        "kernel",
        "modules.order",
        "modules.builtin",
        "modules.dep",
        "updates",
    ]
    .iter()
    .any(|name| dir.join(name).exists())
}

/// How many directories deep, and through how many entries, modules are looked for.
const DEEPEST: usize = 5;
const MOST_ENTRIES: usize = 1000;

/// Whether there is a module's file, here or in directories below.
fn has_module_files(dir: &Path, depth: usize, entries: &mut usize) -> bool {
    let mut below = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        *entries += 1;
        if *entries > MOST_ENTRIES {
            return false;
        }
        let name = entry.file_name();
        let leads_out = name == "build" || name == "source";
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 && !leads_out => below.push(entry.path()),
            Ok(kind) if kind.is_file() && has_suffix(&name) => return true,
            _ => {}
        }
    }
    let mut below = below.into_iter();
    below.any(|dir| has_module_files(&dir, depth - 1, entries))
}

/// Where distributions put the kernel's configuration.
pub(super) fn config_places(dir: &Path, version: &str) -> Vec<PathBuf> {
    let mut places = vec![dir.join("config")];
    places.extend(boot_files(dir, version, "config"));
    places
}

/// Where distributions put a file of a kernel that is not a module: `boot/WHAT-VERSION` of the root that `dir` is in.
pub(super) fn boot_files(dir: &Path, version: &str, what: &str) -> Vec<PathBuf> {
    let name = format!("{what}-{version}");
    roots(dir)
        .map(|root| root.join("boot").join(&name))
        .collect()
}

/// The root that a modules directory is in. `usr/lib/modules` also ends with `lib/modules`: there both roots are tried, the inner one
/// first.
pub(super) fn roots(dir: &Path) -> impl Iterator<Item = &Path> {
    let root = PLACES.iter().find_map(|place| {
        let parent = dir.parent()?;
        parent.ends_with(place).then(|| {
            parent
                .ancestors()
                .nth(Path::new(place).components().count())
        })?
    });
    let usr = root
        .filter(|root| root.ends_with("usr"))
        .and_then(Path::parent);
    [root, usr].into_iter().flatten()
}

/// The kernel's configuration, from there.
pub(super) fn config(dir: &Path, version: &str) -> Result<Option<KernelConfig>, TreeError> {
    for path in config_places(dir, version) {
        match KernelConfig::read(&path) {
            Ok(config) => return Ok(Some(config)),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

fn is_absent(error: &ReadError) -> bool {
    error.is_not_found()
}
