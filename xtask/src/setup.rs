//! What the demo and the tests need from the machine, and how it gets there.

use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use tests::environment::find_program;

use crate::shell;

/// Something that a package brings.
pub(crate) struct Need {
    package: &'static str,
    /// A program, or the absolute path of a file.
    provides: &'static str,
}

const fn need(package: &'static str, provides: &'static str) -> Need {
    Need { package, provides }
}

/// What the demo needs, besides a kernel.
pub(crate) const DEMO: &[Need] = &[
    need("busybox-static", "busybox"),
    need("console-data", "/usr/share/keymaps/i386/qwerty/es.kmap.gz"),
    need("qemu-system-x86", "qemu-system-x86_64"),
    need("mtools", "mformat"),
];

/// What the tests need: the demo's packages, and the oracles.
pub(crate) const TEST: &[Need] = &[
    need("busybox-static", "busybox"),
    need("console-data", "/usr/share/keymaps/i386/qwerty/es.kmap.gz"),
    need("qemu-system-arm", "qemu-system-aarch64"),
    need("qemu-system-x86", "qemu-system-x86_64"),
    need("mtools", "mformat"),
    need("kbd", "loadkeys"),
    need("console-setup", "ckbcomp"),
    need("xkb-data", "/usr/share/X11/xkb/rules/evdev.lst"),
    need("kmod", "modprobe"),
    need("cpio", "cpio"),
    need("gzip", "gzip"),
    need("xz-utils", "xz"),
    need("zstd", "zstd"),
    need("bzip2", "bzip2"),
    need("lz4", "lz4"),
    need("lzop", "lzop"),
    need("shellcheck", "shellcheck"),
    need("groff-base", "groff"),
    need("strace", "strace"),
    need("ninja-build", "ninja"),
    need("bazel-bootstrap", "bazel"),
    need("e2fsprogs", "mke2fs"),
    need("dosfstools", "fsck.fat"),
    need("fdisk", "sfdisk"),
    need("gdisk", "sgdisk"),
    need("pxelinux", "/usr/lib/PXELINUX/lpxelinux.0"),
    need("ipxe-qemu", "/usr/lib/ipxe/qemu/pxe-virtio.rom"),
    need("sbsigntool", "sbsign"),
    need("qemu-utils", "qemu-img"),
    need("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd"),
    need(
        "systemd-boot-efi",
        "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
    ),
    need("syslinux", "syslinux"),
    need("libarchive-tools", "bsdtar"),
    need("initramfs-tools-core", "lsinitramfs"),
    need("dracut-core", "dracut"),
    need("librsvg2-bin", "rsvg-convert"),
    need("syslinux-common", "/usr/lib/syslinux/mbr/mbr.bin"),
    need("isolinux", "/usr/lib/ISOLINUX/isolinux.bin"),
    need("xorriso", "xorriso"),
    need("genisoimage", "isoinfo"),
];

/// The machine lacks something that this program may not or cannot bring: exit code 3.
#[derive(Debug)]
pub(crate) struct MachineFault(pub(crate) String);

impl fmt::Display for MachineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MachineFault {}

/// Installs the packages of what is missing, as root or through sudo; otherwise says which ones they are.
pub(crate) fn install(needs: &[Need]) -> Result<()> {
    let missing: Vec<_> = needs
        .iter()
        .filter(|need| !present(need.provides))
        .map(|need| need.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!(
        "apt-get install --no-install-recommends {}",
        missing.join(" ")
    );
    if find_program("apt-get").is_none() {
        return Err(MachineFault(format!(
            "this machine has no apt-get; install what Debian calls {}, and run this again",
            missing.join(", ")
        ))
        .into());
    }
    let Some(prefix) = privilege() else {
        return Err(MachineFault(format!(
            "packages are missing; as root, run\n\n    {by_hand}\n\nand then this again"
        ))
        .into());
    };
    println!("Installing {}", missing.join(", "));
    shell::run(apt_get(prefix).args(["-q", "update"]))?;
    shell::run(
        apt_get(prefix)
            .args(["-q", "install", "--yes", "--no-install-recommends"])
            .args(&missing),
    )
    .map_err(|error| {
        MachineFault(format!(
            "{error:#}\nas root, run\n\n    {by_hand}\n\nand then this again"
        ))
        .into()
    })
}

fn present(provides: &str) -> bool {
    if provides == "busybox" {
        // Many machines have a dynamic one, which is of no use in an image.
        packager::busybox::Busybox::find(Path::new("/")).is_ok()
    } else if provides.starts_with('/') {
        Path::new(provides).exists()
    } else {
        find_program(provides).is_some()
    }
}

/// What stands before a command that needs root: nothing for root, sudo where it works or can ask.
fn privilege() -> Option<&'static [&'static str]> {
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    find_program("sudo")?;
    let silent = Command::new("sudo")
        .args(["-n", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    (silent || std::io::stdin().is_terminal()).then_some(&["sudo"])
}

fn apt_get(prefix: &[&str]) -> Command {
    let mut words = prefix.to_vec();
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}
