//! The `modtree` command.
mod args;
mod check;
mod closure;
mod complete;
mod depmod;
mod diff;
mod goals;
mod host;
mod info;
mod questions;
mod report;
mod run;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

fn main() -> ExitCode {
    if let Some(end) = cli::describe(args::Args::command) {
        return end;
    }
    cli::finish(run::run(&args::Args::parse()))
}
