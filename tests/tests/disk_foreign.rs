//! `packager check` on disk images that others made: what starts gives no error, and what is missing is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::broken::{check, codes};
use tests::environment::{command, find_program, has};
use tests::mtools::FatImage;
use tests::root::small_root;

const MIB: u64 = 1 << 20;

/// A folder with a kernel, an initramfs and configurations, where images are made of them.
struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    fn new(programs: &[&str]) -> Option<Self> {
        if !has(programs) {
            return None;
        }
        let root = small_root()?;
        let folder = tempfile::tempdir().unwrap();
        let kernel = root.path().join(format!("boot/vmlinuz-{}", root.version));
        fs::copy(kernel, folder.path().join("vmlinuz")).unwrap();
        let workshop = Self { folder };
        let made = command("packager")
            .args(["initramfs", "-q", "--root"])
            .arg(root.path())
            .arg("-o")
            .arg(workshop.path("initrd.img"))
            .status();
        assert!(made.unwrap().success());
        workshop.write(
            "syslinux.cfg",
            "DEFAULT linux\nLABEL linux\n  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND quiet\n",
        );
        workshop.write("loader.conf", "default linux.conf\n");
        workshop.write(
            "linux.conf",
            "title Linux\nlinux /vmlinuz\ninitrd /initrd.img\noptions quiet\n",
        );
        Some(workshop)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Runs a program in the folder.
    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(find_program(program).unwrap())
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {output:?}"
        );
    }

    fn empty(&self, name: &str, size: u64) {
        let file = fs::File::create(self.path(name)).unwrap();
        file.set_len(size).unwrap();
    }

    /// Makes a FAT32 file system in an image.
    fn format(&self, image: &str, start: u64, size: u64) {
        let (sector, kib) = ((start / 512).to_string(), (size / 1024).to_string());
        let arguments = ["-F", "32", "-s", "1", "--offset", &sector, image, &kib];
        self.run("mkfs.fat", &arguments);
    }

    /// Copies files of the folder into the file system.
    fn put(&self, image: &str, start: u64, folders: &[&str], files: &[(&str, &str)]) {
        let path = self.path(image);
        let fat = FatImage {
            path: &path,
            offset: start,
        };
        for folder in folders {
            fat.run("mmd", &[folder]);
        }
        for (source, target) in files {
            let source = self.path(source);
            fat.run("mcopy", &[source.to_str().unwrap(), target]);
        }
    }

    fn check(&self, image: &str, options: &[&str]) -> (Option<i32>, String) {
        check(&self.path(image), options)
    }
}

/// What a script puts on a stick for a BIOS.
const SYSLINUX: [(&str, &str); 3] = [
    ("vmlinuz", "::/vmlinuz"),
    ("initrd.img", "::/initrd.img"),
    ("syslinux.cfg", "::/syslinux.cfg"),
];

/// And for UEFI, with the loader of systemd.
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const FOLDERS: [&str; 4] = ["::/EFI", "::/EFI/BOOT", "::/loader", "::/loader/entries"];
const SYSTEMD_BOOT: [(&str, &str); 5] = [
    ("vmlinuz", "::/vmlinuz"),
    ("initrd.img", "::/initrd.img"),
    (LOADER, "::/EFI/BOOT/BOOTX64.EFI"),
    ("loader.conf", "::/loader/loader.conf"),
    ("linux.conf", "::/loader/entries/linux.conf"),
];

