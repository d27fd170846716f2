//! ISO 9660 as the library writes it, against those who read it: libarchive, genisoimage's isoinfo, xorriso, and the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use packager::disk::fat::{FatKind, Geometry, Label, Timestamp, Tree, Volume, VolumeOptions};
use packager::disk::iso::{Iso, IsoError};
use packager::disk::{Esp, Sector, SparseImage};
use packager::qemu::{Bus, Firmware};
use proptest::prelude::*;
use tests::disks::{image, root, start};
use tests::environment::has;
use tests::guest::{power_off, run};
use tests::mtools::files_in;

/// 2020-09-13 12:26:40 UTC.
const TIME: u64 = 1_600_000_000;

type Files = BTreeMap<String, Vec<u8>>;

/// The hierarchies of an ISO, as libarchive is told to take one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hierarchy {
    RockRidge,
    Joliet,
    Plain,
}

/// An ISO whose FAT file system has the files; libarchive and the kernel never look at that, but at the directories that show
/// the same files.
fn iso(files: &Files) -> Result<SparseImage<'_>, IsoError> {
    let mut tree = Tree::default();
    for (path, bytes) in files {
        tree.file(path, bytes).unwrap();
    }
    // So large that clusters have four sectors: those of a CD's block.
    let geometry = Geometry::new(FatKind::Fat16, Sector(200_000)).unwrap();
    let label = Label::new("test").unwrap();
    let options = VolumeOptions {
        label,
        serial: 1,
        time: Timestamp::from_unix(TIME),
        start: Sector(0),
    };
    let volume = Volume::reserve(tree, geometry, options).unwrap();
    let files = volume.files();
    let mut image = SparseImage::new(geometry.total.bytes());
    volume.write(&mut image);
    Iso {
        kernel: &[],
        initramfs: &[],
        bios: None,
        uefi: Some(Esp { image, files }),
        label,
        signature: None,
        time: TIME,
    }
    .build()
}

fn write(folder: &Path, files: &Files) -> PathBuf {
    let path = folder.join("test.iso");
    let image = iso(files).unwrap();
    image.write_to(&File::create(&path).unwrap()).unwrap();
    path
}

fn output(command: &mut Command) -> Output {
    let output = command.env("LC_ALL", "C.UTF-8").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    output
}

/// What libarchive extracts, without the catalogue.
fn extracted(iso: &Path, hierarchy: Hierarchy) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let options: &[&str] = match hierarchy {
        Hierarchy::RockRidge => &[],
        Hierarchy::Joliet => &["--options", "iso9660:!rockridge"],
        Hierarchy::Plain => &["--options", "iso9660:!rockridge,iso9660:!joliet"],
    };
    let mut bsdtar = Command::new("bsdtar");
    bsdtar
        .args(options)
        .arg("-C")
        .arg(folder.path())
        .arg("-xf")
        .arg(iso);
    let said = output(&mut bsdtar).stderr;
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    let found = files_in(folder.path());
    // Directories may not be written to, and so could not be taken away with the folder.
    output(Command::new("chmod").args(["-R", "u+w"]).arg(folder.path()));
    let files = found
        .into_iter()
        .filter_map(|(path, bytes)| Some((path, bytes?)));
    let no_catalogue = |path: &str| !path.eq_ignore_ascii_case("boot.cat");
    files.filter(|(path, _)| no_catalogue(path)).collect()
}

/// The paths that isoinfo sees, as they are; with `extension` by Rock Ridge or Joliet.
fn listed(iso: &Path, extension: &str) -> BTreeSet<String> {
    let output = output(
        Command::new("isoinfo")
            .args(["-f", extension, "-i"])
            .arg(iso),
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.trim_start_matches('/').to_owned())
        .collect()
}

