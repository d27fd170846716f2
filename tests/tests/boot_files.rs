//! The file tree that a kernel unpacks, and the one that `packager` reads: of archives that hardly any tool writes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use packager::inspect::{Files, segments};
use tests::disks::root;
use tests::environment::command;

const PATIENCE: Duration = Duration::from_secs(300);

/// What is put into `/t`, and shown by [`INIT`].
struct Entry {
    name: Vec<u8>,
    mode: u32,
    inode: u32,
    links: u32,
    device: u32,
    node: u32,
    uid: u32,
    data: Vec<u8>,
}

fn file(name: impl AsRef<[u8]>, inode: u32, data: impl AsRef<[u8]>) -> Entry {
    Entry {
        name: [b"t/", name.as_ref()].concat(),
        mode: 0o100_644,
        inode,
        links: 2,
        device: 0,
        node: 0,
        uid: 0,
        data: data.as_ref().to_vec(),
    }
}

fn link(name: &str, inode: u32, target: impl AsRef<[u8]>) -> Entry {
    let mode = 0o120_777;
    Entry {
        mode,
        ..file(name, inode, target)
    }
}

fn node(name: &str, inode: u32, links: u32, node: u32) -> Entry {
    Entry {
        mode: 0o20_666,
        links,
        node,
        ..file(name, inode, "")
    }
}

fn archive(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut trailer = file("", 0, "");
    trailer.name = b"TRAILER!!!".to_vec();
    unclosed(entries.into_iter().chain([trailer]))
}

/// An archive without a trailer.
fn unclosed(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = entry.data.len() as u32;
        let name = entry.name.len() as u32 + 1;
        bytes.extend(b"070701");
        for field in [
            entry.inode,
            entry.mode,
            entry.uid,
            0,
            entry.links,
            0,
            length,
            0,
            entry.device,
            1,
            entry.node,
            name,
            0,
        ] {
            bytes.extend(format!("{field:08x}").bytes());
        }
        for part in [[&*entry.name, b"\0"].concat(), entry.data] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    bytes
}

const INIT: &str = "#!/bin/sh
cd /t
for name in *; do
  echo \"$name: $(stat -c '%f %u' \"$name\") $(stat -c '%t:%T' \"$name\") [$(readlink \"$name\" || { test -f \"$name\" && cat \"$name\"; })]\" | cut -c1-300
done
echo all was shown
poweroff -f
";

/// The lines that [`INIT`] prints.
fn lines(image: &[u8]) -> Vec<String> {
    use packager::cpio::Kind;
    let segments = segments(image).unwrap();
    let files = Files::new(&segments).unwrap();
    let line = |(path, file): (&str, &packager::inspect::File<'_>)| {
        let name = path.strip_prefix("t/")?;
        let attributes = file.attributes;
        let (kind, device) = match attributes.kind {
            Kind::File => (0o100_000, (0, 0)),
            Kind::Symlink => (0o120_000, (0, 0)),
            Kind::Directory => (0o40_000, (0, 0)),
            Kind::CharacterDevice { major, minor } => (0o20_000, (major, minor)),
            other => panic!("{path}: {other:?}"),
        };
        let (mode, uid) = (kind | attributes.permissions, attributes.uid);
        let (major, minor) = device;
        let data = String::from_utf8_lossy(file.data);
        let line = format!("{name}: {mode:x} {uid} {major:x}:{minor:x} [{data}]");
        Some(line.chars().take(300).collect())
    };
    files.iter().filter_map(line).collect()
}

