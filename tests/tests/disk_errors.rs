//! `packager image` where something is wrong: the kernel, the initramfs, syslinux, the disk. Nothing is left that looks whole.

use std::fs;
use std::path::Path;
use std::process::Output;

use tests::environment::{command, find_program, has};
use tests::root::{Root, small_root};
use tests::small::Small;

fn make(root: &Root, output: &Path, arguments: &[&str]) -> Output {
    command("packager")
        .args(["image", "-q", "--root"])
        .arg(root.path())
        .args(arguments)
        .arg("-o")
        .arg(output)
        .output()
        .unwrap()
}

/// The build fails with `code` and says `words`, and its folder is as it was.
fn refuses(root: &Root, folder: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let before = fs::read_dir(folder).unwrap().count();
    let output = make(root, &folder.join("out.img"), arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    for words in words {
        assert!(stderr.contains(words), "`{words}` is not in {stderr}");
    }
    let after = fs::read_dir(folder).unwrap().count();
    assert_eq!(before, after, "a file is left");
}

fn inputs() -> Option<(Root, tempfile::TempDir)> {
    has(&["syslinux"]).then_some(())?;
    Some((small_root()?, tempfile::tempdir().unwrap()))
}

#[test]
fn an_initramfs_that_the_kernel_cannot_read() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let initramfs = folder.path().join("simple.izst");
    let path = initramfs.to_str().unwrap();
    assert!(root.pack(&["-q", "-o", path]).status.success());
    let config = root.path().join(format!("boot/config-{}", root.version));
    let text = fs::read_to_string(&config).unwrap();
    let without = text.replace("CONFIG_RD_ZSTD=y", "# CONFIG_RD_ZSTD is not set");
    assert_ne!(text, without);
    fs::write(&config, without).unwrap();
    let words = [
        "error[compressor-not-built-in]",
        "CONFIG_RD_ZSTD is not set",
        "nothing is written",
    ];
    refuses(&root, folder.path(), &["--initramfs", path], 1, &words);
    let output = folder.path().join("all the same.img");
    let made = make(&root, &output, &["--initramfs", path, "--no-check"]);
    assert!(made.status.success(), "{made:?}");
    // One that is cut off.
    let bytes = fs::read(&initramfs).unwrap();
    fs::write(&initramfs, &bytes[..bytes.len() / 2]).unwrap();
    let words = ["error[damaged-archive]", path, "nothing is written"];
    refuses(&root, folder.path(), &["--initramfs", path], 1, &words);
}

/// The same on a disk image, whose kernel has no configuration beside it.
#[test]
fn a_kernel_on_a_disk_that_cannot_read_its_initramfs() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let path = root.path().join(format!("boot/vmlinuz-{}", root.version));
    let mut kernel = fs::read(&path).unwrap();
    // Its own code replaced by that of a kernel which knows gzip only.
    let header = |at: usize| u32::from_le_bytes(kernel[at..at + 4].try_into().unwrap()) as usize;
    let start = (usize::from(kernel[0x1f1]) + 1) * 512 + header(0x248);
    let code = codec::encode(b"\0Not a gzip file\0", codec::Format::Gzip, None).unwrap();
    kernel[start..start + code.len()].copy_from_slice(&code);
    kernel[0x24c..0x250].copy_from_slice(&(code.len() as u32).to_le_bytes());
    fs::write(&path, kernel).unwrap();
    let image = folder.path().join("out.img");
    let check = |options: &[&str]| {
        let made = make(&root, &image, options);
        assert!(made.status.success(), "{made:?}");
        let output = command("packager").arg("check").arg(&image).output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = check(&["--compress", "zstd"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("error[compressor-not-built-in]"), "{text}");
    assert!(text.contains("`initrd.img` is zstd"), "{text}");
    let (code, text) = check(&["--compress", "gzip"]);
    assert_eq!(code, Some(0), "{text}");
}

/// A BIOS's boot loader would start it, and nothing would come after that.
#[test]
fn a_kernel_that_is_cut_off() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let path = root.path().join(format!("boot/vmlinuz-{}", root.version));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let words = [
        path.to_str().unwrap(),
        "is cut off: it has",
        "copy the kernel again",
    ];
    for firmware in ["both", "bios", "uefi"] {
        let options = ["--firmware", firmware];
        refuses(&root, folder.path(), &options, 1, &words);
    }
    // The file alone, and one that is no kernel.
    let initramfs = folder.path().join("initrd.img");
    fs::write(&initramfs, "070701").unwrap();
    let named = [
        "--initramfs",
        initramfs.to_str().unwrap(),
        "--kernel",
        path.to_str().unwrap(),
    ];
    // No root, which would do nothing.
    let refused = |words: &str| {
        let mut image = command("packager");
        let image = image.args(["image", "-o", "out.img"]).args(named);
        let output = image.current_dir(folder.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let words = format!("`{}` {words}", path.display());
        assert!(stderr.contains(&words), "`{words}` is not in {stderr}");
        assert!(!folder.path().join("out.img").exists());
    };
    refused("is cut off: it has");
    fs::write(&path, "text").unwrap();
    refused("is not a kernel image of x86");
}

#[test]
fn a_syslinux_that_is_cut_off() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let program = fs::read(find_program("syslinux").unwrap()).unwrap();
    let place = folder.path().join("syslinux");
    fs::create_dir(&place).unwrap();
    for part in [0, 1, 2, 3] {
        fs::write(place.join("syslinux"), &program[..program.len() * part / 8]).unwrap();
        let words = ["syslinux` is damaged"];
        let options = ["--syslinux", place.to_str().unwrap()];
        refuses(&root, folder.path(), &options, 1, &words);
    }
}

