//! `cargo xtask`: what people and CI type.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_macros, reason = "who runs it reads what it says")]

mod apt;
mod architectures;
mod bench_disk;
mod bench_guest;
mod bench_initramfs;
mod bench_kmap;
mod bench_modtree;
mod corpus;
mod demo;
mod floor;
mod keymaps;
mod measure;
mod release;
mod setup;
mod shell;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Tasks of this project.
#[derive(Parser)]
enum Task {
    /// See it work: build everything, pack an image, boot it in QEMU, read a USB stick
    Demo {
        /// Stay at the booted machine's shell afterwards
        #[arg(long)]
        keep: bool,
    },
    /// Run everything that CI runs
    Test,
    /// Install the packages that the tests need
    Setup,
    /// Lay out the real inputs of the tests under target/corpus
    Corpus,
    /// Measure against the peers, and write benches/results/TOPIC.md
    Bench {
        /// What is measured
        topic: Topic,
    },
    /// Read or decode all modules below a directory, and do nothing with them: a row of `bench modtree`
    #[command(hide = true)]
    Floor {
        /// The modules directory
        dir: PathBuf,
    },
}

/// What can be measured.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Topic {
    /// kmapc against loadkeys
    Kmap,
    /// modtree against kmod 34
    Modtree,
    /// packager initramfs against dracut, mkinitramfs, cpio
    Initramfs,
    /// packager image against scripts, xorriso and grub-mkrescue
    Disk,
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Demo { keep } => demo::run(keep),
        Task::Test => test::run(),
        Task::Setup => setup::install(setup::TEST),
        Task::Corpus => corpus::all(),
        Task::Floor { dir } => floor::run(&dir),
        Task::Bench { topic } => match topic {
            Topic::Kmap => bench_kmap::run(),
            Topic::Modtree => bench_modtree::run(),
            Topic::Initramfs => bench_initramfs::run(),
            Topic::Disk => bench_disk::run(),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<setup::MachineFault>() {
                Some(_) => ExitCode::from(3),
                None => ExitCode::FAILURE,
            }
        }
    }
}
