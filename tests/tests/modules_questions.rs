//! The questions, on a real kernel.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::fs;
use std::process::Command;

use modtree::{Tree, call_sites};
use rayon::prelude::*;
use tests::environment::{command, kernel};
use tests::modules::{modtree_depmod, run, runtime, shadow};
use tests::root::small_root;

fn asked(root: &std::path::Path, arguments: &[&str]) -> String {
    let mut command: Command = command("modtree");
    command
        .arg(arguments[0])
        .arg("-b")
        .arg(root)
        .args(&arguments[1..]);
    run(&mut command)
}

#[test]
fn answers_on_the_plain_tree() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let why = asked(&root, &["why", "vfat", "nls_cp437"]);
    assert!(
        why.starts_with("fat: vfat uses its symbols\nnls_cp437: fat: ")
            && why.contains("CONFIG_FAT_DEFAULT_CODEPAGE=437"),
        "{why}"
    );
    let users = asked(&root, &["users", "fat"]);
    assert_eq!(users, "vfat uses its symbols\nmsdos uses its symbols\n");
    let providers = asked(
        &root,
        &[
            "providers",
            "--imports",
            "usb_hcd_pci_probe",
            "--imports",
            "usb_add_hcd",
        ],
    );
    let names: Vec<_> = providers
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(names.len(), 8, "{providers}");
    assert!(names.contains(&"xhci_pci") && names.contains(&"dummy_hcd"));
    let stick = "usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00";
    let resolved = asked(&root, &["resolve", stick, "nls_base"]);
    assert_eq!(
        resolved,
        format!("{stick}: module uas\n{stick}: module usb_storage\nnls_base: builtin nls_base\n")
    );
    assert_eq!(asked(&root, &["resolve", "fs-vfat"]), "module vfat\n");
    let requests = asked(&root, &["requests", "mlx4_core"]);
    assert!(
        requests.contains(
            "exact mlx4_ib: __request_module(\"mlx4_ib\") in mlx4_request_modules at .text+0x"
        ),
        "{requests}"
    );
}

/// Strings are recovered at 98 of 100 call sites of request_module on x86-64, and at 97 on arm64, where the address of a
/// string is made by two instructions, ADRP and ADD.
#[test]
fn calls_of_request_module() {
    for (corpus, share) in [("linux-6.1", 97), ("linux-6.1-arm64", 96)] {
        let Some(root) = kernel(corpus) else { return };
        let (sites, known) = recovered(&root);
        assert!(
            sites > 800 && known * 100 > sites * share,
            "{corpus}: {known} of {sites}"
        );
    }
}

/// How many call sites of request_module there are, and at how many of them the string is known.
fn recovered(root: &std::path::Path) -> (usize, usize) {
    let tree = Tree::select(root, None).unwrap();
    let sites: Vec<_> = tree
        .modules()
        .unwrap()
        .par_iter()
        .flat_map(|entry| call_sites(&tree.bytes(entry).unwrap()).unwrap())
        .filter(|site| site.symbol == "__request_module")
        .collect();
    let known = sites.iter().filter(|site| site.string.is_some()).count();
    (sites.len(), known)
}