#[test]
fn entries_that_the_boot_loaders_cannot_have() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    for (options, words) in [
        (["--entry", "auto-rescue=quiet"], "choose another name"),
        (["--entry", ".hidden=quiet"], "choose another name"),
        (["--timeout", "3600"], "3600 is not in 0..=3599"),
        (["--entry", "rescue"], "as in `rescue=break=root`"),
        (["--entry", "a/b=quiet"], "`a/b` cannot be an entry's name"),
        (
            ["--entry", "Linux=quiet"],
            "two entries of the name `linux`",
        ),
        (["--disk-signature", "0"], "eight hexadecimal digits"),
        (["--label", "twelve chars"], "label"),
        (["--size", "12x"], "a number of bytes is needed"),
    ] {
        refuses(&root, folder.path(), &options, 2, &[words]);
    }
    let missing = ["--syslinux-config", "none.cfg"];
    refuses(&root, folder.path(), &missing, 1, &["none.cfg"]);
    let long = format!("--append={}", "x".repeat(3000));
    refuses(&root, folder.path(), &[&long], 2, &["a kernel takes 2047"]);
}

/// Each of systemd's two EFI programs in the place of the other, and boot code for the other kind of table.
#[test]
fn boot_loaders_that_are_mixed_up() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let stub = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
    let loader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
    let kernel = root.path().join(format!("boot/vmlinuz-{}", root.version));
    let place = tempfile::tempdir().unwrap();
    let program = find_program("syslinux").unwrap();
    fs::copy(program, place.path().join("syslinux")).unwrap();
    let code = fs::read("/usr/lib/syslinux/mbr/gptmbr.bin").unwrap();
    fs::write(place.path().join("mbr.bin"), code).unwrap();
    for (options, words) in [
        (&["--systemd-boot", stub][..], "is systemd's stub, and"),
        (&["--systemd-boot", kernel.to_str().unwrap()], "is a kernel"),
        (
            &["--uki", "--stub", loader],
            "is systemd's boot loader, and",
        ),
        (&["--efi", stub], "`packager uki --stub`"),
        (
            &["--syslinux", place.path().to_str().unwrap()],
            "mbr.bin` is damaged, or",
        ),
    ] {
        refuses(&root, folder.path(), options, 1, &[words]);
    }
}

