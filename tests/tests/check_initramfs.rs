//! `packager check` on initramfs images: each fault that the kernel would hide, made in turn, is named; a sound image has none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use codec::Format;
use packager::cpio::{Attributes, Kind, Options, Writer};
use packager::inspect::check::{Booted, check};
use packager::inspect::{Files, segments};
use packager::kernel::KernelSource;
use packager::{Plan, Recipe};
use tests::environment::{command, has};
use tests::sound::SOUND;

fn only(name: &'static str) -> BTreeSet<&'static str> {
    BTreeSet::from([name])
}

#[test]
fn a_sound_image_has_no_findings() {
    let Some(sound) = &*SOUND else { return };
    let archive = sound.archive();
    assert_eq!(sound.findings(&archive), BTreeSet::new());
    for format in [
        Format::Gzip,
        Format::Xz,
        Format::Zstd,
        Format::Bzip2,
        Format::Lz4Legacy,
    ] {
        let image = codec::encode(&archive, format, None).unwrap();
        assert_eq!(sound.findings(&image), BTreeSet::new(), "{format}");
    }
}

#[test]
fn what_is_wrong_with_init_and_programs_is_named() {
    let Some(sound) = &*SOUND else { return };
    let init = sound.plan.get("init").unwrap().data.to_vec();
    assert_eq!(
        sound.after(|plan| plan.file("init", 0o644, init.clone(), "")),
        only("init-not-executable")
    );
    let strange = [b"#!/bin/bash\n".as_slice(), &init].concat();
    assert_eq!(
        sound.after(|plan| plan.file("init", 0o755, strange, "")),
        only("missing-interpreter")
    );
    // Without busybox, every applet leads nowhere, and so does the interpreter of every script.
    assert_eq!(
        sound.without("usr/bin/busybox"),
        BTreeSet::from(["dangling-link", "missing-interpreter"])
    );
    let dynamic = fs::read("/bin/sh").unwrap();
    let findings = sound.after(|plan| plan.file("usr/bin/dynamic", 0o755, dynamic, ""));
    assert_eq!(
        findings,
        BTreeSet::from(["missing-interpreter", "missing-library"])
    );
    let no_init: Vec<_> = sound
        .plan
        .items()
        .filter(|(path, _)| *path != "init")
        .collect();
    let mut writer = Writer::new(Options::default());
    for (path, item) in no_init {
        writer
            .entry(path.as_bytes(), item.attributes, &item.data)
            .unwrap();
    }
    assert_eq!(sound.findings(&writer.finish()), only("no-init"));
}

/// Each module of the set left out in turn: something says so, whatever it was there for.
#[test]
fn every_module_that_is_left_out_is_missed() {
    let Some(sound) = &*SOUND else { return };
    for (path, _) in sound.plan.items().filter(|(path, _)| path.ends_with(".ko")) {
        // crc64_rocksoft is an alias of another module, too, so that its name still leads somewhere.
        let found = sound.without(path);
        let mut codes = ["listed-module-missing", "missing-module"].iter();
        assert!(codes.any(|code| found.contains(code)), "{path}: {found:?}");
    }
}

#[test]
fn what_is_wrong_with_modules_is_named() {
    let Some(sound) = &*SOUND else { return };
    let path = sound
        .plan
        .items()
        .map(|(path, _)| path)
        .find(|path| path.ends_with("/vfat.ko"))
        .unwrap()
        .to_owned();
    let vfat = sound.plan.get(&path).unwrap().data.to_vec();
    let half = vfat[..vfat.len() / 2].to_vec();
    assert_eq!(
        sound.after(|plan| plan.file(&path, 0o644, half, "")),
        BTreeSet::from(["damaged-module", "listed-module-missing"])
    );
    for (format, code) in [
        (Format::Zstd, "module-not-unpacked"),
        (Format::Xz, "compressed-module"),
    ] {
        let packed = codec::encode(&vfat, format, None).unwrap();
        let found = sound.after(|plan| plan.file(&path, 0o644, packed, ""));
        assert_eq!(found, only(code));
    }
    let with = |old: &[u8], new: &[u8]| {
        let at = vfat.windows(old.len()).position(|part| part == old);
        let at = at.unwrap();
        let mut foreign = vfat.clone();
        foreign[at..at + old.len()].copy_from_slice(new);
        sound.after(|plan| plan.file(&path, 0o644, foreign, ""))
    };
    // Debian's kernels have MODVERSIONS: a module of another release may fit, one with other options never does.
    let another = only("module-of-another-kernel");
    assert_eq!(
        with(b"vermagic=6.1", b"vermagic=6.2"),
        only("module-of-another-release")
    );
    assert_eq!(with(b"SMP preempt mod", b"SMP PREEMPT mod"), another);
    assert_eq!(
        with(b"modversions \0", b"modversionz \0"),
        another,
        "its release is right"
    );
    assert_eq!(sound.without("/modules.dep"), only("no-modules-dep"));
    let missed = |code| BTreeSet::from(["listed-module-missing", code]);
    assert_eq!(
        sound.without("/nls_ascii.ko"),
        missed("vfat-without-code-page")
    );
    assert_eq!(
        sound.without("/crc64.ko"),
        BTreeSet::from(["listed-module-missing", "missing-module", "missing-softdep"])
    );
    assert_eq!(sound.without("/fat.ko"), missed("missing-module"));
    let other = Booted {
        version: Some("6.12.0-other"),
        config: None,
    };
    let report = check(&sound.archive(), other);
    assert_eq!(report.findings[0].code.name, "modules-of-another-kernel");
    assert!(!report.passes());
}

#[test]
fn what_the_kernel_cannot_unpack_is_named() {
    let Some(sound) = SOUND.as_ref().filter(|_| has(&["xz", "zstd", "lz4"])) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, sound.archive()).unwrap();
    let pack = |tool: &str, arguments: &[&str]| {
        let output = std::process::Command::new(tool)
            .args(arguments)
            .arg("-c")
            .arg(&plain)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    assert_eq!(
        sound.findings(&pack("xz", &["-0", "--check=crc64"])),
        only("xz-check")
    );
    assert_eq!(
        sound.findings(&pack("xz", &["-0", "--check=none"])),
        BTreeSet::new()
    );
    assert_eq!(sound.findings(&pack("lz4", &["-q"])), only("lz4-frame"));
    assert_eq!(sound.findings(&pack("lz4", &["-q", "-l"])), BTreeSet::new());
    assert_eq!(
        sound.findings(&pack("zstd", &["-q", "-1"])),
        BTreeSet::new()
    );
    let config = modtree::KernelConfig::parse(
        b"CONFIG_RD_GZIP=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_BINFMT_SCRIPT=y\n",
    );
    let booted = Booted {
        version: None,
        config: Some(&config),
    };
    let codes = |image: &[u8]| {
        check(image, booted)
            .findings
            .iter()
            .map(|finding| finding.code.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        codes(&codec::encode(&sound.archive(), Format::Xz, Some(0)).unwrap()),
        ["compressor-not-built-in"]
    );
    assert_eq!(
        codes(&codec::encode(&sound.archive(), Format::Gzip, Some(1)).unwrap()),
        Vec::<&str>::new()
    );
}

#[test]
fn what_the_kernel_would_drop_or_ignore_is_named() {
    let Some(sound) = &*SOUND else { return };
    let archive = sound.archive();
    let gzip = |bytes: &[u8]| codec::encode(bytes, Format::Gzip, Some(1)).unwrap();
    assert_eq!(
        sound.findings(&archive[..archive.len() / 2]),
        only("damaged-archive")
    );
    let gz = gzip(&archive);
    assert_eq!(sound.findings(&gz[..gz.len() / 2]), only("damaged-archive"));
    assert_eq!(sound.findings(b"no image"), only("damaged-archive"));
    let (first, second) = archive.split_at(archive.len() / 2);
    assert_eq!(
        sound.findings(&[gzip(first), gzip(second)].concat()),
        only("split-archive")
    );
    let mut unaligned = gzip(&archive);
    while unaligned.len() % 4 != 1 {
        unaligned.push(0);
    }
    let mut more = Writer::new(Options::default());
    more.entry(b"more", Attributes::of_root(Kind::File, 0o644), b"x")
        .unwrap();
    let more = more.finish();
    assert_eq!(
        sound.findings(&[unaligned.clone(), more.clone()].concat()),
        only("unaligned-archive")
    );
    unaligned.extend([0; 3]);
    assert_eq!(sound.findings(&[unaligned, more].concat()), BTreeSet::new());
    let mut orphan = Writer::new(Options::default());
    orphan
        .entry(b"no/folder", Attributes::of_root(Kind::File, 0o644), b"x")
        .unwrap();
    assert_eq!(
        sound.findings(&[archive.clone(), orphan.finish()].concat()),
        only("missing-folder")
    );
    assert_eq!(
        sound.after(|plan| plan.file("etc/keymap.bmap", 0o644, b"bkeymap".to_vec(), "")),
        only("bad-keymap")
    );
}

#[test]
fn the_command_says_what_is_wrong_and_explains_it() {
    let Some(sound) = &*SOUND else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("simple.igz");
    let mut arguments = vec![
        "--no-runtime",
        "--modules",
        "vfat",
        "-o",
        image.to_str().unwrap(),
    ];
    // It is not even written, unless it is asked for.
    let refused = sound.root.pack(&arguments);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("error[vfat-without-code-page]"));
    assert!(!image.exists());
    arguments.push("--no-check");
    assert!(sound.root.pack(&arguments).status.success());
    let check = |arguments: &[&str]| {
        command("packager")
            .arg("check")
            .args(arguments)
            .output()
            .unwrap()
    };
    let output = check(&[
        image.to_str().unwrap(),
        "--root",
        sound.root.path().to_str().unwrap(),
    ]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("error[vfat-without-code-page]: fat asks for nls_cp437"),
        "{text}"
    );
    // Without a kernel, its configuration is not known, and nothing is wrong.
    assert_eq!(check(&[image.to_str().unwrap()]).status.code(), Some(0));
    let explained = check(&["--explain", "split-archive"]);
    assert!(String::from_utf8_lossy(&explained.stdout).contains("each must hold whole files"));
    assert_eq!(check(&["--explain", "no-such-code"]).status.code(), Some(2));
}

/// Others' images are read like our own.
#[test]
fn the_recipe_of_nothing_is_sound() {
    let Some(sound) = &*SOUND else { return };
    let recipe = Recipe {
        kernel: KernelSource::Root(Path::new(sound.root.path()).into()),
        modules: Vec::new(),
        ..Recipe::default()
    };
    let bytes = Plan::new(&recipe)
        .unwrap()
        .archive(Options::default())
        .unwrap();
    assert_eq!(sound.findings(&bytes), BTreeSet::new());
    assert!(
        Files::new(&segments(&bytes).unwrap())
            .unwrap()
            .get("etc/modules")
            .is_none()
    );
}