/// What the code asks for by a fixed string comes along, with the place of the call; the rest is told.
#[test]
fn calls_with_fixed_strings_are_requests() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&root, None).unwrap();
    let reason = |from: &str, to: &str| -> String {
        let found = modtree::closure(&tree, &[from], &runtime()).unwrap();
        let module = found.get(&to.into()).unwrap_or_else(|| panic!("{to}"));
        module
            .reasons
            .iter()
            .map(|reason| format!("{reason}\n"))
            .collect()
    };
    let asked = reason("mlx4_core", "mlx4_en");
    assert!(
        asked.starts_with("mlx4_core: its code asks for mlx4_en (__request_module(\"mlx4_en\") in mlx4_request_modules at .text+0x"),
        "{asked}"
    );
    // By the owner of a symbol: symbol_request(nfs3_set_ds_client).
    let asked = reason("nfsv4", "nfsv3");
    assert!(asked.contains("symbol:nfs3_set_ds_client"), "{asked}");
    // By the name of an algorithm.
    let asked = reason("libcrc32c", "crc32c_generic");
    assert!(asked.contains("crypto_alloc_shash(\"crc32c\")"), "{asked}");
    let found = modtree::closure(&tree, &["dm_mod"], &runtime()).unwrap();
    let may: Vec<_> = found
        .possible
        .iter()
        .map(|possible| possible.asked.as_str())
        .collect();
    assert!(may.contains(&"dm-*"), "{may:?}");
    assert!(found.get(&"dm_crypt".into()).is_none());
}

#[test]
fn a_sound_tree_has_no_findings_and_a_stale_one_has() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&root, None).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let dir = shadow(&tree.dir().canonicalize().unwrap(), temporary.path());
    let check = || {
        command("modtree")
            .args(["check", "-b"])
            .arg(temporary.path())
            .output()
            .unwrap()
    };
    assert!(
        modtree_depmod(temporary.path(), temporary.path(), tree.version(), &[])
            .status
            .success()
    );
    let output = check();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    std::fs::write(dir.join("modules.dep"), "kernel/gone.ko:\n").unwrap();
    std::fs::create_dir(dir.join("updates")).unwrap();
    std::fs::copy(dir.join("kernel/fs/fat/fat.ko"), dir.join("updates/fat.ko")).unwrap();
    std::fs::write(dir.join("updates/broken.ko"), "no module").unwrap();
    let output = check();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in [
        "damaged module: broken: ",
        "index out of date: modules.dep: ",
        "duplicate name: fat: kernel/fs/fat/fat.ko, updates/fat.ko\n",
        "4024 modules of",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn thousands_of_missing_firmware_files_are_a_few_lines() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let firmware = tempfile::tempdir().unwrap();
    let folder = firmware.path().to_str().unwrap();
    let short = asked(&root, &["check", "--firmware", folder]);
    let named = short.lines().filter(|line| line.contains(": names "));
    assert_eq!(named.count(), 5, "{short}");
    assert!(short.contains(" more, with --all\n"), "{short}");
    let long = asked(&root, &["check", "--firmware", folder, "--all"]);
    let all = long.lines().filter(|line| line.contains(": names "));
    assert!(all.count() > 1000);
    assert!(!long.contains("with --all"));
}

#[test]
fn a_symbol_is_asked_for_by_its_name_alone() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    assert_eq!(
        asked(&root, &["providers", "crc32c"]),
        "libcrc32c: exports `crc32c`\n"
    );
    let nobody = command("modtree")
        .args(["providers", "crc32d", "-b"])
        .arg(&root)
        .output()
        .unwrap();
    assert!(nobody.stdout.is_empty());
    let stderr = String::from_utf8(nobody.stderr).unwrap();
    assert!(stderr.ends_with(" exports crc32d\n"), "{stderr}");
}

#[test]
fn quiet_answers_are_without_notes() {
    let Some(root) = small_root() else { return };
    for question in [
        &["users", "vfat"][..],
        &["providers", "no_such_symbol"],
        &["requests", "nls_ascii"],
    ] {
        let ask = |quiet: &[&str]| {
            let mut asked = command("modtree");
            asked.args(question).args(quiet).arg("-b").arg(root.path());
            let output = asked.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            (output.stdout, String::from_utf8(output.stderr).unwrap())
        };
        let (answer, notes) = ask(&[]);
        let none = match question[0] {
            "requests" => "note: the code of ",
            _ => "note: no module ",
        };
        assert!(notes.starts_with(none), "{question:?}: {notes}");
        assert_eq!(ask(&["--quiet"]), (answer, String::new()), "{question:?}");
    }
}

