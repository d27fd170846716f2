//! The corpus of real modules, and the installed kmod.

#![allow(clippy::expect_used, reason = "helpers of tests: a panic is how they fail")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of an unpacked kernel package in the corpus, such as `linux-6.1`: below `$CORPUS`, else `target/corpus`.
///
/// `None`, with a printed line, where it is missing; with `REQUIRE_ORACLES=1`, a panic.
pub fn corpus(name: &str) -> Option<PathBuf> {
    let base = match std::env::var_os("CORPUS") {
        Some(base) => PathBuf::from(base),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/corpus"),
    };
    let root = base.join(name);
    if root.is_dir() {
        return Some(root);
    }
    missing(&format!("no corpus {}; `cargo xtask corpus` makes it", root.display()))
}

/// The path of an installed tool, searched on PATH and in `/sbin` and `/usr/sbin`.
///
/// `None`, with a printed line, where it is missing; with `REQUIRE_ORACLES=1`, a panic.
pub fn tool(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/sbin".into(), "/usr/sbin".into()]);
    let found = places.map(|place| place.join(name)).find(|file| file.is_file());
    found.or_else(|| missing(&format!("no {name}; the package {package} has it")))
}

fn missing<T>(what: &str) -> Option<T> {
    assert!(std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"), "{what}");
    println!("skipped: {what}");
    None
}

/// The only version in a root's `lib/modules`.
///
/// # Panics
/// Where there is none.
pub fn only_version(root: &Path) -> String {
    let mut entries = std::fs::read_dir(root.join("lib/modules")).expect("lib/modules");
    let entry = entries.next().expect("a version").expect("readable");
    entry.file_name().into_string().expect("UTF-8")
}

/// Makes `root/lib/modules/VERSION` look like the original with `kernel` a symbolic link to the original's, so that depmod
/// can write its files beside it.
///
/// # Panics
/// Where the file system refuses.
pub fn shadow(original: &Path, root: &Path, version: &str) -> PathBuf {
    let from = original.join("lib/modules").join(version);
    let to = root.join("lib/modules").join(version);
    std::fs::create_dir_all(&to).expect("create");
    std::os::unix::fs::symlink(from.join("kernel"), to.join("kernel")).expect("link");
    for file in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        std::fs::copy(from.join(file), to.join(file)).expect("copy");
    }
    to
}

/// Runs a program that must succeed, and gives its standard output.
///
/// # Panics
/// Where it cannot be started or fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("start");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}
