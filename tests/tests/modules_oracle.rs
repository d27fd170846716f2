//! Every module of Debian's 6.1 kernel: our closure against `modprobe --show-depends` of the installed kmod.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use modtree::{Closure, ClosureOptions, ModuleName, SoftdepLines, Tree, closure};
use rayon::prelude::*;
use tests::environment::{corpus, kernel, tool};
use tests::modules::{run, runtime, shadow};

type Names = BTreeSet<ModuleName>;

fn options(softdeps: SoftdepLines) -> ClosureOptions {
    ClosureOptions {
        softdeps,
        ..ClosureOptions::default()
    }
}

/// The modules to load, and the ones that are part of the kernel.
fn names(closure: &Closure) -> (Names, Names) {
    let modules = closure.modules.iter().map(|module| module.name.clone());
    let builtins = closure.builtins.iter().map(|builtin| builtin.name.clone());
    (modules.collect(), builtins.collect())
}

/// What modprobe would load, and what it says is part of the kernel. `empty` is a configuration directory without files: this machine's settings must not count.
fn modprobe(
    modprobe: &Path,
    root: &Path,
    empty: &Path,
    version: &str,
    module: &ModuleName,
) -> (Names, Names) {
    let mut command = Command::new(modprobe);
    command.arg("-C").arg(empty).arg("-d").arg(root);
    command.args(["-S", version, "--show-depends", module.as_str()]);
    let mut found = (Names::new(), Names::new());
    for line in run(&mut command).lines().map(str::trim_end) {
        if let Some(path) = line.strip_prefix("insmod ") {
            let file = Path::new(path).file_name().unwrap_or(OsStr::new(""));
            found.0.insert(ModuleName::of_file(file));
        } else {
            let name = line
                .strip_prefix("builtin ")
                .unwrap_or_else(|| panic!("{module}: {line}"));
            found.1.insert(ModuleName::new(name));
        }
    }
    found
}

/// Each module comes after those whose symbols it uses.
fn assert_order(closure: &Closure) {
    let mut loaded = BTreeSet::new();
    for module in &closure.modules {
        for depends in module.info.depends().map(ModuleName::new) {
            assert!(
                loaded.contains(&depends),
                "{} stands before {depends}",
                module.name
            );
        }
        assert!(
            loaded.insert(module.name.clone()),
            "{} stands twice",
            module.name
        );
    }
}

#[test]
fn every_closure_is_the_same_as_modprobes() {
    if let Some(original) = kernel("linux-6.1") {
        compare(&original);
    }
}

/// Compressed modules, in `usr/lib/modules`. The corpus has this kernel only where somebody wants it.
#[test]
fn every_closure_of_a_compressed_tree_is_the_same_as_modprobes() {
    let original = corpus().join("linux-6.12");
    if original.is_dir() {
        compare(&original);
    }
}

fn compare(original: &Path) {
    let (Some(depmod), Some(tool)) = (tool("depmod"), tool("modprobe")) else {
        return;
    };
    let tree = Tree::select(original, None).unwrap();
    let version = tree.version();
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("root");
    let empty = temporary.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    shadow(&tree.dir().canonicalize().unwrap(), &root);
    run(Command::new(depmod).arg("-b").arg(&root).arg(version));

    let several: Names = tree
        .all_modinfo()
        .unwrap()
        .into_iter()
        .filter(|(_, info)| info.as_ref().unwrap().softdeps().count() > 1)
        .map(|(entry, _)| entry.name.clone())
        .collect();
    let modules = tree.modules().unwrap();
    assert!(
        modules.len() > 4000,
        "the corpus is not complete: {} modules",
        modules.len()
    );
    let more: BTreeMap<ModuleName, Vec<String>> = modules
        .par_iter()
        .filter_map(|entry| {
            let theirs = modprobe(&tool, &root, &empty, version, &entry.name);
            let all = closure(&tree, &[entry.name.as_str()], &options(SoftdepLines::All)).unwrap();
            let first =
                closure(&tree, &[entry.name.as_str()], &options(SoftdepLines::First)).unwrap();
            assert_order(&all);
            assert_order(&first);
            assert_eq!(
                names(&first),
                theirs,
                "{}, the first softdep line only",
                entry.name
            );
            let ours = names(&all);
            if ours.0.is_disjoint(&several) {
                assert_eq!(ours, theirs, "{}", entry.name);
            }
            assert!(ours.0.is_superset(&theirs.0), "{}", entry.name);
            assert!(ours.1.is_superset(&theirs.1), "{}", entry.name);
            let more: Vec<_> = ours
                .0
                .difference(&theirs.0)
                .map(ToString::to_string)
                .collect();
            (!more.is_empty()).then(|| (entry.name.clone(), more))
        })
        .collect();
    println!("{} modules compared", modules.len());
    let several: Vec<_> = several.iter().map(ModuleName::as_str).collect();
    println!("with several softdep lines: {}", several.join(" "));
    println!("closures with more modules than modprobe's, since all softdep lines count:");
    for (name, more) in more {
        println!("  {name}: {}", more.join(" "));
    }
}

