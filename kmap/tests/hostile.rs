//! Files that are made to hurt: each ends with an error, within 64 MiB of memory, which the shell's limit enforces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Address space, in KiB: more than what is ever resident.
const LIMIT: u32 = 64 << 10;

fn limited(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -v {LIMIT}; exec \"$@\""))
        .arg("sh")
        .arg(env!("CARGO_BIN_EXE_kmapc"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// A gzip file of 1 GiB: 1,024 members of 1 MiB each, which count as one stream.
fn bomb(byte: u8) -> Vec<u8> {
    let member = codec::encode(&vec![byte; 1 << 20], codec::Format::Gzip, None).unwrap();
    member.repeat(1024)
}

#[test]
fn memory_is_bounded_whatever_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let files: [(&str, Vec<u8>); 8] = [
        ("bomb.gz", bomb(b'\n')),
        ("zeros.gz", bomb(0)),
        (
            "columns",
            [&b"keycode 1 ="[..], &b" a".repeat(1_000_000), b"\n"].concat(),
        ),
        (
            "ranges",
            [&b"keymaps 0"[..], &b",0-255".repeat(1_000_000), b"\n"].concat(),
        ),
        ("self", b"include \"self\"\n".to_vec()),
        ("errors", b"*\n".repeat(1_000_000)),
        (
            "line",
            [&b"keycode 1 = "[..], &b"x".repeat(8 << 20)].concat(),
        ),
        ("strings", b"string F1 = \"".repeat(500_000)),
    ];
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
        let output = limited(folder.path(), &[name, "-o", "out"]);
        let screen = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {screen}");
        assert!(screen.starts_with("error: "), "{name}: {screen}");
        assert!(!folder.path().join("out").exists(), "{name}");
        fs::remove_file(folder.path().join(name)).unwrap();
    }
}

/// What is large and right is compiled within the same limit.
#[test]
fn a_large_keymap_is_compiled_within_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let lines = b"keycode 30 = a A ae AE\ncompose 'a' 'e' to ae\n".repeat(20_000);
    fs::write(folder.path().join("large.map"), lines).unwrap();
    let output = limited(folder.path(), &["-q", "large.map"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
