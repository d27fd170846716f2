//! What `modtree … --json` prints is what `data/schemas/modtree.json` says.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::Path;

use serde_json::Value;
use tests::environment::kernel;
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

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
