//! `packager check` on what boot loaders read: each link of the chain that they follow, broken, and what looks broken and works.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::broken::{Built, START, built, check, make, names, warns};
use tests::environment::{command, find_program, has};

const MODULES: &str = "/usr/lib/syslinux/modules";
const SYSTEMD: &str = "/usr/lib/systemd/boot/efi";

/// Takes the protection from what syslinux installs.
const UNPROTECT: (&str, &[&str]) = (
    "mattrib",
    &["-r", "-s", "-h", "::/ldlinux.sys", "::/ldlinux.c32"],
);

/// What is found where syslinux.cfg has this text.
fn configured(built: &Built, text: &str) -> (Option<i32>, String) {
    built.with(&[("::/syslinux.cfg", text.as_bytes())])
}

#[test]
fn syslinux_that_is_not_whole() {
    let Some(built) = built() else { return };
    let module = Path::new(MODULES).join("bios/ldlinux.c32");
    let Ok(module) = fs::read(module) else { return };
    for (bytes, words) in [
        (module[..3000].to_vec(), "is cut off"),
        (b"no module".to_vec(), "is not an ELF file"),
        (
            fs::read(format!("{MODULES}/efi64/ldlinux.e64")).unwrap(),
            "is not a module for a BIOS",
        ),
        (
            fs::read(format!("{MODULES}/efi32/ldlinux.e32")).unwrap(),
            "is ldlinux.e32",
        ),
    ] {
        let file = built.file("module", bytes);
        let copy = ["-o", &file, "::/ldlinux.c32"];
        let found = built.changed(&[UNPROTECT, ("mcopy", &copy)]);
        assert!(found.1.contains(words), "`{words}` is not in {}", found.1);
        names(found, "no-ldlinux-c32");
    }
    // The boot record.
    let start = START as usize;
    names(
        built.broken(|it| it[start + 510..start + 512].fill(0)),
        "unsigned-boot-record",
    );
    warns(
        &built.broken(|it| it[start + 0x130..start + 0x1b0].fill(0)),
        &["unknown-boot-record-code"],
    );
}

#[test]
fn configurations_of_syslinux() {
    let Some(built) = built() else { return };
    let linux = "LABEL linux\nLINUX /vmlinuz\nINITRD /initrd.img\n";
    for (text, code) in [
        ("", "no-syslinux-entries"),
        ("DEFAULT nokernel quiet\n", "missing-file"),
        (
            "DEFAULT linux\nLABEL linux\nKERNEL chain.c32\n",
            "missing-file",
        ),
        (
            "DEFAULT linux\nUI menu.c32\nLABEL linux\nLINUX vmlinuz\n",
            "missing-file",
        ),
        (
            "DEFAULT vmlinuz\nAPPEND initrd=nothere.img\n",
            "missing-file",
        ),
        ("DEFAULT vmlinuz initrd=nothere.img\n", "missing-file"),
    ] {
        names(configured(&built, text), code);
    }
    for (text, expected) in [
        (
            "DEFAULT vmlinuz initrd=initrd.img quiet\n".to_owned(),
            &[][..],
        ),
        (
            "APPEND initrd=initrd.img\nDEFAULT vmlinuz\nLABEL vmlinuz\n".to_owned(),
            &[],
        ),
        (
            format!("DEFAULT linux\n{linux}TEXT HELP\nKERNEL of no use\nENDTEXT\n"),
            &[],
        ),
        (
            "DEFAULT a\nLABEL a\nLINUX ./vmlinuz\nINITRD ../../initrd.img\n".to_owned(),
            &[],
        ),
        (
            format!("DEFAULT linux\nDISPLAY x.txt\n{linux}"),
            &["missing-extra-file"],
        ),
        (linux.to_owned(), &["no-default-entry"]),
    ] {
        let found = configured(&built, &text);
        warns(&found, expected);
        assert!(found.1.contains("initramfs initrd.img"), "{}", found.1);
    }
}

#[test]
fn modules_of_syslinux_that_need_others() {
    let Some(built) = built() else { return };
    let read = |name: &str| fs::read(Path::new(MODULES).join("bios").join(name));
    let names_of_files = ["vesamenu.c32", "libutil.c32", "libcom32.c32"];
    let Ok(files) = names_of_files
        .map(read)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
    else {
        return;
    };
    let text = b"UI vesamenu.c32\nLABEL linux\nLINUX /vmlinuz\nINITRD /initrd.img\n";
    let all = [
        ("::/syslinux.cfg", &text[..]),
        ("::/vesamenu.c32", &files[0]),
        ("::/libutil.c32", &files[1]),
        ("::/libcom32.c32", &files[2]),
    ];
    warns(&built.with(&all), &[]);
    let found = built.with(&all[..3]);
    let words = "`vesamenu.c32` needs `libcom32.c32`";
    assert!(found.1.contains(words), "`{words}` is not in {}", found.1);
    names(found, "missing-syslinux-module");
}

