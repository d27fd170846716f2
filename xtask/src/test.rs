//! `cargo xtask test`: everything that CI runs, in the order in which it fails soonest.

use std::process::Command;

use anyhow::Result;

use crate::{corpus, setup, shell};

pub(crate) fn run() -> Result<()> {
    setup::install(setup::TEST)?;
    corpus::all()?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ])?;
    shell::run(
        Command::new("cargo")
            .args([
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
                "--quiet",
            ])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    // The tests run the commands, which cargo builds for the tests of their own packages only.
    cargo(&["build", "--workspace", "--quiet"])?;
    shell::run(
        Command::new("cargo")
            .args(["test", "--workspace", "--quiet"])
            .env("REQUIRE_ORACLES", "1"),
    )
}

fn cargo(arguments: &[&str]) -> Result<()> {
    println!("==> cargo {}", arguments.join(" "));
    shell::run(Command::new("cargo").args(arguments))
}
