//! `cargo xtask bench disk`: `packager image` beside the scripted ways, whole processes, in turns.
//!
//! Everybody makes the same from a kernel and an initramfs that are there, and leaves it synced on the disk.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tests::environment::{find_program, workspace};

use crate::measure::{self, HEAD, Start, Way, Work, load, measure};
use crate::{corpus, release, shell};

/// MBR, FAT32, syslinux and systemd-boot, by the tools that everybody uses. `$1` is the size in MiB.
const TABLE_AND_FAT: &str = r#"
table_and_fat() {
    rm -f script.img
    truncate -s "$1"M script.img
    echo 'start=2048, type=c, bootable' | sfdisk -q script.img
    dd if=/usr/lib/SYSLINUX/mbr.bin of=script.img conv=notrunc status=none
    mkfs.fat -F 32 -s 1 --offset 2048 script.img $((($1 - 1) * 1024)) >/dev/null
    mmd -i script.img@@1M ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
    mcopy -i script.img@@1M vmlinuz initrd.img syslinux.cfg ::
    syslinux -t 1048576 --install script.img
}
"#;

const SCRIPTED: &str = r#"
table_and_fat 34
mcopy -i script.img@@1M $systemd/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
mcopy -i script.img@@1M loader.conf ::/loader
mcopy -i script.img@@1M linux.conf ::/loader/entries
sync script.img
"#;

const SCRIPTED_UKI: &str = r#"
table_and_fat 64
objcopy --add-section .cmdline=cmdline --change-section-vma .cmdline=0x30000 \
    --add-section .initrd=initrd.img --change-section-vma .initrd=0x3000000 \
    --add-section .linux=vmlinuz --change-section-vma .linux=0x2000000 \
    $systemd/linuxx64.efi.stub linux.efi
mcopy -i script.img@@1M linux.efi ::/EFI/BOOT/BOOTX64.EFI
sync script.img
"#;

/// isolinux, and systemd-boot in a FAT image with a kernel and an initramfs of its own: no program of the pipeline lets ISO 9660
/// show the files that are in there, as `packager image` does.
const XORRISO: &str = r#"
rm -rf cd efi.img; mkdir -p cd/isolinux
cp vmlinuz initrd.img cd
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 cd/isolinux
cp syslinux.cfg cd/isolinux/isolinux.cfg
mkfs.fat -C efi.img 12288 >/dev/null
mmd -i efi.img ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
mcopy -i efi.img vmlinuz initrd.img ::
mcopy -i efi.img $systemd/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
mcopy -i efi.img loader.conf ::/loader
mcopy -i efi.img linux.conf ::/loader/entries
xorriso -report_about FAILURE -as mkisofs -r -J -V SIMPLE -o script.iso \
    -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
    -isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin \
    -eltorito-alt-boot -no-emul-boot -e --interval:appended_partition_2:all:: \
    -append_partition 2 0xef efi.img cd
sync script.iso
"#;

/// Tried with mkosi 14, that of Debian 12, with --base-image and without.
const MKOSI: &str = "\
* mkosi is not beside it: it installs a distribution into every image, from the network and through systemd-nspawn, and has no
  way to take just a kernel and an initramfs that are there.
";

/// GRUB for both kinds of firmware.
const GRUB: &str = r#"
rm -rf grub; mkdir -p grub/boot/grub
cp vmlinuz initrd.img grub/boot
printf 'menuentry Linux {\n linux /boot/vmlinuz quiet\n initrd /boot/initrd.img\n}\n' >grub/boot/grub/grub.cfg
grub-mkrescue -o grub.iso grub 2>/dev/null
sync grub.iso
"#;

/// The bytes of what was made, written to the same disk.
const COPY: &str = "dd if=ours.img of=copy.img bs=1M conv=fsync,sparse status=none";
const COPY_UKI: &str = "dd if=uki.img of=copy.img bs=1M conv=fsync,sparse status=none";
const COPY_ISO: &str = "dd if=ours.iso of=copy.img bs=1M conv=fsync status=none";

/// What both sides put into an image.
const INPUTS: [(&str, &str); 4] = [
    ("loader.conf", "default linux.conf\ntimeout 0\n"),
    (
        "linux.conf",
        "title Linux\nlinux /vmlinuz\ninitrd /initrd.img\noptions quiet\n",
    ),
    (
        "syslinux.cfg",
        "DEFAULT linux\nLABEL linux\n  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND quiet\n",
    ),
    ("cmdline", "quiet"),
];