#[test]
fn entries_of_systemd_boot() {
    let Some(built) = built() else { return };
    let entry = "::/loader/entries/linux.conf";
    let stub = fs::read(Path::new(SYSTEMD).join("linuxx64.efi.stub"));
    let Ok(stub) = stub else { return };
    for (files, code) in [
        (
            vec![(entry, &b"efi /EFI/nothere.efi\n"[..])],
            "missing-file",
        ),
        (
            vec![("::/EFI/BOOT/BOOTX64.EFI", &stub)],
            "wrong-efi-program",
        ),
    ] {
        names(built.with(&files), code);
    }
    // There is another one that works.
    for (files, code) in [
        (
            vec![("::/loader/entries/a.conf", &b"title x\n"[..])],
            "incomplete-loader-entry",
        ),
        (
            vec![("::/loader/entries/a.conf", b"\xff\xfe\0")],
            "incomplete-loader-entry",
        ),
        (
            vec![("::/loader/loader.conf", b"default nothere.conf\n")],
            "no-default-loader-entry",
        ),
    ] {
        warns(&built.with(&files), &[code]);
    }
    // Entries that are left out because of their names are no entries.
    let rename = |name| ("mren", [entry, name]);
    for name in [
        "::/loader/entries/auto-linux.conf",
        "::/loader/entries/.linux.conf",
    ] {
        let (program, arguments) = rename(name);
        names(built.changed(&[(program, &arguments)]), "no-loader-entries");
    }
    // The EFI programs are entries, too.
    let uki = unified(&built);
    let uki = fs::read(uki).unwrap();
    let file = built.file("linux.efi", &uki);
    let found = built.changed(&[
        ("mdel", &[entry]),
        (
            "mdel",
            &["::/loader/loader.conf", "::/initrd.img", "::/syslinux.cfg"],
        ),
        UNPROTECT,
        ("mdel", &["::/ldlinux.sys", "::/ldlinux.c32", "::/vmlinuz"]),
        ("mmd", &["::/EFI/Linux"]),
        ("mcopy", &[&file, "::/EFI/Linux/linux.efi"]),
    ]);
    let found = (found.0, found.1.replace("error[no-ldlinux-sys]", ""));
    assert!(!found.1.contains("no-loader-entries"), "{}", found.1);
    assert!(
        found.1.contains("UEFI: systemd-boot, 1 entry"),
        "{}",
        found.1
    );
}

/// A unified kernel image of the same kernel.
fn unified(built: &Built) -> std::path::PathBuf {
    let path = built.folder.path().join("unified.efi");
    let made = command("packager")
        .args(["uki", "-q", "--root"])
        .arg(built.root.path())
        .arg("-o")
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    path
}

#[test]
fn an_initramfs_of_two_parts() {
    let Some(built) = built() else { return };
    if !has(&["cpio"]) {
        return;
    }
    let folder = built.folder.path().join("early");
    fs::create_dir_all(folder.join("kernel/x86/microcode")).unwrap();
    fs::write(folder.join("kernel/x86/microcode/GenuineIntel.bin"), "x").unwrap();
    let shell = "find kernel | cpio -o -H newc --quiet >../early.img";
    let made = Command::new("sh")
        .args(["-c", shell])
        .current_dir(&folder)
        .status();
    assert!(made.unwrap().success());
    let early = fs::read(built.folder.path().join("early.img")).unwrap();
    let entry = b"linux /vmlinuz\ninitrd /ucode.img\ninitrd /initrd.img\n";
    let config = b"DEFAULT a\nLABEL a\nLINUX /vmlinuz\nINITRD /ucode.img,/initrd.img\n";
    let found = built.with(&[
        ("::/ucode.img", &early),
        ("::/loader/entries/linux.conf", entry),
        ("::/syslinux.cfg", config),
    ]);
    warns(&found, &[]);
    assert!(
        found.1.contains("initramfs ucode.img, initrd.img"),
        "{}",
        found.1
    );
    // Both boot loaders name the same file; that is said once.
    let missing = b"linux /vmlinuz\ninitrd /gone.img\n";
    let config = b"DEFAULT a\nLABEL a\nLINUX /vmlinuz\nINITRD /gone.img\n";
    let found = built.with(&[
        ("::/loader/entries/linux.conf", missing),
        ("::/syslinux.cfg", config),
    ]);
    names(found, "missing-file");
}

#[test]
fn syslinux_in_a_folder() {
    let Some(built) = built() else { return };
    for folder in ["boot/syslinux", "any/where"] {
        fs::write(built.path(), &built.image).unwrap();
        let (parent, _) = folder.split_once('/').unwrap();
        let target = format!("::/{folder}/syslinux.cfg");
        let (parent, inner) = (format!("::/{parent}"), format!("::/{folder}"));
        built.changed(&[
            UNPROTECT,
            ("mdel", &["::/ldlinux.sys", "::/ldlinux.c32"]),
            ("mmd", &[&parent, &inner]),
            ("mmove", &["::/syslinux.cfg", &target]),
        ]);
        let made = Command::new(find_program("syslinux").unwrap())
            .args(["-t", "1048576", "-d", folder, "--install"])
            .arg(built.path())
            .status();
        assert!(made.unwrap().success());
        let found = check(&built.path(), &["--firmware", "both"]);
        warns(&found, &[]);
        let words = format!("1 entry in {folder}/syslinux.cfg");
        assert!(found.1.contains(&words), "{}", found.1);
    }
}

