//! `packager check` on the faults that the kernel hides: each case of the format, with what the kernel does with it.

use std::collections::BTreeSet;

use codec::Format;
use packager::cpio::{Attributes, Kind, Options, Writer};
use packager::inspect::check::{check, codes};
use tests::environment::tool;
use tests::keymaps::console_data;
use tests::sound::SOUND;

type Findings = BTreeSet<&'static str>;

fn only(name: &'static str) -> Findings {
    BTreeSet::from([name])
}

fn none() -> Findings {
    BTreeSet::new()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    codec::encode(bytes, Format::Gzip, Some(1)).unwrap()
}

/// An archive of one file in the root.
fn one(name: &str, options: Options) -> Vec<u8> {
    let mut writer = Writer::new(options);
    let attributes = Attributes::of_root(Kind::File, 0o644);
    writer
        .entry(name.as_bytes(), attributes, b"contents")
        .unwrap();
    writer.finish()
}

/// Where the trailer's entry begins.
fn trailer(archive: &[u8]) -> usize {
    let name = b"TRAILER!!!";
    let at = archive.windows(name.len()).rposition(|part| part == name);
    at.unwrap() - 110
}

/// A zstd frame of raw blocks whose header asks for a window (RFC 8878, 3.1.1): exponent and mantissa as in the format.
fn zstd_frame(window: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
    let blocks = bytes.chunks(1 << 17);
    let last = blocks.len() - 1;
    for (number, block) in blocks.enumerate() {
        let header = (block.len() as u32) << 3 | u32::from(number == last);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}

#[test]
fn what_the_kernel_boots_has_no_finding() {
    let Some(sound) = &*SOUND else { return };
    let archive = sound.archive();
    let with = |options| sound.plan.archive(options).unwrap();
    let aligned = with(Options {
        alignment: 4096,
        ..Options::default()
    });
    assert_eq!(sound.findings(&aligned), none());
    let summed = with(Options {
        checksums: true,
        ..Options::default()
    });
    assert_eq!(sound.findings(&summed), none());
    // A window of 128 MiB is the largest.
    assert_eq!(sound.findings(&zstd_frame(0x88, &archive)), none());
    // Complete archives in a row, each compressed in its own way; an early one that is not compressed.
    let zstd = codec::encode(&one("zstd", Options::default()), Format::Zstd, None).unwrap();
    let xz = codec::encode(&one("xz", Options::default()), Format::Xz, Some(0)).unwrap();
    assert_eq!(sound.findings(&[gzip(&archive), zstd, xz].concat()), none());
    let early = one("kernel/x86/microcode/GenuineIntel.bin", Options::default());
    assert_eq!(sound.findings(&[early, gzip(&archive)].concat()), none());
    // A later file of the same name, of another type, and a device.
    let mut writer = Writer::new(Options::default());
    let link = Attributes::of_root(Kind::Symlink, 0o777);
    writer.entry(b"etc/profile", link, b"passwd").unwrap();
    let console = Kind::CharacterDevice { major: 5, minor: 1 };
    writer
        .entry(b"dev/console", Attributes::of_root(console, 0o600), b"")
        .unwrap();
    assert_eq!(sound.findings(&[archive, writer.finish()].concat()), none());
}

#[test]
fn an_archive_without_its_end_is_told() {
    let Some(sound) = &*SOUND else { return };
    let archive = sound.archive();
    let cut = &archive[..trailer(&archive)];
    assert_eq!(sound.findings(cut), only("no-trailer"));
    assert_eq!(sound.findings(&gzip(cut)), only("no-trailer"));
    assert!(check(cut, sound.booted()).passes());
    // What goes on between two files is as good: such an image boots (boot_files).
    let rest = one("rest", Options::default());
    assert_eq!(
        sound.findings(&[gzip(cut), gzip(&rest)].concat()),
        only("no-trailer")
    );
    let after_zeros = |zeros: usize| [cut, &vec![0; zeros], &rest].concat();
    assert_eq!(sound.findings(&after_zeros(8)), none());
    assert_eq!(sound.findings(&after_zeros(6)), only("damaged-archive"));
    assert_eq!(
        sound.findings(&gzip(&after_zeros(6))),
        only("damaged-archive")
    );
    let behind_trailer = [&archive[..], &[0; 5], &rest].concat();
    assert_eq!(
        sound.findings(&gzip(&behind_trailer)),
        only("unaligned-archive")
    );
    let zstd = |bytes: &[u8]| codec::encode(bytes, Format::Zstd, None).unwrap();
    let (first, second) = archive.split_at(archive.len() / 2);
    assert_eq!(
        sound.findings(&[zstd(first), zstd(second)].concat()),
        only("split-archive")
    );
    let junk = [archive.as_slice(), b"junk"].concat();
    assert_eq!(sound.findings(&junk), only("junk-behind-archive"));
    assert!(check(&junk, sound.booted()).passes());
    assert_eq!(
        sound.findings(&[gzip(&archive), b"junk".to_vec()].concat()),
        only("junk-behind-archive")
    );
}

#[test]
fn a_file_in_the_place_of_a_folder_is_told() {
    let Some(sound) = &*SOUND else { return };
    let image = [sound.archive(), one("etc", Options::default())].concat();
    assert_eq!(sound.findings(&image), only("folder-in-the-way"));
}

#[test]
fn what_no_file_can_be_is_told() {
    let Some(sound) = &*SOUND else { return };
    let mut writer = Writer::new(Options::default());
    let link = Attributes::of_root(Kind::Symlink, 0o777);
    writer.entry(b"far", link, &[b'x'; 4096]).unwrap();
    let image = [sound.archive(), writer.finish()].concat();
    assert_eq!(sound.findings(&image), only("impossible-entry"));
    // An entry of one byte of name, which is its NUL, and no data.
    let mut nameless = one("n", Options::default());
    let length = 110 + "n\0".len() + "contents".len();
    nameless[102..110].copy_from_slice(b"00000001");
    nameless[54..62].copy_from_slice(b"00000000");
    nameless.drain(111..length.next_multiple_of(4));
    nameless.insert(110, 0);
    nameless.truncate(112);
    let image = [nameless, sound.archive()].concat();
    assert_eq!(sound.findings(&image), only("entry-without-name"));
    assert!(check(&image, sound.booted()).passes());
}

#[test]
fn a_wrong_sum_is_told() {
    let Some(sound) = &*SOUND else { return };
    let options = Options {
        checksums: true,
        ..Options::default()
    };
    let mut archive = sound.plan.archive(options).unwrap();
    let text = b"root:x:0:0:root:/root:/bin/sh";
    let at = archive
        .windows(text.len())
        .position(|part| part == text)
        .unwrap();
    archive[at] = b'R';
    assert_eq!(sound.findings(&archive), only("bad-checksum"));
    let report = check(&archive, sound.booted());
    assert_eq!(report.findings[0].seen, "/etc/passwd");
}

#[test]
fn a_window_that_is_too_large_is_told_before_the_decoder_refuses_it() {
    let Some(sound) = &*SOUND else { return };
    let archive = sound.archive();
    for window in [0x90, 0xa8] {
        assert_eq!(
            sound.findings(&zstd_frame(window, &archive)),
            only("zstd-window")
        );
    }
    let Some(zstd) = tool("zstd") else { return };
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, &archive).unwrap();
    let pack = |window: &str| {
        let input = std::fs::File::open(&plain).unwrap();
        let output = std::process::Command::new(&zstd)
            .args(["-q", "-1", window, "-c"])
            .stdin(input)
            .output()
            .unwrap();
        assert!(output.status.success());
        output.stdout
    };
    assert_eq!(sound.findings(&pack("--long=27")), none());
    assert_eq!(sound.findings(&pack("--long=28")), only("zstd-window"));
}

