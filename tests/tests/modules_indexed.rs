//! The closure of names and paths, which depmod's indexes may answer: always what the modules themselves say, whatever has
//! happened to either since.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use codec::Format;
use modtree::{Closure, ClosureOptions, DepmodOptions, Detail, Tree, closure, depmod};
use tests::environment::command;
use tests::modules::Kmod;
use tests::modules::synthetic::Synthetic;
use tests::modules::trees::{Synthetics, shadowed};

/// Indexes a tree, later than everything in it: an index of the same tick of the clock would not be believed.
fn index(dir: &Path) {
    std::thread::sleep(Duration::from_millis(50));
    let options = DepmodOptions {
        dir: dir.to_path_buf(),
        ..DepmodOptions::default()
    };
    depmod(&options).unwrap().write(dir).unwrap();
}

/// The files to load, in their order, or the error.
fn paths(tree: &Tree, root: &str, detail: Detail) -> Result<Vec<PathBuf>, String> {
    let modules = found(tree, root, detail)?.modules.into_iter();
    Ok(modules.map(|module| module.relative).collect())
}

fn found(tree: &Tree, root: &str, detail: Detail) -> Result<Closure, String> {
    let options = ClosureOptions {
        detail,
        ..ClosureOptions::default()
    };
    closure(tree, &[root], &options).map_err(|error| error.to_string())
}

/// Every module of a kernel, with the index of this tree: of our depmod's, or of kmod's.
fn every_module(kernel: &str, write: impl Fn(&Path, &Path)) {
    let Some((root, dir)) = shadowed(kernel) else {
        return;
    };
    let read = Tree::open(&dir).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    write(root.path(), &dir);
    let indexed = Tree::open(&dir).unwrap();
    let modules = indexed.modules().unwrap().to_vec();
    assert!(modules.len() > 3000);
    for entry in &modules {
        let name = entry.name.as_str();
        assert_eq!(
            paths(&indexed, name, Detail::Names),
            paths(&read, name, Detail::All),
            "{name}"
        );
    }
    // So it was the index that answered.
    assert_eq!(indexed.files_read(), 0);
    for entry in modules.iter().step_by(10) {
        let name = entry.name.as_str();
        let [noted, all] =
            [(&indexed, Detail::Notes), (&read, Detail::All)].map(|(tree, detail)| {
                let found = found(tree, name, detail).unwrap();
                assert_eq!(found.foreign(tree.version()).count(), 0);
                (found.notes, found.builtins.len())
            });
        assert_eq!(noted, all, "{name}");
    }
}

#[test]
fn every_module_of_6_1_by_our_index() {
    every_module("linux-6.1", |_, dir| index(dir));
}

#[test]
fn every_module_of_6_12_by_kmods_index() {
    let Some(kmod) = Kmod::v34() else {
        return;
    };
    every_module("linux-6.12", |root, dir| {
        let mut depmod = kmod.tool("depmod");
        let depmod = depmod.arg("-b").arg(root).arg(dir.file_name().unwrap());
        assert!(depmod.status().unwrap().success());
    });
}

/// `a` needs `b` and asks for `s`; `c` and `d` nothing.
fn tree() -> Synthetics {
    let tree = Synthetics::new();
    tree.module(
        "kernel/a.ko",
        "intree=Y\ndepends=b\nsoftdep=x\nsoftdep=pre: s\n",
        &["b1"],
        &[],
    )
    .module("kernel/b.ko", "intree=Y\ndepends=\n", &[], &["b1"])
    .module("kernel/c.ko", "intree=Y\ndepends=\n", &[], &["c1"])
    .module("kernel/sub/d.ko", "intree=Y\ndepends=\n", &[], &["d1"])
    .module("kernel/s.ko", "intree=Y\ndepends=\n", &[], &[])
    .file(
        "modules.order",
        b"kernel/a.ko\nkernel/b.ko\nkernel/c.ko\nkernel/sub/d.ko\nkernel/s.ko\n",
    );
    tree
}

