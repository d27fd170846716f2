//! Files that are made to hurt: each ends with an error, within 64 MiB of memory, which the shell's limit enforces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod bench;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output};

use bench::{Bench, ESCAPE, gzip};

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
    let fifo = Command::new("mkfifo")
        .arg(folder.path().join("fifo"))
        .status();
    assert!(fifo.unwrap().success());
    for name in ["/dev/zero", "fifo"] {
        let output = limited(folder.path(), &[name, "-o", "out"]);
        assert_eq!(output.status.code(), Some(1), "{name}");
    }
}

/// Many large keymaps need no more memory than one: the peak is measured, since threads claim more addresses than they use.
#[test]
fn large_keymaps_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..500_000)
        .map(|key| format!("keycode {key} =\n"))
        .collect();
    let names: Vec<String> = (0..6).map(|number| format!("{number}.map")).collect();
    for name in &names {
        fs::write(folder.path().join(name), lines.concat()).unwrap();
    }
    for arguments in [&["-q", "--out-dir", "."][..], &["check", "-q"]] {
        // The highest resident size so far stands in the status of a running process.
        let mut run = Command::new(env!("CARGO_BIN_EXE_kmapc"))
            .args(arguments)
            .args(&names)
            .current_dir(folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", run.id());
        let mut peak = 0;
        while run.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let size = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            peak = peak.max(size.unwrap_or(0));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert!(run.wait().unwrap().success());
        assert!(0 < peak && peak < LIMIT, "{arguments:?}: {peak} KiB");
    }
    let merged = Command::new(env!("CARGO_BIN_EXE_kmapc"))
        .args(["--merge", "-o", "x"])
        .args(&names)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let screen = String::from_utf8(merged.stderr).unwrap();
    assert!(screen.contains("more than 16 MiB"), "{screen}");
}

/// More keymaps than a process may have files open.
#[test]
fn many_keymaps_need_few_open_files() {
    let names: Vec<String> = (0..100).map(|number| format!("{number}.map")).collect();
    let bench = Bench::new(&[]);
    for name in &names {
        fs::write(bench.path().join(name), ESCAPE).unwrap();
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_kmapc"))
        .args(&names)
        .current_dir(bench.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(bench.names().len(), 200);
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

#[test]
fn hostile_files_end_with_an_error() {
    let mut bomb = gzip(&vec![b'\n'; 40 << 20]);
    let columns = [&b"keycode 1 ="[..], &b" a".repeat(1_000_000)].concat();
    let zip = gzip(ESCAPE);
    let rules = b"compose as usual\n".repeat(1000);
    let bench = Bench::new(&[
        ("rules", &rules),
        ("self", b"include \"self\"\n"),
        ("bomb.gz", &bomb),
        ("columns", &columns),
        ("truncated.gz", &zip[..zip.len() - 6]),
        ("binary", &(0..=255).rev().collect::<Vec<u8>>()),
        ("zero", &[0; 4096]),
        ("number", b"keycode 99999999999999999999999 = a\n"),
        ("keymaps", b"keymaps 0-2147483647\n"),
        ("quote", b"string F1 = \"abc\n\n\n"),
    ]);
    bomb.clear();
    for depth in 0..25 {
        let text = format!("include \"deep{}\"\n", depth + 1);
        fs::write(bench.path().join(format!("deep{depth}")), text).unwrap();
        let text = format!("include \"twice{0}\"\ninclude \"twice{0}\"\n", depth + 1);
        fs::write(bench.path().join(format!("twice{depth}")), text).unwrap();
    }
    fs::write(bench.path().join("twice19"), "").unwrap();
    let fifo = Command::new("mkfifo")
        .arg(bench.path().join("fifo"))
        .status()
        .unwrap();
    assert!(fifo.success());
    let cases = [
        ("self", "includes itself"),
        ("deep0", "includes are nested more than 20 files deep"),
        ("twice0", "more than 4096 files"),
        (
            "bomb.gz",
            "the gzip stream decodes to more than 16777216 bytes",
        ),
        ("columns", "more than 4096 columns"),
        ("truncated.gz", "truncated"),
        ("binary", "unexpected byte 0xff"),
        ("zero", "unexpected byte 0x00"),
        ("number", "the number is above 2147483647"),
        (
            "keymaps",
            "the maps end at 4095, of which the kernel has 0 to 255",
        ),
        ("rules", "more than 65536 compose rules"),
        ("quote", "the string has no closing quote"),
        ("fifo", "it is a FIFO"),
        ("/dev/zero", "it is a device"),
        (".", "it is a directory"),
    ];
    for (file, message) in cases {
        let screen = bench.error(&[file, "-o", "out"], 1);
        assert!(
            screen.starts_with("error: ") && screen.contains(message),
            "{file}: {screen}"
        );
        assert!(
            screen.len() < 8192,
            "{file}: {} bytes on the screen",
            screen.len()
        );
    }
}

#[test]
fn a_file_name_may_hold_anything() {
    let bench = Bench::new(&[]);
    let name = OsStr::from_bytes(b"a \"b\"\n'c';touch x;\xff.map");
    fs::write(bench.path().join(name), ESCAPE).unwrap();
    assert_eq!(bench.run(&[name], b"").code, 0);
    let output = OsStr::from_bytes(b"a \"b\"\n'c';touch x;\xff.bmap");
    assert!(bench.path().join(output).is_file());
    fs::write(bench.path().join(name), "x\n").unwrap();
    let screen = bench.run(&[name], b"").stderr;
    assert!(
        screen.contains(" --> a \"b\"␊'c';touch x;\u{fffd}.map:1:1\n"),
        "{screen}"
    );
}
