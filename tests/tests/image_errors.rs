//! What `packager initramfs` says to bad input: what, where, the way out, the exit code; and nothing is left behind.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::environment::{command, has};
use tests::root::small_root;

#[test]
fn a_damaged_module_is_refused() {
    let Some(root) = small_root() else { return };
    let module = root.module("fs/fat/vfat.ko");
    let whole = fs::read(&module).unwrap();
    fs::write(&module, &whole[..whole.len() / 3]).unwrap();
    root.refuses(&[], 1, &["vfat.ko"]);
    fs::write(&module, b"").unwrap();
    root.refuses(&[], 1, &["vfat.ko"]);
    fs::write(&module, b"\x1f\x8b\x08 not gzip at all").unwrap();
    root.refuses(&[], 1, &["vfat.ko", "gzip"]);
}

#[test]
fn a_module_for_another_kernel_is_refused() {
    let Some(root) = small_root() else { return };
    let module = root.module("fs/fat/vfat.ko");
    let mut bytes = fs::read(&module).unwrap();
    let vermagic = b"vermagic=6.1";
    let at = bytes
        .windows(vermagic.len())
        .position(|part| part == vermagic)
        .unwrap();
    bytes[at + vermagic.len() - 1] = b'2';
    fs::write(&module, bytes).unwrap();
    root.refuses(&[], 1, &["vfat.ko", "was built for kernel 6.2"]);
}

#[test]
fn a_kernel_that_does_not_match_the_modules_is_refused() {
    let Some(root) = small_root() else { return };
    let image = root.path().join(format!("boot/vmlinuz-{}", root.version));
    let mut bytes = fs::read(&image).unwrap();
    let version = root.version.as_bytes();
    let at = bytes
        .windows(version.len())
        .position(|part| part == version)
        .unwrap();
    bytes[at] = b'5';
    let other = root.path().join("vmlinuz");
    fs::write(&other, &bytes).unwrap();
    root.refuses(
        &["--kernel", other.to_str().unwrap()],
        1,
        &["is version 5.1", "take both from one kernel"],
    );
    fs::write(&image, &bytes).unwrap();
    root.refuses(&[], 1, &["is version 5.1"]);
    fs::write(&other, b"no kernel").unwrap();
    root.refuses(
        &["--kernel", other.to_str().unwrap()],
        1,
        &["is not a kernel image"],
    );
    root.refuses(&["--kernel", "7.0-none"], 1, &["7.0-none", &root.version]);
}

#[test]
fn a_busybox_that_will_not_do_is_refused() {
    let Some(root) = small_root() else { return };
    root.refuses(
        &["--busybox", "/bin/ls"],
        1,
        &["/bin/ls", "no table of applets"],
    );
    root.refuses(&["--busybox", "/nonexistent"], 1, &["/nonexistent"]);
    root.refuses(
        &["--busybox", "/etc/passwd"],
        1,
        &["/etc/passwd", "not an ELF executable"],
    );
    let busybox = packager::busybox::Busybox::find(Path::new("/")).unwrap();
    let lame = root.path().join("lame-busybox");
    // The changed names keep the table sorted.
    for (applet, instead, arguments) in [
        ("loadkmap", "loadkmaq", ["--keymap", "es"]),
        ("modprobe", "modprobf", ["--modules", "vfat"]),
        ("mdev", "mdew", ["--modules", "vfat"]),
        ("sh", "si", ["--modules", "vfat"]),
    ] {
        let old = format!("\0{applet}\0");
        let at = busybox
            .bytes
            .windows(old.len())
            .rposition(|part| part == old.as_bytes())
            .unwrap();
        let mut bytes = busybox.bytes.to_vec();
        for at in (0..=at).filter(|&at| busybox.bytes[at..].starts_with(old.as_bytes())) {
            bytes[at + 1..at + old.len() - 1].copy_from_slice(instead.as_bytes());
        }
        fs::write(&lame, bytes).unwrap();
        let mut all = vec!["--busybox", lame.to_str().unwrap()];
        all.extend(arguments);
        root.refuses(&all, 1, &["lacks the applet", applet]);
    }
}

