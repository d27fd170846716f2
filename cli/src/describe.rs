//! What others ask about a command, instead of having it work: shells, to complete a line, and who packages it, for manual pages.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::env::{Elvish, Fish, Powershell, Shells, Zsh};

use crate::bash::Bash;
use crate::{Failure, finish, manual};

/// Answers what is asked about the command; `None` where it is to do its work.
///
/// * `COMPLETE=bash COMMAND` (or zsh, fish, elvish, powershell) prints what a shell has to know to complete the command's lines.
///   It asks the command itself then, so that names of modules, keymaps and files of images are completed, too.
/// * `COMMAND --man DIR` writes a manual page for the command, and one for each of its subcommands, into a directory.
///
/// To be called first in `main`: before anything is printed, and before there are threads, since it changes the environment.
pub fn describe(command: fn() -> Command) -> Option<ExitCode> {
    if std::env::var_os("COMPLETE").is_some()
        && let Some(end) = complete(command)
    {
        return Some(end);
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).take(3).collect();
    let dir = match arguments.as_slice() {
        [first, rest @ ..] if first == "--man" => match rest {
            [dir] => Some(dir.as_os_str()),
            _ => None,
        },
        [only] => Some(OsStr::from_bytes(only.as_bytes().strip_prefix(b"--man=")?)),
        _ => return None,
    };
    Some(finish(match dir {
        Some(dir) if !dir.is_empty() => manual::write(command(), Path::new(dir)),
        _ => Err(Failure::usage(
            "--man takes one argument, the directory for the manual pages",
        )),
    }))
}

/// Answers a shell; `None` where none asks, since the variable is empty.
fn complete(command: fn() -> Command) -> Option<ExitCode> {
    let here = std::env::current_dir().ok();
    let shells: Shells<'_> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);
    let completed = CompleteEnv::with_factory(command)
        .shells(shells)
        .try_complete(std::env::args_os(), here.as_deref())
        .map_err(|error| {
            let text = error.to_string();
            let text = text.trim_start_matches("error: ").trim_end();
            match text.starts_with("unknown shell") {
                true => Failure::usage(text),
                false => Failure::machine(format_args!("cannot complete the line: {text}")),
            }
        });
    match completed {
        Ok(false) => None,
        completed => Some(finish(completed.map(|_| ()))),
    }
}