fn agree(files: &Files) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), files);
    assert!(
        extracted(&path, Hierarchy::RockRidge) == *files,
        "by Rock Ridge"
    );
    assert!(extracted(&path, Hierarchy::Joliet) == *files, "by Joliet");
    // The names are others there, and no two are the same.
    let sorted = |files: Files| {
        let mut contents: Vec<_> = files.into_values().collect();
        contents.sort();
        contents
    };
    let plain = extracted(&path, Hierarchy::Plain);
    let fits = |c: char| matches!(c, 'A'..='Z' | '0'..='9' | '_' | '.' | '/');
    assert!(
        plain.keys().all(|path| path.chars().all(fits)),
        "{:?}",
        plain.keys()
    );
    assert!(sorted(plain) == sorted(files.clone()), "by ISO 9660 alone");
}

fn some_files() -> Files {
    let mut files = Files::new();
    for (path, bytes) in [
        ("EFI/BOOT/BOOTX64.EFI", b"MZ".to_vec()),
        ("empty", Vec::new()),
        (
            "vmlinuz",
            (0..100_000).map(|byte| (byte % 251) as u8).collect(),
        ),
        ("one block", vec![1; 2048]),
        ("one block and a byte", vec![2; 2049]),
        ("deep/er/and/deep/er/still/file", b"deep".to_vec()),
        (".hidden", b"h".to_vec()),
        ("same.0", b"x".to_vec()),
        ("same", b"w".to_vec()),
        ("señal y ruido.tar.gz", b"y".to_vec()),
        ("日本語", b"z".to_vec()),
        // A file and a directory that differ in letters only that ISO 9660 does not have.
        ("éé/file", b"e".to_vec()),
        ("日日", b"j".to_vec()),
    ] {
        files.insert(path.to_owned(), bytes);
    }
    let long = "a name that is as long as Joliet allows, which is 64 characters.";
    // As many bytes as a record of Rock Ridge holds.
    files.insert("€".repeat(40), b"e".to_vec());
    for number in 0..10 {
        let path = format!("long/{}{number}", &long[..63]);
        files.insert(path, vec![number; 10]);
    }
    // Directories of many blocks; names that differ only where no identifier is left.
    for number in 0..400 {
        files.insert(format!("many/file number {number}"), vec![number as u8; 3]);
        files.insert(format!("folders/{number}/file"), vec![number as u8; 5]);
    }
    files
}

#[test]
fn libarchive_extracts_every_file_by_each_hierarchy() {
    if has(&["bsdtar"]) {
        agree(&some_files());
        agree(&Files::new());
    }
}

#[test]
fn isoinfo_lists_every_path() {
    if !has(&["isoinfo"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut files = some_files();
    // It prints what Joliet has in Latin-1.
    files.retain(|path, _| path.is_ascii());
    let path = write(folder.path(), &files);
    for extension in ["-R", "-J"] {
        let listed = listed(&path, extension);
        let missing = files.keys().find(|path| !listed.contains(*path));
        assert_eq!(missing, None, "{extension}");
        let directories: BTreeSet<_> = files
            .keys()
            .flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at]))
            .collect();
        // And the catalogue.
        assert_eq!(
            listed.len(),
            files.len() + directories.len() + 1,
            "{extension}"
        );
    }
}

