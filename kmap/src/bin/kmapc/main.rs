//! `kmapc`: compiles console keymaps, and shows, compares and checks them. The work is done by the library `kmap`.

mod args;
mod check;
mod input;
mod json;
mod output;
mod run;
mod view;
mod xkb;

use std::process::ExitCode;

use args::Command;
use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    cli::finish(match &args.command {
        None => run::run(&args.compile),
        Some(Command::Check(args)) => check::run(args),
        Some(Command::Decompile(args)) => view::decompile(args),
        Some(Command::Diff(args)) => view::diff(args),
        Some(Command::Show(args)) => view::show(args),
        Some(Command::Type(args)) => view::type_text(args),
        Some(Command::Xkb(args)) => xkb::run(args),
    })
}
