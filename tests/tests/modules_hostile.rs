//! Trees that were made to do harm: each ends in an error or a warning, soon, and with little memory.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::ffi::OsStr;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tests::environment::command;
use tests::modules::synthetic::Synthetic;

struct Tree {
    root: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let tree = Self {
            root: tempfile::tempdir().unwrap(),
        };
        tree.file(
            "good.ko",
            &Synthetic::new("alias=good\nlicense=GPL\ndepends=\n", &[], &["good"]).bytes(),
        );
        tree.file("modules.order", b"kernel/good.ko\n");
        tree
    }

    fn dir(&self) -> std::path::PathBuf {
        self.root.path().join("lib/modules/1.0")
    }

    fn path(&self, name: &OsStr) -> std::path::PathBuf {
        match name.as_bytes().starts_with(b"modules.") {
            true => self.dir().join(name),
            false => self.dir().join("kernel").join(name),
        }
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        self.raw(name.as_bytes(), bytes);
    }

    fn raw(&self, name: &[u8], bytes: &[u8]) {
        let path = self.path(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Runs a command with 2 GiB of address space; it has to end soon.
    fn run(&self, words: &[&str]) -> Output {
        let program = command("modtree").get_program().to_owned();
        let start = Instant::now();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "ulimit -v 2097152; exec \"$0\" \"$@\""])
            .arg(program);
        let output = shell
            .args(&words[..1])
            .arg("-b")
            .arg(self.root.path())
            .args(&words[1..])
            .output()
            .unwrap();
        assert!(start.elapsed() < Duration::from_secs(60), "{words:?}");
        let code = output.status.code();
        assert!(
            matches!(code, Some(0..=3)),
            "{words:?}: {code:?} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// depmod goes on with a warning that has these words, and lists the good module.
    fn warned(&self, words: &str) {
        let output = self.run(&["depmod", "-n", "1.0"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(words), "{stderr}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("kernel/good.ko:\n"),
            "{words}"
        );
        for words in [
            &["closure", "good"][..],
            &["closure", "no-such-alias:x"],
            &["check"],
            &["users", "good"],
        ] {
            self.run(words);
        }
    }
}

#[test]
fn truncated_at_every_byte() {
    let whole = Synthetic::new("alias=x\n", &["good"], &["s"]).bytes();
    for length in (0..whole.len()).step_by(97) {
        let tree = Tree::new();
        tree.file("cut.ko", &whole[..length]);
        let output = tree.run(&["depmod", "-n", "1.0"]);
        assert_eq!(output.status.code(), Some(0), "{length}");
    }
}

#[test]
fn a_string_table_of_100_megabytes() {
    // A sparse file: the table is zeros, which are read and nothing more.
    let tree = Tree::new();
    let path = tree.path(OsStr::new("huge.ko"));
    let mut bytes = Synthetic::new("alias=x\n", &["good"], &[]).bytes();
    let table = u64::from_le_bytes(bytes[0x28..0x30].try_into().unwrap()) as usize;
    let strtab = table + 3 * 64;
    let length = bytes.len() as u64;
    bytes[strtab + 0x18..strtab + 0x20].copy_from_slice(&length.to_le_bytes());
    bytes[strtab + 0x20..strtab + 0x28].copy_from_slice(&(100_u64 << 20).to_le_bytes());
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&bytes).unwrap();
    file.seek(SeekFrom::Start(length + (100 << 20))).unwrap();
    file.write_all(b"\0").unwrap();
    let output = tree.run(&["depmod", "-n", "1.0"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn decompression_bombs() {
    // 600 MB of zeros, which is more than a module may have.
    for (suffix, format) in [(".zst", codec::Format::Zstd), (".gz", codec::Format::Gzip)] {
        let piece = vec![0; 64 << 20];
        let member = codec::encode(&piece, format, Some(1)).unwrap();
        let tree = Tree::new();
        tree.file(&format!("bomb.ko{suffix}"), &member.repeat(10));
        tree.warned("decodes to more than 536870912 bytes");
    }
}

#[test]
fn what_is_no_regular_file() {
    let tree = Tree::new();
    let kernel = tree.dir().join("kernel");
    assert!(
        Command::new("mkfifo")
            .arg(kernel.join("x.ko"))
            .status()
            .unwrap()
            .success()
    );
    std::os::unix::fs::symlink("nowhere", kernel.join("gone.ko")).unwrap();
    std::os::unix::fs::symlink("../..", kernel.join("up")).unwrap();
    std::os::unix::fs::symlink("loop", kernel.join("loop")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", kernel.join("zero.ko")).unwrap();
    std::fs::create_dir(kernel.join("directory.ko")).unwrap();
    tree.warned("a symbolic link to a directory above it");
}

#[test]
fn names_that_are_no_text() {
    let tree = Tree::new();
    tree.raw(
        b"x\xff\n.ko",
        &Synthetic::new("alias=odd\n", &["good"], &[]).bytes(),
    );
    let output = tree.run(&["depmod", "-n", "1.0"]);
    // The binary index has room for ASCII only: nothing is written.
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has a byte above 0x7f"));
    let output = tree.run(&["closure", "odd"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_alias_with_a_byte_that_is_no_ascii_writes_nothing() {
    let tree = Tree::new();
    tree.file(
        "odd.ko",
        &Synthetic::new("alias=caf\u{e9}\n", &[], &[]).bytes(),
    );
    let output = tree.run(&["depmod", "1.0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!Path::new(&tree.dir().join("modules.dep")).exists());
}

#[test]
fn indexes_and_listings_that_are_noise() {
    let noise: Vec<u8> = (0..5000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    let tree = Tree::new();
    for name in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
        "modules.alias",
        "modules.dep",
        "modules.symbols",
        "modules.dep.bin",
        "modules.alias.bin",
        "modules.modtree-cache",
        "modules.softdep",
    ] {
        tree.file(name, &noise);
    }
    for words in [
        &["closure", "good"][..],
        &["closure", "good-alias"],
        &["check"],
        &["closure", "--modprobe-compat", "good"],
        &["depmod", "-i", "-n", "1.0"],
    ] {
        tree.run(words);
    }
    let output = tree.run(&["closure", "good"]);
    assert_eq!(output.status.code(), Some(0));
}