#[test]
fn uefi_looks_into_every_partition() {
    let Some(built) = built() else { return };
    if !has(&["mformat"]) {
        return;
    }
    let path = built.path();
    built.changed(&[("mdeltree", &["::/EFI"])]);
    let mut bytes = fs::read(&path).unwrap();
    let first = bytes.len();
    bytes.resize(first + (20 << 20), 0);
    let (start, count) = ((first / 512) as u32, 20_u32 << 11);
    bytes[462 + 4] = 0xef;
    bytes[462 + 8..462 + 12].copy_from_slice(&start.to_le_bytes());
    bytes[462 + 12..462 + 16].copy_from_slice(&count.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let fat = tests::mtools::FatImage {
        path: &path,
        offset: first as u64,
    };
    let hidden = start.to_string();
    fat.run(
        "mformat",
        &["-T", "40960", "-h", "16", "-s", "32", "-H", &hidden, "::"],
    );
    names(check(&path, &["--firmware", "both"]), "no-efi-program");
    let program = unified(&built);
    fat.run("mmd", &["::/EFI", "::/EFI/BOOT"]);
    let program = program.to_str().unwrap();
    fat.run("mcopy", &[program, "::/EFI/BOOT/BOOTX64.EFI"]);
    let found = check(&path, &["--firmware", "both"]);
    warns(&found, &[]);
    assert!(
        found.1.contains("UEFI: a unified kernel image"),
        "{}",
        found.1
    );
}

#[test]
fn what_a_bios_starts_from_an_iso() {
    let Some(built) = built() else { return };
    if !Path::new("/usr/lib/ISOLINUX/isolinux.bin").is_file() {
        return;
    }
    let path = built.folder.path().join("simple.iso");
    let output = ["-q", "-o", path.to_str().unwrap()];
    assert!(make(&built.root, &output).status.success());
    let image = fs::read(&path).unwrap();
    let broken = |how: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = image.clone();
        how(&mut bytes);
        fs::write(&path, bytes).unwrap();
        check(&path, &["--firmware", "bios"])
    };
    let whole = broken(&|_| ());
    warns(&whole, &[]);
    let words = "isolinux at block";
    assert!(whole.1.contains(words), "{}", whole.1);
    assert!(whole.1.contains("1 entry in isolinux/isolinux.cfg"));
    // The boot code of the stick ends with the sector of isolinux, in sectors of 512 bytes.
    let loader = u32::from_le_bytes(image[432..436].try_into().unwrap()) as usize * 512;
    names(
        broken(&|it| it[loader..loader + 38_912].fill(0)),
        "no-isolinux",
    );
    names(broken(&|it| it[loader + 9000] ^= 1), "isolinux-damaged");
    names(broken(&|it| it[loader + 12] ^= 1), "isolinux-damaged");
    let find = |text: &[u8]| image.windows(text.len()).position(|it| it == text).unwrap();
    let at = find(b"LINUX /vmlinuz");
    names(broken(&|it| it[at + 7] = b'x'), "missing-file");
    let module = find(b"\x7fELF\x01\x01");
    names(broken(&|it| it[module] = 0), "no-ldlinux-c32");
    for damage in [0..440, 432..433] {
        let found = broken(&|it| it[damage.clone()].fill(0));
        warns(&found, &["no-hybrid-code"]);
    }
}

#[test]
fn a_signed_program_that_was_changed() {
    let Some(built) = built() else { return };
    if !has(&["sbsign", "openssl"]) {
        return;
    }
    let program = unified(&built);
    let folder = built.folder.path();
    let run = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(name);
        let output = command
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let request = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=test",
        "-keyout",
        "key",
        "-out",
        "certificate",
    ];
    run("openssl", &request);
    let program = program.to_str().unwrap();
    let sign = [
        "--key",
        "key",
        "--cert",
        "certificate",
        "--output",
        "signed.efi",
    ];
    run("sbsign", &[&sign[..], &[program]].concat());
    let signed = folder.join("signed.efi");
    warns(&check(&signed, &[]), &[]);
    let mut bytes = fs::read(&signed).unwrap();
    // The command line.
    let parsed = packager::disk::pe::Program::parse(&bytes).unwrap();
    let mut sections = parsed.sections.iter();
    let at = sections.find(|it| it.name == ".cmdline").unwrap();
    let at = at.offset as usize;
    bytes[at] ^= 1;
    fs::write(&signed, bytes).unwrap();
    names(check(&signed, &[]), "broken-signature");
}
