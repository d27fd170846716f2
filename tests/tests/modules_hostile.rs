//! Trees that were made to do harm: each ends in an error or a warning, with bounded memory.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::ffi::OsStr;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use tests::environment::command;
use tests::modules::Kmod;
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

    /// Runs a command with 2 GiB of address space.
    fn run(&self, words: &[&str]) -> Output {
        let program = command("modtree").get_program().to_owned();
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

/// A tree of modules, each damaged in a way of its own: depmod does what kmod's does. Where one of them ends the whole run
/// (a module that needs itself, a name that is no ASCII, one that crashes kmod), each has a tree of its own.
fn same_as_kmod(damaged: &[Vec<u8>], what: &str) {
    for (batch, modules) in damaged.chunks(64).enumerate() {
        if !compare_with_kmod(modules, &format!("{what} {batch}")) {
            for (at, module) in modules.iter().enumerate() {
                compare_with_kmod(
                    std::slice::from_ref(module),
                    &format!("{what} {batch}.{at}"),
                );
            }
        }
    }
}

/// Compares the text files; says whether there are any.
fn compare_with_kmod(damaged: &[Vec<u8>], what: &str) -> bool {
    let tree = Tree::new();
    for (at, bytes) in damaged.iter().enumerate() {
        tree.file(&format!("m{at}.ko"), bytes);
    }
    let ours = tree.run(&["depmod", "-n", "1.0"]);
    let done = ours.status.success();
    let Some(kmod) = Kmod::v34() else {
        return done;
    };
    let mut theirs = kmod.tool("depmod");
    theirs.args(["-n", "-b"]).arg(tree.root.path()).arg("1.0");
    let theirs = theirs.output().unwrap();
    if theirs.status.code().is_none() {
        // kmod 34 itself is killed by some of these modules.
        return false;
    }
    let stderr = String::from_utf8_lossy(&ours.stderr);
    assert_eq!(ours.status.code(), theirs.status.code(), "{what}: {stderr}");
    if done {
        let [ours, theirs] =
            [ours, theirs].map(|run| String::from_utf8_lossy(&run.stdout).into_owned());
        assert!(ours == theirs, "{what}:\n{ours}\nkmod:\n{theirs}");
    }
    done
}

fn typical() -> Vec<u8> {
    Synthetic::new("alias=x\nsoftdep=pre: y\n", &["good"], &["s"]).bytes()
}

#[test]
fn truncated_at_every_byte() {
    let whole = typical();
    let cuts: Vec<_> = (0..whole.len())
        .map(|length| whole[..length].to_vec())
        .collect();
    same_as_kmod(&cuts, "truncated");
}

/// Where the section headers of a 64-bit little-endian module are.
fn section_table(module: &[u8]) -> usize {
    u64::from_le_bytes(module[0x28..0x30].try_into().unwrap()) as usize
}

/// Every bit of the ELF header and of all section headers.
#[test]
fn flipped_bits_in_headers() {
    let whole = typical();
    let headers = (0..64).chain(section_table(&whole)..whole.len());
    let flips = headers.flat_map(|at| (0..8).map(move |bit| (at, bit)));
    let flipped = flips.map(|(at, bit)| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        bytes
    });
    same_as_kmod(&flipped.collect::<Vec<_>>(), "flipped");
}

/// Offsets and sizes of sections that overlap, that overflow, or that are those of the section headers themselves.
#[test]
fn section_headers_that_overlap_overflow_and_point_to_themselves() {
    let whole = typical();
    let table = section_table(&whole);
    let length = whole.len() as u64;
    let sections = (whole.len() - table) / 64;
    let places = [
        (0, length),
        (0, u64::MAX),
        (u64::MAX, 1),
        (u64::MAX - 63, 64),
        (1 << 63, 1 << 63),
        (table as u64, length - table as u64),
        (length, 0),
        (length, 1),
        (length - 1, 1),
        (3, 5),
    ];
    let headers = (1..sections).flat_map(|section| places.map(|place| (section, place)));
    let mut all: Vec<_> = headers
        .map(|(section, (offset, size))| {
            let mut bytes = whole.clone();
            let header = table + 64 * section;
            bytes[header + 0x18..header + 0x20].copy_from_slice(&offset.to_le_bytes());
            bytes[header + 0x20..header + 0x28].copy_from_slice(&size.to_le_bytes());
            bytes
        })
        .collect();
    // The table itself: within the ELF header, at its own end, and with too many entries.
    for (offset, value) in [
        (0x28, 0_u64.to_le_bytes().to_vec()),
        (0x28, 8_u64.to_le_bytes().to_vec()),
        (0x28, length.to_le_bytes().to_vec()),
        (0x28, u64::MAX.to_le_bytes().to_vec()),
        (0x3c, vec![0xff, 0xff]),
        (0x3c, vec![0, 0]),
        (0x3e, vec![0xff, 0xff]),
        (0x3e, vec![0, 0]),
    ] {
        let mut bytes = whole.clone();
        bytes[offset..offset + value.len()].copy_from_slice(&value);
        all.push(bytes);
    }
    same_as_kmod(&all, "section headers");
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
    // The text files hold any byte, the binary ones ASCII only, and then nothing is written.
    let output = tree.run(&["depmod", "-n", "1.0"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output
            .stdout
            .starts_with(b"kernel/good.ko:\nkernel/x\xff\n.ko: kernel/good.ko\n")
    );
    let output = tree.run(&["depmod", "1.0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!tree.dir().join("modules.dep").exists());
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

/// Files of `/sys` are shorter than their size says, and files of `/proc` longer: as a file that shrinks or grows between
/// the look at its size and the reading.
#[test]
fn files_that_are_not_as_long_as_they_say() {
    let tree = Tree::new();
    let kernel = tree.dir().join("kernel");
    std::os::unix::fs::symlink("/sys/kernel/uevent_seqnum", kernel.join("short.ko")).unwrap();
    tree.warned("was it changed just now?");
    std::os::unix::fs::symlink("/proc/version", kernel.join("long.ko")).unwrap();
    tree.warned("kernel/long.ko`: not an ELF file");
}

/// Ends another thread, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Modules come, go, grow and shrink between the listing and the reading: the others are indexed.
#[test]
fn a_tree_that_changes_while_it_is_read() {
    let tree = Tree::new();
    let bytes = typical();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0_usize.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let dir = tree.dir().join(format!("kernel/d{}", turn % 3));
                let path = dir.join(format!("m{}.ko", turn % 17));
                // What fails here has been removed before.
                let _ = match turn % 7 {
                    0..3 => {
                        std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(&path, &bytes))
                    }
                    3 => std::fs::write(&path, [&bytes[..], &[0; 9000]].concat()),
                    4 => std::fs::write(&path, &bytes[..bytes.len() / 2]),
                    5 => std::fs::remove_file(&path),
                    _ => std::fs::remove_dir_all(&dir),
                };
            }
        });
        let _stop = Stop(&done);
        for _ in 0..60 {
            let output = tree.run(&["depmod", "-n", "1.0"]);
            let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{stderr}");
            assert!(stdout.contains("kernel/good.ko:\n"), "{stdout}");
        }
    });
}