/// What is damaged in one of the kernels is neither new nor gone.
#[test]
fn a_damaged_module_is_told_and_the_others_are_compared() {
    let (Some(old), Some(new)) = (small_root(), small_root()) else {
        return;
    };
    let vfat = new.module("fs/fat/vfat.ko");
    let bytes = fs::read(&vfat).unwrap();
    fs::write(&vfat, &bytes[..100]).unwrap();
    let fat = old.module("fs/fat/fat.ko");
    fs::write(&fat, b"").unwrap();
    let diff = |options: &[&str]| {
        let mut diff = command("modtree");
        diff.arg("diff")
            .args([old.path(), new.path()])
            .args(options);
        let output = diff.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, found, errors) = diff(&[]);
    assert_eq!((code, &*found), (Some(2), ""), "{errors}");
    let [first, second] = errors.lines().collect::<Vec<_>>()[..] else {
        panic!("{errors}");
    };
    for (line, path, why) in [(first, &fat, "it is empty"), (second, &vfat, "truncated")] {
        let begin = format!("error: module `{}`: ", path.display());
        assert!(line.starts_with(&begin) && line.contains(why), "{line}");
    }
    // Silence is for notes.
    let (code, found, quiet) = diff(&["--json", "-q"]);
    assert_eq!((code, quiet), (Some(2), errors));
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["damaged"].as_array().unwrap().len(), 2);
    // What differs besides is told all the same.
    fs::remove_file(new.module("drivers/hid/usbhid/usbhid.ko")).unwrap();
    let (code, found, _) = diff(&[]);
    assert_eq!(code, Some(2));
    assert!(found.starts_with("gone: usbhid\n"), "{found}");
}

#[test]
fn what_changed_between_two_kernels() {
    let (Some(old), Some(new)) = (kernel("linux-6.1"), kernel("linux-6.12")) else {
        return;
    };
    let output = command("modtree").arg("diff").arg(&old).arg(&new).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "gone: t10_pi\n",
        "now built in: ",
        "new module: ",
        "symbol gone: ",
        "dependencies of ",
    ] {
        assert!(text.contains(line), "{line}");
    }
    let own = run(command("modtree").arg("diff").arg(&old).arg(&old));
    assert_eq!(own, "");
    let nothing = command("modtree")
        .args(["diff", "/nowhere"])
        .arg(&new)
        .output();
    assert_eq!(nothing.unwrap().status.code(), Some(2));
}

/// The parts of a driver that it loads for some devices only: their names stand in a table.
#[test]
fn names_in_tables_may_be_asked_for() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    for (from, to) in [
        ("iwlwifi", "iwlmvm"),
        ("rds", "rds_tcp"),
        ("rc_core", "ir_nec_decoder"),
    ] {
        let why = asked(&root, &["why", from, to]);
        assert!(
            why.starts_with(&format!("{to}: {from}: its code may ask for ")),
            "{why}"
        );
    }
    let closure = asked(&root, &["closure", "--runtime", "--json", "iwlwifi"]);
    let document: serde_json::Value = serde_json::from_str(&closure).unwrap();
    let may = document["may"].as_array().unwrap().iter();
    let mut may: Vec<_> = may.map(|one| one["asked"].as_str().unwrap()).collect();
    may.sort();
    assert_eq!(may, ["*", "iwldvm", "iwlmvm"]);
}

/// The nearest string before a call may be the function's own name.
#[test]
fn the_name_of_a_function_is_no_request() {
    for (version, module, name) in [
        ("linux-6.1-arm64", "btrfs", "verify_parent_transid"),
        ("linux-6.12", "saa7164", "(\"saa7164_dvb_register\")"),
    ] {
        let Some(root) = kernel(version) else {
            return;
        };
        let requests = asked(&root, &["requests", module]);
        assert!(requests.contains("unknown: "), "{requests}");
        assert!(!requests.contains(name), "{requests}");
    }
}
