//! `packager check` on images that were broken, one link of the chain at a time.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;

use packager::disk::check::Expected;
use packager::disk::fat::read::Medium;
use tests::broken::{START, built, check, make, names};
use tests::environment::{command, find_program, has};

#[test]
fn a_whole_image_passes() {
    let Some(built) = built() else { return };
    let (status, text) = check(&built.path(), &["--firmware", "both"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.ends_with("nothing is wrong\n"), "{text}");
    for fact in [
        "FAT32 at sector 2048",
        "BIOS: syslinux, 1 entry",
        "UEFI: systemd-boot, 1 entry",
        &format!("kernel {}", built.root.version),
    ] {
        assert!(text.contains(fact), "`{fact}` is not in {text}");
    }
}

#[test]
fn each_link_of_the_bios_chain_is_named_when_it_is_broken() {
    let Some(built) = built() else { return };
    let start = START as usize;
    names(built.broken(|it| it[446] = 0), "no-active-partition");
    names(built.broken(|it| it[..440].fill(0)), "no-mbr-code");
    names(
        built.broken(|it| it[100..105].copy_from_slice(b"GRUB ")),
        "foreign-mbr-code",
    );
    names(built.broken(|it| it[510] = 0), "no-boot-signature");
    names(built.broken(|it| it[450] = 0x83), "no-fat-partition");
    names(
        built.broken(|it| it[start + 3..start + 11].copy_from_slice(b"mkfs.fat")),
        "no-boot-record",
    );
    // The number of the first sector of ldlinux.sys, in the boot record.
    names(built.broken(|it| it[start + 0x11a] ^= 1), "bad-sector-map");
    names(
        built
            .broken(|it| it.truncate(30 << 20))
            .also("partition-outside"),
        "fat-outside",
    );
    let unprotect = (
        "mattrib",
        &["-r", "-s", "-h", "::/ldlinux.sys", "::/ldlinux.c32"][..],
    );
    names(
        built.changed(&[unprotect, ("mdel", &["::/ldlinux.c32"])]),
        "no-ldlinux-c32",
    );
    names(
        built.changed(&[unprotect, ("mdel", &["::/ldlinux.sys"])]),
        "no-ldlinux-sys",
    );
    names(
        built.changed(&[("mdel", &["::/syslinux.cfg"])]),
        "no-syslinux-cfg",
    );
    let config = built.folder.path().join("other.cfg");
    fs::write(
        &config,
        "DEFAULT a\nLABEL a\n LINUX vmlinux\n INITRD /initrd.img\n",
    )
    .unwrap();
    names(
        built.changed(&[(
            "mcopy",
            &["-o", config.to_str().unwrap(), "::/syslinux.cfg"],
        )]),
        "missing-file",
    );
}

/// A cut-off image has two findings; the one that is looked at apart is taken out.
trait Also {
    fn also(self, code: &str) -> Self;
}

impl Also for (Option<i32>, String) {
    fn also(self, code: &str) -> Self {
        let code = format!("error[{code}]");
        assert!(self.1.contains(&code), "{code} is not in {}", self.1);
        (self.0, self.1.replace(&code, ""))
    }
}

#[test]
fn copying_ldlinux_sys_is_seen() {
    let Some(built) = built() else { return };
    let copy = built.folder.path().join("ldlinux.sys");
    let copy = copy.to_str().unwrap();
    let result = built.changed(&[
        ("mattrib", &["-r", "-s", "-h", "::/ldlinux.sys"]),
        ("mcopy", &["::/ldlinux.sys", copy]),
        ("mdel", &["::/ldlinux.sys"]),
        // The copy takes the place of something else.
        ("mcopy", &[copy, "::/ldlinux.old"]),
        ("mcopy", &[copy, "::/ldlinux.sys"]),
    ]);
    let (status, text) = result;
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("error[bad-sector-map]"), "{text}");
}

#[test]
fn a_kernel_that_is_cut_off_is_named() {
    let Some(built) = built() else { return };
    let kernel = built.root.path().join("boot");
    let kernel = kernel.join(format!("vmlinuz-{}", built.root.version));
    let bytes = fs::read(kernel).unwrap();
    let short = built.folder.path().join("short");
    fs::write(&short, &bytes[..bytes.len() - 10_000]).unwrap();
    let short = short.to_str().unwrap();
    let found = built.changed(&[("mcopy", &["-o", short, "::/vmlinuz"])]);
    names(found, "kernel-cut-off");
}

