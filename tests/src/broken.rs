//! Disk images of `packager image` that are broken on purpose, and what `packager check` says of them.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they fail"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::environment::{command, has};
use crate::mtools::FatImage;
use crate::root::{Root, small_root};

/// Where the partition begins, in bytes.
pub const START: u64 = 1 << 20;

/// An image, and what it was made of.
#[derive(Debug)]
pub struct Built {
    /// Where copies of the image are broken.
    pub folder: tempfile::TempDir,
    /// The kernel's root.
    pub root: Root,
    /// The image as it was made.
    pub image: Vec<u8>,
}

/// An image for BIOS and UEFI.
///
/// # Panics
/// Where it cannot be made.
pub fn built() -> Option<Built> {
    if !has(&["syslinux", "mcopy"]) {
        return None;
    }
    let root = small_root()?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("simple.img");
    let output = make(&root, &["-q", "-o", path.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let image = fs::read(path).unwrap();
    Some(Built {
        folder,
        root,
        image,
    })
}

/// Runs `packager image`.
///
/// # Panics
/// Where it cannot be started.
pub fn make(root: &Root, arguments: &[&str]) -> Output {
    command("packager")
        .args(["image", "--root"])
        .arg(root.path())
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs `packager check`: its exit code, and what it prints.
///
/// # Panics
/// Where it says something on its standard error.
pub fn check(path: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command("packager")
        .arg("check")
        .args(arguments)
        .arg(path)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

impl Built {
    /// Where the broken copy is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("simple.img")
    }

    /// Breaks a fresh copy, and gives what is found.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn broken(&self, how: impl FnOnce(&mut Vec<u8>)) -> (Option<i32>, String) {
        let mut bytes = self.image.clone();
        how(&mut bytes);
        fs::write(self.path(), bytes).unwrap();
        check(&self.path(), &[])
    }

    /// Lets mtools change a fresh copy.
    ///
    /// # Panics
    /// Where mtools fails.
    pub fn changed(&self, commands: &[(&str, &[&str])]) -> (Option<i32>, String) {
        fs::write(self.path(), &self.image).unwrap();
        let path = self.path();
        let fat = FatImage {
            path: &path,
            offset: START,
        };
        for (program, arguments) in commands {
            fat.run(program, arguments);
        }
        check(&self.path(), &[])
    }
}

/// There is one error, and it has this code.
///
/// # Panics
/// Where that is not so.
pub fn names(result: (Option<i32>, String), code: &str) {
    let (status, text) = result;
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains(&format!("error[{code}]")),
        "{code} is not in {text}"
    );
    assert_eq!(text.matches("error[").count(), 1, "{text}");
    assert!(text.contains("way out: "), "{text}");
}

impl Built {
    /// A file for mtools to copy, with these bytes.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Copies files onto a fresh image, and gives what is found.
    ///
    /// # Panics
    /// Where mtools fails.
    pub fn with(&self, files: &[(&str, &[u8])]) -> (Option<i32>, String) {
        let names: Vec<_> = files
            .iter()
            .enumerate()
            .map(|(number, (_, bytes))| self.file(&format!("file{number}"), bytes))
            .collect();
        let copies: Vec<_> = files
            .iter()
            .zip(&names)
            .map(|((target, _), name)| ["-o", name.as_str(), *target])
            .collect();
        let commands: Vec<_> = copies.iter().map(|it| ("mcopy", &it[..])).collect();
        self.changed(&commands)
    }
}

/// The codes of the findings.
pub fn codes(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with(' '));
    lines
        .filter_map(|line| line.split_once('[')?.1.split_once("]: "))
        .map(|(code, _)| code)
        .collect()
}

/// There are warnings of these codes and nothing else.
///
/// # Panics
/// Where that is not so.
pub fn warns(result: &(Option<i32>, String), expected: &[&str]) {
    let (status, text) = result;
    assert_eq!(
        (*status, codes(text)),
        (Some(0), expected.to_vec()),
        "{text}"
    );
}
