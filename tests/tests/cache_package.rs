//! `--cache` with a kernel's package: unpacked once, and believed as long as it is the same.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;

use tests::environment::{command, has, tool};
use tests::root::{Root, SETTLED, small_root};

/// A package, and a folder for images and a cache.
struct Bench {
    root: Root,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        let root = small_root().filter(|_| has(&["dpkg-deb"]))?;
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { root, folder };
        fs::create_dir(bench.path("tmp")).unwrap();
        bench.package();
        Some(bench)
    }

    /// Makes the package anew.
    fn package(&self) {
        self.root.packaged(&self.path("linux.deb"), "none");
        sleep(SETTLED);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `packager initramfs --deb linux.deb -o image ARGUMENTS…`.
    fn start(&self, program: &mut Command, more: &[&str]) -> Vec<u8> {
        let output = program
            .args(["initramfs", "--quiet", "--deb", "linux.deb", "-o", "image"])
            .args(more)
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        fs::read(self.path("image")).unwrap()
    }

    fn packed(&self, more: &[&str]) -> Vec<u8> {
        self.start(&mut command("packager"), more)
    }

    fn cached(&self, more: &[&str]) -> Vec<u8> {
        self.packed(&[&["--cache", "cache"], more].concat())
    }

    /// The packages in the cache.
    fn kept(&self) -> Vec<PathBuf> {
        let names = fs::read_dir(self.path("cache")).unwrap();
        let names = names.map(|entry| entry.unwrap().path());
        let is_package = |path: &PathBuf| path.extension().is_some_and(|end| end == "package");
        names.filter(is_package).collect()
    }
}

#[test]
fn a_rebuild_does_not_unpack_the_package() {
    let (Some(bench), Some(strace)) = (Bench::new(), tool("strace")) else {
        return;
    };
    let plain = bench.packed(&[]);
    assert!(bench.cached(&[]) == plain, "the first run with a cache");
    assert_eq!(bench.kept().len(), 1);
    let mut traced = Command::new(strace);
    traced.args(["-f", "-qq", "-e", "trace=openat", "-o", "log"]);
    traced.arg(command("packager").get_program());
    let rebuilt = bench.start(&mut traced, &["--cache", "cache"]);
    assert!(rebuilt == plain, "the second run");
    let log = fs::read_to_string(bench.path("log")).unwrap();
    assert!(log.contains(".package"), "strace saw nothing: {log}");
    assert!(!log.contains("linux.deb"), "{log}");
    // Another request is another selection.
    for other in [
        &["--modules", "vfat"][..],
        &["--module-files", "stripped", "--strip-signed"],
    ] {
        let plain = bench.packed(other);
        assert!(
            bench.cached(other) == plain && bench.cached(other) == plain,
            "{other:?}"
        );
    }
    assert_eq!(bench.kept().len(), 3);
    let left = fs::read_dir(bench.path("tmp")).unwrap();
    assert_eq!(left.count(), 0, "of the private folders");
}

#[test]
fn another_package_and_a_damaged_entry_are_seen() {
    let Some(bench) = Bench::new() else { return };
    let before = bench.cached(&[]);
    let path = bench.kept().remove(0);
    let mut entry = fs::read(&path).unwrap();
    let middle = entry.len() / 2;
    entry[middle] ^= 1;
    fs::write(&path, entry).unwrap();
    assert!(bench.cached(&[]) == before, "a damaged entry");
    // A module is another one.
    let module = bench.root.module("fs/fat/vfat.ko");
    let mut bytes = fs::read(&module).unwrap();
    bytes.push(0);
    fs::write(&module, bytes).unwrap();
    bench.package();
    let after = bench.packed(&[]);
    assert!(after != before);
    for run in ["first", "second"] {
        assert!(bench.cached(&[]) == after, "{run} run with another package");
    }
}