#[test]
fn what_uefi_needs_is_named_when_it_is_missing() {
    let Some(built) = built() else { return };
    fs::write(built.path(), &built.image).unwrap();
    let program = "::/EFI/BOOT/BOOTX64.EFI";
    built.changed(&[("mdel", &[program])]);
    assert_eq!(check(&built.path(), &[]).0, Some(0));
    names(
        check(&built.path(), &["--firmware", "uefi"]),
        "no-efi-program",
    );
    names(
        built.changed(&[("mdel", &["::/loader/entries/linux.conf"])]),
        "no-loader-entries",
    );
    let config = built.folder.path().join("x");
    fs::write(&config, "no program").unwrap();
    names(
        built.changed(&[("mcopy", &["-o", config.to_str().unwrap(), program])]),
        "bad-efi-program",
    );
    names(
        built.changed(&[("mcopy", &["-o", config.to_str().unwrap(), "::/initrd.img"])]),
        "damaged-archive",
    );
}

#[test]
fn a_guid_partition_table_is_right_and_damage_to_it_is_seen() {
    let Some(built) = built() else { return };
    if !has(&["sgdisk", "sfdisk"]) {
        return;
    }
    let path = built.path();
    let arguments = ["--table", "gpt", "-q", "-o", path.to_str().unwrap()];
    assert!(make(&built.root, &arguments).status.success());
    for (program, option, words) in [
        ("sgdisk", "-v", "No problems found"),
        ("sfdisk", "-V", "No errors detected"),
    ] {
        let output = Command::new(find_program(program).unwrap())
            .arg(option)
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(words), "{text}");
    }
    let (status, text) = check(&path, &["--firmware", "both"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.ends_with("nothing is wrong\n"), "{text}");
    let mut bytes = fs::read(&path).unwrap();
    bytes[1024 + 32] ^= 1;
    fs::write(&path, bytes).unwrap();
    names(check(&path, &[]), "bad-gpt");
}

