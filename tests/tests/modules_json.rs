//! What `modtree … --json` prints is what `data/schemas/modtree.json` says.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::Value;
use tests::environment::{command, kernel};
use tests::modules::synthetic::Synthetic;
use tests::modules::trees::small;
use tests::schema::{self, is_filled};

/// Runs a command and holds its document against the definition of its name.
fn conforms(arguments: &[&str]) -> Value {
    schema::conforms("modtree", arguments[0], arguments)
}

#[test]
fn every_command_prints_what_is_documented() {
    let (Some(old), Some(new)) = (kernel("linux-6.1"), kernel("linux-6.12")) else {
        return;
    };
    let root = old.to_str().unwrap();
    let filled = |arguments: &[&str], places: &[&str]| {
        let document = conforms(arguments);
        for place in places {
            assert!(
                is_filled(&document, place),
                "{arguments:?}: {place} is empty"
            );
        }
    };
    filled(
        &[
            "closure",
            "-b",
            root,
            "--for",
            "usb-storage",
            "--for",
            "lvm",
            "-r",
            "nls_base",
            "-x",
            "uas",
            "-x",
            "zfs",
        ],
        &[
            "/modules/0/reasons",
            "/builtins",
            "/excluded",
            "/necessities",
            "/may",
            "/modules/0/name",
        ],
    );
    filled(
        &["graph", "-b", root, "--for", "usb-storage"],
        &["/modules/1/name", "/edges/0/reason"],
    );
    filled(&["goals"], &["/0", "/1/parameter"]);
    filled(
        &["info", "-b", root, "iwlwifi", "i8042"],
        &["/0/fields", "/0/imports", "/1/fields"],
    );
    filled(
        &["why", "-b", root, "vfat", "nls_cp437"],
        &["/1/reason/rule/evidence"],
    );
    // A part of the kernel is a step, too.
    filled(&["why", "-b", root, "nls_base", "nls_base"], &["/0/reason"]);
    filled(&["users", "-b", root, "fat"], &["/0/reason"]);
    filled(
        &["providers", "-b", root, "--imports", "usb_add_hcd"],
        &["/0/evidence"],
    );
    filled(
        &["resolve", "-b", root, "fs-vfat", "nls_base"],
        &["/1/modules"],
    );
    filled(&["requests", "-b", root, "mlx4_core"], &["/0/asks"]);
    filled(
        &["diff", root, new.to_str().unwrap()],
        &[
            "/added",
            "/became_builtin",
            "/dependencies",
            "/aliases",
            "/symbols/added",
        ],
    );
    conforms(&["check", "-b", root]);
    let sys = tempfile::tempdir().unwrap();
    let device = sys.path().join("devices/pci0000:00");
    std::fs::create_dir_all(&device).unwrap();
    std::fs::write(
        device.join("modalias"),
        "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00\n",
    )
    .unwrap();
    filled(
        &["host", "-b", root, "--sys", path(sys.path())],
        &["/devices/0/modules"],
    );
}

#[test]
fn depmod_tells_what_it_did() {
    let tree = small();
    let root = path(tree.root.path());
    let done = conforms(&["depmod", "-b", root]);
    let size = |name: &str| std::fs::metadata(tree.dir.join(name)).unwrap().len();
    for file in done["files"].as_array().unwrap() {
        assert_eq!(file["size"], size(file["name"].as_str().unwrap()), "{file}");
    }
    assert!(is_filled(&done, "/files/10") && is_filled(&done, "/warnings/0"));
    assert_eq!(done["written"], true);
    assert_eq!(done["read"], done["modules"]);
    let again = conforms(&["depmod", "-b", root, "-A"]);
    assert_eq!(again["written"], false);
    assert!(!is_filled(&again, "/files"));
}

/// No two paths become one, and the text is always UTF-8.
#[test]
fn a_path_that_is_no_text_stands_without_loss() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().join(OsStr::from_bytes(b"caf\xe9"));
    let module = root.join("lib/modules/1.0/kernel/a.ko");
    std::fs::create_dir_all(module.parent().unwrap()).unwrap();
    std::fs::write(&module, Synthetic::new("depends=", &[], &[]).bytes()).unwrap();
    for (name, place) in [("closure", "/modules/0/path"), ("info", "/0/path")] {
        let mut command = command("modtree");
        command.args([name, "--json", "a", "-b"]).arg(&root);
        let output = command.output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let shown = document.pointer(place).and_then(Value::as_str).unwrap();
        assert!(shown.contains("caf\u{10FFE9}/lib"), "{name}: {shown}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
