//! Images that others make of a corpus kernel: mkinitramfs of initramfs-tools, and dracut.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they fail"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment::{has, kernel, required};

/// Both look for the kernel below `/lib/modules` and `/boot`, and nowhere else. So they run where these are the corpus's, in a
/// mount namespace that ends with them.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay overlay -o "lowerdir=$1/lib:/usr/lib,upperdir=/mnt/upper,workdir=/mnt/work" /usr/lib
mount --bind "$1/boot" /boot
depmod "$2"
for compressor in zstd gzip; do
    printf 'MODULES=list\nBUSYBOX=y\nKEYMAP=n\nCOMPRESS=%s\n' "$compressor" >"$3/conf/initramfs.conf"
    mkinitramfs -d "$3/conf" -o "$3/initramfs-tools.$compressor" "$2"
done
dracut --quiet --force --no-hostonly --no-early-microcode --modules base --drivers "$4" --xz --tmpdir "$3" --kver "$2" "$3/dracut.xz"
"#;

/// The modules that both put in.
const MODULES: &str = "usb_storage vfat ext4 nls_ascii nls_cp437 usbhid xhci_pci";

/// The images, in a folder that goes with this value.
#[derive(Debug)]
pub struct Foreign {
    _folder: tempfile::TempDir,
    /// The images: two by mkinitramfs, one by dracut, each with another compressor.
    pub images: Vec<PathBuf>,
    /// The root of the kernel that they are made of.
    pub root: PathBuf,
}

/// Makes the images.
///
/// # Panics
/// Where the tools, the kernel or the right to make a namespace is missing and `REQUIRE_ORACLES=1`, or where a tool fails.
pub fn images() -> Option<Foreign> {
    let root =
        kernel("linux-6.1").filter(|_| has(&["unshare", "mkinitramfs", "dracut", "depmod"]))?;
    let allowed = Command::new("unshare")
        .args(["-rm", "true"])
        .status()
        .is_ok_and(|status| status.success());
    required(allowed.then_some(()), "the right to make a mount namespace")?;
    let folder = tempfile::tempdir().expect("a folder");
    configure(&folder.path().join("conf"));
    let modules = fs::read_dir(root.join("lib/modules")).expect("the kernel's modules");
    let version = modules
        .map(|entry| entry.expect("an entry").file_name())
        .next();
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", SCRIPT, "sh"])
        .arg(&root)
        .arg(version.expect("a version"))
        .arg(folder.path())
        .arg(MODULES)
        .output()
        .expect("unshare");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let names = ["initramfs-tools.zstd", "initramfs-tools.gzip", "dracut.xz"];
    Some(Foreign {
        images: names.map(|name| folder.path().join(name)).into(),
        _folder: folder,
        root,
    })
}

/// The configuration of mkinitramfs, but for its main file.
fn configure(folder: &Path) {
    for name in ["conf.d", "hooks", "scripts"] {
        fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    fs::write(folder.join("modules"), MODULES.replace(' ', "\n")).expect("a file");
}
