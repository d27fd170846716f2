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
        Some(1)
    );
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
