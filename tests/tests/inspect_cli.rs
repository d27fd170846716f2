//! `packager cat`, `extract`, `diff`, `size` and `why`: on our own images, on others', and on hostile ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use packager::cpio::{Attributes, Kind, Options, Writer};
use tests::environment::{command, has};
use tests::root::{Root, small_root};

/// Two images of one kernel, with and without a keymap; all tests look into them. GNU cpio reads one archive.
struct Images {
    folder: tempfile::TempDir,
    root: Root,
}

static IMAGES: LazyLock<Option<Images>> = LazyLock::new(|| {
    let root = small_root()?;
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("es.igz", &["--keymap", "es", "--segments", "one"][..]),
        ("us.izst", &[]),
    ] {
        let image = folder.path().join(name);
        let mut all = arguments.to_vec();
        all.extend(["-o", image.to_str().unwrap()]);
        assert!(root.pack(&all).status.success());
    }
    Some(Images { folder, root })
});

impl Images {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn packager(arguments: &[&Path]) -> Output {
    command("packager").args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn cat_prints_a_file_and_follows_links() {
    let Some(images) = &*IMAGES else { return };
    let image = images.path("es.igz");
    let cat = |path: &str| packager(&["cat".as_ref(), &image, path.as_ref()]);
    let passwd = cat("/etc/passwd");
    assert_eq!(stdout(&passwd), "root:x:0:0:root:/root:/bin/sh\n");
    assert!(cat("sbin/sh").stdout == cat("/usr/bin/busybox").stdout);
    let near = "did you mean `etc/passwd`";
    assert!(stderr(&cat("etc/paswd")).contains(near));
    assert!(stderr(&cat("passwd")).contains(near));
    let why = packager(&["why".as_ref(), &image, "etc/paswd".as_ref()]);
    assert!(stderr(&why).contains(near));
    let missing = cat("/etc/shadow");
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).contains("there is no `/etc/shadow`"),
        "{}",
        stderr(&missing)
    );
    assert!(stderr(&cat("/etc")).contains("no regular file"));
}

