//! `kmapc`: compiles console keymaps. The work is done by the library `kmap`.

mod args;
mod run;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::finish(run::run(&args::Args::parse()))
}