/// What the tree answers for `a`, with the index and without; gives it, and how many modules were opened with the index.
#[track_caller]
fn both(tree: &Synthetics, what: &str) -> (Result<Vec<PathBuf>, String>, usize) {
    let [indexed, read] = [Detail::Names, Detail::All].map(|detail| {
        let tree = Tree::open(&tree.dir).unwrap();
        (paths(&tree, "a", detail), tree.files_read())
    });
    assert_eq!(indexed.0, read.0, "{what}");
    indexed
}

#[track_caller]
fn assert_answer(tree: &Synthetics, expected: &[&str], opened: usize, what: &str) {
    let (found, count) = both(tree, what);
    let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
    assert_eq!(found.unwrap(), expected, "{what}");
    assert_eq!(count, opened, "{what}");
}

const ANSWER: [&str; 3] = ["kernel/b.ko", "kernel/s.ko", "kernel/a.ko"];

#[test]
fn an_index_saves_opening_the_modules() {
    let tree = tree();
    assert_answer(&tree, &ANSWER, 3, "no index");
    index(&tree.dir);
    assert_answer(&tree, &ANSWER, 0, "an index");
    // What changes elsewhere is of no concern.
    tree.module("kernel/c.ko", "intree=Y\ndepends=b\n", &["b1"], &[])
        .module("extra/new.ko", "intree=Y\ndepends=\n", &[], &["b1"])
        .file("kernel/sub/broken.ko", b"garbage");
    assert_answer(&tree, &ANSWER, 0, "another module");
}

/// A package manager gives new files old times.
fn age(path: &Path) {
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(old).unwrap();
}

#[test]
fn a_module_that_changed_is_read() {
    let tree = tree();
    index(&tree.dir);
    tree.module("kernel/b.ko", "intree=Y\ndepends=c\n", &["c1"], &["b1"]);
    age(&tree.dir.join("kernel/b.ko"));
    let expected = [&["kernel/c.ko"], &ANSWER[..]].concat();
    // What needs the changed one is read, too: its line has what the old one needed.
    assert_answer(&tree, &expected, 2, "written anew");
    index(&tree.dir);
    assert_answer(&tree, &expected, 0, "indexed again");

    let new = Synthetic::new("intree=Y\ndepends=d\n", &["d1"], &["b1"]).bytes();
    fs::write(tree.root.path().join("new"), new).unwrap();
    age(&tree.root.path().join("new"));
    fs::rename(tree.root.path().join("new"), tree.dir.join("kernel/b.ko")).unwrap();
    let expected = [&["kernel/sub/d.ko"], &ANSWER[..]].concat();
    assert_answer(&tree, &expected, 2, "renamed over");
}

#[test]
fn a_module_that_another_one_replaces_is_not_asked() {
    let tree = tree();
    index(&tree.dir);
    tree.module("updates/b.ko", "intree=Y\ndepends=c\n", &["c1"], &["b1"]);
    let expected = ["kernel/c.ko", "updates/b.ko", "kernel/s.ko", "kernel/a.ko"];
    assert_answer(&tree, &expected, 2, "an update");
    // modules.dep has no line for the kernel's own one any more.
    index(&tree.dir);
    assert_answer(&tree, &expected, 4, "an update that is indexed");
    fs::remove_dir_all(tree.dir.join("updates")).unwrap();
    assert_answer(&tree, &ANSWER, 3, "none any more");
}

#[test]
fn a_module_that_has_gone_is_missed() {
    let tree = tree();
    index(&tree.dir);
    fs::remove_file(tree.dir.join("kernel/b.ko")).unwrap();
    let missing = |what| both(&tree, what).0.unwrap_err();
    assert!(missing("gone").contains("module a depends on b"));
    // depmod says nothing of it.
    index(&tree.dir);
    assert!(missing("gone, and indexed").contains("module a depends on b"));
}

