//! `modtree info` against modinfo: the same bytes for every module of a kernel.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::PathBuf;
use std::process::Command;

use modtree::Tree;
use tests::environment::{command, kernel};
use tests::modules::{Kmod, run};

/// Runs both with the same arguments and says where they differ.
fn compare(kmod: &Kmod, options: &[&str], modules: &[PathBuf]) {
    for some in modules.chunks(500) {
        let theirs = run(kmod.tool("modinfo").args(options).args(some));
        let mut ours: Command = command("modtree");
        let ours = run(ours.arg("info").args(options).args(some));
        for (number, (theirs, ours)) in theirs.lines().zip(ours.lines()).enumerate() {
            assert_eq!(ours, theirs, "{options:?}, line {}", number + 1);
        }
        assert_eq!(ours, theirs, "{options:?}");
    }
}

#[test]
fn every_module_shows_what_modinfo_shows() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&root, None).unwrap();
    let dir = tree.dir().canonicalize().unwrap();
    let modules = tree.modules().unwrap().iter();
    let paths: Vec<PathBuf> = modules.map(|entry| dir.join(&entry.relative)).collect();
    for kmod in Kmod::all() {
        compare(&kmod, &[], &paths);
        compare(&kmod, &["-0"], &paths[..500]);
        for field in [
            "filename", "depends", "parm", "parmtype", "alias", "signer", "sig_key", "none",
        ] {
            compare(&kmod, &["-F", field], &paths[..500]);
        }
        compare(&kmod, &["-0", "-F", "firmware"], &paths[..500]);
    }
}

#[test]
fn a_part_of_the_kernel_shows_what_modinfo_shows() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let Some(kmod) = Kmod::v30() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let tree = Tree::select(&root, None).unwrap();
    tests::modules::shadow(&tree.dir().canonicalize().unwrap(), temporary.path());
    run(kmod
        .tool("depmod")
        .arg("-b")
        .arg(temporary.path())
        .arg(tree.version()));
    for name in ["i8042", "atkbd", "virtio_rng", "8250"] {
        let place = [
            "-b",
            temporary.path().to_str().unwrap(),
            "-k",
            tree.version(),
            name,
        ];
        let theirs = run(kmod.tool("modinfo").args(place));
        let ours = run(command("modtree").arg("info").args(place));
        let relative = |text: &str| text.replace(temporary.path().to_str().unwrap(), "");
        assert_eq!(relative(&ours), relative(&theirs), "{name}");
    }
}