#[test]
fn a_closure_opens_its_own_files_and_no_others() {
    let Some(original) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&original, None).unwrap();
    let found = closure(&tree, &["usb_storage", "vfat"], &ClosureOptions::default()).unwrap();
    assert_eq!(tree.files_read(), found.modules.len());
}

#[test]
fn compressed_modules_give_the_same_closures() {
    let Some(original) = kernel("linux-6.1") else {
        return;
    };
    let plain = Tree::select(&original, None).unwrap();
    let roots = [
        "usb_storage",
        "vfat",
        "btrfs",
        "ext4",
        "r8169",
        "virtio_net",
        "usbhid",
        "snd_usb_audio",
        "uas",
        "sd_mod",
    ];
    let expected = closure(&plain, &roots, &runtime()).unwrap();
    assert!(
        expected.modules.len() > 50,
        "a few dozen, not {}",
        expected.modules.len()
    );

    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("lib/modules").join(plain.version());
    let formats = [
        (codec::Format::Gzip, ".gz"),
        (codec::Format::Xz, ".xz"),
        (codec::Format::Zstd, ".zst"),
    ];
    for (module, (format, suffix)) in expected.modules.iter().zip(formats.into_iter().cycle()) {
        let mut to = dir.join(&module.relative).into_os_string();
        to.push(suffix);
        std::fs::create_dir_all(Path::new(&to).parent().unwrap()).unwrap();
        let bytes = std::fs::read(&module.path).unwrap();
        std::fs::write(&to, codec::encode(&bytes, format, Some(1)).unwrap()).unwrap();
    }
    for file in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        std::fs::copy(plain.dir().join(file), dir.join(file)).unwrap();
    }
    let config = plain
        .config()
        .unwrap()
        .and_then(|config| config.path())
        .unwrap();
    std::fs::copy(config, dir.join("config")).unwrap();
    let compressed = Tree::open(&dir).unwrap();
    let found = closure(&compressed, &roots, &runtime()).unwrap();
    let order = |closure: &Closure| {
        let names = closure.modules.iter().map(|module| module.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(order(&found), order(&expected));
    assert_eq!(found.notes, expected.notes);
}

#[test]
fn what_a_stick_needs_while_running_is_found() {
    let Some(original) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&original, None).unwrap();
    let found = closure(&tree, &["usb_storage", "vfat"], &runtime()).unwrap();
    assert_order(&found);
    for name in [
        "nls_cp437",
        "nls_ascii",
        "uas",
        "sd_mod",
        "xhci_pci",
        "ehci_pci",
        "ohci_pci",
        "uhci_hcd",
    ] {
        let module = found
            .get(&name.into())
            .unwrap_or_else(|| panic!("no {name}"));
        let rules = module
            .reasons
            .iter()
            .filter_map(|reason| reason.rule.as_ref());
        assert!(rules.clone().count() > 0, "{name}");
        assert!(
            rules.clone().all(|rule| !rule.evidence.is_empty()),
            "{name}"
        );
    }
    for name in ["dummy_hcd", "vhci_hcd", "sl811_hcd", "u132_hcd", "nls_utf8"] {
        assert!(found.get(&name.into()).is_none(), "{name}");
    }
    assert_eq!(found.notes, [""; 0]);

    let keyboard = closure(&tree, &["usbhid"], &runtime()).unwrap();
    assert!(keyboard.get(&"hid_generic".into()).is_some());
}