/// What the configuration names may be copied onto the image later.
#[test]
fn a_configuration_of_ones_own_is_looked_at() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let config = folder.path().join("own.cfg");
    let made = |text: &str, name: &str| {
        fs::write(&config, text).unwrap();
        let options = ["--syslinux-config", config.to_str().unwrap()];
        let made = make(&root, &folder.path().join(name), &options);
        assert!(made.status.success(), "{made:?}");
        String::from_utf8(made.stderr).unwrap()
    };
    for name in ["out.img", "out.iso"] {
        let told = made("UI menu.c32\nLABEL a\nLINUX /xmlinuz\n", name);
        for words in ["menu.c32`, which is not there", "`xmlinuz`, which is not"] {
            assert!(told.contains(words), "`{words}` is not in {told}");
        }
        let told = made("DEFAULT a\nLABEL a\nLINUX /vmlinuz\n", name);
        assert_eq!(told, "");
    }
}

/// A program that has everything in it needs no kernel beside it.
#[test]
fn a_program_for_uefi_alone_needs_no_kernel() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let program = folder.path().join("linux.efi");
    let made = command("packager")
        .args(["uki", "-q", "--root"])
        .arg(root.path())
        .arg("-o")
        .arg(&program)
        .status();
    assert!(made.unwrap().success());
    let image = folder.path().join("out.img");
    let made = command("packager")
        .args(["image", "--firmware", "uefi", "--efi"])
        .arg(&program)
        .arg("-o")
        .arg(&image)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{stderr}");
    let words = format!("starts by UEFI, kernel {}\n", root.version);
    assert!(stderr.ends_with(&words), "{stderr}");
    let check = command("packager")
        .args(["check", "--firmware", "uefi"])
        .arg(&image)
        .output();
    assert!(check.unwrap().status.success());
}

#[test]
fn bad_input_is_refused() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let refuses = |arguments: &[&str], code, words: &[&str]| {
        refuses(&root, folder.path(), arguments, code, words);
    };
    refuses(
        &["--fat", "16", "--uki", "--size", "6M"],
        1,
        &["need", "room for"],
    );
    let small = "an image of 20971520 bytes cannot have a FAT32 file system";
    refuses(&["--size", "20M"], 1, &[small, "at 34M", "--fat 16"]);
    refuses(
        &["--size", "35000000"],
        1,
        &["image of 35000000 bytes", "at 34M"],
    );
    refuses(&["--size", "5T"], 1, &["ends at", "2 TB"]);
    refuses(&["--size", "1K"], 1, &["no room for a file system"]);
    refuses(&["--size", "1M"], 1, &["no room for a file system"]);
    refuses(&["--label", "a:b"], 2, &["the label `a:b` has `:`"]);
    refuses(&["--append", "a\nb"], 2, &["line break"]);
    refuses(
        &["--syslinux", "/nonexistent"],
        3,
        &["/nonexistent/syslinux", "package"],
    );
    refuses(
        &["--systemd-boot", "/etc/passwd"],
        1,
        &["signature is missing"],
    );
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("syslinux"), b"no program").unwrap();
    refuses(
        &["--syslinux", other.path().to_str().unwrap()],
        1,
        &["no boot record"],
    );
    refuses(
        &["--initramfs", "/etc/passwd"],
        1,
        &["/etc/passwd", "not an initramfs"],
    );
    // A kernel for a BIOS only: what makes it an EFI program is gone.
    let path = root.path().join(format!("boot/vmlinuz-{}", root.version));
    let mut kernel = fs::read(&path).unwrap();
    kernel[0] = 0;
    fs::write(&path, kernel).unwrap();
    refuses(&[], 1, &["CONFIG_EFI_STUB", "--firmware bios"]);
    let output = make(
        &root,
        &folder.path().join("out.img"),
        &["--firmware", "bios"],
    );
    assert!(output.status.success());
}

