//! What a shell completes on the command's lines: kernels, modules, goals, keymaps, the files of the image that the line names,
//! and findings.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cli::complete::{ArgValueCompleter, CompletionCandidate, files, line, option, steps, words};
use kmap::SearchPath;
use modtree::Tree;
use modtree::goal::{Goal, Goals};
use packager::names::text;

use crate::{check, input};

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
        let mut names = SearchPath::from_env().names();
        names.dedup();
        let mut found = words(current, names, false);
        found.extend(files(current));
        found
    })
}

/// Paths in the image that stands on the line, a folder at a time.
pub(crate) fn paths() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut names = Vec::new();
        let image = line().into_iter().skip(2).map(PathBuf::from);
        if let Some(image) = image.into_iter().find(|word| word.is_file())
            && let Ok((file, bytes)) = input::open(&image)
        {
            // What can be read of a damaged image is there to be chosen.
            let _damaged = packager::inspect::skim_file(&file, &bytes, |entry, _| {
                names.push(text(entry.name).into_owned());
                ControlFlow::Continue(())
            });
        }
        steps(current, names)
    })
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
    option(&["--root"]).unwrap_or_else(|| "/".into())
}