#[test]
fn the_tree_that_is_read_is_the_one_that_the_kernel_unpacks() {
    let Some(root) = root("linux-6.1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let simple = folder.path().join("simple.cpio");
    let packed = command("packager")
        .args(["initramfs", "-q", "--no-check", "--compress", "none"])
        .args(["--modules", "fat", "--root"])
        .arg(&root)
        .arg("-o")
        .arg(&simple)
        .status()
        .unwrap();
    assert!(packed.success());
    let directory = |name: &str| Entry {
        name: name.into(),
        mode: 0o40_755,
        ..file("", 90, "")
    };
    let init = Entry {
        name: b"init".to_vec(),
        mode: 0o100_755,
        links: 1,
        ..file("", 91, INIT)
    };
    let odd = archive([
        directory("t"),
        init,
        // One name twice, as two names of one file.
        file("twice", 1, "x"),
        file("twice", 1, "y"),
        // What the last name says of a file counts.
        Entry {
            uid: 1,
            ..file("owner-a", 2, "kept")
        },
        Entry {
            uid: 2,
            mode: 0o100_600,
            ..file("owner-b", 2, "")
        },
        // A symbolic link takes the place of the first name.
        file("place-a", 3, ""),
        link("place-a", 30, "place-target"),
        file("place-b", 3, "through it"),
        // One inode number, two devices.
        file("device-a", 4, "one"),
        Entry {
            device: 1,
            ..file("device-b", 4, "two")
        },
        link("with-nul", 31, "bus\0box"),
        link("no-target", 32, ""),
        Entry {
            mode: 0o40_755,
            ..file("folder-with-data", 33, "data")
        },
        file("n".repeat(255), 34, "fits"),
        file("n".repeat(256), 35, "does not"),
        link("target-4095", 36, "./".repeat(2047) + "x"),
        link("target-4096", 37, "./".repeat(2048)),
        // A node is not made again.
        node("node", 38, 1, 3),
        node("node", 39, 1, 5),
        node("nodes-a", 5, 2, 3),
        node("nodes-b", 5, 2, 3),
        file("later-a", 6, "old"),
        file("later-b", 6, ""),
    ]);
    let later = archive([file("later-a", 40, "new")]);
    let of_two_archives = [
        archive([file("gzip-a", 7, "one"), file("gzip-b", 7, "")]),
        archive([file("gzip-c", 7, "two"), file("gzip-d", 7, "")]),
    ];
    let gzip = |bytes: Vec<u8>| codec::encode(&bytes, codec::Format::Gzip, None).unwrap();
    let two = gzip(of_two_archives.concat());
    // Zeros stand between two entries of one archive, and nothing between an archive without a trailer and a compressed one.
    let zeros_within = [
        unclosed([file("zeros-a", 8, "one")]),
        vec![0; 64],
        archive([file("zeros-b", 8, "")]),
        unclosed([file("open-a", 41, "open")]),
        gzip(unclosed([file("open-b", 42, "too")])),
        gzip(unclosed([file("open-c", 43, "as well")])),
    ];
    let image = [
        fs::read(&simple).unwrap(),
        odd,
        later,
        two,
        zeros_within.concat(),
    ]
    .concat();
    let wanted = lines(&image);
    assert_eq!(wanted.len(), 25, "{wanted:#?}");
    assert!(
        wanted
            .iter()
            .any(|line| line.ends_with("zeros-b: 81a4 0 0:0 [one]"))
    );
    assert_eq!(booted(&image, folder.path(), &root), wanted);
}

/// What the kernel shows of the image.
fn booted(image: &[u8], folder: &Path, root: &Path) -> Vec<String> {
    let path = folder.join("odd.cpio");
    let transcript = folder.join("console.txt");
    fs::write(&path, image).unwrap();
    let seconds = PATIENCE.as_secs().to_string();
    let output = command("packager")
        .arg("boot")
        .arg(&path)
        .args(["--accel", "tcg", "--append", "quiet loglevel=0", "--root"])
        .arg(root)
        .args(["--expect", "all was shown", "--timeout", &seconds])
        .arg("--transcript")
        .arg(&transcript)
        .output()
        .unwrap();
    let console = fs::read_to_string(&transcript).unwrap_or_default();
    assert!(output.status.success(), "{output:?}{console}");
    let lines = console.lines().map(|line| line.trim_end_matches('\r'));
    let shown = lines.filter(|line| line.ends_with(']') || line.len() == 300);
    let mut shown: Vec<_> = shown.map(str::to_owned).collect();
    shown.sort();
    shown
}
