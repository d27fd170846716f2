//! `kmapc`: compiles console keymaps, and shows, compares and checks them. The work is done by the library `kmap`.

mod args;
mod check;
mod complete;
mod help;
mod input;
mod job;
mod json;
mod list;
mod output;
mod run;
mod screen;
mod typing;
mod view;
mod xkb;

use std::path::Path;
use std::process::ExitCode;

use args::Command;
use clap::{CommandFactory as _, Parser as _};
use kmap::{FileSource, Source as _};
use screen::Screen;

/// `kmapc help`, where no keymap is called so.
fn is_help(args: &args::Args) -> bool {
    let is_alone = args.command.is_none() && args.compile.inputs == [Path::new("help")];
    is_alone
        && FileSource::new(args.compile.reading.search())
            .open("help".as_ref())
            .is_err()
}

fn main() -> ExitCode {
    if let Some(end) = cli::describe(args::Args::command) {
        return end;
    }
    let args = match args::Args::parse() {
        args if is_help(&args) => args::Args::parse_from(["kmapc", "--help"]),
        args => args,
    };
    let screen = Screen(args.color);
    cli::finish(match &args.command {
        None => run::run(&args.compile, screen),
        Some(Command::Check(args)) => check::run(args, screen),
        Some(Command::Decompile(args)) => view::decompile(args, screen),
        Some(Command::Diff(args)) => view::diff(args, screen),
        Some(Command::List(args)) => list::run(args),
        Some(Command::Show(args)) => view::show(args, screen),
        Some(Command::Type(args)) => typing::run(args, screen),
        Some(Command::Xkb(args)) => xkb::run(args),
    })
}
