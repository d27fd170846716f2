//! The command `packager`: initramfs images, what is in them, and the proof that they boot.

mod args;
mod boot;
mod check;
mod content;
mod convert;
mod image;
mod init;
mod initramfs;
mod list;
mod progress;
mod pxe;
mod report;
mod uki;
mod write;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    cli::finish(match args.command {
        args::Command::Initramfs(args) => initramfs::run(args),
        args::Command::Init(args) => init::run(&args),
        args::Command::Image(args) => image::run(args),
        args::Command::Uki(args) => uki::run(args),
        args::Command::Pxe(args) => pxe::run(args),
        args::Command::Check(args) => check::run(&args),
        args::Command::Write(args) => write::run(&args),
        args::Command::List(args) => list::run(&args),
        args::Command::Boot(args) => boot::run(&args),
    })
}
