//! `packager list` against GNU cpio, bsdtar and lsinitramfs: the same names, whatever the compressor, with and without an early
//! archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use packager::cpio::{Attributes, Kind, Options, Writer};
use tests::environment::{command, has};
use tests::root::{Root, small_root};

const SUFFIXES: [&str; 6] = ["cpio", "igz", "ixz", "izst", "ilz4", "ibz2"];

/// An early archive, as it holds microcode.
const EARLY: &str = "kernel/x86/microcode/AuthenticAMD.bin";

/// One image for each compressor, each of one archive; and `early.SUFFIX`, the same behind an early one.
struct Images {
    folder: tempfile::TempDir,
    _root: Root,
}

static IMAGES: LazyLock<Option<Images>> = LazyLock::new(|| {
    let root = small_root()?;
    let folder = tempfile::tempdir().unwrap();
    let early = folder.path().join("microcode.cpio");
    fs::write(&early, early_archive()).unwrap();
    let plan = tests::root::plan(root.path());
    let archive = plan.archive(Options::default()).unwrap();
    for suffix in SUFFIXES {
        let image = folder.path().join(format!("one.{suffix}"));
        let compression = packager::compression::Compression {
            format: packager::compression::Compression::by_suffix(&image).unwrap(),
            level: None,
        };
        let bytes = compression.apply(archive.clone()).unwrap();
        let mut behind = fs::read(&early).unwrap();
        behind.resize(behind.len().next_multiple_of(512), 0);
        behind.extend(&bytes);
        fs::write(&image, bytes).unwrap();
        fs::write(folder.path().join(format!("early.{suffix}")), behind).unwrap();
    }
    Some(Images {
        folder,
        _root: root,
    })
});

fn early_archive() -> Vec<u8> {
    let mut writer = Writer::new(Options::default());
    let folders = ["kernel", "kernel/x86", "kernel/x86/microcode"];
    for folder in folders {
        let attributes = Attributes::of_root(Kind::Directory, 0o755);
        writer.entry(folder.as_bytes(), attributes, b"").unwrap();
    }
    let attributes = Attributes::of_root(Kind::File, 0o644);
    writer
        .entry(EARLY.as_bytes(), attributes, b"microcode")
        .unwrap();
    writer.finish()
}

impl Images {
    fn path(&self, name: &str, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{suffix}"))
    }
}

fn ours(image: &Path) -> String {
    names(
        command("packager")
            .args(["list", "--names"])
            .arg(image)
            .output()
            .unwrap(),
    )
}

fn names(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// GNU cpio reads what the compressor's own program gives out.
#[test]
fn gnu_cpio_lists_what_every_compressor_gives_out() {
    let programs = ["cat", "gzip", "xz", "zstd", "lz4", "bzip2"];
    let Some(images) = IMAGES.as_ref().filter(|_| has(&["cpio"]) && has(&programs)) else {
        return;
    };
    for (suffix, program) in SUFFIXES.into_iter().zip(programs) {
        let image = images.path("one", suffix);
        let unpack = if program == "cat" {
            "cat"
        } else {
            "\"$0\" -q -d -c"
        };
        let script = format!("{unpack} <\"$1\" | cpio -t --quiet");
        let output = Command::new("sh")
            .args(["-c", &script, program])
            .arg(&image)
            .output()
            .unwrap();
        assert_eq!(ours(&image), names(output), "{suffix}");
    }
}

/// bsdtar finds the compressor itself; it ends with the first archive.
#[test]
fn bsdtar_lists_the_same() {
    let Some(images) = IMAGES.as_ref().filter(|_| has(&["bsdtar"])) else {
        return;
    };
    // Its lz4 is the frame format, which no kernel reads.
    for suffix in SUFFIXES.into_iter().filter(|suffix| *suffix != "ilz4") {
        let image = images.path("one", suffix);
        let output = Command::new("bsdtar")
            .args(["-t", "-f"])
            .arg(&image)
            .output()
            .unwrap();
        let theirs = names(output);
        let theirs: String = theirs
            .lines()
            .map(|name| format!("{}\n", name.trim_end_matches('/')))
            .collect();
        assert_eq!(ours(&image), theirs, "{suffix}");
    }
}

#[test]
fn lsinitramfs_lists_the_same_also_behind_an_early_archive() {
    let Some(images) = IMAGES.as_ref().filter(|_| has(&["lsinitramfs"])) else {
        return;
    };
    for name in ["one", "early"] {
        for suffix in SUFFIXES {
            // It starts five programs for each entry of an archive that is not compressed: once is enough.
            if (name, suffix) == ("early", "cpio") {
                continue;
            }
            let image = images.path(name, suffix);
            let output = Command::new("lsinitramfs").arg(&image).output().unwrap();
            // Behind an archive that is not compressed it looks for another one, and complains of the end.
            assert!(
                output.status.success() || suffix == "cpio",
                "{name}.{suffix}"
            );
            let theirs = String::from_utf8(output.stdout).unwrap();
            let ours = ours(&image);
            assert_eq!(ours.contains(EARLY), name == "early");
            assert_eq!(ours, theirs, "{name}.{suffix}");
        }
    }
}

#[test]
fn what_cannot_be_read_to_its_end_is_listed_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let archive = early_archive();
    let list = |bytes: &[u8]| {
        fs::write(&image, bytes).unwrap();
        command("packager")
            .args(["list", "--names"])
            .arg(&image)
            .output()
            .unwrap()
    };
    for (bytes, words) in [
        (archive[..500].to_vec(), "the archive ends within it"),
        (
            [archive.as_slice(), b"070701junk"].concat(),
            "the segment at offset 1024 cannot be read",
        ),
    ] {
        let output = list(&bytes);
        assert_eq!(output.status.code(), Some(1));
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.starts_with("kernel\nkernel/x86\n"), "{stdout}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(words), "{stderr}");
    }
    let nothing = list(b"");
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(1), 0));
}