/// Measures, prints the table, and writes it to `benches/results/disk.md`.
pub(crate) fn run() -> Result<()> {
    release::build(&["packager"])?;
    let folder = tempfile::tempdir_in(workspace().join("target"))?;
    let packager = release::program("packager");
    inputs(&packager, folder.path())?;
    let mut text = heading()?;
    text.push_str(HEAD);
    for work in works(&packager, folder.path()) {
        measure(&work, &mut text)?;
    }
    let _ = writeln!(text, "\nLoad of the machine at the end: {}", load()?);
    fs::write(workspace().join("benches/results/disk.md"), &text)?;
    print!("{text}");
    Ok(())
}

/// Kernel, initramfs and configurations, in the folder where everybody works.
fn inputs(packager: &Path, folder: &Path) -> Result<()> {
    let root = corpus::linux_6_1()?;
    let mut kernels = fs::read_dir(root.join("boot"))?.flatten();
    let kernel = kernels.find(|it| it.file_name().to_string_lossy().starts_with("vmlinuz-"));
    let kernel = kernel.context("no kernel in the corpus")?.path();
    fs::copy(kernel, folder.join("vmlinuz"))?;
    for (name, text) in INPUTS {
        fs::write(folder.join(name), text)?;
    }
    let mut initramfs = Command::new(packager);
    initramfs
        .args(["initramfs", "-q", "--keymap", "es", "--root"])
        .arg(root)
        .arg("-o")
        .arg(folder.join("initrd.img"));
    shell::run(&mut initramfs)
}

fn works(packager: &Path, folder: &Path) -> Vec<Work> {
    let script = |text: &str| -> Start {
        let text = format!(
            "set -eu; export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin; systemd=/usr/lib/systemd/boot/efi\n{TABLE_AND_FAT}{text}"
        );
        let folder = folder.to_path_buf();
        Box::new(move || {
            let mut command = Command::new("bash");
            command.args(["-c", &text]).current_dir(&folder);
            command
        })
    };
    let ours = |output: &'static str, options: &'static [&'static str]| -> Start {
        let (packager, folder) = (PathBuf::from(packager), folder.to_path_buf());
        Box::new(move || {
            let mut command = Command::new(&packager);
            command
                .args(["image", "-q", "--kernel", "./vmlinuz"])
                .args(["--initramfs", "initrd.img", "-o", output])
                .args(options)
                .current_dir(&folder);
            command
        })
    };
    let mut cd = vec![
        Way::new("cp, mkfs.fat, mtools, xorriso", vec![script(XORRISO)]),
        Way::new("packager image -o FILE.iso", vec![ours("ours.iso", &[])]),
        Way::new("its bytes with dd conv=fsync", vec![script(COPY_ISO)]),
    ];
    if find_program("grub-mkrescue").is_some() {
        cd.push(Way::new("grub-mkrescue (GRUB instead)", vec![script(GRUB)]));
    }
    vec![
        Work {
            name: "disk, systemd-boot",
            ways: vec![
                Way::new("sfdisk, mkfs.fat, syslinux, mtools", vec![script(SCRIPTED)]),
                Way::new("packager image", vec![ours("ours.img", &[])]),
                Way::new("its bytes with dd conv=fsync,sparse", vec![script(COPY)]),
            ],
        },
        Work {
            name: "disk, unified kernel image",
            ways: vec![
                Way::new("the same and objcopy", vec![script(SCRIPTED_UKI)]),
                Way::new("packager image --uki", vec![ours("uki.img", &["--uki"])]),
                Way::new(
                    "its bytes with dd conv=fsync,sparse",
                    vec![script(COPY_UKI)],
                ),
            ],
        },
        Work {
            name: "hybrid ISO",
            ways: cd,
        },
    ]
}

fn heading() -> Result<String> {
    Ok(format!(
        "# Disk images\n\n\
         Written by `cargo xtask bench disk`. All sides make an image that starts by BIOS and UEFI from Debian's kernel 6.1 and an\n\
         initramfs of 2.1 MB that are there, and sync it.\n{}\n{MKOSI}\n",
        measure::heading()?
    ))
}
