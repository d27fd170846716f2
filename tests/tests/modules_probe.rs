//! What modprobe would do, line by line, for every module of both kernels; and kmod's own indexes read by ours.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::Path;

use modtree::{Action, Index, Indexes, Tree};
use rayon::prelude::*;
use tests::environment::{command, kernel};
use tests::modules::{Kmod, run, shadow};

fn lines(indexes: &Indexes, query: &str) -> String {
    let actions = indexes.show_depends(query);
    let lines = actions.into_iter().map(|action| match action {
        Action::Insmod(path) => format!("insmod {} \n", path.display()),
        Action::Builtin(name) => format!("builtin {name}\n"),
    });
    lines.collect()
}

/// Aliases and names that are none.
const MORE: [&str; 10] = [
    "fs-vfat",
    "usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00",
    "pci:v00008086d00001E31sv00000000sd00000000bc0Csc03i30",
    "crypto-crc32c",
    "symbol:usb_register_driver",
    "nls_base",
    "scsi:t-0x00",
    "net-pf-10",
    "no_such_module",
    "char-major-10-200",
];

fn compare(name: &str) {
    let Some(original) = kernel(name) else { return };
    let tree = Tree::select(&original, None).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let empty = temporary.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for kmod in Kmod::all() {
        let root = temporary.path().join(kmod.name);
        let dir = shadow(&tree.dir().canonicalize().unwrap(), &root);
        run(kmod.tool("depmod").arg("-b").arg(&root).arg(tree.version()));
        let indexes = Indexes::open(&dir).unwrap();
        let modprobe = |query: &str| {
            let mut modprobe = kmod.tool("modprobe");
            modprobe.arg("-C").arg(&empty).arg("-d").arg(&root);
            modprobe.args(["-S", tree.version(), "--show-depends", query]);
            String::from_utf8(modprobe.output().unwrap().stdout).unwrap()
        };
        let modules = tree.modules().unwrap().par_iter();
        let names = modules.map(|entry| entry.name.as_str());
        let different: Vec<_> = names
            .chain(MORE)
            .filter(|query| lines(&indexes, query) != modprobe(query))
            .collect();
        assert!(different.is_empty(), "{name}, {}: {different:?}", kmod.name);
        println!(
            "{name}, {}: {} modules and {} more queries, the same lines",
            kmod.name,
            tree.modules().unwrap().len(),
            MORE.len()
        );
        all_entries_can_be_found(&dir);
    }
}

/// Every key that a walk through kmod's file finds is found by asking for it.
fn all_entries_can_be_found(dir: &Path) {
    for name in [
        "modules.dep.bin",
        "modules.alias.bin",
        "modules.symbols.bin",
        "modules.builtin.bin",
    ] {
        let bytes = std::fs::read(dir.join(name)).unwrap();
        let index = Index::new(&bytes).unwrap();
        for (key, value) in index.entries().unwrap() {
            assert!(index.get(&key).contains(&value), "{name}");
        }
    }
}

#[test]
fn every_module_of_the_plain_tree() {
    compare("linux-6.1");
}

#[test]
fn every_module_of_the_xz_tree() {
    compare("linux-6.12");
}

#[test]
fn the_command_needs_no_index() {
    let Some(original) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&original, None).unwrap();
    let output = run(command("modtree")
        .args(["closure", "--modprobe-compat", "-b"])
        .arg(&original)
        .args(["r8169", "btrfs"]));
    let libphy = output
        .lines()
        .filter(|line| line.ends_with("/libphy.ko "))
        .count();
    assert_eq!(libphy, 2, "modprobe lists it twice: {output}");
    assert!(
        !output.contains("xxhash_generic"),
        "only the first softdep line counts: {output}"
    );
    assert!(output.starts_with(&format!("insmod {}", tree.dir().display())));
}
