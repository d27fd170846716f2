//! `modtree depmod` against kmod 34's and kmod 30's on whole kernels of Debian: every file, byte by byte.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::BTreeMap;
use std::path::Path;

use modtree::Index;
use tests::modules::synthetic::Synthetic;
use tests::modules::trees::{assert_same, shadowed};
use tests::modules::{ARCHITECTURES, Kmod, index_files, modtree_depmod, run};

fn version(dir: &Path) -> String {
    dir.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The whole of a kernel of the corpus.
fn whole(name: &str) {
    if let Some((root, dir)) = shadowed(name) {
        assert_same(root.path(), &version(&dir), &[], name);
    }
}

#[test]
fn plain_tree() {
    whole("linux-6.1");
}

#[test]
fn xz_tree() {
    whole("linux-6.12");
}

/// The whole tree, in every form of compression that the two kmods have in common, and a mixture with plain files.
#[test]
fn recompressed_trees() {
    for form in ["zstd", "xz", "mixed"] {
        whole(&format!("linux-6.1-{form}"));
    }
}

/// 32 bits and 64, both byte orders, other relocations.
#[test]
fn other_architectures() {
    for (architecture, _) in ARCHITECTURES {
        whole(&format!("linux-6.1-{architecture}"));
    }
}

/// Debian's builds of kmod read no gzip, so the plain tree is the oracle: the paths have another suffix, and nothing else
/// differs. A binary index of paths holds the lines of the text.
#[test]
fn gzip_tree() {
    let (Some(kmod), Some((plain, plain_dir)), Some((root, dir))) = (
        Kmod::v34(),
        shadowed("linux-6.1"),
        shadowed("linux-6.1-gzip"),
    ) else {
        return;
    };
    let version = version(&dir);
    run(kmod
        .tool("depmod")
        .arg("-b")
        .arg(plain.path())
        .arg(&version));
    let mut theirs = index_files(&plain_dir);
    let output = modtree_depmod(root.path(), root.path(), &version, &[]);
    assert!(output.status.success());
    let mut ours = index_files(&dir);
    let dep = theirs.remove("modules.dep").unwrap();
    theirs.remove("modules.dep.bin").unwrap();
    let dep = String::from_utf8(dep).unwrap().replace(".ko", ".ko.gz");
    assert_eq!(
        String::from_utf8(ours.remove("modules.dep").unwrap()).unwrap(),
        dep
    );
    let bin = ours.remove("modules.dep.bin").unwrap();
    let lines: BTreeMap<_, _> = (0_u32..).zip(dep.lines()).collect();
    let entries = Index::new(&bin).unwrap().entries().unwrap();
    assert_eq!(entries.len(), lines.len());
    for (name, value) in entries {
        let line = lines[&value.priority];
        assert_eq!(value.value, line.as_bytes());
        let file = line.split_once(':').unwrap().0.rsplit_once('/').unwrap().1;
        assert_eq!(
            file.replace('-', "_").as_bytes(),
            [&name[..], b".ko.gz"].concat()
        );
    }
    assert!(ours == theirs, "another file differs");
}

/// Modules come and go, as with DKMS: with a cache, the files are those of a full run.
#[test]
fn a_module_more_and_a_module_less() {
    let Some((root, dir)) = shadowed("linux-6.1") else {
        return;
    };
    let version = version(&dir);
    let full = tempfile::tempdir().unwrap();
    let module = |name: &str, aliases: &str, imports: &[&str], exports: &[&str]| {
        let path = dir.join("updates/dkms").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, Synthetic::new(aliases, imports, exports).bytes()).unwrap();
    };
    let steps: [(&str, &dyn Fn()); 6] = [
        ("nothing", &|| ()),
        ("an alias", &|| {
            module(
                "a.ko",
                "alias=pci:v0000ADDEd*\n",
                &["usb_register_driver"],
                &[],
            );
        }),
        ("symbols", &|| {
            module("b.ko", "", &["fat_scan"], &["b_symbol"]);
            module("c.ko", "alias=usb:v0ADDp*\n", &["b_symbol"], &[]);
        }),
        ("a symbol of the kernel's own module", &|| {
            module("d.ko", "", &[], &["fat_scan"]);
        }),
        ("another file of the same name", &|| {
            module("a.ko", "alias=pci:v0000ADDFd*\n", &["fat_scan"], &[]);
        }),
        ("fewer modules", &|| {
            std::fs::remove_file(dir.join("updates/dkms/c.ko")).unwrap();
        }),
    ];
    for (what, change) in steps {
        change();
        for (out, more) in [(root.path(), &["--incremental"][..]), (full.path(), &[])] {
            let output = modtree_depmod(root.path(), out, &version, more);
            assert!(output.status.success(), "{what}: {output:?}");
        }
        let mut ours = index_files(&dir);
        ours.retain(|name, _| name != "modules.modtree-cache");
        let expected = index_files(&full.path().join("lib/modules").join(&version));
        assert!(ours == expected, "{what}");
    }
}

#[test]
fn whatever_modules_order_is_like() {
    let Some((root, dir)) = shadowed("linux-6.1") else {
        return;
    };
    let version = version(&dir);
    let path = dir.join("modules.order");
    let full = std::fs::read_to_string(&path).unwrap();
    let half: String = full.split_inclusive('\n').take(2000).collect();
    let backwards: String = full.split_inclusive('\n').rev().collect();
    std::fs::remove_file(&path).unwrap();
    assert_same(root.path(), &version, &[], "no modules.order");
    for (what, text) in [
        ("an empty modules.order", ""),
        ("half of modules.order", &half),
        ("modules.order cut within a line", &full[..100_000]),
        (
            "every line of modules.order twice",
            &format!("{half}{backwards}"),
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        assert_same(root.path(), &version, &[], what);
    }
}
