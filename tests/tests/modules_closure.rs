//! `modtree closure` and its relatives on a real kernel: what is left out, what is built in, what cannot be dropped, the
//! devices of a machine, pictures.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::Path;
use std::process::Output;

use modtree::{ClosureOptions, Necessity, Tree, closure};
use tests::environment::{command, kernel};
use tests::modules::runtime;

fn modtree(name: &str, root: &Path, arguments: &[&str]) -> Output {
    let mut command = command("modtree");
    command.arg(name).arg("-b").arg(root).args(arguments);
    command.output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn what_is_left_out_is_missed() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let arguments = ["--format", "name", "--runtime", "vfat"];
    let excluded = ["-x", "fat", "--exclude", "nls-ascii", "-x", "ext4"];
    let output = modtree("closure", &root, &[&arguments[..], &excluded].concat());
    assert_eq!(stdout(&output), "vfat\n");
    assert_eq!(
        stderr(&output),
        "warning: without fat not all modules of the list can be loaded: vfat uses its symbols\n\
         note: nls_ascii would not be in the list anyway\n\
         note: ext4 would not be in the list anyway\n"
    );
    let output = modtree(
        "closure",
        &root,
        &[&arguments[..], &["-x", "nls_ascii"]].concat(),
    );
    assert_eq!(stdout(&output), "fat\nvfat\nnls_cp437\n");
    assert!(
        stderr(&output)
            .starts_with("warning: nls_ascii is left out: fat: a mount without options asks for"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_root_may_be_a_file() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&root, None).unwrap();
    let vfat = tree.dir().join("kernel/fs/fat/vfat.ko");
    let names = |roots: &[&str]| -> Vec<String> {
        let closure = closure(&tree, roots, &ClosureOptions::default()).unwrap();
        closure
            .modules
            .iter()
            .map(|module| format!("{} {}", module.name, module.relative.display()))
            .collect()
    };
    let expected = ["fat kernel/fs/fat/fat.ko", "vfat kernel/fs/fat/vfat.ko"];
    assert_eq!(names(&[vfat.to_str().unwrap()]), expected);
    assert_eq!(names(&["vfat.ko"]), expected);
    // One that is not in the tree, with what it needs of the tree.
    let elsewhere = tempfile::tempdir().unwrap();
    let own = elsewhere.path().join("own-fs.ko");
    std::fs::copy(&vfat, &own).unwrap();
    assert_eq!(
        names(&[own.to_str().unwrap()]),
        ["fat kernel/fs/fat/fat.ko", "own_fs updates/own-fs.ko"]
    );
    let output = modtree("closure", &root, &["./gone.ko"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("gone.ko`"), "{}", stderr(&output));
}

#[test]
fn formats() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let output = modtree(
        "closure",
        &root,
        &["-q", "--builtin", "--format", "name", "nls_base", "vfat"],
    );
    assert_eq!(stdout(&output), "builtin nls_base\nfat\nvfat\n");
    let output = modtree("closure", &root, &["-q", "--format", "tree", "vfat"]);
    assert_eq!(stdout(&output), "vfat\n└── fat\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vfat.svg");
    let output = modtree(
        "graph",
        &root,
        &["vfat", "--svg", file.to_str().unwrap(), "--dot", "-"],
    );
    assert!(stdout(&output).contains("\t\"vfat\" -> \"fat\";\n"));
    let picture = std::fs::read(&file).unwrap();
    assert!(picture.starts_with(b"<svg xmlns=") && picture.ends_with(b"</svg>\n"));
    assert_eq!(
        modtree("closure", &root, &["-q", "--format", "svg", "vfat"]).stdout,
        picture
    );
}

/// What is said to be needed is, and what is said to have alternatives can go: shown by leaving it out.
#[test]
fn every_proof_holds_when_the_module_is_left_out() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&root, None).unwrap();
    let full = closure(&tree, &["btrfs", "usb_storage", "vfat"], &runtime()).unwrap();
    let mut alternatives = Vec::new();
    for (name, necessity) in full.necessities() {
        let without = ClosureOptions {
            exclude: vec![name.clone()],
            ..runtime()
        };
        let rest = closure(&tree, &["btrfs", "usb_storage", "vfat"], &without).unwrap();
        let missed = &rest.excluded[0].reasons;
        match necessity {
            Necessity::Needed(reason) => assert!(missed.contains(&reason), "{name}: {reason}"),
            Necessity::Alternative { others, .. } => {
                assert!(
                    others.iter().all(|other| rest.get(other).is_some()),
                    "{name}"
                );
                assert!(!rest.excluded[0].is_vital(), "{name}");
                alternatives.push(name.to_string());
            }
        }
    }
    assert_eq!(
        alternatives,
        [
            "crc32c_intel",
            "crc32c_generic",
            "crct10dif_pclmul",
            "crct10dif_generic"
        ]
    );
    let output = modtree(
        "closure",
        &root,
        &["--minimal", "--format", "name", "btrfs"],
    );
    let text = stderr(&output);
    assert!(
        text.contains("\nlibcrc32c cannot be dropped: btrfs uses its symbols\n"),
        "{text}"
    );
    assert!(
        text.ends_with("\n8 of 10 modules cannot be dropped, 2 have alternatives in the list\n"),
        "{text}"
    );
}

/// The devices of QEMU's `-machine q35` with an NVMe disk, an Intel network card and a USB stick, by their identifications.
const MACHINE: &str = "\
# modtree host 1
modalias acpi:PNP0303:
modalias pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02
modalias pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01
modalias pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00
modalias pci:v0000106Bd0000003Fsv00001AF4sd00001100bc0Csc03i10
modalias usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00
module ahci
module nvme
";

#[test]
fn the_devices_of_another_machine_bring_their_modules() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pc.txt");
    std::fs::write(&file, MACHINE).unwrap();
    let file = file.to_str().unwrap();
    let output = modtree(
        "closure",
        &root,
        &["-q", "--format", "name", "--host-file", file],
    );
    let names: Vec<&str> = stdout(&output).lines().collect();
    for name in [
        "nvme",
        "ahci",
        "e1000e",
        "ohci_pci",
        "usb_storage",
        "sd_mod",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(!names.contains(&"e1000"));
    let mut piped = command("modtree");
    piped.args([
        "closure",
        "-q",
        "--format",
        "name",
        "--host-file",
        "-",
        "-b",
    ]);
    piped.arg(&root).stdin(std::fs::File::open(file).unwrap());
    assert_eq!(piped.output().unwrap().stdout, output.stdout);
    let mut piped = command("modtree");
    piped
        .args(["closure", "--host-file", "-"])
        .arg("-b")
        .arg(&root);
    let refused = piped.stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let complaint = "error: `<standard input>` is no record of a machine: ";
    assert!(stderr(&refused).starts_with(complaint));
    std::fs::write(folder.path().join("pc.txt"), "modalias x\n").unwrap();
    let output = modtree("closure", &root, &["--host-file", file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output)
            .contains("is no record of a machine: its first line must be `# modtree host 1`")
    );
    let output = modtree(
        "host",
        &root,
        &["--record", "--sys", folder.path().to_str().unwrap()],
    );
    assert_eq!(output.status.code(), Some(1));
}
