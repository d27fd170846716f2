//! `cargo xtask test`: everything that CI runs, in the order in which it fails soonest.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{corpus, demo, setup, shell};

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
    step("cargo doc");
    shell::run(
        Command::new("cargo")
            .args(["doc", "--workspace", "--no-deps", "--quiet"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    // A newcomer's first command; it is told on this terminal like everything else.
    demo::run(false)?;
    // The tests run the commands, which cargo builds for the tests of their own packages only.
    cargo(&["build", "--workspace", "--quiet"])?;
    let totals = test()?;
    println!("{} passed, {} failed", totals.passed, totals.failed);
    Ok(())
}

/// How many tests of all suites passed and failed.
#[derive(Default)]
struct Totals {
    passed: u32,
    failed: u32,
}

impl Totals {
    /// Adds what a line like `test result: ok. 5 passed; 0 failed; 0 ignored; …` says.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        for part in counts.split([';', '.']) {
            match part.trim().split_once(' ') {
                Some((count, "passed")) => self.passed += count.parse().unwrap_or(0),
                Some((count, "failed")) => self.failed += count.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// Runs the tests, all of them, with every oracle; shows what they print and counts.
fn test() -> Result<Totals> {
    step("cargo test --workspace");
    let mut child = Command::new("cargo")
        .args(["test", "--workspace", "--no-fail-fast"])
        .env("REQUIRE_ORACLES", "1")
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let mut totals = Totals::default();
    let stdout = child
        .stdout
        .take()
        .context("cargo's output is not connected")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        totals.add(&line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!(
            "{} passed, {} failed ({status})",
            totals.passed,
            totals.failed
        );
    }
    Ok(totals)
}

fn cargo(arguments: &[&str]) -> Result<()> {
    step(&format!("cargo {}", arguments.join(" ")));
    shell::run(Command::new("cargo").args(arguments))
}

fn step(text: &str) {
    println!("==> {text}");
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn results_are_summed() {
        let mut totals = Totals::default();
        totals.add("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        totals.add("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        totals.add("test something ... ok");
        assert_eq!((totals.passed, totals.failed), (7, 1));
    }
}
