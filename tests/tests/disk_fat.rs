//! FAT file systems that the library writes, against fsck.fat, mtools and util-linux.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use packager::disk::fat::read::Reader;
use packager::disk::fat::{
    Attributes, FatKind, Geometry, Label, Timestamp, Tree, Volume, VolumeOptions,
};
use packager::disk::mbr::{Mbr, Partition, PartitionType};
use packager::disk::{Sector, SparseImage};
use proptest::prelude::*;
use tests::environment::{find_program, has};
use tests::mtools::FatImage;

/// 2020-09-13 12:26:40 UTC.
const TIME: u64 = 1_600_000_000;

const START: Sector = Sector(2048);

type Files = BTreeMap<String, Option<Vec<u8>>>;

fn tree(files: &Files) -> Tree<'_> {
    let mut tree = Tree::default();
    for (path, data) in files {
        match data {
            Some(data) => tree.file(path, data).unwrap(),
            None => tree.directory(path).unwrap(),
        }
    }
    tree
}

/// A disk with one partition that holds the files.
fn write(folder: &Path, kind: FatKind, tree: Tree<'_>) -> PathBuf {
    let geometry = Geometry::smallest(kind, Sector(0), |it| Volume::fits(&tree, it)).unwrap();
    let options = VolumeOptions {
        label: Label::new("test").unwrap(),
        serial: 0x1234_abcd,
        time: Timestamp::from_unix(TIME),
        start: START,
    };
    let volume = Volume::reserve(tree, geometry, options).unwrap();
    let mut image = SparseImage::new((START + geometry.total).bytes());
    let mbr = Mbr {
        code: Vec::new(),
        signature: 0xdead_beef,
        partitions: [
            Some(Partition {
                active: true,
                kind: PartitionType::FAT32_LBA,
                first: START,
                count: geometry.total,
            }),
            None,
            None,
            None,
        ],
    };
    image.put(0, mbr.to_bytes().to_vec());
    volume.write(&mut image);
    let path = folder.join("disk.img");
    image
        .write_to(&std::fs::File::create(&path).unwrap())
        .unwrap();
    path
}

fn some_files() -> Files {
    let mut files = Files::new();
    for (path, data) in [
        ("EFI/BOOT/BOOTX64.EFI", b"MZ".to_vec()),
        ("vmlinuz", vec![7; 100_000]),
        ("empty", Vec::new()),
        ("Long name with spaces.text", vec![1; 512]),
        ("Mixed.Txt", vec![2; 513]),
        ("lower.txt", vec![3; 4096]),
        ("UPPER.TXT", b"x".to_vec()),
        (".hidden", b"x".to_vec()),
        ("señal y ruido.txt", b"x".to_vec()),
        ("exactly-13-ch", b"x".to_vec()),
        ("thirteen-units-and-26-unit", b"x".to_vec()),
    ] {
        files.insert(path.to_owned(), Some(data));
    }
    for number in 0..300 {
        files.insert(
            format!("many/file number {number}"),
            Some(vec![number as u8]),
        );
    }
    files.insert("a/b/c/d/e".to_owned(), None);
    files
}

/// The files, and every directory that they imply.
fn with_directories(files: &Files) -> Files {
    let mut all = files.clone();
    for path in files.keys() {
        for (at, _) in path.match_indices('/') {
            all.insert(path[..at].to_owned(), None);
        }
    }
    all
}

fn read_back(path: &Path) -> Files {
    fn walk(reader: &Reader<'_, std::fs::File>, folder: &str, out: &mut Files) {
        for entry in reader.list(folder).unwrap().unwrap() {
            let path = if folder.is_empty() {
                entry.name.clone()
            } else {
                format!("{folder}/{}", entry.name)
            };
            if entry.is_directory() {
                walk(reader, &path, out);
                out.insert(path, None);
            } else {
                out.insert(path, Some(reader.contents(&entry).unwrap()));
            }
        }
    }
    let file = std::fs::File::open(path).unwrap();
    let mut out = Files::new();
    walk(&Reader::open(&file, START).unwrap(), "", &mut out);
    out
}

