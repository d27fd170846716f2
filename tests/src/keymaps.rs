//! `loadkeys` of kbd, the oracle for keymaps: what it writes, or that it refuses.

mod grammar;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use crate::environment::{required, tool};

pub use grammar::{FILES, Programs};

/// The mode of a run of `loadkeys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characters {
    /// `loadkeys -b`.
    Bytes,
    /// `loadkeys -u -b`.
    Unicode,
}

/// The installed `loadkeys`.
#[derive(Clone, Copy, Debug)]
pub struct Loadkeys(());

impl Loadkeys {
    /// `None`, with a line that says so, where it is not installed.
    ///
    /// # Panics
    /// Where it is not installed and `REQUIRE_ORACLES=1`.
    pub fn find() -> Option<Self> {
        tool("loadkeys").map(|_| Self(()))
    }

    /// What it writes for a keymap's file.
    ///
    /// # Errors
    /// That it cannot be run.
    pub fn file(self, path: &Path, characters: Characters) -> io::Result<Option<Vec<u8>>> {
        let output = command(characters).arg(path).output()?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// What it writes for a text on standard input. Includes are looked for in `directory` only.
    ///
    /// # Errors
    /// That it cannot be run.
    pub fn text(
        self,
        text: &[u8],
        characters: Characters,
        directory: &Path,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut child = command(characters)
            .env("LOADKEYS_INCLUDE_PATH", directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // It stops reading at the first error.
            let _ = stdin.write_all(text);
        }
        let output = child.wait_with_output()?;
        Ok(output.status.success().then_some(output.stdout))
    }
}

fn command(characters: Characters) -> Command {
    let mut command = Command::new("loadkeys");
    // The order in which it searches directories follows the locale.
    command.env("LC_ALL", "C").current_dir("/");
    if characters == Characters::Unicode {
        command.arg("-u");
    }
    command.arg("-b");
    command
}

/// The keymaps of console-data, sorted; none, with a line that says so, where the package is not installed.
///
/// # Panics
/// Where it is not installed and `REQUIRE_ORACLES=1`.
pub fn console_data() -> Vec<PathBuf> {
    let mut maps = Vec::new();
    collect(Path::new("/usr/share/keymaps"), &mut maps);
    maps.sort();
    let there = (!maps.is_empty()).then_some(maps);
    required(there, "/usr/share/keymaps (package console-data)").unwrap_or_default()
}

fn collect(directory: &Path, maps: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, maps);
        } else if path.to_string_lossy().ends_with(".kmap.gz") {
            maps.push(path);
        }
    }
}