/// All of these panic when they are booted (Linux 6.1), but for the last two.
#[test]
fn streams_that_the_kernel_does_not_read_are_told() {
    let Some(sound) = &*SOUND else { return };
    let archive = sound.archive();
    let plain = gzip(&archive);
    // RFC 1952: bit, and what then stands behind the ten bytes of the header.
    let with = |bit: u8, part: &[u8]| {
        let mut stream = plain.clone();
        assert_eq!(stream[3], 0);
        stream[3] = bit;
        stream.splice(10..10, part.iter().copied());
        sound.findings(&stream)
    };
    assert_eq!(with(4, &[4, 0, b'x', b'x', 0, 0]), only("gzip-header"));
    assert_eq!(with(16, b"comment\0"), only("gzip-header"));
    assert_eq!(with(8, b"name\0"), none());
    if let Some(xz) = tool("xz") {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plain");
        std::fs::write(&file, &archive).unwrap();
        let pack = |filter: &str| {
            let mut xz = std::process::Command::new(&xz);
            xz.args(["--check=crc32", filter, "--lzma2=preset=0", "-c"]);
            sound.findings(&xz.arg(&file).output().unwrap().stdout)
        };
        assert_eq!(pack("--delta"), only("xz-filter"));
        assert_eq!(pack("--arm"), only("xz-filter"));
        assert_eq!(pack("--x86"), none());
    }
    // An lz4 stream ends where another begins, or with four zeros.
    let lz4 = codec::encode(&archive, Format::Lz4Legacy, None).unwrap();
    let small = one("small", Options::default());
    let second = codec::encode(&small, Format::Lz4Legacy, None).unwrap();
    let behind = |zeros, next: &[u8]| sound.findings(&[&lz4, &vec![0; zeros], next].concat());
    assert_eq!(behind(0, &gzip(&small)), only("lz4-end"));
    assert_eq!(behind(3, &second), only("lz4-end"));
    assert_eq!(behind(4, &gzip(&small)), none());
    assert_eq!(behind(0, &second), none());
}

