//! A kernel's Debian package gives the same answers as its unpacked root.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::fs;
use std::path::{Path, PathBuf};

use modtree::{CheckOptions, Package, Tree, call_sites, check, closure, diff, is_rare_request};
use rayon::prelude::*;
use tests::environment::{command, corpus, kernel, required};
use tests::modules::{run, runtime};

/// The package that the corpus `linux-6.1` was unpacked from.
fn package() -> Option<PathBuf> {
    let is_kernel = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("linux-image-6.1") && name.ends_with(".deb")
    };
    let listed = fs::read_dir(corpus().join("packages")).ok();
    let found = listed
        .and_then(|mut files| files.find_map(|file| Some(file.ok()?.path()).filter(is_kernel)));
    required(found, "the package linux-image-6.1 (cargo xtask corpus)")
}

#[test]
fn the_library_answers_alike() {
    let (Some(root), Some(package)) = (kernel("linux-6.1"), package()) else {
        return;
    };
    let package = Package::unpack(&package).unwrap();
    let folder = package.root().to_path_buf();
    let packed = Tree::in_package(package, None).unwrap();
    let plain = Tree::select(&root, None).unwrap();
    assert_eq!(packed.version(), plain.version());
    let asked = |tree: &Tree| {
        let found = closure(tree, &["usb_storage", "vfat"], &runtime()).unwrap();
        let modules = found.modules.iter();
        let modules = modules.map(|it| (it.name.clone(), it.relative.clone(), it.reasons.clone()));
        (modules.collect::<Vec<_>>(), found.notes)
    };
    assert_eq!(asked(&packed), asked(&plain));
    let findings = |tree| check(tree, &CheckOptions::default()).unwrap().findings;
    assert_eq!(findings(&packed), findings(&plain));
    let none = diff(&packed, &plain).unwrap();
    assert!(none.added.is_empty() && none.removed.is_empty() && none.dependencies.is_empty());
    assert!(none.symbols.added.is_empty() && none.symbols.removed.is_empty());
    drop(packed);
    assert!(!folder.exists());
}

/// Every question, asked of the package and of its unpacked root. Where paths are printed they name the member, and with
/// the member's name alone they are those of the root.
#[test]
fn the_commands_answer_alike() {
    let (Some(root), Some(package)) = (kernel("linux-6.1"), package()) else {
        return;
    };
    const QUESTIONS: [(&str, bool); 10] = [
        ("closure --runtime vfat", true),
        ("closure --json vfat", true),
        ("info vfat fat", true),
        ("why --json vfat nls_cp437", false),
        ("users usbcore", false),
        ("providers --imports usb_add_hcd", false),
        ("resolve fs-ext4 nls_base", false),
        ("requests mlx4_core", false),
        ("graph --for usb-storage --svg -", false),
        ("check", false),
    ];
    // Each command unpacks the package for itself.
    QUESTIONS.par_iter().for_each(|&(question, has_paths)| {
        let words: Vec<&str> = question.split(' ').collect();
        let of = |option: &str, place: &Path, separator: &str| {
            let output = command("modtree")
                .args([words[0], option])
                .arg(place)
                .args(&words[1..])
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(!text.is_empty(), "{question}");
            let place = format!("{}{separator}", place.display());
            let code = output.status.code();
            (text.contains(&place), text.replace(&place, ""), code)
        };
        let packed = of("--deb", &package, ":");
        assert_eq!(packed, of("--basedir", &root, "/"), "{question}");
        assert_eq!(packed.0, has_paths, "{question}");
    });
    // A package beside another place takes no option.
    let same = run(command("modtree").arg("diff").arg(&package).arg(&root));
    assert_eq!(same, "");
}

#[test]
fn errors_name_the_package_and_not_where_it_is_unpacked() {
    let Some(package) = package() else { return };
    let fails = |arguments: &[&str], code: i32, stderr: &str| {
        let output = command("modtree").args(arguments).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
        assert_eq!(output.status.code(), Some(code));
        assert!(output.stdout.is_empty());
    };
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short.deb");
    let bytes = fs::read(&package).unwrap();
    fs::write(&short, &bytes[..bytes.len() / 2]).unwrap();
    let short = short.to_str().unwrap();
    fails(
        &["closure", "--deb", short, "vfat"],
        1,
        &format!(
            "error: `{short}` is not a Debian package: its member data.tar is damaged (Archive member size is too large)\n"
        ),
    );
    fails(
        &["closure", "--deb", short, "--format", "insmod", "vfat"],
        2,
        "error: insmod cannot load a file that is in a package; unpack it and use --basedir\n",
    );
    let package = package.to_str().unwrap();
    let output = command("modtree")
        .args(["closure", "--deb", package, "-k", "5.0", "vfat"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let start = format!("error: no modules of kernel 5.0 below `{package}` (there are modules of ");
    assert!(stderr.starts_with(&start), "{stderr}");
}

/// What is said to be asked for in rare set-ups only is asked for, and a RAID of one machine does not bring a cluster.
#[test]
fn rare_requests_are_listed_and_add_nothing() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&root, None).unwrap();
    for (by, count) in [
        ("md_mod", 1),
        ("dlm", 1),
        ("nf_conntrack", 1),
        ("target_core_mod", 2),
        ("atm", 1),
    ] {
        let name = by.into();
        let entry = tree.find(&name).unwrap().unwrap();
        let sites = call_sites(&tree.bytes(&entry).unwrap()).unwrap();
        let asks = sites.iter().flat_map(|site| &site.asks);
        let rare = asks.filter(|asked| is_rare_request(&name, asked));
        assert_eq!(rare.count(), count, "{by}");
    }
    let found = closure(&tree, &["raid1"], &runtime()).unwrap();
    assert!(found.get(&"md_mod".into()).is_some());
    for absent in ["md_cluster", "dlm", "sctp"] {
        assert!(found.get(&absent.into()).is_none(), "{absent}");
    }
    let mut possible = found.possible.iter();
    assert!(possible.any(|it| it.by.as_str() == "md_mod" && it.asked == "md-cluster"));
}

/// symbol_get() uses a module that is loaded already, and loads none: intel_ips does without i915.
#[test]
fn a_symbol_that_is_merely_looked_up_asks_for_no_module() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&root, None).unwrap();
    let found = closure(&tree, &["intel_ips"], &runtime()).unwrap();
    assert!(found.get(&"i915".into()).is_none());
}
