use std::collections::BTreeSet;

use super::*;
use crate::testing::{Root, Synthetic};
use crate::{ClosureError, ClosureOptions, closure};

pub(super) fn load(tree: &Tree, roots: &[&str]) -> Result<Vec<String>, ClosureError> {
    let found = closure(tree, roots, &ClosureOptions::default())?;
    Ok(found
        .modules
        .iter()
        .map(|module| module.name.to_string())
        .collect())
}

pub(super) fn fat() -> Root {
    let root = Root::new("6.1.0-test");
    root.module(
        "kernel/fs/fat/fat.ko",
        "depends=\nvermagic=6.1.0-test SMP \n",
    );
    root.module(
        "kernel/fs/fat/vfat.ko",
        "depends=fat\nalias=fs-vfat\nvermagic=6.0.0 SMP \n",
    );
    root.file(
        "modules.order",
        b"kernel/fs/fat/fat.ko\nkernel/fs/fat/vfat.ko\n",
    );
    root
}

#[test]
fn unrelated_garbage_is_never_opened() {
    let root = fat();
    root.file("kernel/drivers/broken.ko", b"garbage");
    let tree = Tree::select(root.path(), None).unwrap();
    assert_eq!(load(&tree, &["vfat"]).unwrap(), ["fat", "vfat"]);
    assert_eq!(tree.files_read(), 2);
    // An alias has to look at all modules, and passes over the broken one with a note.
    let found = closure(&tree, &["fs-vfat"], &ClosureOptions::default()).unwrap();
    assert_eq!(found.modules.len(), 2);
    assert!(
        found.notes[0].contains("broken.ko") && found.notes[0].contains("not an ELF file"),
        "{:?}",
        found.notes
    );
}

#[test]
fn a_damaged_module_of_the_closure_is_an_input_error_that_names_it() {
    let root = fat();
    let path = root.dir.join("kernel/fs/fat/fat.ko");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = load(&Tree::open(&root.dir).unwrap(), &["vfat"]).unwrap_err();
    assert!(error.is_input());
    assert!(
        error
            .to_string()
            .contains("fat.ko`: truncated: the file ends at 0x"),
        "{error}"
    );
    let packed = codec::encode(&bytes, codec::Format::Xz, None).unwrap();
    std::fs::remove_file(&path).unwrap();
    root.file("kernel/fs/fat/fat.ko.xz", &packed[..packed.len() / 2]);
    let error = load(&Tree::open(&root.dir).unwrap(), &["vfat"]).unwrap_err();
    assert!(error.is_input());
    assert!(
        error.to_string().contains("the xz stream is truncated"),
        "{error}"
    );
}

/// A file that is kept open is read in other ways, and as strictly.
#[test]
fn damaged_symbols_are_an_error_whether_the_file_is_kept_open_or_not() {
    let root = Root::new("6.1.0-test");
    let damaged = Synthetic {
        ksymtab_strings: Some(b"no end"),
        ..Synthetic::new("depends=\n")
    };
    root.file("kernel/a.ko", &damaged.bytes());
    root.file("modules.order", b"kernel/a.ko\n");
    let options = ClosureOptions {
        runtime: true,
        ..ClosureOptions::default()
    };
    let errors = [
        Tree::open(&root.dir).unwrap(),
        Tree::open(&root.dir).unwrap().keeping_files(),
    ]
    .map(|tree| closure(&tree, &["a"], &options).unwrap_err().to_string());
    assert!(
        errors[0].contains("__ksymtab_strings") && errors[0].contains("does not end with a NUL"),
        "{errors:?}"
    );
    assert_eq!(errors[0], errors[1]);
}