#[test]
fn what_cannot_be_started_is_told() {
    let Some(sound) = &*SOUND else { return };
    let found = |path: &str, mode, data: &str| {
        let findings = sound.after(|plan| plan.file(path, mode, data.into(), ""));
        findings.into_iter().collect::<Vec<_>>()
    };
    let text = found("usr/bin/busybox", 0o755, "x\n");
    assert!(text.contains(&"missing-interpreter"), "{text:?}");
    assert!(found("init", 0o755, "echo\n").contains(&"no-init"));
    let with_env = |line: &str| found("usr/bin/mine", 0o755, &format!("#!{line}\n"));
    assert_eq!(with_env("/usr/bin/env python3"), ["missing-interpreter"]);
    assert_eq!(
        with_env("/usr/bin/env -S A=b python3 -u"),
        ["missing-interpreter"]
    );
    assert!(with_env("/usr/bin/env sh").is_empty());
}

#[test]
fn a_kernel_without_what_every_image_needs_is_told() {
    let Some(sound) = &*SOUND else { return };
    let archive = sound.archive();
    let all = ["BLK_DEV_INITRD", "BINFMT_ELF", "BINFMT_SCRIPT"];
    let found = |left_out: Option<&str>| {
        let set = all.iter().filter(|option| Some(**option) != left_out);
        let text: String = set.map(|option| format!("CONFIG_{option}=y\n")).collect();
        let config = modtree::KernelConfig::parse(text.as_bytes());
        let config = Some(&config);
        let booted = packager::inspect::check::Booted {
            config,
            ..sound.booted()
        };
        let report = check(&archive, booted);
        let findings = report
            .findings
            .iter()
            .map(|finding| (finding.code.name, finding.seen.clone()));
        findings
            .filter(|(code, _)| *code == "kernel-option-missing")
            .map(|(_, seen)| seen)
            .collect::<Vec<_>>()
    };
    assert!(found(None).is_empty());
    for option in all {
        assert_eq!(found(Some(option)), [format!("CONFIG_{option} is not set")]);
    }
}

