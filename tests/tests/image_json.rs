//! What `packager … --json` prints is what `data/schemas/packager.json` says.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::fs;

use serde_json::Value;
use tests::environment::{has, kernel};
use tests::root::small_root;
use tests::schema::{conforms, is_filled};

fn filled(arguments: &[&str], places: &[&str]) -> Value {
    let document = conforms("packager", arguments[0], arguments);
    for place in places {
        assert!(is_filled(&document, place), "{arguments:?}: {place}");
    }
    document
}

#[test]
fn every_command_that_looks_into_images_prints_what_is_documented() {
    let Some(root) = small_root() else { return };
    let folder = root.path().to_str().unwrap();
    let path = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    let (old, new, recipe) = (path("old.izst"), path("new.cpio"), path("r.toml"));
    let text = "[[file]]\npath = \"/etc/motd\"\ntext = \"hello\\n\"\n";
    fs::write(&recipe, text).unwrap();
    for arguments in [
        &["--keymap", "es", "-o", &old][..],
        &[
            "--keymap",
            "us,es",
            "--modules",
            "usbhid",
            "--recipe",
            &recipe,
            "-o",
            &new,
        ],
    ] {
        let packed = root.pack(arguments);
        assert!(packed.status.success(), "{packed:?}");
    }
    filled(
        &["plan", "--root", folder, "--keymap", "es"],
        &["/modules/0", "/files/0/target", "/kernel"],
    );
    let listed = filled(
        &["list", &old],
        &["/0/path", "/0/target", "/0/segment", "/0/links"],
    );
    let entries = listed.as_array().unwrap();
    assert!(
        entries.iter().any(|entry| is_filled(entry, "/device/1")),
        "{listed}"
    );
    filled(&["why", &old, "vfat"], &["/0/reason"]);
    filled(
        &["size", &old],
        &["/segments/0/compression", "/files/0", "/whole", "/overhead"],
    );
    let different = filled(
        &["diff", &old, &new],
        &[
            "/segments/0/0",
            "/modules/0/old/kernel",
            "/texts/0/lines",
            "/files/0/new",
        ],
    );
    assert_eq!(different.pointer("/modules/0/new"), Some(&Value::Null));
    let checked = filled(&["check", &old, "--root", folder], &["/facts/0"]);
    assert_eq!(checked.pointer("/passes"), Some(&Value::Bool(true)));
    fs::write(path("bad.cpio"), &fs::read(&new).unwrap()[..5000]).unwrap();
    let checked = filled(&["check", &path("bad.cpio")], &["/findings/0/way_out"]);
    assert_eq!(checked.pointer("/passes"), Some(&Value::Bool(false)));
}

#[test]
fn boot_prints_what_is_documented() {
    let Some(root) = kernel("linux-6.1").filter(|_| has(&["qemu-system-x86_64"])) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image.igz");
    let packed = tests::root::pack(&root, &["-o", image.to_str().unwrap()]);
    assert!(packed.status.success(), "{packed:?}");
    let (image, root) = (image.to_str().unwrap(), root.to_str().unwrap());
    let line = [
        "boot",
        image,
        "--root",
        root,
        "--accel",
        "tcg",
        "--expect",
        "init: ready",
    ];
    let document = filled(&line, &["/steps/0/seconds", "/transcript"]);
    assert_eq!(document.pointer("/passes"), Some(&Value::Bool(true)));
}