#[test]
fn options_that_would_do_nothing_or_harm() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let initramfs = folder.path().join("simple.igz");
    fs::write(&initramfs, "070701").unwrap();
    let there = initramfs.to_str().unwrap();
    for (options, words) in [
        (&["--firmware", "bios", "--uki"][..], "are about UEFI"),
        (
            &["--firmware", "uefi", "--syslinux", "/"],
            "are about a BIOS",
        ),
        (&["--isolinux", "/"], "about an ISO"),
        (
            &["--firmware", "uefi", "--serial-console"],
            "are about a BIOS",
        ),
        (
            &["--firmware", "uefi", "--syslinux-config", there],
            "are about a BIOS",
        ),
        (
            &["--firmware", "uefi", "--efi", there, "--append", "x"],
            "which has its own command line",
        ),
        // Also with the value that they have anyway.
        (
            &["--firmware", "uefi", "--uki", "--timeout", "0"],
            "--timeout would do nothing",
        ),
        (
            &[
                "--firmware",
                "bios",
                "--syslinux-config",
                there,
                "--append",
                "quiet",
            ],
            "--append would do nothing",
        ),
        (
            &["-o", "x.iso", "--firmware", "bios", "--fat", "16"],
            "--fat would do nothing",
        ),
        (
            &["-o", "x.iso", "--firmware", "bios", "--serial", "1234-ABCD"],
            "--serial would do nothing",
        ),
        (
            &["--initramfs", there, "--kernel", there],
            "--root and --deb would do nothing",
        ),
        (&["--strip-signed"], "--module-files stripped"),
        (
            &["--table", "gpt", "--disk-signature", "1234abcd"],
            "about an MBR",
        ),
        (
            &["--initramfs", there, "--microcode"],
            "cannot be used with",
        ),
        (
            &["--initramfs", there, "--program", "/bin/true"],
            "cannot be used with",
        ),
        (&["--initramfs", there, "-o", there], "is an input"),
        (&["-o", "-"], "a disk image has holes"),
    ] {
        let output = command("packager")
            .args(["image", "--root"])
            .arg(root.path())
            .args(options)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {stderr}");
        assert!(stderr.contains(words), "`{words}` is not in: {stderr}");
    }
    assert_eq!(fs::read(&initramfs).unwrap(), b"070701");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Kernel, initramfs and menu of an image that starts nothing but the program of --efi.
#[test]
fn a_program_alone_leaves_no_other_option_anything_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("linux.efi");
    fs::write(&program, "").unwrap();
    let program = program.to_str().unwrap();
    for option in [
        &["--kernel", "6.1"][..],
        &["--root", "/"],
        &["--deb", "x.deb"],
        &["--initramfs", "x.igz"],
        &["--modules", "vfat"],
        &["--for", "usb-storage"],
        &["--exclude", "uas"],
        &["--keymap", "es"],
        &["--no-check"],
        &["--append", "quiet"],
        &["--timeout", "0"],
        &["--prompt"],
    ] {
        let output = command("packager")
            .args(["image", "--firmware", "uefi", "--efi", program])
            .args(option)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{option:?}: {stderr}");
        let words = format!("{} would do nothing", option[0]);
        assert!(stderr.contains(&words), "`{words}` is not in: {stderr}");
    }
    // What is about the disk is of use: the program is looked at.
    let output = command("packager")
        .args(["image", "--firmware", "uefi", "--efi", program])
        .args(["--label", "X", "--fat", "32", "--table", "gpt"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_full_disk() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    let Some(small) = Small::mount(folder.path()) else {
        return;
    };
    let words = ["cannot write", "out.img", "No space left on device"];
    refuses(&root, small.path(), &[], 3, &words);
    // An image that was there is still there.
    let old = small.path().join("out.img");
    fs::write(&old, "old").unwrap();
    refuses(&root, small.path(), &["--uki"], 3, &words);
    assert_eq!(fs::read(&old).unwrap(), b"old");
}

#[test]
fn the_users_own_configuration_is_taken_as_it_is() {
    let Some((root, folder)) = inputs() else {
        return;
    };
    if !has(&["mtype"]) {
        return;
    }
    let config = folder.path().join("own.cfg");
    let text = "DEFAULT a\nLABEL a\n  LINUX /vmlinuz\n  INITRD /initrd.img\n";
    fs::write(&config, text).unwrap();
    let image = folder.path().join("out.img");
    let options = [
        "--syslinux-config",
        config.to_str().unwrap(),
        "--table",
        "none",
    ];
    let made = make(&root, &image, &options);
    assert!(made.status.success(), "{made:?}");
    let fat = tests::mtools::FatImage {
        path: &image,
        offset: 0,
    };
    assert_eq!(fat.run("mtype", &["::/syslinux.cfg"]), text.as_bytes());
    fat.check();
}
