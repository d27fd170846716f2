use std::path::Path;

use crate::testing::{Root, Synthetic};
use crate::tree::tests::{fat, load};
use crate::tree::{Resolution, Tree};

/// Writes the indexes of a tree, with times after everything that is in it.
fn index(root: &Root) {
    std::thread::sleep(std::time::Duration::from_millis(20));
    let options = crate::DepmodOptions {
        dir: root.dir.clone(),
        ..Default::default()
    };
    crate::depmod(&options).unwrap().write(&root.dir).unwrap();
}

#[test]
fn an_index_that_is_up_to_date_saves_reading_all_modules() {
    let root = fat();
    index(&root);
    let tree = Tree::open(&root.dir).unwrap();
    assert_eq!(load(&tree, &["fs-vfat"]).unwrap(), ["fat", "vfat"]);
    assert_eq!(tree.files_read(), 2);
}

/// An index of the same tick of the clock would not be believed; nor would a change of that tick be seen.
fn tick() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

/// Package managers give new files old times.
fn age(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
}

#[test]
fn an_index_is_not_believed_when_a_module_came_went_or_was_replaced() {
    for change in 0..4 {
        let root = fat();
        index(&root);
        tick();
        match change {
            0 => {
                root.module("new", "depends=\nalias=fs-new\n");
                age(&root.dir.join("new"));
                std::fs::rename(root.dir.join("new"), root.dir.join("kernel/fs/fat/fat.ko"))
                    .unwrap();
            }
            1 => root.module("updates/new.ko", "depends=\nalias=fs-new\n"),
            2 => root.module("kernel/fs/fat/new.ko", "depends=\nalias=fs-new\n"),
            _ => {
                std::fs::remove_file(root.dir.join("kernel/fs/fat/vfat.ko")).unwrap();
                root.module("kernel/other/new.ko", "depends=\nalias=fs-new\n");
            }
        }
        let tree = Tree::open(&root.dir).unwrap();
        assert_eq!(load(&tree, &["fs-new"]).unwrap().len(), 1, "{change}");
    }
}

#[test]
fn what_is_supposed_of_an_index_is_believed_until_somebody_asks() {
    let root = fat();
    index(&root);
    let open = || Tree::open(&root.dir).unwrap().supposing_current();
    let found = |tree: &Tree| load(tree, &["fs-new"]).is_ok();
    let tree = open();
    assert!(tree.is_as_supposed(), "nothing has been supposed yet");
    assert_eq!(load(&tree, &["fs-vfat"]).unwrap(), ["fat", "vfat"]);
    assert!(tree.is_as_supposed() && tree.files_read() == 2);
    tick();
    root.module("kernel/fs/fat/new.ko", "depends=\nalias=fs-new\n");
    let tree = open();
    assert!(!found(&tree), "the index does not know it");
    assert!(!tree.is_as_supposed());
    assert!(found(&tree) && !tree.is_as_supposed());
    let tree = Tree::open(&root.dir).unwrap();
    assert!(found(&tree) && tree.is_as_supposed(), "nothing is supposed");
    // Outside of `kernel` every module is looked at all the same.
    index(&root);
    tick();
    root.module("updates/newer.ko", "depends=\nalias=fs-newer\n");
    let tree = open();
    assert_eq!(load(&tree, &["fs-newer"]).unwrap(), ["newer"]);
    assert!(tree.is_as_supposed());
    // What one look shows need not be supposed: so are trees that were copied.
    index(&root);
    tick();
    root.module("kernel/newest.ko", "depends=\nalias=fs-newest\n");
    let tree = open();
    assert_eq!(load(&tree, &["fs-newest"]).unwrap(), ["newest"]);
    assert!(tree.is_as_supposed());
}

#[test]
fn an_index_is_not_believed_when_what_it_names_was_overwritten() {
    let exporter = |symbol| Synthetic {
        crcs: vec![symbol],
        ksymtab_strings: Some(b"\0"),
        ..Synthetic::new("depends=\n")
    };
    let root = fat();
    root.module("kernel/a.ko", "depends=\nalias=fs-a\n");
    root.file("kernel/b.ko", &exporter("one").bytes());
    root.file("updates/c.ko", &exporter("three").bytes());
    index(&root);
    tick();
    // In place: no directory changes.
    root.module("kernel/a.ko", "depends=\nalias=fs-other\n");
    root.file("kernel/b.ko", &exporter("two").bytes());
    for name in ["a", "b"] {
        age(&root.dir.join(format!("kernel/{name}.ko")));
    }
    let resolve = |query: &str| Tree::open(&root.dir).unwrap().resolve(query).unwrap();
    assert_eq!(resolve("fs-a"), Resolution::Unknown);
    assert_eq!(resolve("symbol:one"), Resolution::Unknown);
    assert!(matches!(resolve("symbol:three"), Resolution::Module(_)));
    // Outside of `kernel` every module is looked at.
    root.file("updates/c.ko", &exporter("four").bytes());
    assert!(matches!(resolve("symbol:four"), Resolution::Module(_)));
}

#[test]
fn a_damaged_index_is_not_believed() {
    let root = fat();
    index(&root);
    for name in [
        "modules.dep.bin",
        "modules.alias.bin",
        "modules.symbols.bin",
    ] {
        let path = root.dir.join(name);
        let sound = std::fs::read(&path).unwrap();
        for length in 0..sound.len() {
            // Cut off, or with zeros for what never came to the disk.
            let mut zeros = sound.clone();
            zeros[length..].fill(0);
            for damaged in [&sound[..length], &zeros] {
                std::fs::write(&path, damaged).unwrap();
                let tree = Tree::open(&root.dir).unwrap();
                assert_eq!(
                    load(&tree, &["fs-vfat"]).unwrap(),
                    ["fat", "vfat"],
                    "{length} bytes of {name}"
                );
            }
        }
        std::fs::write(&path, sound).unwrap();
    }
}

#[test]
fn a_module_beside_the_indexes_is_looked_at() {
    let root = fat();
    root.module("top.ko", "depends=\n");
    index(&root);
    std::fs::remove_file(root.dir.join("top.ko")).unwrap();
    let tree = Tree::open(&root.dir).unwrap();
    assert_eq!(tree.resolve("top").unwrap(), Resolution::Unknown);
}
