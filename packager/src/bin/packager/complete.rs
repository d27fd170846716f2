//! What a shell completes on the command's lines: kernels, modules, goals, keymaps, the files of the image that the line names,
//! and findings.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use cli::complete::{ArgValueCompleter, CompletionCandidate, files, line, option, steps, words};
use kmap::SearchPath;
use modtree::Tree;
use modtree::goal::{Goal, Goals};

use crate::check;
use crate::input::Image;

/// Who presses a key waits: of an image with more entries only so many are looked at.
const MOST_NAMES: usize = 100_000;

/// Versions of kernels, and files.
pub(crate) fn versions() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| -> Vec<CompletionCandidate> {
        let mut found = words(current, Tree::versions(&root()).unwrap_or_default(), false);
        found.extend(files(current));
        found
    })
}

/// Names of the modules of the kernel that the line names.
pub(crate) fn modules() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        // To unpack a package takes seconds.
        if option(&["--deb"]).is_some() {
            return Vec::new();
        }
        let kernel = option(&["-k", "--kernel"]);
        let kernel = kernel.as_deref().and_then(Path::to_str);
        let names = Tree::names_below(&root(), kernel).unwrap_or_default();
        words(current, names.iter().map(ToString::to_string), true)
    })
}

/// Names of goals; one that takes a parameter ends with a colon.
pub(crate) fn goals() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let goals = Goals::embedded();
        let goals = goals.iter().flat_map(Goals::iter);
        words(current, goals.map(Goal::beginning), false)
    })
}

/// Names of the keymaps on the search path, and files.
pub(crate) fn keymaps() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| -> Vec<CompletionCandidate> {
        let mut found = words(current, SearchPath::from_env().names(), false);
        found.extend(files(current));
        found
    })
}

/// Paths in the image that stands on the line, a folder at a time.
pub(crate) fn paths() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let root = match current.as_bytes().starts_with(b"/") {
            true => "/",
            false => "",
        };
        steps(
            current,
            image_names()
                .into_iter()
                .map(|name| [root.as_bytes(), &name].concat()),
        )
    })
}

/// The same, and names of modules.
pub(crate) fn paths_and_modules() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| -> Vec<CompletionCandidate> {
        let names = image_names();
        let modules = names.iter().filter_map(|name| {
            let file = name.rsplit(|&byte| byte == b'/').next()?;
            String::from_utf8(file.strip_suffix(b".ko")?.to_vec()).ok()
        });
        let mut found = words(current, modules.collect::<Vec<_>>(), true);
        found.extend(steps(current, names));
        found
    })
}

/// The names in the image that stands on the line, as many as one cares to choose from.
fn image_names() -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let image = line().into_iter().skip(2).map(PathBuf::from);
    if let Some(image) = image.into_iter().find(|word| word.is_file())
        && let Ok(image) = Image::find(&image)
    {
        // What can be read of a damaged image is there to be chosen.
        let _damaged = image.skim(|entry, _, _| {
            let name = entry.name.strip_prefix(b"./").unwrap_or(entry.name);
            names.push(name.to_vec());
            match names.len() < MOST_NAMES {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
    }
    names
}

/// Codes of findings.
pub(crate) fn findings() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        words(
            current,
            check::codes().map(|code| code.name.to_owned()),
            false,
        )
    })
}

fn root() -> PathBuf {
    option(&["-b", "--root", "--basedir"]).unwrap_or_else(|| "/".into())
}
