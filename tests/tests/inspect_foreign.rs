//! `packager list`, `cat`, `extract`, `size`, `diff` on what others write and kernels boot: bytes behind the archives, a boot
//! configuration, entries that the kernel passes over, other compressors.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use packager::cpio::{Attributes, Kind, Options, Writer};
use serde_json::Value;
use tests::environment::{command, has};

/// A folder for images.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn image(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn archive(entries: &[(&str, Kind, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Options::default());
    for (name, kind, data) in entries {
        let attributes = Attributes::of_root(*kind, 0o644);
        writer
            .entry(name.as_bytes(), attributes, data.as_bytes())
            .unwrap();
    }
    writer.finish()
}

/// An entry as it stands in an archive, whatever the kernel makes of it; `name` with its NUL.
fn entry(mode: usize, name: &[u8], data: &[u8]) -> Vec<u8> {
    let mut fields = [0; 13];
    (fields[1], fields[4]) = (mode, 1);
    (fields[6], fields[11]) = (data.len(), name.len());
    let mut out = b"070701".to_vec();
    out.extend(
        fields
            .iter()
            .flat_map(|field| format!("{field:08x}").into_bytes()),
    );
    for part in [name, data] {
        out.extend_from_slice(part);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

fn packager(words: &[&str], image: &Path, more: &[&str]) -> Output {
    let mut packager = command("packager");
    packager.args(words).arg(image).args(more).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All commands read the file `hello` of an image, whose entries have these names; gives what they say beside that.
fn reads(folder: &Folder, image: &Path, names: &str) -> Vec<String> {
    let out = folder.0.path().join("out");
    let folder = out.to_str().unwrap();
    let all = [
        packager(&["list", "-n"], image, &[]),
        packager(&["cat"], image, &["hello"]),
        packager(&["size"], image, &["--json"]),
        packager(&["diff"], image, &[image.to_str().unwrap()]),
        packager(&["extract"], image, &[folder]),
    ];
    for output in &all {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(stdout(&all[0]), names);
    assert_eq!(stdout(&all[1]), "world");
    assert_eq!(fs::read_to_string(out.join("hello")).unwrap(), "world");
    fs::remove_dir_all(out).unwrap();
    let size: Value = serde_json::from_str(&stdout(&all[2])).unwrap();
    let files = size["files"].as_array().unwrap().iter();
    let packed: u64 = files.map(|file| file["packed"].as_u64().unwrap()).sum();
    let whole = fs::metadata(image).unwrap().len();
    assert_eq!(packed + size["overhead"].as_u64().unwrap(), whole);
    all.iter().map(stderr).collect()
}

#[test]
fn what_stands_behind_the_archives_is_told_and_not_read() {
    let folder = Folder::new();
    let plain = archive(&[("hello", Kind::File, "world")]);
    let packed = codec::encode(&plain, codec::Format::Gzip, None).unwrap();
    for archive in [&plain, &packed] {
        let junk = folder.image("junk", &[archive, &b"junk"[..]].concat());
        let place = format!(
            "begins at offset {}; the kernel reads no further",
            archive.len()
        );
        for said in reads(&folder, &junk, "hello\n") {
            assert!(
                said.contains(&place) && !said.contains("not an initramfs"),
                "{said}"
            );
        }
        let json: Value =
            serde_json::from_str(&stdout(&packager(&["list", "--json"], &junk, &[]))).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 1);
        // The text, with NULs; length and sum, and the magic.
        let text = b"kernel.quiet\0\0\0\0";
        let sum: u32 = text.iter().map(|&byte| u32::from(byte)).sum();
        let end = [
            &16u32.to_le_bytes(),
            &sum.to_le_bytes(),
            &b"#BOOTCONFIG\n"[..],
        ]
        .concat();
        let image = folder.image("bootconfig", &[archive, &text[..], &end].concat());
        let said = reads(&folder, &image, "hello\n");
        let note = format!("(bootconfig), 16 bytes, is at {}\n", archive.len());
        assert!(said[0].ends_with(&note), "{said:?}");
        assert!(said[1..].iter().all(String::is_empty), "{said:?}");
        let checked = stdout(&packager(&["check"], &image, &[]));
        assert!(!checked.contains("junk-behind-archive"), "{checked}");
    }
    let nothing = folder.image("nothing", b"junk");
    let output = packager(&["cat"], &nothing, &["hello"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not an initramfs"));
}

#[test]
fn what_the_kernel_passes_over_is_left_out() {
    let folder = Folder::new();
    let hello = entry(0o100_644, b"hello\0", b"world");
    let long = [&b"x".repeat(5000)[..], b"\0"].concat();
    for (passed_over, name) in [
        (entry(0o100_644, b"\0", b"data"), ""),
        (entry(0o100_644, b"", b"data"), ""),
        (entry(0o040_755, b"", b""), ""),
        (entry(0o100_644, &long, b"data"), ""),
        (entry(0o170_644, b"odd\0", b""), "odd"),
        (entry(0o644, b"odd\0", b"data"), "odd"),
    ] {
        let archive = [&passed_over[..], &hello, &entry(0, b"TRAILER!!!\0", b"")].concat();
        for archive in [
            codec::encode(&archive, codec::Format::Gzip, None).unwrap(),
            archive,
        ] {
            let image = folder.image("image", &archive);
            let said = reads(&folder, &image, &format!("{name}\nhello\n"));
            assert!(
                said[0].contains("which the kernel leaves out: 1\n"),
                "{said:?}"
            );
            assert!(
                said[4].contains("is left out, as the kernel does"),
                "{said:?}"
            );
        }
    }
    // A type that nothing has takes away what is there.
    let gone = [&hello[..], &entry(0o644, b"hello\0", b"")].concat();
    let image = folder.image("gone", &gone);
    assert_eq!(
        packager(&["cat"], &image, &["hello"]).status.code(),
        Some(1)
    );
    let listed = stdout(&packager(&["list"], &image, &[]));
    assert!(listed.contains("\n?rw-r--r--"), "{listed}");
}

#[test]
fn compressors_that_are_only_read_are_read() {
    let folder = Folder::new();
    let plain = folder.image("plain", &archive(&[("hello", Kind::File, "world")]));
    for (tool, arguments, format) in [
        ("xz", &["--format=lzma", "-c"][..], "lzma"),
        ("lzop", &["-c"], "lzo"),
    ] {
        if !has(&[tool]) {
            continue;
        }
        let mut compress = Command::new(tool);
        compress.args(arguments).arg(&plain).stderr(Stdio::null());
        let one = compress.output().unwrap().stdout;
        // Two segments, with zeros between them.
        let other = archive(&[("more", Kind::File, "")]);
        let image = folder.image(format, &[&one[..], &[0; 5], &other].concat());
        let said = reads(&folder, &image, "hello\nmore\n");
        assert!(said.iter().all(String::is_empty), "{format}: {said:?}");
        let size: Value =
            serde_json::from_str(&stdout(&packager(&["size", "--json"], &image, &[]))).unwrap();
        assert_eq!(size["segments"][0]["compression"], format);
        let listed = stdout(&packager(&["list"], &image, &[]));
        let heading = format!("\nsegment at {}: not compressed\n", one.len() + 5);
        assert!(listed.contains(&heading), "{listed}");
        let cut = folder.image("cut", &one[..one.len() / 2]);
        let output = packager(&["list"], &cut, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(&format!("the {format} stream is truncated")));
    }
}

#[test]
fn links_times_and_segments_are_listed() {
    let folder = Folder::new();
    let mut writer = Writer::new(Options::default());
    let file = Attributes::of_root(Kind::File, 0o644);
    writer.hard_links(&[b"a", b"b"], file, b"text").unwrap();
    let image = [writer.finish(), archive(&[("c", Kind::File, "")])].concat();
    let image = folder.image("image", &image);
    let listed = stdout(&packager(&["list"], &image, &[]));
    let lines: Vec<_> = listed.lines().collect();
    let links = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    assert_eq!(
        (links(lines[0]), links(lines[3])),
        (Some("2".into()), Some("1".into()))
    );
    assert_eq!(lines[2], "segment at 512: not compressed");
    let json: Value =
        serde_json::from_str(&stdout(&packager(&["list", "--json"], &image, &[]))).unwrap();
    assert_eq!(json[0]["inode"], json[1]["inode"]);
    assert_eq!(
        (&json[0]["links"], &json[0]["mtime"]),
        (&2.into(), &0.into())
    );
    let segments = [
        &json[0]["segment"],
        &json[1]["segment"],
        &json[2]["segment"],
    ];
    assert_eq!(segments, [0, 0, 1]);
}

#[test]
fn names_do_not_drive_the_terminal() {
    let folder = Folder::new();
    let image = folder.image("image", &archive(&[("\x1b[2Jx", Kind::File, "")]));
    assert_eq!(
        stdout(&packager(&["list", "-n"], &image, &[])),
        "\x1b[2Jx\n"
    );
    if !has(&["script"]) {
        return;
    }
    let program = command("packager")
        .get_program()
        .to_str()
        .unwrap()
        .to_owned();
    let line = format!("{program} list -n {}", image.display());
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "\\u{1b}[2Jx\r\n");
}

#[test]
fn diff_tells_the_numbers_of_devices() {
    let folder = Folder::new();
    let device = |minor| {
        let device = Kind::CharacterDevice { major: 1, minor };
        archive(&[("null", device, "")])
    };
    let (old, new) = (
        folder.image("old", &device(3)),
        folder.image("new", &device(5)),
    );
    let new = new.to_str().unwrap();
    let output = packager(&["diff"], &old, &[new]);
    assert_eq!(stdout(&output), "~ /null: device 1:3 -> 1:5\n");
    let json: Value =
        serde_json::from_str(&stdout(&packager(&["diff", "--json"], &old, &[new]))).unwrap();
    assert_eq!(json["files"][0]["old"]["device"], serde_json::json!([1, 3]));
    let none = folder.image("none", &archive(&[]));
    let output = packager(&["diff"], &none, &[new]);
    assert_eq!(stdout(&output), "+ /null (device 1:5)\n");
}

#[test]
fn cat_says_where_a_dangling_link_leads() {
    let folder = Folder::new();
    let image = folder.image(
        "image",
        &archive(&[
            ("lnk", Kind::Symlink, "gone/away"),
            ("loop", Kind::Symlink, "loop"),
        ]),
    );
    for (link, words) in [
        (
            "/lnk",
            "`/lnk` is a link that leads to `/gone/away`, which is not in the image",
        ),
        ("loop", "`loop` is a link that leads in a circle"),
    ] {
        let output = packager(&["cat"], &image, &[link]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}