#[test]
fn a_keymap_that_locks_out_is_told() {
    let Some(sound) = &*SOUND else { return };
    let compile = |text: &[u8]| {
        let keymap = kmap::compile_bytes(text, kmap::Mode::Unicode)
            .unwrap()
            .keymap;
        keymap.to_bkeymap(kmap::Endian::Little)
    };
    let with = |bytes: Vec<u8>| sound.after(|plan| plan.file("etc/keymap.bmap", 0o644, bytes, ""));
    assert_eq!(
        with(compile(b"keycode 30 = a\nkeycode 28 = Return\n")),
        only("keymap-locks-out")
    );
    let letters: String = ('a'..='z')
        .zip(16..)
        .map(|(c, key)| format!("keycode {key} = {c}\n"))
        .collect();
    assert_eq!(with(compile(letters.as_bytes())), only("keymap-locks-out"));
    assert_eq!(
        with(compile(
            format!("{letters}keycode 96 = Return\n").as_bytes()
        )),
        none()
    );
    // Under any name, and what is given to loadkmap, whatever it is.
    let other = compile(b"keycode 30 = a\nkeycode 28 = Return\n");
    assert_eq!(
        sound.after(|plan| plan.file("keymap.bin", 0o644, other, "")),
        only("keymap-locks-out")
    );
    let text = sound.after(|plan| {
        plan.file("es.kmap", 0o644, b"keycode 30 = a\n".to_vec(), "");
        let script = "#!/bin/sh\nloadkmap < \"/es.kmap\"\nexec /sbin/init\n";
        plan.file("init", 0o755, script.into(), "");
    });
    assert_eq!(text, only("bad-keymap"));
    // What is packed again under the name of a plain one is refused by loadkmap.
    let packed = gzip(&sound.plan.get("etc/keymap.bmap").unwrap().data);
    assert_eq!(with(packed), only("bad-keymap"));
}

/// Of the keymaps that people use, few have no Latin letters.
#[test]
fn few_of_console_datas_keymaps_lock_out() {
    let Some(sound) = &*SOUND else { return };
    let mut locked = Vec::new();
    for path in console_data() {
        let Ok(compiled) =
            kmap::compile_named(&path, &kmap::SearchPath::from_env(), kmap::Mode::Unicode)
        else {
            continue;
        };
        let bytes = compiled.keymap.to_bkeymap(kmap::Endian::Little);
        let mut writer = Writer::new(Options::default());
        let file = Attributes::of_root(Kind::File, 0o644);
        writer.entry(b"a.bmap", file, &bytes).unwrap();
        let found = sound.findings(&writer.finish());
        if found.contains(codes::LOCKED_OUT.name) {
            let name = path.file_name().unwrap().to_string_lossy();
            locked.push(name.split('.').next().unwrap().to_owned());
        }
    }
    eprintln!("{locked:?}");
    assert!(locked.len() < 30 && !locked.contains(&"es".to_owned()));
}

#[test]
fn links_and_firmware_that_lead_nowhere_are_warnings() {
    let Some(sound) = &*SOUND else { return };
    assert_eq!(
        sound.after(|plan| plan.symlink("etc/localtime", "/usr/share/none", "")),
        only("dangling-link")
    );
    // What is there once the kernel's file systems are mounted is no fault.
    assert_eq!(
        sound.after(|plan| plan.symlink("etc/mtab", "../proc/self/mounts", "")),
        none()
    );
    assert_eq!(
        sound.after(|plan| plan.symlink("var/log", "../run/log", "")),
        none()
    );
    let path = sound
        .plan
        .items()
        .map(|(path, _)| path)
        .find(|path| path.ends_with("/vfat.ko"));
    let path = path.unwrap().to_owned();
    let mut vfat = sound.plan.get(&path).unwrap().data.to_vec();
    // As long as the field that it replaces.
    let (license, firmware) = (b"\0license=GPL\0", b"\0firmware=ab\0");
    let at = vfat
        .windows(license.len())
        .position(|part| part == license)
        .unwrap();
    vfat[at..at + firmware.len()].copy_from_slice(firmware);
    let mut plan = sound.plan.clone();
    plan.file(&path, 0o644, vfat, "");
    let findings =
        |plan: &packager::Plan| sound.findings(&plan.archive(Options::default()).unwrap());
    assert_eq!(findings(&plan), only("missing-firmware"));
    plan.file("usr/lib/firmware/ab.xz", 0o644, b"x".to_vec(), "");
    assert_eq!(findings(&plan), none());
}

/// A code without a test that makes its fault would be a claim.
#[test]
fn every_code_is_made_by_a_test() {
    let tests = [
        include_str!("check_faults.rs"),
        include_str!("check_initramfs.rs"),
        include_str!("check_modules.rs"),
        include_str!("check_programs.rs"),
        include_str!("check_scripts.rs"),
    ]
    .concat();
    for code in codes::ALL {
        assert!(
            tests.contains(&format!("\"{}\"", code.name)),
            "{}",
            code.name
        );
    }
}