#[test]
fn extract_gives_what_gnu_cpio_gives() {
    let Some(images) = IMAGES.as_ref().filter(|_| has(&["cpio", "diff", "gzip"])) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    let image = images.path("es.igz");
    assert!(
        packager(&["extract".as_ref(), &image, &ours])
            .status
            .success()
    );
    fs::create_dir(&theirs).unwrap();
    let cpio = Command::new("sh")
        .args([
            "-c",
            "gzip -dc \"$1\" | cpio -i -d -m --quiet -f 'dev/*'",
            "sh",
        ])
        .arg(&image)
        .current_dir(&theirs)
        .status()
        .unwrap();
    assert!(cpio.success());
    let different = Command::new("diff")
        .args(["-r", "--no-dereference", "--exclude=dev"])
        .args([&ours, &theirs])
        .output()
        .unwrap();
    assert!(different.status.success(), "{}", stdout(&different));
    let list = |folder: &Path| {
        let script = "find . -path ./dev -prune -o ! -type l -printf '%p %m %T@\\n' | sort";
        let output = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder)
            .output()
            .unwrap();
        stdout(&output)
    };
    // The root's own time is not in the archive; a directory's time is not what cpio sets last.
    let comparable = |text: String| {
        text.lines()
            .filter(|line| !line.starts_with(". ") && line.contains(".0000000000"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(!comparable(list(&ours)).is_empty());
    for line in comparable(list(&theirs)) {
        assert!(comparable(list(&ours)).contains(&line), "{line}");
    }
    let again = packager(&["extract".as_ref(), &image, &ours]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("is not empty"));
}

#[test]
fn nothing_is_extracted_outside_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let mut writer = Writer::new(Options::default());
    let mut put = |name: &str, kind: Kind, data: &str| {
        let attributes = Attributes::of_root(kind, 0o755);
        writer
            .entry(name.as_bytes(), attributes, data.as_bytes())
            .unwrap();
    };
    put("escape", Kind::Symlink, outside.to_str().unwrap());
    put("escape/absolute-link", Kind::File, "x");
    put("up", Kind::Symlink, "../outside");
    put("up/relative-link", Kind::File, "x");
    put("../outside/dots", Kind::File, "x");
    put(outside.join("absolute").to_str().unwrap(), Kind::File, "x");
    put("fine", Kind::File, "x");
    let image = folder.path().join("hostile.cpio");
    fs::write(&image, writer.finish()).unwrap();
    let output = packager(&["extract".as_ref(), &image, &folder.path().join("in")]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read(folder.path().join("in/fine")).unwrap(), b"x");
    // Without their folders, they are nowhere in the kernel's tree either.
    assert!(
        stderr(&output).contains("is left out, as the kernel does"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn diff_says_what_changed_and_tells_by_its_exit_code() {
    let Some(images) = &*IMAGES else { return };
    let (es, us) = (images.path("es.igz"), images.path("us.izst"));
    let same = packager(&["diff".as_ref(), &es, &es]);
    assert_eq!(
        (same.status.code(), stdout(&same)),
        (Some(0), String::new())
    );
    let different = packager(&["diff".as_ref(), &us, &es]);
    assert_eq!(different.status.code(), Some(1));
    assert!(
        stdout(&different).contains("+ /etc/keymap.bmap (2311 bytes)\n"),
        "{}",
        stdout(&different)
    );
    let back = packager(&["diff".as_ref(), &es, &us]);
    assert!(stdout(&back).contains("- /etc/keymap.bmap (2311 bytes)\n"));
    assert_eq!(
        packager(&["diff".as_ref(), &es, "/nonexistent".as_ref()])
            .status
            .code(),
        Some(2)
    );
}

/// A copy of an image after a change of its plan.
fn changed(images: &Images, name: &str, change: impl FnOnce(&mut packager::Plan)) -> PathBuf {
    let mut plan = tests::root::plan(images.root.path());
    change(&mut plan);
    let path = images.path(name);
    fs::write(&path, plan.archive(Options::default()).unwrap()).unwrap();
    path
}

#[test]
fn diff_tells_modules_keymaps_and_init_by_meaning() {
    let Some(images) = &*IMAGES else { return };
    let old = changed(images, "old.cpio", |_| {});
    let new = changed(images, "new.cpio", |plan| {
        let us = kmap::compile_named(
            "us".as_ref(),
            &kmap::SearchPath::from_env(),
            kmap::Mode::Unicode,
        );
        let us = us.unwrap().keymap.to_bkeymap(kmap::Endian::Little);
        plan.file("etc/keymap.bmap", 0o644, us, "");
        let list = String::from_utf8(plan.get("etc/modules").unwrap().data.to_vec()).unwrap();
        let reversed: Vec<_> = list.lines().rev().collect();
        plan.file(
            "etc/modules",
            0o644,
            (reversed.join("\n") + "\n").into(),
            "",
        );
        let init = String::from_utf8(plan.get("init").unwrap().data.to_vec()).unwrap();
        let init = init.replace("at keymap\n", "at keymap\necho keys\n");
        plan.file("init", 0o755, init.into(), "");
        plan.file(
            "etc/passwd",
            0o600,
            plan.get("etc/passwd").unwrap().data.to_vec(),
            "",
        );
        let folder = format!("usr/lib/modules/{}/extra", images.root.version);
        plan.file(
            &format!("{folder}/own.ko"),
            0o644,
            b"no module".to_vec(),
            "",
        );
        let fat = plan
            .items()
            .map(|(path, _)| path)
            .find(|path| path.ends_with("/fat.ko"));
        let fat = fat.unwrap().to_owned();
        let mut bytes = plan.get(&fat).unwrap().data.to_vec();
        bytes.extend(b"a signature");
        plan.file(&fat, 0o644, bytes, "");
    });
    let output = packager(&["diff".as_ref(), &old, &new, "--lines=2".as_ref()]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    let size = fs::metadata(images.root.module("fs/fat/fat.ko"))
        .unwrap()
        .len();
    assert_eq!(
        lines[..6],
        [
            &format!("~ module fat: {size} -> {} bytes", size + 11),
            "+ module own (9 bytes)",
            "~ /etc/keymap.bmap: 2311 -> 2567 bytes",
            lines[3],
            "~ /etc/passwd: mode 0644 -> 0600",
            lines[5],
        ]
    );
    assert!(lines[3].starts_with("~ /etc/modules: other contents, "));
    assert!(lines[5].starts_with("~ /init: "));
    let keymap = lines
        .iter()
        .position(|line| line.starts_with("keymap /etc/keymap.bmap: "))
        .unwrap();
    assert!(
        lines[keymap + 3].starts_with("  … and ")
            && lines[keymap + 3].ends_with(" more (--lines 0 shows all)")
    );
    assert!(text.contains(" lines, only the order\n"), "{text}");
    assert!(
        text.ends_with("text /init: 1 lines\n  +echo keys\n"),
        "{text}"
    );
    let all = stdout(&packager(&[
        "diff".as_ref(),
        &old,
        &new,
        "--lines=0".as_ref(),
    ]));
    assert!(
        all.contains("  plain        key ; (39)      ñ -> ;\n"),
        "{all}"
    );
    let json = packager(&["diff".as_ref(), &old, &new, "--json".as_ref()]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["segments"], serde_json::Value::Null);
    assert_eq!(json["modules"][1]["new"]["size"], 9);
    assert_eq!(json["modules"][1]["old"], serde_json::Value::Null);
    let keys = json["keymaps"][0]["keys"].as_array().unwrap();
    assert!(keys.iter().any(|key| key["keycode"] == 39
        && key["map"] == 0
        && key["old"] == "ñ"
        && key["new"] == ";"));
    assert_eq!(json["texts"][0]["reordered"], true);
    assert_eq!(
        json["texts"][1]["lines"],
        serde_json::json!([{ "new": "echo keys" }])
    );
    assert!(
        json["files"]
            .as_array()
            .unwrap()
            .iter()
            .all(|file| !file["path"].as_str().unwrap().ends_with(".ko"))
    );
}

#[test]
fn size_divides_the_whole_image_and_draws_it() {
    let Some(images) = &*IMAGES else { return };
    let picture = images.path("size.svg");
    for name in ["es.igz", "us.izst"] {
        let image = images.path(name);
        let output = packager(&[
            "size".as_ref(),
            &image,
            "--json".as_ref(),
            "--svg".as_ref(),
            &picture,
        ]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let whole = fs::metadata(&image).unwrap().len();
        assert_eq!(json["whole"]["packed"], whole);
        let files = json["files"].as_array().unwrap();
        let sum: u64 = files
            .iter()
            .map(|file| file["packed"].as_u64().unwrap())
            .sum();
        // What is left are the trailer and padding.
        assert_eq!(json["overhead"], whole - sum, "{name}");
        assert!(whole - sum < 1000, "{name}: {sum} of {whole}");
        assert!(files.iter().any(|file| file["path"] == "/usr/bin"));
        let packed = |suffix: &str| {
            let mut found = files
                .iter()
                .filter(|file| file["path"].as_str().unwrap().ends_with(suffix));
            found.next().unwrap()["packed"].as_f64().unwrap()
        };
        // Near to what gzip and zstd make of them alone.
        assert!(
            (0.95e6..1.2e6).contains(&packed("/busybox")),
            "{}",
            packed("/busybox")
        );
        assert!(
            (25e3..80e3).contains(&packed("/fat.ko")),
            "{}",
            packed("/fat.ko")
        );
        let over_itself = packager(&["size".as_ref(), &image, "--svg".as_ref(), &image]);
        assert_eq!(over_itself.status.code(), Some(2));
        assert_eq!(fs::metadata(&image).unwrap().len(), whole);
        let svg = fs::read_to_string(&picture).unwrap();
        assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
        assert!(svg.contains(">busybox</text>"));
        let Some(rsvg) = tests::environment::tool("rsvg-convert") else {
            continue;
        };
        let drawn = Command::new(rsvg)
            .arg(&picture)
            .arg("-o")
            .arg(images.path("size.png"))
            .output()
            .unwrap();
        assert!(drawn.status.success(), "{}", stderr(&drawn));
    }
}

#[test]
fn size_counts_every_byte_of_every_file() {
    let Some(images) = &*IMAGES else { return };
    let output = packager(&[
        "size".as_ref(),
        &images.path("us.izst"),
        "--least=0".as_ref(),
    ]);
    let text = stdout(&output);
    let busybox = packager::busybox::Busybox::find(Path::new("/")).unwrap();
    let line = text
        .lines()
        .find(|line| line.ends_with(" busybox"))
        .unwrap();
    assert_eq!(
        line.split_whitespace().next().unwrap(),
        busybox.bytes.len().to_string()
    );
    assert!(
        text.starts_with("segment at 0: ")
            && text.lines().next().unwrap().ends_with("unpacked, zstd"),
        "{text}"
    );
}

#[test]
fn what_is_no_initramfs_is_told_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    for (start, end, kind) in [
        (&b"MZ"[..], &[0, 0], "an EFI program"),
        (b"\xeb\x58", &[0x55, 0xaa], "is a disk image: no entry"),
        (b"\x89PNG", &[0, 0], "neither a cpio archive nor"),
    ] {
        let mut bytes = start.to_vec();
        bytes.resize(510, 0);
        bytes.extend(end);
        bytes.resize(700, 0);
        fs::write(&path, bytes).unwrap();
        let output = packager(&["list".as_ref(), &path]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(kind), "{}", stderr(&output));
    }
    let output = packager(&["check".as_ref(), &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("nor a disk image"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn why_leads_to_what_was_asked_for() {
    let Some(images) = &*IMAGES else { return };
    let image = images.path("es.igz");
    let why = |path: &str| packager(&["why".as_ref(), &image, path.as_ref()]);
    let text = stdout(&why("fat"));
    let lines: Vec<_> = text.lines().collect();
    let folder = format!("/usr/lib/modules/{}/kernel/fs/fat", images.root.version);
    assert_eq!(
        lines,
        [
            format!("{folder}/fat.ko: vfat uses its symbols"),
            format!("  {folder}/vfat.ko: asked for as vfat")
        ]
    );
    assert!(stdout(&why("/sbin/mount")).starts_with("/usr/bin/busybox: "));
    // Applets are links, and folders were made for something; a slip in a module's name.
    assert!(stdout(&why("mount")).starts_with("/usr/bin/busybox: "));
    let text = stdout(&why("/usr/lib/modules"));
    let (first, last) = (text.lines().next(), text.lines().last());
    assert!(
        first.unwrap().starts_with("/usr/lib/modules: holds "),
        "{text}"
    );
    assert!(last.unwrap().contains(".ko: "), "{text}");
    let slip = why("vfta");
    assert_eq!(slip.status.code(), Some(1));
    assert!(
        stderr(&slip).contains("did you mean `vfat`?"),
        "{}",
        stderr(&slip)
    );
    // Every file of the image has an answer.
    let names = packager(&["list".as_ref(), "--names".as_ref(), &image]);
    for name in stdout(&names)
        .lines()
        .filter(|name| name.ends_with(".ko") || name.starts_with("etc/"))
    {
        let answer = why(name);
        assert!(
            answer.status.success() && stdout(&answer).starts_with(&format!("/{name}: ")),
            "{name}: {}",
            stderr(&answer)
        );
    }
    assert_eq!(why("/etc/shadow").status.code(), Some(1));
}
