//! The `modtree` command.
mod args;
mod closure;
mod depmod;
mod goals;
mod host;
mod info;
mod questions;
mod report;
mod run;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::finish(run::run(&args::Args::parse()))
}