#[test]
fn a_stick_made_by_a_script_passes() {
    let Some(workshop) = Workshop::new(&["sfdisk", "mkfs.fat", "mcopy", "syslinux"]) else {
        return;
    };
    workshop.empty("stick.img", 64 * MIB);
    workshop.write("table", "start=2048, type=c, bootable\n");
    workshop.run(
        "sh",
        &[
            "-c",
            "PATH=$PATH:/usr/sbin:/sbin sfdisk -q stick.img <table",
        ],
    );
    workshop.format("stick.img", MIB, 63 * MIB);
    workshop.put("stick.img", MIB, &[], &SYSLINUX);
    workshop.run("syslinux", &["-t", "1048576", "--install", "stick.img"]);
    let (code, text) = workshop.check("stick.img", &[]);
    // It has no boot code yet.
    assert_eq!(
        (code, codes(&text)),
        (Some(1), vec!["no-mbr-code", "hidden-sectors"]),
        "{text}"
    );
    let image = workshop.path("stick.img");
    let mut bytes = fs::read(&image).unwrap();
    let boot_code = fs::read("/usr/lib/syslinux/mbr/mbr.bin").unwrap();
    bytes[..boot_code.len()].copy_from_slice(&boot_code);
    fs::write(&image, bytes).unwrap();
    let (code, text) = workshop.check("stick.img", &["--firmware", "bios"]);
    assert_eq!(
        (code, codes(&text)),
        (Some(0), vec!["hidden-sectors"]),
        "{text}"
    );
    let (code, text) = workshop.check("stick.img", &["--firmware", "uefi"]);
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn a_stick_without_a_table_is_warned_about() {
    let Some(workshop) = Workshop::new(&["mkfs.fat", "mcopy", "syslinux"]) else {
        return;
    };
    workshop.empty("stick.img", 64 * MIB);
    workshop.format("stick.img", 0, 64 * MIB);
    workshop.put("stick.img", 0, &[], &SYSLINUX);
    workshop.run("syslinux", &["--install", "stick.img"]);
    let (code, text) = workshop.check("stick.img", &["--firmware", "bios"]);
    assert_eq!(
        (code, codes(&text)),
        (Some(0), vec!["no-partition-table"]),
        "{text}"
    );
}

/// What only a BIOS reads is no fault of a disk for UEFI.
#[test]
fn a_disk_for_uefi_alone_passes() {
    let Some(workshop) = Workshop::new(&["sgdisk", "mkfs.fat", "mcopy"]) else {
        return;
    };
    if !Path::new(LOADER).is_file() {
        return;
    }
    workshop.empty("disk.img", 66 * MIB);
    workshop.run("sgdisk", &["-n", "1:2048:+64M", "-t", "1:ef00", "disk.img"]);
    workshop.format("disk.img", MIB, 64 * MIB);
    workshop.put("disk.img", MIB, &FOLDERS, &SYSTEMD_BOOT);
    for options in [&[][..], &["--firmware", "uefi"]] {
        let (code, text) = workshop.check("disk.img", options);
        assert_eq!((code, codes(&text)), (Some(0), vec![]), "{text}");
        assert!(text.contains("UEFI: systemd-boot, 1 entry\n"), "{text}");
    }
    let (code, text) = workshop.check("disk.img", &["--firmware", "bios"]);
    assert_eq!(code, Some(1), "{text}");
    for name in ["no-mbr-code", "no-legacy-bootable", "hidden-sectors"] {
        assert!(codes(&text).contains(&name), "{text}");
    }
}

/// As Debian's installer is: the FAT image for UEFI is a file of the ISO, and small.
#[test]
fn an_installers_iso_passes() {
    let Some(workshop) = Workshop::new(&["xorriso", "mkfs.fat", "mcopy"]) else {
        return;
    };
    let isolinux = Path::new("/usr/lib/ISOLINUX");
    let module = "/usr/lib/syslinux/modules/bios/ldlinux.c32";
    if !isolinux.join("isolinux.bin").is_file() || !Path::new(module).is_file() {
        return;
    }
    for folder in ["cd/isolinux", "cd/boot/grub"] {
        fs::create_dir_all(workshop.path(folder)).unwrap();
    }
    for (source, target) in [
        (workshop.path("vmlinuz"), "cd/vmlinuz"),
        (workshop.path("initrd.img"), "cd/initrd.img"),
        (workshop.path("syslinux.cfg"), "cd/isolinux/isolinux.cfg"),
        (isolinux.join("isolinux.bin"), "cd/isolinux/isolinux.bin"),
        (module.into(), "cd/isolinux/ldlinux.c32"),
    ] {
        fs::copy(source, workshop.path(target)).unwrap();
    }
    let efi = "cd/boot/grub/efi.img";
    workshop.run("mkfs.fat", &["-C", efi, "2880"]);
    workshop.put(efi, 0, &FOLDERS[..2], &SYSTEMD_BOOT[2..3]);
    let hybrid = isolinux.join("isohdpfx.bin");
    let mut arguments = vec!["-report_about", "FAILURE", "-as", "mkisofs", "-r", "-J"];
    arguments.extend(["-V", "Installer", "-o", "installer.iso", "-isohybrid-mbr"]);
    arguments.push(hybrid.to_str().unwrap());
    arguments.extend(["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"]);
    arguments.extend(["-boot-load-size", "4", "-boot-info-table", "-no-emul-boot"]);
    arguments.extend(["-eltorito-alt-boot", "-e", "boot/grub/efi.img"]);
    arguments.extend(["-no-emul-boot", "-isohybrid-gpt-basdat", "cd"]);
    workshop.run("xorriso", &arguments);
    let (code, text) = workshop.check("installer.iso", &["--firmware", "both"]);
    assert_eq!((code, codes(&text)), (Some(0), vec![]), "{text}");
    for words in ["BIOS: El Torito", "UEFI: El Torito, FAT12", "a hybrid"] {
        assert!(text.contains(words), "`{words}` is not in {text}");
    }
}
