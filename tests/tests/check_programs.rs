//! `packager check` on programs: what the kernel would not start, and libraries that the loader would not find.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use packager::Plan;
use tests::environment::corpus;
use tests::sound::SOUND;

type Findings = BTreeSet<&'static str>;

fn only(name: &'static str) -> Findings {
    BTreeSet::from([name])
}

#[test]
fn lines_that_end_as_on_windows_are_told() {
    let Some(sound) = &*SOUND else { return };
    let with = |line: &str| {
        let script = format!("{line}\necho\n");
        sound.after(|plan| plan.file("usr/bin/mine", 0o755, script.into(), ""))
    };
    for line in ["#!/bin/sh\r", "#!/bin/busybox sh\r", "#! /bin/sh -e \r"] {
        assert_eq!(with(line), only("carriage-return"), "{line:?}");
    }
    assert!(with("#! \t/bin/sh\t-e").is_empty());
    assert!(with("#!/usr/bin/env -u HOME -C / A=b sh").is_empty());
    assert_eq!(
        with("#!/usr/bin/env -u HOME perl"),
        only("missing-interpreter")
    );
    assert_eq!(with("#!/bin/sh\u{a0}-e"), only("missing-interpreter"));
}

#[test]
fn programs_that_the_kernel_does_not_start_are_told() {
    let Some(sound) = &*SOUND else { return };
    let busybox = sound.plan.get("usr/bin/busybox").unwrap().data.to_vec();
    let with = |path: &str, data: &[u8]| {
        let findings = sound.after(|plan| plan.file(path, 0o755, data.to_vec(), ""));
        findings.contains("not-a-program-for-it")
    };
    for length in [4, 5000, busybox.len() / 2] {
        assert!(with("init", &busybox[..length]), "{length}");
        assert!(with("usr/bin/busybox", &busybox[..length]), "{length}");
    }
    let mut foreign = busybox.clone();
    // e_machine: arm64.
    foreign[18..20].copy_from_slice(&[183, 0]);
    assert!(with("init", &foreign) && with("usr/bin/busybox", &foreign));
    // A kernel for x86-64 that starts programs of the i386.
    foreign[18..20].copy_from_slice(&[3, 0]);
    assert!(!with("init", &foreign));
    // 32-bit PowerPC on a 64-bit kernel, which nothing but its modules tells.
    let module = sound.plan.items().map(|(path, _)| path.to_owned());
    let module = { module }.find(|path| path.ends_with("/vfat.ko")).unwrap();
    let ppc = |machine: u8| {
        let mut plan = Plan::default();
        let mut vfat = sound.plan.get(&module).unwrap().data.to_vec();
        vfat[18..20].copy_from_slice(&[21, 0]);
        foreign[18..20].copy_from_slice(&[machine, 0]);
        for folder in ["lib", "lib/modules", "lib/modules/1"] {
            let attributes = sound.plan.get("usr").unwrap().attributes;
            plan.insert(folder, attributes, Vec::new(), "");
        }
        plan.file("lib/modules/1/vfat.ko", 0o644, vfat, "");
        plan.file("init", 0o755, foreign.clone(), "");
        let image = plan.archive(Default::default()).unwrap();
        let report = packager::inspect::check::check(&image, Default::default());
        let mut found = report.findings.iter();
        found.any(|finding| finding.code.name == "not-a-program-for-it")
    };
    let mut ppc = ppc;
    assert!(!ppc(20) && !ppc(21) && ppc(22));
    // One that nothing starts may be for a machine that is emulated.
    foreign[18..20].copy_from_slice(&[183, 0]);
    assert!(!with("usr/bin/other", &foreign));
}

/// A program with a library, as this machine has it.
fn dynamic(plan: &mut Plan, folder: &str) {
    let program = fs::read("/bin/true").unwrap();
    let elf = packager::elf::Elf::parse(&program).unwrap();
    plan.file("usr/bin/true-one", 0o755, program, "");
    let loader = elf.interpreter.unwrap();
    let bytes = fs::read(&loader).unwrap();
    plan.file(loader.trim_start_matches('/'), 0o755, bytes, "");
    for library in elf.needed {
        plan.file(
            &format!("{folder}/{library}"),
            0o755,
            a_library(&library),
            "",
        );
    }
}

/// A library of this machine.
fn a_library(name: &str) -> Vec<u8> {
    let places = [
        "/lib",
        "/usr/lib",
        "/lib64",
        "/usr/lib64",
        "/lib/x86_64-linux-gnu",
        "/usr/lib/x86_64-linux-gnu",
    ];
    let mut paths = places.iter().map(|place| Path::new(place).join(name));
    fs::read(paths.find(|path| path.is_file()).unwrap()).unwrap()
}

