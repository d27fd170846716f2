//! What others ask about a command, instead of having it work: shells, to complete a line, and who packages it, for manual pages.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap_complete::CompleteEnv;

use crate::{Failure, finish, manual};

/// Answers what is asked about the command; `None` where it is to do its work.
///
/// * `COMPLETE=bash COMMAND` (or zsh, fish, elvish, powershell) prints what a shell has to know to complete the command's lines.
///   It asks the command itself then, so that names of modules, keymaps and files of images are completed, too.
/// * `COMMAND --man DIR` writes a manual page for the command, and one for each of its subcommands, into a directory.
///
/// To be called first in `main`: before anything is printed, and before there are threads, since it changes the environment.
pub fn describe(command: fn() -> Command) -> Option<ExitCode> {
    let here = std::env::current_dir().ok();
    let completed = CompleteEnv::with_factory(command)
        .try_complete(std::env::args_os(), here.as_deref())
        .map_err(|error| {
            let text = error.to_string();
            Failure::usage(text.trim_start_matches("error: ").trim_end())
        });
    match completed {
        Ok(false) => {}
        completed => return Some(finish(completed.map(|_| ()))),
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).take(3).collect();
    match arguments.as_slice() {
        [first, rest @ ..] if first == "--man" => Some(finish(match rest {
            [dir] => manual::write(command(), Path::new(dir)),
            _ => Err(Failure::usage(
                "--man takes one argument, the directory for the manual pages",
            )),
        })),
        _ => None,
    }
}