#[test]
fn keymaps_and_modules_that_are_not_there_are_refused() {
    let Some(root) = small_root() else { return };
    root.refuses(&["--keymap", "no-such-map"], 1, &["no-such-map"]);
    root.refuses(
        &["--modules", "usb_storag"],
        1,
        &["usb_storag", "usb_storage"],
    );
    let bad = root.path().join("bad.map");
    fs::write(&bad, "keycode 30 = no_such_symbol\n").unwrap();
    root.refuses(
        &["--keymap", bad.to_str().unwrap()],
        1,
        &["bad.map:1:14", "no_such_symbol"],
    );
    fs::write(&bad, "include \"missing\"\n").unwrap();
    root.refuses(
        &["--keymap", bad.to_str().unwrap()],
        1,
        &["bad.map:1", "missing"],
    );
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let result = root.pack(&["-o", folder.path().to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("it is a directory"), "{stderr}");
    let missing = folder.path().join("none/simple.igz");
    assert_eq!(
        root.pack(&["-o", missing.to_str().unwrap()]).status.code(),
        Some(3)
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_full_disk_leaves_the_old_image() {
    let Some(root) = small_root().filter(|_| has(&["unshare"])) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=200k none $1 && cd $1 && echo old >simple.igz && \
        { $2 initramfs --root $3 -o simple.igz; echo code $?; cat simple.igz; ls -A; }";
    let result = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(command("packager").get_program())
        .arg(root.path())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&result.stdout);
    let stderr = String::from_utf8_lossy(&result.stderr);
    assert_eq!(stdout, "code 3\nold\nsimple.igz\n", "{stderr}");
    assert!(stderr.contains("No space left on device"), "{stderr}");
}

/// Every input, named by an option or found, also by another name.
#[test]
fn an_output_in_the_place_of_an_input_is_refused() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let vmlinuz = root.path().join(format!("boot/vmlinuz-{}", root.version));
    let kernel = vmlinuz.to_str().unwrap().to_owned();
    let module = root.module("fs/fat/vfat.ko").to_str().unwrap().to_owned();
    root.packaged(Path::new(&place("kernel.deb")), "none");
    fs::write(place("es.kmap"), "keycode 2 = one\n").unwrap();
    fs::write(place("early.cpio"), "").unwrap();
    fs::write(place("packager.toml"), "modules = [\"vfat\"]\n").unwrap();
    let busybox = packager::busybox::Busybox::find(Path::new("/")).unwrap();
    fs::copy(&busybox.path, place("busybox")).unwrap();
    fs::copy(&vmlinuz, place("kernel")).unwrap();
    std::os::unix::fs::symlink("busybox", place("link")).unwrap();
    fs::hard_link(place("busybox"), place("twin")).unwrap();
    let from = ["--root", root.path().to_str().unwrap()];
    let cases: [(&[&str], &[&str], &str); 14] = [
        (&["initramfs"], &from, &module),
        (&["initramfs"], &from, &kernel),
        (&["initramfs", "--compress", "none"], &from, &kernel),
        (&["initramfs", "--keymap"], &from, "es.kmap"),
        (&["initramfs", "--archive-before"], &from, "early.cpio"),
        (&["initramfs", "--recipe"], &from, "packager.toml"),
        (&["initramfs", "--busybox"], &from, "busybox"),
        (
            &["initramfs", "--busybox", "busybox", "-o", "link"],
            &from,
            "",
        ),
        (
            &["initramfs", "--busybox", "busybox", "-o", "twin"],
            &from,
            "",
        ),
        (&["initramfs", "--deb"], &[], "kernel.deb"),
        (&["image", "--firmware", "bios"], &from, &kernel),
        (
            &["image", "--firmware", "bios", "--kernel"],
            &from,
            "kernel",
        ),
        (&["image", "--deb"], &[], "kernel.deb"),
        (&["uki", "--os-release"], &from, "packager.toml"),
    ];
    for (arguments, from, output) in cases {
        let mut packager = command("packager");
        packager.current_dir(folder.path()).args(arguments);
        let is_named = arguments
            .last()
            .is_some_and(|it| it.starts_with("--") && *it != "none");
        if is_named {
            packager.arg(output);
        }
        if !output.is_empty() {
            packager.args(["-o", output]);
        }
        let before = fs::read(folder.path().join(output)).ok();
        let result = packager.args(from).output().unwrap();
        let stderr = String::from_utf8_lossy(&result.stderr);
        assert_eq!(result.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("would be written over"), "{stderr}");
        assert_eq!(
            fs::read(folder.path().join(output)).ok(),
            before,
            "{arguments:?}"
        );
    }
    assert!(fs::read(place("link")).unwrap() == fs::read(&busybox.path).unwrap());
    // Beside an input, and in the place of an image that is no input, is right.
    for _ in 0..2 {
        let output = place("simple.igz");
        let result = root.pack(&["-o", &output]);
        assert!(result.status.success(), "{result:?}");
    }
    let result = root.pack(&["-o", &place("simple.igz"), "--depfile", &module]);
    assert_eq!(result.status.code(), Some(2), "{result:?}");
}

#[test]
fn a_suffix_that_promises_another_compressor_is_told() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, compressor, told) in [
        ("a.igz", "zstd", Some("is zstd, and its suffix says gzip")),
        ("a.cpio", "lz4", Some("its suffix says not compressed")),
        ("a.izst", "zstd", None),
        ("initrd.img", "zstd", None),
    ] {
        let output = folder.path().join(name);
        let result = root.pack(&["--compress", compressor, "-o", output.to_str().unwrap()]);
        let stderr = String::from_utf8_lossy(&result.stderr);
        match told {
            Some(words) => assert!(stderr.contains(words), "{stderr}"),
            None => assert!(!stderr.contains("suffix"), "{stderr}"),
        }
    }
}
