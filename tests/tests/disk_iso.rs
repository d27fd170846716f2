//! Hybrid ISOs: from a CD and from a stick, by BIOS and by UEFI; and what xorriso and util-linux say of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use packager::qemu::{Bus, Firmware};
use tests::disks::{CONSOLES, image, root, start};
use tests::environment::{command, find_program, has, required};
use tests::guest::{power_off, run};
use tests::root::{Root, small_root};

fn isolinux() -> Option<()> {
    let present = Path::new("/usr/lib/ISOLINUX/isolinux.bin").is_file();
    required(present.then_some(()), "isolinux")
}

#[test]
fn one_iso_starts_from_cd_and_stick_by_bios_and_uefi() {
    let (Some(root), Some(())) = (root("linux-6.1"), isolinux()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let iso = image(&root, folder.path(), "simple.iso", &[]);
    for (firmware, bus) in [
        (Firmware::Bios, Bus::Cd),
        (Firmware::Bios, Bus::Usb),
        (Firmware::Uefi, Bus::Cd),
        (Firmware::Uefi, Bus::Usb),
    ] {
        let mut session = start(&iso, firmware, bus);
        let line = run(&mut session, "cat /proc/cmdline");
        assert!(line.contains(CONSOLES), "{line}");
        power_off(session);
    }
}

/// Larger than 32 MiB: the El Torito catalogue cannot say how large it is.
#[test]
fn a_large_file_system_for_uefi_starts_from_a_cd() {
    let (Some(root), Some(())) = (root("linux-6.1"), isolinux()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = ["--fat", "32", "--firmware", "uefi"];
    let iso = image(&root, folder.path(), "simple.iso", &options);
    power_off(start(&iso, Firmware::Uefi, Bus::Cd));
}

fn make(root: &Root, output: &Path, options: &[&str]) -> std::process::Output {
    let mut command = command("packager");
    command.args(["image", "-q", "--root"]).arg(root.path());
    command
        .args(options)
        .arg("-o")
        .arg(output)
        .output()
        .unwrap()
}

/// The bytes of an ISO.
fn made(root: &Root, output: &Path, options: &[&str]) -> Vec<u8> {
    let made = make(root, output, options);
    let stderr = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success() && stderr.is_empty(), "{stderr}");
    fs::read(output).unwrap()
}

#[test]
fn an_iso_depends_on_its_inputs_and_the_one_clock_only() {
    let (Some(root), Some(())) = (small_root(), isolinux()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let one = made(&root, &place("one.iso"), &[]);
    // ISO 9660 counts in seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(one == made(&root, &place("two.iso"), &[]));
    let other = made(&root, &place("three.iso"), &["--append", "debug"]);
    assert_ne!(one[440..444], other[440..444], "the disk signature");
    let signed = made(&root, &place("four.iso"), &["--disk-signature", "1234abcd"]);
    assert_eq!(signed[440..444], [0xcd, 0xab, 0x34, 0x12]);
}

#[test]
fn xorriso_and_sfdisk_see_what_was_meant() {
    let (Some(root), Some(())) = (small_root(), isolinux()) else {
        return;
    };
    if !has(&["sfdisk", "fsck.fat", "xorriso"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("simple.iso");
    let bytes = made(&root, &iso, &["--label", "stick"]);
    let xorriso = Command::new("xorriso")
        .args(["-no_rc", "-indev"])
        .arg(&iso)
        .args(["-pvd_info", "-report_el_torito", "plain"])
        .args(["-report_system_area", "plain"])
        .args(["-find", "/", "--"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&xorriso.stdout);
    for words in [
        "Volume Id    : STICK",
        "1  BIOS  y   none  0x0000  0x00      4",
        "2  UEFI  y   none  0x0000  0x00",
        "El Torito cat path : /isolinux/boot.cat",
        // It has verified the sum of isolinux's boot-info table.
        "El Torito img opts :   1  boot-info-table isohybrid-suitable",
        "System area summary: MBR isohybrid",
        "1   0x80  0x17            0",
        "2   0x00  0xef",
        "'/isolinux/isolinux.cfg'",
    ] {
        assert!(text.contains(words), "`{words}` is not in {text}");
    }
    let sfdisk = Command::new(find_program("sfdisk").unwrap())
        .arg("-V")
        .arg(&iso)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&sfdisk.stdout);
    assert!(text.contains("No errors detected"), "{text}");
    // Where the second partition begins, and how many sectors it has.
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (start, count) = (number(0x1d6) * 512, number(0x1da) * 512);
    let partition = folder.path().join("efi.img");
    fs::write(&partition, &bytes[start..start + count]).unwrap();
    tests::mtools::FatImage {
        path: &partition,
        offset: 0,
    }
    .check();
}

#[test]
fn what_is_missing_is_named_and_nothing_is_left() {
    let (Some(root), Some(())) = (small_root(), isolinux()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let output = folder.path().join("simple.iso");
    let refuses = |made: std::process::Output, code: i32, words: &str| {
        let stderr = String::from_utf8_lossy(&made.stderr);
        assert_eq!(made.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(words), "`{words}` is not in {stderr}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    };
    let directory = empty.path().to_str().unwrap();
    let options = ["--isolinux", directory];
    refuses(
        make(&root, &output, &options),
        3,
        "packages isolinux and syslinux-common",
    );
    fs::write(empty.path().join("isolinux.bin"), "short").unwrap();
    refuses(
        make(&root, &output, &options),
        1,
        "`isolinux.bin` is damaged",
    );
    refuses(
        make(&root, &output, &["--size", "64M"]),
        2,
        "a layout of its own",
    );
    refuses(
        make(&root, &output, &["--table", "gpt"]),
        2,
        "a layout of its own",
    );
}

#[test]
fn isolinux_may_be_in_another_root() {
    let (Some(root), Some(())) = (small_root(), isolinux()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    for path in [
        "usr/lib/ISOLINUX/isolinux.bin",
        "usr/lib/ISOLINUX/isohdpfx.bin",
        "usr/lib/syslinux/modules/bios/ldlinux.c32",
    ] {
        let copy = other.path().join(path);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(Path::new("/").join(path), copy).unwrap();
    }
    let [here, there] = ["here.iso", "there.iso"].map(|name| folder.path().join(name));
    let options = ["--isolinux", other.path().to_str().unwrap()];
    assert!(make(&root, &here, &[]).status.success());
    assert!(make(&root, &there, &options).status.success());
    assert!(fs::read(here).unwrap() == fs::read(there).unwrap());
}

/// `packager check`: its exit code, and what it says.
fn check(iso: &Path) -> (Option<i32>, String) {
    let output = command("packager").arg("check").arg(iso).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

#[test]
fn check_finds_what_firmware_starts_and_what_is_broken() {
    let (Some(root), Some(())) = (small_root(), isolinux()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("simple.iso");
    let whole = made(&root, &iso, &[]);
    let (code, text) = check(&iso);
    assert_eq!(code, Some(0), "{text}");
    for words in [
        "ISO 9660, label SIMPLE",
        "BIOS: El Torito, isolinux at block",
        "1 entry in isolinux/isolinux.cfg",
        "UEFI: systemd-boot, 1 entry",
        "it can be written to a stick",
        "nothing is wrong",
    ] {
        assert!(text.contains(words), "`{words}` is not in {text}");
    }
    let catalogue = u32::from_le_bytes(whole[17 * 2048 + 0x47..][..4].try_into().unwrap());
    let broken = |offset: usize, finding: &str| {
        let mut bytes = whole.clone();
        bytes[offset] ^= 1;
        fs::write(&iso, bytes).unwrap();
        let (_, text) = check(&iso);
        assert!(text.contains(finding), "{finding} is not in {text}");
    };
    broken(510, "warning[no-hybrid]");
    // The catalogue's place, in the second volume descriptor; and the catalogue's own mark.
    broken(17 * 2048 + 0x48, "error[no-boot-catalogue]");
    broken(catalogue as usize * 2048, "error[no-boot-catalogue]");
    // A file that ends within the file system for UEFI.
    fs::write(&iso, &whole[..whole.len() / 2]).unwrap();
    let (code, text) = check(&iso);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("error[partition-outside]"), "{text}");
}

/// isolinux reads ISO 9660 alone. Files of the FAT file system are shown there where they begin with a block, and are there
/// a second time otherwise.
#[test]
fn isolinux_finds_its_files_whatever_uefi_starts() {
    let (Some(root), Some(())) = (small_root(), isolinux()) else {
        return;
    };
    if !has(&["bsdtar"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("simple.iso");
    let kernel = root.path().join(format!("boot/vmlinuz-{}", root.version));
    let kernel = fs::read(kernel).unwrap();
    for (options, copies) in [
        (&[][..], 1),
        (&["--firmware", "bios"], 1),
        (&["--uki"], 2),
        (&["--fat", "32"], 2),
    ] {
        let bytes = made(&root, &iso, options);
        let cat = |path: &str| {
            let mut bsdtar = Command::new("bsdtar");
            bsdtar.arg("-xOf").arg(&iso).arg(path);
            bsdtar.output().unwrap().stdout
        };
        assert!(cat("vmlinuz") == kernel, "{options:?}");
        let config = String::from_utf8(cat("isolinux/isolinux.cfg")).unwrap();
        assert!(
            config.contains("LINUX /vmlinuz\n  INITRD /initrd.img\n"),
            "{config}"
        );
        assert!(!cat("initrd.img").is_empty(), "{options:?}");
        let aligned = bytes.chunks(512);
        let begins = aligned.filter(|sector| **sector == kernel[..512]).count();
        assert_eq!(begins, copies, "{options:?}");
    }
}

/// GRUB's ISO, where somebody has the program: other boot loaders, other tables, and no fault of theirs.
#[test]
fn check_takes_the_iso_of_grub() {
    if find_program("grub-mkrescue").is_none() || find_program("xorriso").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("boot/grub")).unwrap();
    fs::write(tree.join("boot/grub/grub.cfg"), "menuentry Linux { }\n").unwrap();
    let iso = folder.path().join("grub.iso");
    let made = Command::new("grub-mkrescue")
        .arg("-o")
        .arg(&iso)
        .arg(&tree)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let (code, text) = check(&iso);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("BIOS: El Torito"), "{text}");
}

/// xorriso's own hybrid, as scripts make it from the same parts.
#[test]
fn check_takes_the_iso_of_xorriso() {
    let (Some(root), Some(())) = (small_root(), isolinux()) else {
        return;
    };
    if !has(&["xorriso"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let esp = folder.path().join("efi.img");
    made(
        &root,
        &esp,
        &["--table", "none", "--fat", "16", "--firmware", "uefi"],
    );
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let module = "/usr/lib/syslinux/modules/bios/ldlinux.c32";
    let kernel = root.path().join(format!("boot/vmlinuz-{}", root.version));
    for (source, name) in [
        (Path::new("/usr/lib/ISOLINUX/isolinux.bin"), "isolinux.bin"),
        (Path::new(module), "ldlinux.c32"),
        (&kernel, "vmlinuz"),
    ] {
        fs::copy(source, tree.join(name)).unwrap();
    }
    let config = "DEFAULT linux\nLABEL linux\nLINUX vmlinuz\n";
    fs::write(tree.join("isolinux.cfg"), config).unwrap();
    let iso = folder.path().join("other.iso");
    let mut xorriso = Command::new("xorriso");
    xorriso
        .args(["-no_rc", "-as", "mkisofs", "-r", "-J", "-V", "OTHER"])
        .args(["-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot"])
        .args(["-boot-load-size", "4", "-boot-info-table"])
        .args(["-isohybrid-mbr", "/usr/lib/ISOLINUX/isohdpfx.bin"])
        .args(["-eltorito-alt-boot", "-no-emul-boot"])
        .args(["-e", "--interval:appended_partition_2:all::"])
        .args(["-append_partition", "2", "0xef"])
        .arg(&esp)
        .arg("-o")
        .args([&iso, &tree]);
    let made = xorriso.output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let (code, text) = check(&iso);
    assert_eq!(code, Some(0), "{text}");
    for words in [
        "ISO 9660, label OTHER",
        "BIOS: El Torito, isolinux at block",
        "1 entry in isolinux.cfg",
        "UEFI: systemd-boot, 1 entry",
        "it can be written to a stick",
        "nothing is wrong",
    ] {
        assert!(text.contains(words), "`{words}` is not in {text}");
    }
}
