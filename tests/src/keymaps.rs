//! `loadkeys` of kbd, the oracle for keymaps: what it writes, or that it refuses.

mod grammar;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use crate::environment::{corpus, required, tool};

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
        let output = command(characters).arg("-b").arg(path).output()?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// The C source that it writes for a keymap's file.
    ///
    /// # Errors
    /// That it cannot be run.
    pub fn c_source(self, path: &Path, characters: Characters) -> io::Result<Option<Vec<u8>>> {
        let output = command(characters).arg("-m").arg(path).output()?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// The C source that it writes for a text on standard input.
    ///
    /// # Errors
    /// That it cannot be run.
    pub fn c_source_of_text(
        self,
        text: &[u8],
        characters: Characters,
        directory: &Path,
    ) -> io::Result<Option<Vec<u8>>> {
        with_stdin(command(characters).arg("-m"), text, directory)
    }

    /// What it writes for several files together.
    ///
    /// # Errors
    /// That it cannot be run.
    pub fn files(self, paths: &[PathBuf], characters: Characters) -> io::Result<Option<Vec<u8>>> {
        let output = command(characters).arg("-b").args(paths).output()?;
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
        with_stdin(command(characters).arg("-b"), text, directory)
    }
}

fn with_stdin(command: &mut Command, text: &[u8], directory: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut child = command
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

fn command(characters: Characters) -> Command {
    let mut command = Command::new("loadkeys");
    // The order in which it searches directories follows the locale.
    command.env("LC_ALL", "C").current_dir("/");
    if characters == Characters::Unicode {
        command.arg("-u");
    }
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

/// kbd's own keymaps, sorted, where the corpus has them.
///
/// # Panics
/// Where it has not and `REQUIRE_ORACLES=1`.
pub fn kbd_maps() -> Vec<PathBuf> {
    corpus_maps("kbd")
}

/// The keymaps that `ckbcomp` made of xkb-data's layouts, sorted, where the corpus has them.
///
/// # Panics
/// Where it has not and `REQUIRE_ORACLES=1`.
pub fn xkb_maps() -> Vec<PathBuf> {
    corpus_maps("xkb")
}

fn corpus_maps(name: &str) -> Vec<PathBuf> {
    let mut maps = Vec::new();
    collect(&corpus().join(name), &mut maps);
    maps.sort();
    let there = (!maps.is_empty()).then_some(maps);
    required(there, &format!("the corpus {name} (cargo xtask corpus)")).unwrap_or_default()
}

/// A layout of xkb-data, or a variant of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XkbLayout {
    /// `es`.
    pub layout: String,
    /// `nodeadkeys`.
    pub variant: Option<String>,
}

impl XkbLayout {
    /// The keymap's file in the corpus.
    pub fn file_name(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}-{variant}.kmap", self.layout),
            None => format!("{}.kmap", self.layout),
        }
    }
}

/// Every layout of the installed xkb-data, from its list for people; none where it is not installed.
pub fn xkb_layouts() -> Vec<XkbLayout> {
    let list = fs::read_to_string("/usr/share/X11/xkb/rules/evdev.lst").unwrap_or_default();
    let mut section = "";
    let mut layouts = Vec::new();
    for line in list.lines() {
        if let Some(name) = line.strip_prefix("! ") {
            section = name;
            continue;
        }
        let mut words = line.split_whitespace();
        match (section, words.next(), words.next()) {
            // "custom" is an empty place for the user's own layout.
            ("layout", Some(layout), _) if layout != "custom" => layouts.push(XkbLayout {
                layout: layout.to_owned(),
                variant: None,
            }),
            ("variant", Some(variant), Some(layout)) => layouts.push(XkbLayout {
                layout: layout.trim_end_matches(':').to_owned(),
                variant: Some(variant.to_owned()),
            }),
            _ => {}
        }
    }
    layouts
}

fn collect(directory: &Path, maps: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, maps);
        } else if [".kmap.gz", ".kmap", ".map"]
            .iter()
            .any(|suffix| path.to_string_lossy().ends_with(suffix))
        {
            maps.push(path);
        }
    }
}