fn agree(kind: FatKind, files: &Files) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), kind, tree(files));
    let fat = FatImage {
        path: &path,
        offset: START.bytes(),
    };
    fat.check();
    let expected = with_directories(files);
    assert!(fat.files() == expected, "mtools sees other files");
    assert!(read_back(&path) == expected, "the reader sees other files");
}

#[test]
fn fsck_is_silent_and_mtools_extracts_every_file() {
    if !has(&["mcopy", "fsck.fat"]) {
        return;
    }
    agree(FatKind::Fat16, &some_files());
    agree(FatKind::Fat32, &some_files());
    agree(FatKind::Fat32, &Files::new());
}

#[test]
fn label_serial_times_and_attributes_are_as_given() {
    if !has(&["mdir", "mattrib", "minfo"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    let hidden = Attributes::HIDDEN
        .with(Attributes::SYSTEM)
        .with(Attributes::READ_ONLY);
    tree.file_with("ldlinux.sys", &b"x"[..], hidden).unwrap();
    let path = write(folder.path(), FatKind::Fat32, tree);
    let fat = FatImage {
        path: &path,
        offset: START.bytes(),
    };
    let text =
        |program: &str, arguments: &[&str]| String::from_utf8(fat.run(program, arguments)).unwrap();
    let listing = text("mdir", &["-a", "::"]);
    for words in ["is TEST", "1234-ABCD", "ldlinux  sys", "2020-09-13  12:26"] {
        assert!(listing.contains(words), "`{words}` is not in {listing}");
    }
    assert!(text("mattrib", &["::/ldlinux.sys"]).contains("SHR"));
    assert!(text("minfo", &["::"]).contains("hidden sectors: 2048"));
}

#[test]
fn sfdisk_and_fdisk_accept_the_partition_table() {
    if !has(&["sfdisk", "fdisk"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), FatKind::Fat32, Tree::default());
    let run = |program: &str, option: &str| {
        let output = Command::new(find_program(program).unwrap())
            .env("LC_ALL", "C")
            .arg(option)
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        text
    };
    assert!(run("sfdisk", "-V").contains("No errors detected"));
    let table = run("fdisk", "-l");
    let words = [
        "Disk identifier: 0xdeadbeef",
        "W95 FAT32 (LBA)",
        " *  ",
        " 2048 ",
    ];
    for words in words {
        assert!(table.contains(words), "`{words}` is not in {table}");
    }
}

/// Names with what FAT allows: cases, dots, spaces, accents. mtools cannot read what UTF-16 writes in two units.
fn names() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_+,;=éßЖ漢. -]{1,40}".prop_filter("a name that FAT allows", |name| {
        packager::disk::fat::Name::new(name).is_ok() && !name.starts_with('-')
    })
}

fn trees() -> impl Strategy<Value = Files> {
    let path = prop::collection::vec(names(), 1..4).prop_map(|parts| parts.join("/"));
    let data = prop::collection::vec(any::<u8>(), 0..3000);
    prop::collection::vec((path, prop::option::weighted(0.9, data)), 0..40).prop_map(|items| {
        // Only what can be together: no name twice in other letters, no file that is a directory, too.
        let mut tree = Tree::default();
        let mut files = Files::new();
        for (path, data) in items {
            let added = match &data {
                Some(data) => tree.file(&path, data.clone()),
                None => tree.directory(&path),
            };
            let lower = path.to_lowercase();
            let again = files.keys().any(|other: &String| {
                let other = other.to_lowercase();
                let parts = other.split('/').zip(lower.split('/'));
                parts.take_while(|(one, two)| one == two).count() > 0
            });
            if added.is_ok() && !again {
                files.insert(path, data);
            }
        }
        files
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_trees_come_back(files in trees(), large in any::<bool>()) {
        if has(&["mcopy", "fsck.fat"]) {
            agree(if large { FatKind::Fat32 } else { FatKind::Fat16 }, &files);
        }
    }
}