#[test]
fn libraries_are_looked_for_where_the_loader_looks() {
    let Some(sound) = &*SOUND else { return };
    let in_folder = |folder: &str| sound.after(|plan| dynamic(plan, folder));
    for folder in ["usr/lib", "usr/lib/x86_64-linux-gnu", "usr/local/lib"] {
        assert!(in_folder(folder).is_empty(), "{folder}");
    }
    assert_eq!(in_folder("opt/stuff"), only("library-out-of-the-way"));
    let listed = sound.after(|plan| {
        dynamic(plan, "opt/stuff");
        plan.file(
            "etc/ld.so.conf.d/mine.conf",
            0o644,
            b"/opt/stuff\n".to_vec(),
            "",
        );
    });
    assert!(listed.is_empty());
    // musl's loader is its own libc.
    let musl = sound.after(|plan| {
        dynamic(plan, "usr/lib");
        let loader = plan.get("usr/bin/busybox").unwrap().data.to_vec();
        plan.file("usr/lib/ld-musl-x86_64.so.1", 0o755, loader, "");
        let libc = plan.items().map(|(path, _)| path.to_owned());
        for path in libc.collect::<Vec<_>>() {
            if path.starts_with("usr/lib/libc.so") {
                plan.file("etc/libc", 0o644, Vec::new(), "");
                plan.symlink(&path, "nowhere", "");
            }
        }
    });
    assert_eq!(musl, only("dangling-link"));
    let damaged = sound.after(|plan| {
        dynamic(plan, "usr/lib");
        let name = plan.items().map(|(path, _)| path.to_owned());
        let library = { name }.find(|path| path.contains("lib/libc.so")).unwrap();
        plan.file(&library, 0o755, Vec::new(), "");
    });
    assert_eq!(damaged, only("missing-library"));
}

#[test]
fn a_library_that_no_program_needs_may_lack_its_own() {
    let Some(sound) = &*SOUND else { return };
    let library = a_library("libstdc++.so.6");
    let plugin = sound.after(|plan| plan.file("usr/lib/libmine.so", 0o644, library.clone(), ""));
    assert_eq!(plugin, only("missing-library-of-plugin"));
    let needed = sound.after(|plan| {
        dynamic(plan, "usr/lib");
        plan.file("usr/lib/libc.so.6", 0o644, library.clone(), "");
    });
    assert_eq!(needed, only("missing-library"));
}

#[test]
fn commands_are_told_however_they_are_called() {
    let Some(sound) = &*SOUND else { return };
    let init = String::from_utf8(sound.plan.get("init").unwrap().data.to_vec()).unwrap();
    let with = |lines: &str| {
        let script = format!("{init}\n{lines}\n");
        sound.after(|plan| plan.file("init", 0o755, script.into(), ""))
    };
    for lines in [
        "busybox plymouthd",
        "/bin/busybox plymouthd --mode=boot",
        "/sbin/plymouthd",
        "exec setsid plymouthd",
        "true && nohup /usr/sbin/plymouthd &",
    ] {
        assert_eq!(with(lines), only("missing-command"), "{lines}");
    }
    for lines in [
        "busybox mount",
        "/bin/busybox --install -s",
        "/sbin/mdev -s",
        "[ ! -e /sbin/plymouthd ] || /sbin/plymouthd",
        "/mnt/bin/plymouthd",
        "function plymouthd { true; }\nplymouthd",
        "alias plymouthd='ls -l'\nplymouthd",
    ] {
        assert!(with(lines).is_empty(), "{lines}");
    }
    let in_path = sound.after(|plan| {
        let script = format!("{init}\nexport PATH=/opt/tools:$PATH\nplymouthd\n");
        plan.file("init", 0o755, script.into(), "");
        plan.file("opt/tools/plymouthd", 0o755, b"#!/bin/sh\n".to_vec(), "");
    });
    assert!(in_path.is_empty());
    let found = sound.after(|plan| {
        let script = "#!/bin/sh\nplymouthd\n";
        plan.file("etc/init.d/rcS", 0o755, script.into(), "");
    });
    assert_eq!(found, only("missing-command"));
}

/// The byte order is that of the machine's programs.
#[test]
fn a_keymap_of_the_other_byte_order_is_told() {
    let Some(sound) = &*SOUND else { return };
    let bytes = sound.plan.get("etc/keymap.bmap").unwrap().data.to_vec();
    let keymap = kmap::Keymap::from_bkeymap(&bytes, kmap::Endian::Little).unwrap();
    let big = keymap.to_bkeymap(kmap::Endian::Big);
    let found = sound.after(|plan| plan.file("etc/keymap.bmap", 0o644, big.clone(), ""));
    assert_eq!(found, only("bad-keymap"));
    let mut writer = packager::cpio::Writer::new(Default::default());
    let file = packager::cpio::Attributes::of_root(packager::cpio::Kind::File, 0o755);
    // A program of a big-endian machine: EI_DATA is 2.
    writer.entry(b"a", file, b"\x7fELF\x02\x02\x01").unwrap();
    writer.entry(b"b.bmap", file, &big).unwrap();
    let found = sound.findings(&writer.finish());
    assert!(
        !found.contains("bad-keymap") && !found.contains("keymap-locks-out"),
        "{found:?}"
    );
}

/// Debian's busybox for arm64 in an image for x86-64.
#[test]
fn a_busybox_of_another_machine_is_told() {
    let Some(sound) = &*SOUND else { return };
    let Ok(busybox) = fs::read(corpus().join("busybox-arm64/bin/busybox")) else {
        return;
    };
    let found = sound.after(|plan| plan.file("usr/bin/busybox", 0o755, busybox, ""));
    assert_eq!(found, only("not-a-program-for-it"));
}
