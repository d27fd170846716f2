//! `packager list`, `cat`, `size`, `diff`, `why` and `extract` on what has an initramfs in it: unified kernel images, disks, CDs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tests::broken::START;
use tests::environment::{command, has, required};
use tests::mtools::FatImage;
use tests::root::{Root, small_root};

/// An initramfs, and what is made of it.
struct Made {
    folder: tempfile::TempDir,
    root: Root,
}

impl Made {
    fn new() -> Option<Self> {
        if !has(&["syslinux", "mcopy"]) {
            return None;
        }
        let root = small_root()?;
        let folder = tempfile::tempdir().unwrap();
        let made = Self { folder, root };
        let path = made.path("simple.igz");
        let packed = made.root.pack(&["-q", "-o", path.to_str().unwrap()]);
        assert!(packed.status.success(), "{packed:?}");
        Some(made)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts the initramfs into a file of this name.
    fn put(&self, verb: &str, name: &str, options: &[&str]) -> PathBuf {
        let path = self.path(name);
        let output = command("packager")
            .args([verb, "-q", "--root"])
            .arg(self.root.path())
            .arg("--initramfs")
            .arg(self.path("simple.igz"))
            .args(options)
            .arg("-o")
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        path
    }

    /// What a command prints of the initramfs by itself.
    fn bare(&self, verb: &str, more: &[&str]) -> Vec<u8> {
        let output = look(verb, &self.path("simple.igz"), more);
        assert!(output.status.success() && output.stderr.is_empty());
        output.stdout
    }
}

fn look(verb: &str, image: &Path, more: &[&str]) -> Output {
    let arguments = [verb.as_ref(), image.as_os_str()];
    let more = more.iter().map(OsStr::new);
    let arguments = arguments.into_iter().chain(more);
    command("packager").args(arguments).output().unwrap()
}

/// What was printed, and what was said.
fn printed(verb: &str, image: &Path, more: &[&str]) -> (Vec<u8>, String) {
    let output = look(verb, image, more);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{verb}: {stderr}");
    (output.stdout, stderr)
}

fn refused(image: &Path, words: &str) {
    let output = look("list", image, &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        output.stdout.is_empty() && stderr.contains(words),
        "{stderr}"
    );
}

#[test]
fn every_command_looks_into_what_has_the_initramfs_in_it() {
    let Some(made) = Made::new() else { return };
    let mut images = vec![
        (made.put("uki", "linux.efi", &[]), String::new()),
        (made.put("image", "simple.img", &[]), "/initrd.img".into()),
        (
            made.put(
                "image",
                "gpt.img",
                &["--table", "gpt", "--firmware", "uefi"],
            ),
            "/initrd.img".into(),
        ),
        (
            made.put("image", "uki.img", &["--uki", "--firmware", "uefi"]),
            "/EFI/BOOT/BOOTX64.EFI".into(),
        ),
    ];
    let present = Path::new("/usr/lib/ISOLINUX/isolinux.bin").is_file();
    if required(present.then_some(()), "isolinux").is_some() {
        images.push((made.put("image", "simple.iso", &[]), "/initrd.img".into()));
    }
    for (image, name) in images {
        let note = match &*name {
            "" => String::new(),
            name => format!("note: the initramfs of `{}` is `{name}`\n", image.display()),
        };
        for (verb, more) in [
            ("list", &[][..]),
            ("list", &["--json"]),
            ("cat", &["init"]),
            ("size", &["--json"]),
            ("why", &["init"]),
        ] {
            let (stdout, stderr) = printed(verb, &image, more);
            assert!(stdout == made.bare(verb, more), "{verb} {image:?}");
            assert_eq!(stderr, note, "{verb}");
        }
        let other = made.path("simple.igz");
        let (difference, stderr) = printed("diff", &image, &[other.to_str().unwrap()]);
        assert!(difference.is_empty() && stderr == note, "{stderr}");
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        printed("extract", &image, &[out.to_str().unwrap()]);
        assert!(fs::read(out.join("init")).unwrap() == made.bare("cat", &["init"]));
    }
}

#[test]
fn of_several_the_default_entry_s_is_taken_and_the_others_are_told() {
    let Some(made) = Made::new() else { return };
    let image = made.put("image", "simple.img", &[]);
    let fat = FatImage {
        path: &image,
        offset: START,
    };
    let config = made.path("syslinux.cfg");
    let put = |text: &str| {
        fs::write(&config, text).unwrap();
        fat.run(
            "mcopy",
            &["-o", config.to_str().unwrap(), "::/syslinux.cfg"],
        );
    };
    put(
        "DEFAULT two\nLABEL one\nLINUX vmlinuz\nINITRD other.img\nLABEL two\nLINUX vmlinuz\nINITRD initrd.img\n",
    );
    let (stdout, stderr) = printed("list", &image, &[]);
    assert!(stdout == made.bare("list", &[]));
    let note = "is `/initrd.img`; other entries boot with `/other.img`\n";
    assert!(stderr.ends_with(note), "{stderr}");
    // Another configuration, of which the default has two parts.
    put("DEFAULT more\nLABEL more\nCONFIG more.cfg\n");
    fs::write(&config, "DEFAULT vmlinuz initrd=initrd.img,INITRD.IMG\n").unwrap();
    fat.run("mcopy", &[config.to_str().unwrap(), "::/more.cfg"]);
    let (stdout, stderr) = printed("list", &image, &["--names"]);
    assert_eq!(stdout, made.bare("list", &["--names"]).repeat(2));
    assert!(stderr.contains("is `/initrd.img, /INITRD.IMG`"), "{stderr}");
    // A menu marks its default entry, and without a menu and a default nobody knows which entry is booted.
    for (start, which) in [
        ("UI menu.c32\n", "note: the initramfs of"),
        ("", "note: the first initramfs of"),
    ] {
        let marked = "LABEL one\nMENU DEFAULT\nLINUX vmlinuz\nINITRD initrd.img\n";
        let first = match start {
            "" => "",
            _ => "LABEL none\nLINUX vmlinuz\nINITRD none.img\n",
        };
        put(&format!("{start}{first}{marked}"));
        let (_, stderr) = printed("list", &image, &["--names"]);
        assert!(stderr.starts_with(which), "{stderr}");
    }
    put("DEFAULT one\nLABEL one\nLINUX vmlinuz\nINITRD none.img\n");
    refused(&image, "is to be `/none.img`, which is not there");
    put("DEFAULT one\nLABEL one\nLOCALBOOT 0\n");
    fat.run("mdel", &["::/loader/entries/linux.conf"]);
    refused(&image, "no entry of a boot loader that is known here");
}

#[test]
fn what_has_no_initramfs_in_it_is_named() {
    let Some(made) = Made::new() else { return };
    let uki = fs::read(made.put("uki", "linux.efi", &[])).unwrap();
    let changed = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = uki.clone();
        change(&mut bytes);
        let path = made.path(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let cut = changed("cut.efi", &|bytes| bytes.truncate(bytes.len() / 2));
    refused(&cut, "it is a damaged EFI program");
    let renamed = changed("none.efi", &|bytes| {
        let at = bytes.windows(7).position(|it| it == b".initrd").unwrap();
        bytes[at + 1] = b'x';
    });
    refused(&renamed, "is an EFI program without an initramfs in it");
    let kernel = made.root.path().join("boot");
    let kernel = kernel.join(format!("vmlinuz-{}", made.root.version));
    refused(&kernel, "is a kernel, and no initramfs");
    let disk = made.path("empty.img");
    let mut sector = vec![0; 1024];
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&disk, sector).unwrap();
    refused(&disk, "is a disk image: no entry of a boot loader");
}
