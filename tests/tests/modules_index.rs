//! The text indexes of a subset: the same bytes as depmod's, and good enough for busybox's modprobe.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::Path;
use std::process::Command;

use modtree::{Closure, ClosureOptions, ModuleName, Planned, Tree, closure, index};
use tests::environment::{kernel, tool};
use tests::modules::{run, runtime, shadow};

const ROOTS: [&str; 9] = [
    "usb_storage",
    "vfat",
    "usbhid",
    "ext4",
    "btrfs",
    "virtio_net",
    "i915",
    "tun",
    "mac80211",
];

/// Copies the modules of a closure below `dir`, and writes the indexes beside them.
fn lay_out(tree: &Tree, closure: &Closure, dir: &Path) -> Vec<(&'static str, Vec<u8>)> {
    for module in &closure.modules {
        let to = dir.join(module.plain_relative());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(&module.path, to).unwrap();
    }
    let files = index::text(tree, closure, Planned::plain_relative).unwrap();
    for (name, bytes) in &files {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
    files
}

fn found(tree: &Tree) -> Closure {
    closure(tree, &ROOTS, &runtime()).unwrap()
}

#[test]
fn text_indexes_are_the_same_bytes_as_depmods() {
    let (Some(original), Some(depmod)) = (kernel("linux-6.1"), tool("depmod")) else {
        return;
    };
    let tree = Tree::select(&original, None).unwrap();
    let closure = found(&tree);
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("lib/modules").join(tree.version());
    let ours = lay_out(&tree, &closure, &dir);
    // What is our own must not be taken for depmod's.
    for (name, _) in &ours {
        if ![
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ]
        .contains(name)
        {
            std::fs::remove_file(dir.join(name)).unwrap();
        }
    }
    run(Command::new(depmod)
        .arg("-b")
        .arg(root.path())
        .arg(tree.version()));
    for (name, bytes) in ours {
        let theirs = std::fs::read(dir.join(name)).unwrap();
        assert!(bytes == theirs, "{name} is not depmod's");
        println!("{name}: {} bytes, the same", bytes.len());
    }
    println!("{} modules, indexes compared", closure.modules.len());
}

/// The same for all 4,023 modules at once: every import, every export, and the order of all lines.
#[test]
fn text_indexes_of_the_whole_tree_are_depmods_too() {
    let (Some(original), Some(depmod)) = (kernel("linux-6.1"), tool("depmod")) else {
        return;
    };
    let tree = Tree::select(&original, None).unwrap();
    let names = tree
        .modules()
        .unwrap()
        .iter()
        .map(|entry| entry.name.as_str());
    let roots: Vec<&str> = names.collect();
    let closure = closure(&tree, &roots, &ClosureOptions::default()).unwrap();
    assert_eq!(closure.modules.len(), roots.len());
    let root = tempfile::tempdir().unwrap();
    let dir = shadow(tree.dir(), root.path());
    run(Command::new(depmod)
        .arg("-b")
        .arg(root.path())
        .arg(tree.version()));
    for (name, bytes) in index::text(&tree, &closure, Planned::plain_relative).unwrap() {
        let theirs = std::fs::read(dir.join(name)).unwrap();
        assert!(bytes == theirs, "{name} is not depmod's");
    }
    println!("{} modules, indexes compared", roots.len());
}

/// busybox's modprobe reads /lib/modules of the running kernel, so the image's root becomes the root, and its version the
/// running one.
#[test]
fn busybox_modprobe_finds_everything() {
    let (Some(original), Some(busybox)) = (kernel("linux-6.1"), tool("busybox")) else {
        return;
    };
    let unshare = Command::new("unshare").args(["-r", "true"]).status();
    if !unshare.is_ok_and(|status| status.success()) {
        println!("skipped: this machine gives no user namespaces");
        return;
    }
    let tree = Tree::select(&original, None).unwrap();
    let closure = found(&tree);
    let root = tempfile::tempdir().unwrap();
    let release = run(Command::new("uname").arg("-r"));
    lay_out(
        &tree,
        &closure,
        &root.path().join("lib/modules").join(release.trim()),
    );
    std::fs::copy(busybox, root.path().join("busybox")).unwrap();
    let modprobe = |name: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["-r", "chroot"])
            .arg(root.path())
            .args(["/busybox", "modprobe", "-D", name]);
        command
    };
    let depends = |name: &str| run(&mut modprobe(name));
    let loaded = |lines: &str| -> Vec<ModuleName> {
        let files = lines
            .lines()
            .filter_map(|line| line.trim_end().rsplit('/').next());
        files.map(ModuleName::new).collect()
    };
    for module in &closure.modules {
        let lines = depends(module.name.as_str());
        let loaded = loaded(&lines);
        assert!(loaded.contains(&module.name), "{}: {lines}", module.name);
        for needed in module.info.depends() {
            assert!(loaded.contains(&needed.into()), "{}: {lines}", module.name);
        }
    }
    // A stick's modalias, as the kernel writes it.
    let lines = depends("usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00");
    let loaded = loaded(&lines);
    assert!(
        loaded.contains(&"usb_storage".into()) && loaded.contains(&"uas".into()),
        "{lines}"
    );
    let builtin = modprobe("nls_base").output().unwrap().stderr;
    assert!(String::from_utf8_lossy(&builtin).contains("nls_base is builtin"));
}
