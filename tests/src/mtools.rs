//! mtools and fsck.fat, the oracles for FAT file systems in an image.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they fail"
)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::environment::find_program;

/// A FAT file system within an image.
#[derive(Clone, Copy, Debug)]
pub struct FatImage<'a> {
    /// The image.
    pub path: &'a Path,
    /// Where the file system begins, in bytes.
    pub offset: u64,
}

impl FatImage<'_> {
    /// Runs one of the mtools; gives what it prints.
    ///
    /// # Panics
    /// Where it fails or writes to its standard error.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let mut image = OsString::from(self.path);
        image.push(format!("@@{}", self.offset));
        let output = Command::new(program)
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .arg("-i")
            .arg(image)
            .args(arguments)
            .output()
            .expect("start");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && stderr.is_empty(),
            "{program} {arguments:?}: {stderr}"
        );
        output.stdout
    }

    /// Every file with its contents, every directory with `None`, by their paths, as mtools extracts them.
    ///
    /// # Panics
    /// Where mtools fails.
    pub fn files(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let folder = tempfile::tempdir().expect("temporary directory");
        let target = folder.path().to_str().expect("UTF-8").to_owned() + "/";
        // It fails where there is nothing at all to copy.
        if !self.run("mdir", &["-b", "::"]).is_empty() {
            self.run("mcopy", &["-s", "-n", "::/*", &target]);
        }
        files_in(folder.path())
    }

    /// Lets fsck.fat look at the file system.
    ///
    /// # Panics
    /// Where it finds anything.
    pub fn check(&self) {
        let folder = tempfile::tempdir().expect("temporary directory");
        let part = folder.path().join("partition");
        let bytes = std::fs::read(self.path).expect("read");
        std::fs::write(&part, &bytes[self.offset as usize..]).expect("write");
        let program = find_program("fsck.fat").expect("fsck.fat");
        let output = Command::new(program)
            .arg("-n")
            .arg(&part)
            .output()
            .expect("start");
        let text = String::from_utf8_lossy(&output.stdout);
        // Its version, and a count of files; every finding is a line more.
        let silent = text.lines().count() == 2;
        assert!(output.status.success() && silent, "{text}");
    }
}

/// Every file of a folder with its contents, every directory with `None`, by their paths.
///
/// # Panics
/// Where one cannot be read, or its name is not UTF-8.
pub fn files_in(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut out = BTreeMap::new();
    collect(folder, "", &mut out);
    out
}

fn collect(folder: &Path, prefix: &str, out: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for entry in std::fs::read_dir(folder).expect("directory") {
        let path = entry.expect("entry").path();
        let name = path.file_name().expect("name").to_str().expect("UTF-8");
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), out);
            out.insert(name, None);
        } else {
            out.insert(name, Some(std::fs::read(&path).expect("read")));
        }
    }
}
