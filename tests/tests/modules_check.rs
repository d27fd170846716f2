//! `modtree check` on trees with something wrong in each way.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::fs;
use std::path::Path;

use tests::environment::command;
use tests::modules::synthetic::Synthetic;

/// A root with these modules: path, fields, imports, exports.
fn root(modules: &[(&str, &str, &[&str], &[&str])]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, fields, imports, exports) in modules {
        let module = Synthetic::new(fields, imports, exports);
        put(root.path(), path, &module);
    }
    root
}

fn put(root: &Path, path: &str, module: &Synthetic) {
    let file = root.join("lib/modules/5.0-x").join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, module.bytes()).unwrap();
}

/// The lines of findings and of notes, and whether there is an error.
fn check(root: &Path, more: &[&str]) -> (Vec<String>, String, bool) {
    let mut command = command("modtree");
    let output = command.args(["check", "-b"]).arg(root).args(more).output();
    let output = output.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let findings = text.lines().take_while(|line| !line.contains(" of 5.0-x"));
    (
        findings.map(str::to_owned).collect(),
        String::from_utf8(output.stderr).unwrap(),
        output.status.code() == Some(1),
    )
}

const MAGIC: &str = "vermagic=5.0-x SMP mod_unload modversions ";

#[test]
fn symbols_are_compared_with_depends_and_with_the_kernel() {
    let intree = "intree=Y\ndepends=";
    let root = root(&[
        ("kernel/core.ko", intree, &["printk"], &["core_get"]),
        (
            "updates/spl.ko",
            "depends=core",
            &["core_get"],
            &["spl_new"],
        ),
        (
            "updates/zfs.ko",
            "depends=",
            &["spl_new", "?weak", "printk"],
            &[],
        ),
        ("updates/old.ko", "depends=gone", &["core_get"], &[]),
        (
            "updates/lost.ko",
            "depends=gone",
            &["a", "b", "c", "d"],
            &[],
        ),
    ]);
    let undeclared = [
        "depends= differs: old: names gone in its depends=, which is not there and of which it uses no symbol",
        "depends= differs: old: uses core_get of core, which its depends= does not name",
        "depends= differs: zfs: uses spl_new of spl, which its depends= does not name",
    ];
    let missing = "missing dependency: lost: needs gone, which is not there";
    let (found, notes, is_error) = check(root.path(), &[]);
    assert_eq!(found[0], missing);
    assert_eq!(found[1..], undeclared);
    assert!(
        is_error && notes.contains("there is no boot/System.map-5.0-x"),
        "{notes}"
    );

    let lists = tempfile::tempdir().unwrap();
    let list = |name: &str, text: &str| {
        let path = lists.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let map = list("map", "ffffffff81000000 r __ksymtab_printk\n");
    let symvers = list("symvers", "0x00001235\tprintk\tvmlinux\tEXPORT_SYMBOL\n");
    let unknown = "unknown symbol: lost: uses a, b, c and 1 more, which neither the kernel nor a module exports";
    let (found, notes, _) = check(root.path(), &["--system-map", &map]);
    assert_eq!(found[..2], [missing, unknown]);
    assert_eq!(notes, "");
    let (found, ..) = check(root.path(), &["--symvers", &symvers]);
    let checksum = |name| {
        format!(
            "symbol version: {name}: was built for printk with checksum 0x00001234, and the kernel has 0x00001235"
        )
    };
    assert_eq!(
        found[1..4],
        [checksum("core"), checksum("zfs"), unknown.to_owned()]
    );
    // One that only says where the real one is.
    let stub = list(
        "stub",
        "ffffffff81000000 B The real System.map is elsewhere\n",
    );
    let (_, notes, _) = check(root.path(), &["-F", &stub]);
    assert!(notes.contains("` has none)"), "{notes}");
}

#[test]
fn what_the_kernel_compares_of_vermagic_is_compared() {
    let other_release = MAGIC.replace("5.0-x", "5.1-y");
    let root = root(&[
        ("kernel/a.ko", MAGIC, &["k"], &[]),
        ("kernel/b.ko", MAGIC, &["k"], &[]),
        (
            "updates/rest.ko",
            &MAGIC.replace("SMP", "SMP preempt"),
            &["k"],
            &[],
        ),
        ("updates/release.ko", &other_release, &["k"], &[]),
    ]);
    let mut bare = Synthetic::new(&other_release, &["k"], &[]);
    bare.versions.clear();
    put(root.path(), "updates/bare.ko", &bare);
    let (found, ..) = check(root.path(), &[]);
    assert_eq!(
        found,
        [
            "other kernel: bare: was built for 5.1-y",
            "other kernel: rest: was built for a kernel with `SMP preempt mod_unload modversions`, \
             and most here for `SMP mod_unload modversions`",
            "other release: release: was built for 5.1-y",
        ]
    );
}

#[test]
fn small_trees_are_told_as_they_are() {
    let root = root(&[(
        "kernel/a.ko",
        "firmware=x/a*.bin\nintree=Y\ndepends=",
        &[],
        &[],
    )]);
    fs::create_dir_all(root.path().join("lib/firmware/x")).unwrap();
    fs::write(
        root.path().join("lib/modules/5.0-x/modules.dep"),
        "kernel/a.ko:\n",
    )
    .unwrap();
    let missing = "missing firmware: a: names x/a*.bin";
    let (found, notes, is_error) = check(root.path(), &[]);
    assert_eq!(found, [missing]);
    assert!(
        !is_error && notes.contains("note: modules.softdep is missing beside modules.dep"),
        "{notes}"
    );
    fs::write(root.path().join("lib/firmware/x/a1.bin.zst"), "").unwrap();
    let output = command("modtree")
        .args(["check", "-b"])
        .arg(root.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "1 module of 5.0-x\n"
    );
}
