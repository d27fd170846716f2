//! `packager pxe`: PCs that boot over the network, from the TFTP server that QEMU has built in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tests::environment::{command, has, kernel, required};
use tests::root::small_root;

const PATIENCE: Duration = Duration::from_secs(200);

/// Starts a PC without disks, and waits until init is ready.
fn boots(folder: &Path, file: &str, firmware: &[&str], card: &str) {
    let console = folder.with_extension(file);
    fs::write(&console, "").unwrap();
    let mut child = Command::new("qemu-system-x86_64")
        .args([
            "-no-user-config",
            "-nodefaults",
            "-accel",
            "tcg",
            "-m",
            "512",
        ])
        .args(["-vga", "std", "-display", "none"])
        .args(firmware)
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .arg("-netdev")
        .arg(format!(
            "user,id=net,tftp={},bootfile={file}",
            folder.display()
        ))
        .args([
            "-device",
            &format!("virtio-net-pci,netdev=net,bootindex=0{card}"),
        ])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let text = || String::from_utf8_lossy(&fs::read(&console).unwrap()).into_owned();
    while !text().contains("init: ready") && start.elapsed() < PATIENCE {
        sleep(Duration::from_millis(100));
        if child.try_wait().unwrap().is_some() {
            break;
        }
    }
    // It may have ended already.
    let _ = child.kill();
    child.wait().unwrap();
    assert!(text().contains("init: ready"), "{file}: {}", text());
}

#[test]
fn bios_and_uefi_boot_over_the_network() {
    let code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
    let variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";
    let files = [code, variables, "/usr/lib/PXELINUX/lpxelinux.0"];
    let present = files.iter().all(|file| Path::new(file).is_file());
    let Some(()) = required(present.then_some(()), "ovmf or pxelinux") else {
        return;
    };
    if !has(&["qemu-system-x86_64", "busybox"]) {
        return;
    }
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("pxe");
    let make = || {
        command("packager")
            .args(["pxe", "-q", "--append", "quiet console=ttyS0", "--root"])
            .arg(&root)
            .arg("-o")
            .arg(&output)
            .output()
            .unwrap()
    };
    assert!(make().status.success());
    let again = make();
    let stderr = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr.contains("is there and not empty"), "{stderr}");
    boots(&output, "lpxelinux.0", &["-machine", "pc"], "");
    let drives = [
        format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"),
        format!("if=pflash,unit=1,format=raw,snapshot=on,file={variables}"),
    ];
    let firmware = [
        "-machine", "q35", "-drive", &drives[0], "-drive", &drives[1],
    ];
    // UEFI asks for a random number source before it opens the network.
    let firmware = [&firmware[..], &["-device", "virtio-rng-pci"]].concat();
    // Without iPXE in the card: the firmware itself loads the file, and hands over no command line of its own.
    boots(&output, "linux.efi", &firmware, ",romfile=");
}

#[test]
fn a_server_can_read_everything_whatever_the_umask_is() {
    let present = Path::new("/usr/lib/PXELINUX/lpxelinux.0").is_file();
    let (Some(root), Some(())) = (small_root(), required(present.then_some(()), "pxelinux")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // The current directory, which is empty.
    let made = Command::new("sh")
        .args(["-c", "umask 077; exec \"$@\"", "sh"])
        .arg(command("packager").get_program())
        .args(["pxe", "-q", "-o", ".", "--root"])
        .arg(root.path())
        .current_dir(folder.path())
        .status();
    assert!(made.unwrap().success());
    for (name, mode) in [
        ("", 0o755),
        ("pxelinux.cfg", 0o755),
        ("pxelinux.cfg/default", 0o644),
        ("vmlinuz", 0o644),
        ("initrd.img", 0o644),
    ] {
        let found = fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn an_output_that_cannot_be_a_directory_is_told() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (output, code, words) in [
        ("-", 2, "a directory cannot go to standard output"),
        ("nodir/p", 1, "`nodir` is no directory; make it first"),
    ] {
        let made = command("packager")
            .args(["pxe", "-o", output, "--root"])
            .arg(root.path())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&made.stderr);
        assert_eq!(made.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(words), "`{words}` is not in {stderr}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
