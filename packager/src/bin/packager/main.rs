//! The command `packager`: initramfs images, what is in them, and the proof that they boot.

mod args;
mod blame;
mod boot;
mod cat;
mod check;
mod complete;
mod content;
mod convert;
mod depfile;
mod diff;
mod extract;
mod image;
mod init;
mod initramfs;
mod input;
mod list;
mod medium;
mod menu;
mod plan;
mod pool;
mod progress;
mod pxe;
mod recipe;
mod report;
mod size;
mod steps;
mod uki;
mod values;
mod watch;
mod why;
mod write;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

fn main() -> ExitCode {
    if let Some(end) = cli::describe(args::Args::command) {
        return end;
    }
    pool::start_early();
    let args = args::Args::parse();
    cli::finish(match args.command {
        args::Command::Initramfs(args) => initramfs::run(args),
        args::Command::Plan(args) => plan::run(&args),
        args::Command::Init(args) => init::run(&args),
        args::Command::Image(args) => image::run(*args),
        args::Command::Uki(args) => uki::run(args),
        args::Command::Pxe(args) => pxe::run(args),
        args::Command::Check(args) => check::run(&args),
        args::Command::Write(args) => write::run(&args),
        args::Command::List(args) => list::run(&args),
        args::Command::Cat(args) => cat::run(&args),
        args::Command::Extract(args) => extract::run(&args),
        args::Command::Diff(args) => diff::run(&args),
        args::Command::Size(args) => size::run(&args),
        args::Command::Why(args) => why::run(&args),
        args::Command::Boot(args) => boot::run(&args),
    })
}