/// Every way to cut the files, and to damage a byte of them.
#[test]
fn a_damaged_index_changes_no_answer() {
    let tree = tree();
    index(&tree.dir);
    for name in ["modules.dep", "modules.softdep", "modules.order"] {
        let path = tree.dir.join(name);
        let bytes = fs::read(&path).unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        let put = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(written)
                .unwrap();
        };
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            // Softdeps that are cut at the end of a line are whole ones of fewer modules.
            if name != "modules.softdep" || !cut.ends_with(b"\n") {
                put(cut);
                let _ = both(&tree, &format!("{name} of {length} bytes"));
            }
        }
        if name == "modules.dep" {
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 2;
                put(&damaged);
                let _ = both(&tree, &format!("{name} with damage at {at}"));
            }
        }
        put(&bytes);
    }
    fs::write(tree.dir.join("modules.dep.bin"), b"").unwrap();
    assert_answer(&tree, &ANSWER, 0, "the binary files do not matter");
    fs::remove_file(tree.dir.join("modules.softdep")).unwrap();
    assert_answer(&tree, &ANSWER, 3, "no softdeps");
}

/// The command asks the index only where it says no more than names and paths.
#[test]
fn the_command_gives_the_same_in_every_form() {
    let tree = tree();
    let closure = |words: &[&str]| {
        let mut command = command("modtree");
        command.args(["closure", "-b"]).arg(tree.root.path());
        let output = command.args(words).arg("a").output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let forms: [&[&str]; 6] = [
        &["-q"],
        &[],
        &["-q", "--format", "name"],
        &["-q", "--format", "insmod"],
        &["-q", "--json"],
        &["-q", "-x", "b"],
    ];
    let before = forms.map(closure);
    index(&tree.dir);
    assert_eq!(forms.map(closure), before);
    assert_eq!(before[2], "b\ns\na\n");
}

/// The notes, and the modules that were read for them in a tree of compressed modules with an index.
fn noted(fields_of_b: &str) -> (Vec<String>, Vec<String>) {
    let tree = Synthetics::new();
    let module = |path: &str, fields: &str, imports: &[&str], exports: &[&str]| {
        let bytes = Synthetic::new(fields, imports, exports).bytes();
        let bytes = codec::encode(&bytes, Format::Zstd, None).unwrap();
        tree.file(path, &bytes);
    };
    let version = tree.dir.file_name().unwrap().to_str().unwrap();
    let own = format!("license=GPL\nintree=Y\nvermagic={version} SMP \n");
    let a = format!("{own}depends=b\nsoftdep=pre: gone\n");
    module("kernel/a.ko.zst", &a, &["b1"], &[]);
    let b = fields_of_b.replace("OWN", &own);
    module("kernel/b.ko.zst", &b, &["c1"], &["b1"]);
    module("kernel/c.ko.zst", &format!("{own}depends=\n"), &[], &["c1"]);
    tree.file("modules.order", b"kernel/a.ko\nkernel/b.ko\nkernel/c.ko\n");
    index(&tree.dir);
    let [(notes, read), (all, _)] = [Detail::Notes, Detail::All].map(|detail| {
        let tree = Tree::open(&tree.dir).unwrap();
        let found = found(&tree, "a", detail).unwrap();
        let foreign = found.foreign(tree.version());
        let foreign: Vec<_> = foreign
            .map(|(module, release)| format!("{}: {release}", module.name))
            .collect();
        let modules = found.modules.iter();
        let read = modules.filter(|module| module.info.vermagic().is_some());
        let read = read.map(|module| module.name.to_string()).collect();
        ([found.notes, foreign].concat(), read)
    });
    assert_eq!(notes, all, "{fields_of_b}");
    (notes, read)
}

#[test]
fn notes_have_a_compressed_module_read_only_where_there_is_something_to_note() {
    let gone = "a has a soft dependency on gone, which is not there";
    let undeclared = "b uses c1 of c, which its depends= does not name";
    for (fields, notes, read) in [
        ("OWNdepends=c\n", &[gone][..], &[][..]),
        (
            "intree=Y\nvermagic=6.0 SMP \ndepends=c\n",
            &[gone, "b: 6.0"],
            &["b"],
        ),
        (
            "vermagic=6.0 SMP \ndepends=\n",
            &[gone, undeclared, "b: 6.0"],
            &["b"],
        ),
    ] {
        let (found, were_read) = noted(fields);
        assert_eq!(found, notes, "{fields}");
        assert_eq!(were_read, read, "{fields}");
    }
}