#[test]
fn updates_beat_the_kernels_own() {
    let root = fat();
    root.module("updates/dkms/vfat.ko", "depends=\n");
    root.module("extra/fat.ko", "depends=\n");
    let tree = Tree::open(&root.dir).unwrap();
    let relative = |name: &str| tree.find(&name.into()).unwrap().unwrap().relative;
    for walked in [false, true] {
        assert_eq!(
            relative("vfat"),
            Path::new("updates/dkms/vfat.ko"),
            "{walked}"
        );
        assert_eq!(
            relative("fat"),
            Path::new("kernel/fs/fat/fat.ko"),
            "{walked}"
        );
        tree.modules().unwrap();
    }
}

#[test]
fn modules_order_may_be_missing_or_list_too_little_or_too_much() {
    let root = fat();
    for order in [
        None,
        Some("kernel/fs/fat/fat.ko\n"),
        Some("kernel/gone/vfat.ko\nkernel/fs/fat/fat.ko"),
        Some("../../../etc/vfat.ko\n"),
    ] {
        match order {
            Some(text) => root.file("modules.order", text.as_bytes()),
            None => std::fs::remove_file(root.dir.join("modules.order")).unwrap(),
        }
        let tree = Tree::open(&root.dir).unwrap();
        assert_eq!(
            load(&tree, &["vfat"]).unwrap(),
            ["fat", "vfat"],
            "{order:?}"
        );
    }
}

#[test]
fn names_are_the_same_with_dashes_and_underscores() {
    let root = Root::new("1.0");
    root.module("kernel/usb-storage.ko", "depends=scsi-mod\n");
    root.module("kernel/scsi_mod.ko", "depends=\n");
    let tree = Tree::open(&root.dir).unwrap();
    assert_eq!(
        load(&tree, &["usb-storage", "usb_storage"]).unwrap(),
        ["scsi_mod", "usb_storage"]
    );
}

#[test]
fn builtins_are_reported_and_not_missed() {
    let root = fat();
    root.module(
        "kernel/fs/isofs.ko",
        "depends=nls_base\nsoftdep=pre: crypto-crc32c post: nothing\n",
    );
    root.file("modules.builtin", b"kernel/fs/nls/nls_base.ko\n");
    root.file(
        "modules.builtin.modinfo",
        b"crc32c_generic.alias=crypto-crc32c\0",
    );
    let tree = Tree::open(&root.dir).unwrap();
    let found = closure(&tree, &["isofs", "nls_base"], &ClosureOptions::default()).unwrap();
    let names: BTreeSet<_> = found
        .builtins
        .iter()
        .map(|builtin| builtin.name.as_str())
        .collect();
    assert_eq!(names, BTreeSet::from(["nls_base", "crc32c_generic"]));
    assert_eq!(
        found.notes,
        ["isofs has a soft dependency on nothing, which is not there"]
    );
}

#[test]
fn what_is_missing_is_named() {
    let root = fat();
    root.module("kernel/a.ko", "depends=b,fat\n");
    let tree = Tree::open(&root.dir).unwrap();
    let error = load(&tree, &["a"]).unwrap_err().to_string();
    assert!(
        error.starts_with("module a depends on b, which is neither in"),
        "{error}"
    );
    let error = load(&tree, &["vfta"]).unwrap_err().to_string();
    assert!(error.ends_with("did you mean `vfat`?"), "{error}");
}

#[test]
fn a_cycle_is_an_error_that_names_it() {
    let root = Root::new("1.0");
    root.module("kernel/a.ko", "depends=b\n");
    root.module("kernel/b.ko", "depends=c\n");
    root.module("kernel/c.ko", "depends=b\n");
    let error = load(&Tree::open(&root.dir).unwrap(), &["a"]).unwrap_err();
    assert_eq!(error.to_string(), "dependency cycle: b -> c -> b");
}

#[test]
fn a_module_for_another_kernel_is_found_out() {
    let root = fat();
    let tree = Tree::open(&root.dir).unwrap();
    let found = closure(&tree, &["vfat"], &ClosureOptions::default()).unwrap();
    let foreign: Vec<_> = found.foreign(tree.version()).collect();
    assert_eq!(foreign.len(), 1);
    assert_eq!(
        (foreign[0].0.name.as_str(), foreign[0].1.as_str()),
        ("vfat", "6.0.0")
    );
}

