//! Where the tests find the commands, the corpora and the oracles.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder that holds the workspace's `Cargo.toml`.
pub fn workspace() -> &'static Path {
    // `tests/` is a member at the top of the workspace.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// The folder of real inputs, which `cargo xtask corpus` lays out.
pub fn corpus() -> PathBuf {
    match env::var_os("CORPUS") {
        Some(folder) => folder.into(),
        None => workspace().join("target/corpus"),
    }
}

/// The root of an unpacked kernel package in the corpus, such as `linux-6.1`; `None`, with a word on stderr, where it is
/// missing.
///
/// # Panics
/// Where it is missing and `REQUIRE_ORACLES=1` says that it must not be.
pub fn kernel(name: &str) -> Option<PathBuf> {
    let root = corpus().join(name);
    let there = root.is_dir().then_some(root);
    required(there, &format!("the corpus {name} (cargo xtask corpus)"))
}

/// The path of a tool; `None`, with a word on stderr, where it is missing.
///
/// # Panics
/// Where it is missing and `REQUIRE_ORACLES=1` says that it must not be.
pub fn tool(name: &str) -> Option<PathBuf> {
    required(find_program(name), name)
}

/// Whether every one of `programs` is there; as [`tool`] for each.
///
/// # Panics
/// As [`tool`].
pub fn has(programs: &[&str]) -> bool {
    programs.iter().all(|program| tool(program).is_some())
}

/// A program on PATH, or in the administrator's folders, which are not on everybody's PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(administrators)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// One of the commands (`kmapc`, `modtree`, `packager`), built by the run of cargo that built this test.
///
/// # Panics
/// Where it has not been built.
pub fn command(name: &str) -> Command {
    let path = env::current_exe()
        .ok()
        .and_then(|test| Some(test.parent()?.parent()?.join(name)))
        .filter(|path| path.is_file());
    match path {
        Some(path) => Command::new(path),
        None => panic!("the command {name} is not built; run `cargo build --workspace` first"),
    }
}

/// `found`; where there is nothing, a word on stderr says what is missing.
///
/// # Panics
/// Where there is nothing and `REQUIRE_ORACLES=1` says that there must be.
pub fn required<T>(found: Option<T>, what: &str) -> Option<T> {
    if found.is_none() {
        assert!(
            env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"),
            "{what} is missing, and REQUIRE_ORACLES=1"
        );
        eprintln!("skipped: {what} is missing");
    }
    found
}
