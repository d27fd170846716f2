//! What a shell completes on the command's lines: modules and versions of the kernel that the line names, and goals.

use std::ffi::OsStr;
use std::path::PathBuf;

use cli::complete::{ArgValueCompleter, CompletionCandidate, files, option, words};
use modtree::Tree;
use modtree::goal::{Goal, Goals};

/// Names of modules; files where a path was begun.
pub(crate) fn modules() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| -> Vec<CompletionCandidate> {
        if current.as_encoded_bytes().contains(&b'/') {
            return files(current);
        }
        // To unpack a package takes seconds.
        if option(&["--deb"]).is_some() {
            return Vec::new();
        }
        let kernel = option(&["-k", "--kernel"]);
        let kernel = kernel.as_deref().and_then(|version| version.to_str());
        let names = Tree::names_below(&root(), kernel).unwrap_or_default();
        words(current, names.iter().map(ToString::to_string), true)
    })
}

/// Versions of kernels.
pub(crate) fn versions() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        words(current, Tree::versions(&root()).unwrap_or_default(), false)
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

fn root() -> PathBuf {
    option(&["-b", "--basedir", "--root"]).unwrap_or_else(|| "/".into())
}