#[test]
fn selection_wants_one_kernel() {
    let root = fat();
    assert_eq!(
        Tree::select(root.path(), None).unwrap().version(),
        "6.1.0-test"
    );
    let usr = root.path().join("usr/lib/modules/6.2.0/kernel");
    std::fs::create_dir_all(usr).unwrap();
    std::fs::create_dir_all(root.path().join("lib/modules/0-left-behind")).unwrap();
    let error = Tree::select(root.path(), None).unwrap_err().to_string();
    assert!(
        error.ends_with("6.1.0-test, 6.2.0; name one with --kernel"),
        "{error}"
    );
    assert_eq!(
        Tree::select(root.path(), Some("6.2.0")).unwrap().version(),
        "6.2.0"
    );
    let error = Tree::select(root.path(), Some("7"))
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("(there are modules of 6.1.0-test, 6.2.0)"),
        "{error}"
    );
    for bad in ["..", "a/b", "", "/"] {
        assert!(
            matches!(
                Tree::select(root.path(), Some(bad)),
                Err(TreeError::BadVersion(_))
            ),
            "{bad}"
        );
    }
    let running = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    std::fs::create_dir_all(
        root.path()
            .join("lib/modules")
            .join(&running)
            .join("kernel"),
    )
    .unwrap();
    assert_eq!(Tree::select(root.path(), None).unwrap().version(), running);
}

#[test]
fn the_configuration_is_found_from_the_modules_directory() {
    let root = fat();
    assert!(Tree::open(&root.dir).unwrap().config().unwrap().is_none());
    std::fs::create_dir(root.path().join("boot")).unwrap();
    std::fs::write(root.path().join("boot/config-6.1.0-test"), "CONFIG_A=1\n").unwrap();
    assert_eq!(
        Tree::open(&root.dir)
            .unwrap()
            .config()
            .unwrap()
            .unwrap()
            .get("CONFIG_A"),
        Some("1")
    );
    root.file("config", b"CONFIG_A=2\n");
    assert_eq!(
        Tree::open(&root.dir)
            .unwrap()
            .config()
            .unwrap()
            .unwrap()
            .get("CONFIG_A"),
        Some("2")
    );
}

#[test]
fn links_in_a_circle_end() {
    let root = fat();
    std::os::unix::fs::symlink("..", root.dir.join("kernel/up")).unwrap();
    std::os::unix::fs::symlink("/", root.dir.join("build")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.dir.join("kernel/gone.ko")).unwrap();
    let tree = Tree::open(&root.dir).unwrap();
    assert_eq!(tree.modules().unwrap().len(), 2);
}

#[test]
fn a_fifo_is_no_module() {
    let root = fat();
    let path = root.dir.join("kernel/pipe.ko");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let tree = Tree::open(&root.dir).unwrap();
    assert_eq!(tree.modules().unwrap().len(), 2);
    assert!(tree.find(&"pipe".into()).unwrap().is_none());
}

/// What a link to a directory above it leads to is in its own place, and nowhere else.
#[test]
fn a_link_upwards_gives_no_module_a_second_place() {
    let root = Root::new("1.0");
    for path in ["kernel/z/a.ko", "extra/b.ko"] {
        root.module(path, "depends=\n");
    }
    for (to, link) in [
        (".", "kernel/loop"),
        ("..", "extra/a"),
        ("../z", "kernel/z/a"),
    ] {
        std::os::unix::fs::symlink(to, root.dir.join(link)).unwrap();
    }
    let tree = Tree::open(&root.dir).unwrap();
    let modules = tree.modules().unwrap().iter();
    let places: Vec<_> = modules
        .map(|entry| entry.relative.to_str().unwrap())
        .collect();
    assert_eq!(places, ["extra/b.ko", "kernel/z/a.ko"]);
    assert_eq!(search::all_files(&root.dir).unwrap().len(), 2);
}