#[test]
fn xorriso_takes_it_without_a_word_of_doubt() {
    if !has(&["xorriso"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = some_files();
    let path = write(folder.path(), &files);
    let target = folder.path().join("extracted");
    let mut xorriso = Command::new("xorriso");
    xorriso
        .args([
            "-no_rc",
            "-report_about",
            "WARNING",
            "-osirrox",
            "on:sort_lba_on",
            "-indev",
        ])
        .arg(&path)
        .args(["-extract", "/"])
        .arg(&target);
    let said = output(&mut xorriso).stderr;
    // Its name, and nothing else.
    assert_eq!(said.iter().filter(|byte| **byte == b'\n').count(), 2);
    let found = files_in(&target);
    output(Command::new("chmod").args(["-R", "u+w"]).arg(&target));
    for (path, bytes) in &files {
        assert!(found.get(path) == Some(&Some(bytes.clone())), "{path}");
    }
}

#[test]
fn owner_modes_links_and_times_are_as_given() {
    if !has(&["isoinfo"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = Files::from([
        ("folder/inner/file".to_owned(), vec![0; 5000]),
        ("folder/other/file".to_owned(), Vec::new()),
    ]);
    let path = write(folder.path(), &files);
    let output = output(Command::new("isoinfo").args(["-l", "-R", "-i"]).arg(&path));
    let text = String::from_utf8_lossy(&output.stdout);
    // The directory that has two directories, and a file.
    for words in [
        "dr-xr-xr-x   4    0    0            2048 Sep 13 2020",
        "dr-xr-xr-x   2    0    0            2048 Sep 13 2020",
        "-r--r--r--   1    0    0            5000 Sep 13 2020",
    ] {
        assert!(text.contains(words), "`{words}` is not in {text}");
    }
}

#[test]
fn what_an_iso_cannot_hold_is_told() {
    let error = |path: &str| {
        let files = Files::from([(path.to_owned(), vec![1])]);
        iso(&files).unwrap_err().to_string()
    };
    assert!(error("a;b").contains("`a;b` cannot be on an ISO: Joliet forbids"));
    assert!(error(&"x".repeat(65)).contains("Joliet holds 64 characters"));
    assert!(error("1/2/3/4/5/6/7/8/9").contains("deeper than the 8 directories"));
    assert!(error("boot.cat").contains("`boot.cat` is on the ISO already"));
}

/// A path of up to four names, short and long, of any letters that FAT and Joliet take.
fn path() -> impl Strategy<Value = String> {
    let name = "[a-zA-Z0-9_éß日 .-]{0,24}[a-z0-9é日]{1,8}";
    let names = prop::collection::vec(name, 1..5);
    names.prop_map(|names| {
        let names: Vec<_> = names.iter().map(|name| name.trim_start()).collect();
        names.join("/")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn libarchive_extracts_any_tree(
        random in prop::collection::btree_map(path(), prop::collection::vec(any::<u8>(), 0..5000), 0..60)
    ) {
        if has(&["bsdtar"]) {
            // What FAT does not take, such as two names that differ in their letters' size only, is not asked for.
            let mut tree = Tree::default();
            let mut files = random;
            files.retain(|path, _| tree.file(path, &b""[..]).is_ok());
            agree(&files);
        }
    }
}

/// The kernel's own reader, from an emulated CD: what Rock Ridge and Joliet show there has the sums of what libarchive extracts.
#[test]
fn the_kernel_reads_every_file() {
    let Some(root) = root("linux-6.1") else {
        return;
    };
    if !has(&["bsdtar", "sha256sum"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let iso = image(
        &root,
        folder.path(),
        "simple.iso",
        &["-m", "isofs,sr_mod,ata_piix"],
    );
    let tree = folder.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    output(
        Command::new("bsdtar")
            .arg("-C")
            .arg(&tree)
            .arg("-xf")
            .arg(&iso),
    );
    let sums = "find . -type f | LC_ALL=C sort | xargs sha256sum";
    let expected = output(Command::new("sh").args(["-c", sums]).current_dir(&tree));
    output(Command::new("chmod").args(["-R", "u+w"]).arg(&tree));
    let expected = String::from_utf8(expected.stdout).unwrap();
    assert_eq!(expected.lines().count(), 9, "{expected}");

    let mut session = start(&iso, Firmware::Bios, Bus::Cd);
    run(&mut session, "mkdir -p /mnt/cd");
    for options in ["ro", "ro,norock,utf8"] {
        run(
            &mut session,
            &format!("mount -t iso9660 -o {options} /dev/sr0 /mnt/cd"),
        );
        let found = run(&mut session, &format!("( cd /mnt/cd && {sums} )"));
        assert_eq!(found.replace('\r', ""), expected, "{options}");
        run(&mut session, "umount /mnt/cd");
    }
    power_off(session);
}
