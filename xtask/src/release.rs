//! The commands as people use them: built for release.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::shell;

/// Builds packages.
pub(crate) fn build(packages: &[&str]) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release"]);
    for package in packages {
        cargo.args(["-p", package]);
    }
    shell::run(&mut cargo)
}

/// A program that has been [built](build).
pub(crate) fn program(name: &str) -> PathBuf {
    // What runs here is in `debug`, beside `release`. The name of the folder above depends on the machine.
    let this = std::env::current_exe().unwrap_or_default();
    let profiles = this.ancestors().nth(2).unwrap_or(&this);
    profiles.join("release").join(name)
}
