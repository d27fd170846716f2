//! Trees of real modules, arranged for the installed kmod.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they fail"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes a modules directory `root/lib/modules/VERSION` with `kernel` a symbolic link to the one in `original`, so that
/// depmod can write its files beside it.
///
/// # Panics
/// Where the file system refuses.
pub fn shadow(original: &Path, root: &Path) -> PathBuf {
    let version = original.file_name().expect("a version");
    let to = root.join("lib/modules").join(version);
    std::fs::create_dir_all(&to).expect("create");
    std::os::unix::fs::symlink(original.join("kernel"), to.join("kernel")).expect("link");
    for file in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        std::fs::copy(original.join(file), to.join(file)).expect("copy");
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
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stderr}",
        output.status
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}