#[test]
fn other_formats_hold_the_same_disk() {
    let Some(built) = built() else { return };
    if !has(&["qemu-img"]) {
        return;
    }
    for suffix in ["qcow2", "vmdk", "vdi"] {
        let path = built.folder.path().join(format!("simple.{suffix}"));
        let output = make(&built.root, &["-q", "-o", path.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        let compared = Command::new("qemu-img")
            .args(["compare", "-f", suffix, "-F", "raw"])
            .args([&path, &built.path()])
            .output()
            .unwrap();
        assert!(compared.status.success(), "{suffix}: {compared:?}");
        for verb in ["check", "list", "write"] {
            let output = command("packager").arg(verb).arg(&path).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            if suffix == "qcow2" && verb != "write" {
                let raw = command("packager").arg(verb).arg(built.path()).output();
                assert!(output.status.success(), "{stderr}");
                assert!(output.stdout == raw.unwrap().stdout);
                continue;
            }
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            let way_out = format!("`qemu-img convert -O raw {} FILE.img`", path.display());
            assert!(stderr.contains("a raw one is needed"), "{stderr}");
            assert!(stderr.contains(&way_out), "{stderr}");
        }
    }
}

#[test]
fn qcow2_images_that_are_not_read_are_refused_with_the_way_out() {
    let Some(built) = built() else { return };
    if !has(&["qemu-img"]) {
        return;
    }
    let place = |name: &str| built.folder.path().join(name);
    let qemu_img = |arguments: &[&str], files: &[&Path]| {
        let mut command = Command::new("qemu-img");
        let output = command.args(arguments).args(files).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let (raw, packed, over) = (built.path(), place("packed.qcow2"), place("over.qcow2"));
    qemu_img(&["convert", "-c", "-O", "qcow2"], &[&raw, &packed]);
    let backing = ["create", "-f", "qcow2", "-F", "raw", "-b"];
    qemu_img(&backing, &[&raw, &over]);
    for (path, words) in [
        (packed, "the qcow2 image is compressed"),
        (over, "with another image behind it"),
    ] {
        for verb in ["check", "list"] {
            let output = command("packager").arg(verb).arg(&path).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert!(stderr.contains(words), "{stderr}");
            assert!(stderr.contains("`qemu-img convert -O raw "), "{stderr}");
        }
    }
    // A copy that was not finished is no matter of the format, and not the machine's fault.
    let (whole, cut) = (place("whole.qcow2"), place("cut.qcow2"));
    qemu_img(&["convert", "-O", "qcow2"], &[&raw, &whole]);
    let bytes = fs::read(&whole).unwrap();
    for length in [100, bytes.len() / 3] {
        fs::write(&cut, &bytes[..length]).unwrap();
        for verb in ["check", "list"] {
            let output = command("packager").arg(verb).arg(&cut).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert!(!stderr.contains("qemu-img"), "{stderr}");
        }
    }
}

#[test]
fn every_finding_is_explained() {
    for code in packager::disk::check::codes::ALL {
        let output = command("packager")
            .args(["check", "--explain", code.name])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("Way out: "),
            "{text}"
        );
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let Some(built) = built() else { return };
    for options in [&[][..], &["--uki", "--fat", "16"]] {
        let images = ["one.img", "two.img"].map(|name| {
            let path = built.folder.path().join(name);
            let arguments = [options, &["-q", "-o", path.to_str().unwrap()]].concat();
            assert!(make(&built.root, &arguments).status.success());
            fs::read(path).unwrap()
        });
        assert!(images[0] == images[1], "{options:?}");
    }
}

#[test]
fn a_unified_kernel_image_by_itself() {
    let Some(built) = built() else { return };
    let folder = tempfile::tempdir().unwrap();
    let uki = folder.path().join("linux.efi");
    let made = command("packager")
        .args(["uki", "-q", "--root"])
        .arg(built.root.path())
        .arg("-o")
        .arg(&uki)
        .status();
    assert!(made.unwrap().success());
    let check = |path: &Path| {
        let output = command("packager").arg("check").arg(path).output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&both).into_owned(),
        )
    };
    let (code, text) = check(&uki);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.ends_with("UEFI: a unified kernel image\nnothing is wrong\n"),
        "{text}"
    );
    // One that is cut off.
    let bytes = fs::read(&uki).unwrap();
    fs::write(&uki, &bytes[..bytes.len() / 2]).unwrap();
    let (code, text) = check(&uki);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.starts_with("error[damaged-program]: linux.efi: "),
        "{text}"
    );
    // A kernel is no image, and no stub.
    let kernel = folder.path().join("kernel");
    let section = packager::disk::pe::Program::parse(&bytes).unwrap();
    fs::write(&kernel, section.section(".linux").unwrap()).unwrap();
    let (code, text) = check(&kernel);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("is a kernel; what it boots is checked"),
        "{text}"
    );
    let output = command("packager")
        .args(["uki", "-q", "--stub"])
        .arg(&kernel)
        .arg("--root")
        .arg(built.root.path())
        .args(["-o", "-"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}

/// An image that counts what is read of it.
struct Counted<'a> {
    bytes: &'a [u8],
    read: Cell<usize>,
}

impl Medium for Counted<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.read.set(self.read.get() + buffer.len());
        self.bytes.read_exact_at(buffer, offset)
    }
}

#[test]
fn what_many_entries_name_is_read_once() {
    let Some(built) = built() else { return };
    let read = |image: &[u8]| {
        let read = Cell::new(0);
        let medium = Counted { bytes: image, read };
        let checked =
            packager::disk::check::check(&medium, image.len() as u64, Expected::default());
        assert!(checked.unwrap().passes());
        medium.read.get()
    };
    let once = read(&built.image);
    let entries: String = (0..400)
        .map(|n| format!("LABEL entry{n}\nLINUX /vmlinuz\nINITRD /initrd.img\n"))
        .collect();
    let config = built.folder.path().join("many.cfg");
    fs::write(&config, format!("DEFAULT entry0\n{entries}")).unwrap();
    let copied = ["-o", config.to_str().unwrap(), "::syslinux.cfg"];
    let (status, text) = built.changed(&[("mcopy", &copied)]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("BIOS: syslinux, 400 entries"), "{text}");
    let many = read(&fs::read(built.path()).unwrap());
    assert!(
        many < once + (1 << 20),
        "{many} bytes, and with one entry {once}"
    );
}
