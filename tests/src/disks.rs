//! Disk images of `packager image`, and machines that start from them.

use std::path::{Path, PathBuf};

use packager::disk::ImageFormat;
use packager::qemu::{BootDisk, Bus, Firmware, Machine, Session};

use crate::environment::{command, corpus, has, kernel, required};
use crate::guest;

/// The command line of the images: a shell on the serial port as well. On a loaded machine the kernel's check of an emulated
/// timer fails by chance, and it panics.
pub const CONSOLES: &str = "quiet no_timer_check console=tty0 console=ttyS0";

/// The root of a kernel of the corpus, where everything else that an image and its boot need is there, too.
///
/// # Panics
/// Where something is missing and `REQUIRE_ORACLES=1`.
pub fn root(name: &str) -> Option<PathBuf> {
    let files = [
        "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
    ];
    let present = files.iter().all(|file| Path::new(file).is_file());
    required(present.then_some(()), "systemd-boot-efi or ovmf")?;
    if !has(&["qemu-system-x86_64", "syslinux", "mformat", "busybox"]) {
        return None;
    }
    match name {
        "linux-6.1" => kernel(name),
        // Not every corpus has it.
        _ => Some(corpus().join(name)).filter(|root| root.is_dir()),
    }
}

/// `packager image` with the Spanish keymap, for a kernel of the corpus; `name` tells the format.
///
/// # Panics
/// Where it fails.
pub fn image(root: &Path, folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let image = folder.join(name);
    let output = command("packager")
        .args(["image", "--keymap", "es", "--append", CONSOLES, "--root"])
        .arg(root)
        .args(arguments)
        .args(["-q", "-o"])
        .arg(&image)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    image
}

/// A machine that starts from a raw image, or an ISO.
pub fn machine(image: &Path, firmware: Firmware, bus: Bus) -> Machine {
    Machine::from_disk(BootDisk {
        image: image.into(),
        format: ImageFormat::Raw,
        bus,
        firmware,
        uefi: None,
    })
}

/// Starts it, and waits for the shell.
///
/// # Panics
/// Where that does not come.
pub fn start(image: &Path, firmware: Firmware, bus: Bus) -> Session {
    guest::boot(&machine(image, firmware, bus))
}
