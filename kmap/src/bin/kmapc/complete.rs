//! What a shell completes on the command's lines: names of keymaps, layouts and options.

use std::ffi::OsStr;

use cli::complete::{ArgValueCompleter, CompletionCandidate, files, option, words};
use kmap::{SearchPath, xkb};

/// Names of the keymaps on the search path, and files.
pub(crate) fn keymaps() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| -> Vec<CompletionCandidate> {
        let search = match option(&["--search-path"]) {
            Some(directory) => SearchPath::standard().with_keymaps([directory]),
            None => SearchPath::from_env(),
        };
        let mut found = words(current, search.names(), false);
        found.extend(files(current));
        found
    })
}

/// Layouts of xkb-data: one, or a second one behind a comma.
pub(crate) fn layouts() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let first = current.to_str().and_then(|text| text.split_once(','));
        let first = first.map_or(String::new(), |(first, _)| format!("{first},"));
        let layouts = xkb::layouts().into_iter();
        words(
            current,
            layouts.map(|layout| first.clone() + &layout),
            false,
        )
    })
}

/// Options of xkb-data.
pub(crate) fn options() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| words(current, xkb::options(), false))
}
