//! `packager check` on modules: whether their index is theirs, and whether devices have what they hang on.

use std::collections::BTreeSet;

use codec::Format;
use packager::Plan;
use packager::cpio::Options;
use packager::inspect::check::{Booted, check};
use tests::sound::{SOUND, Sound};

type Findings = BTreeSet<&'static str>;

fn only(name: &'static str) -> Findings {
    BTreeSet::from([name])
}

fn path_of(plan: &Plan, suffix: &str) -> String {
    let mut paths = plan.items().map(|(path, _)| path);
    paths
        .find(|path| path.ends_with(suffix))
        .unwrap()
        .to_owned()
}

/// The findings about the image with another modules.dep.
fn with_index(sound: &Sound, change: impl Fn(&str) -> String) -> Findings {
    let path = path_of(&sound.plan, "/modules.dep");
    let text = String::from_utf8(sound.plan.get(&path).unwrap().data.to_vec()).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed);
    sound.after(|plan| plan.file(&path, 0o644, changed.into_bytes(), ""))
}

/// With each of these, modprobe does not load vfat.
#[test]
fn an_index_that_is_wrong_is_told() {
    let Some(sound) = &*SOUND else { return };
    let without_vfat = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("/vfat.ko:"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let without_needs = |text: &str| {
        let lines = text.lines().map(|line| line.split(':').next().unwrap());
        lines.map(|path| format!("{path}:\n")).collect()
    };
    let changes: [&dyn Fn(&str) -> String; 5] = [
        &|_| String::new(),
        &|text| text.replace(".ko", ".ko.xz"),
        &|text| text.replace("kernel/fs/fat/vfat.ko:", "extra/vfat.ko:"),
        &without_vfat,
        &without_needs,
    ];
    for change in changes {
        assert_eq!(with_index(sound, change), only("stale-modules-dep"));
    }
    // Paths may be whole.
    let folder = format!("/lib/modules/{}/kernel/", sound.kernel.version());
    assert!(with_index(sound, |text| text.replace("kernel/", &folder)).is_empty());
}

/// insmod loads a file, whatever modules.dep says; of two files of one name, the index is about one.
#[test]
fn an_index_that_nothing_reads_or_that_is_about_another_file_is_not_judged() {
    let Some(sound) = &*SOUND else { return };
    let index = path_of(&sound.plan, "/modules.dep");
    let by_file = |is_there: bool| {
        let mut plan = Plan::default();
        let kept = sound.plan.items().filter(|(path, _)| {
            let is_busybox = path.ends_with("/busybox") || path.ends_with("/sh");
            let is_wanted = path.ends_with("/vfat.ko") || path.ends_with("/fat.ko");
            let is_folder = !path.contains('.') && !path.starts_with("etc/");
            is_busybox || is_wanted || is_folder && *path != "init"
        });
        for (path, item) in kept {
            plan.insert(path, item.attributes, item.data.to_vec(), "");
        }
        let script = "#!/bin/sh\ninsmod /lib/fat.ko\ninsmod /lib/vfat.ko\n";
        plan.file("init", 0o755, script.into(), "");
        if is_there {
            plan.file(&index, 0o644, b"kernel/loop.ko:\n".to_vec(), "");
        }
        let mut found = sound.findings(&plan.archive(Options::default()).unwrap());
        found.retain(|code| code.contains("modules-dep"));
        found
    };
    assert_eq!(by_file(true), Findings::new());
    assert_eq!(by_file(false), Findings::new());
    let vfat = path_of(&sound.plan, "/vfat.ko");
    let fat = sound.plan.get(&path_of(&sound.plan, "/fat.ko")).unwrap();
    let other = sound.after(|plan| {
        // The other vfat needs nothing; the index is about it.
        plan.file(
            &vfat.replace("kernel/fs/fat", "extra"),
            0o644,
            fat.data.to_vec(),
            "",
        );
        let text = String::from_utf8(plan.get(&index).unwrap().data.to_vec()).unwrap();
        let lines = text.lines().map(|line| match line.contains("/vfat.ko:") {
            true => "extra/vfat.ko:\n".to_owned(),
            false => format!("{line}\n"),
        });
        let text: String = lines.collect();
        plan.file(&index, 0o644, text.into_bytes(), "");
    });
    assert!(!other.contains("stale-modules-dep"), "{other:?}");
}

/// The image without a module that nothing asks for by name: no list, no index and no symbol names it.
fn without(sound: &Sound, names: &[&str]) -> Plan {
    let mut plan = Plan::default();
    for (path, item) in sound.plan.items() {
        let is_meant = |text: &str| names.iter().any(|name| text.contains(name));
        if path.ends_with(".ko") && is_meant(path) {
            continue;
        }
        plan.insert(path, item.attributes, item.data.to_vec(), "");
        if path.ends_with("etc/modules") || path.ends_with("/modules.dep") {
            let text = String::from_utf8_lossy(&item.data).into_owned();
            let lines = text.lines().filter(|line| !is_meant(line));
            let kept: String = lines.map(|line| format!("{line}\n")).collect();
            plan.file(path, 0o644, kept.into_bytes(), "");
        }
    }
    plan
}

#[test]
fn devices_without_what_they_hang_on_are_told() {
    let Some(sound) = &*SOUND else { return };
    let found = |names: &[&str]| {
        let plan = without(sound, names);
        sound.findings(&plan.archive(Options::default()).unwrap())
    };
    assert_eq!(found(&["sd_mod"]), only("no-disk-driver"));
    assert_eq!(found(&["xhci"]), only("no-usb-host"));
    assert!(found(&["uhci"]).is_empty());
}

#[test]
fn what_the_kernel_has_built_in_is_not_missed() {
    let Some(sound) = &*SOUND else { return };
    let plan = without(sound, &["nls_", "xhci", "sd_mod"]);
    let image = plan.archive(Options::default()).unwrap();
    let codes = |options: &str| {
        let needed = "BLK_DEV_INITRD BINFMT_ELF BINFMT_SCRIPT X86";
        let set = needed.split(' ').chain(options.split_whitespace());
        let mut text: String = set.map(|option| format!("CONFIG_{option}=y\n")).collect();
        text += "CONFIG_FAT_DEFAULT_CODEPAGE=437\nCONFIG_FAT_DEFAULT_IOCHARSET=\"iso8859-15\"\n";
        let config = modtree::KernelConfig::parse(text.as_bytes());
        let booted = Booted {
            config: Some(&config),
            ..sound.booted()
        };
        let report = check(&image, booted);
        let names = report.findings.iter().map(|finding| finding.code.name);
        names.collect::<Findings>()
    };
    let all = "NLS_CODEPAGE_437 NLS_ISO8859_15 USB_XHCI_PCI BLK_DEV_SD";
    assert!(codes(all).is_empty());
    assert_eq!(
        codes("NLS_CODEPAGE_437"),
        BTreeSet::from(["vfat-without-code-page", "no-usb-host", "no-disk-driver"])
    );
}

#[test]
fn firmware_is_looked_for_where_the_kernel_does() {
    let Some(sound) = &*SOUND else { return };
    let path = path_of(&sound.plan, "/vfat.ko");
    let mut vfat = sound.plan.get(&path).unwrap().data.to_vec();
    let (license, firmware) = (b"\0license=GPL\0", b"\0firmware=ab\0");
    let mut places = vfat.windows(license.len());
    let at = places.position(|part| part == license).unwrap();
    vfat[at..at + firmware.len()].copy_from_slice(firmware);
    let version = sound.kernel.version();
    let with = |place: &str| {
        sound.after(|plan| {
            plan.file(&path, 0o644, vfat.clone(), "");
            plan.file(&format!("usr/lib/firmware/{place}"), 0o644, vec![1], "");
        })
    };
    for place in [
        "ab".to_owned(),
        format!("{version}/ab"),
        "updates/ab".to_owned(),
        format!("updates/{version}/ab.xz"),
    ] {
        assert!(with(&place).is_empty(), "{place}");
    }
    // Debian's kernel 6.1 unpacks xz alone.
    assert_eq!(with("ab.zst"), only("missing-firmware"));
    assert_eq!(with("other/ab"), only("missing-firmware"));
}

/// A busybox before 1.37 does not let the kernel unpack modules.
#[test]
fn who_unpacks_modules_depends_on_busybox_and_the_kernel() {
    let Some(sound) = &*SOUND else { return };
    let path = path_of(&sound.plan, "/vfat.ko");
    let packed = codec::encode(&sound.plan.get(&path).unwrap().data, Format::Zstd, None).unwrap();
    let image = |version: &[u8; 4]| {
        let mut busybox = sound.plan.get("usr/bin/busybox").unwrap().data.to_vec();
        let name = b"BusyBox v";
        for at in 0..busybox.len() - 20 {
            if busybox[at..].starts_with(name) {
                busybox[at + name.len()..][..4].copy_from_slice(version);
            }
        }
        let mut plan = sound.plan.clone();
        plan.file(&path, 0o644, packed.clone(), "");
        plan.file("usr/bin/busybox", 0o755, busybox, "");
        plan.archive(Options::default()).unwrap()
    };
    let code = |image: &[u8], options: Option<&str>| {
        let needed = "BLK_DEV_INITRD BINFMT_ELF BINFMT_SCRIPT";
        let config = options.map(|options| {
            let set = needed.split(' ').chain(options.split_whitespace());
            let text: String = set.map(|option| format!("CONFIG_{option}=y\n")).collect();
            modtree::KernelConfig::parse(text.as_bytes())
        });
        let booted = Booted {
            config: config.as_ref(),
            ..sound.booted()
        };
        check(image, booted).findings[0].code.name
    };
    let (old, new) = (image(b"1.35"), image(b"1.37"));
    let all = "MODULE_DECOMPRESS MODULE_COMPRESS_ZSTD";
    assert_eq!(code(&new, Some(all)), "compressed-module");
    assert_eq!(code(&old, Some(all)), "module-not-unpacked");
    assert_eq!(
        code(&new, Some("MODULE_DECOMPRESS MODULE_COMPRESS_XZ")),
        "module-not-unpacked"
    );
    assert_eq!(code(&new, Some("")), "module-not-unpacked");
    assert_eq!(code(&new, None), "compressed-module");
}
