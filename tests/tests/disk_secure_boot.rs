//! Unified kernel images under Secure Boot: what `sbsign` signs, the firmware starts; what was changed afterwards, it does
//! not. The keys are those that Debian's OVMF has enrolled for tests; everybody knows them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use packager::disk::ImageFormat;
use packager::qemu::{BootDisk, Bus, Firmware, Machine, Session, UefiFirmware};
use tests::environment::{command, has, kernel, required};
use tests::modules::run;

const PATIENCE: Duration = Duration::from_secs(300);

const KEY: &str = "/usr/share/ovmf/PkKek-1-snakeoil.key";
const CERTIFICATE: &str = "/usr/share/ovmf/PkKek-1-snakeoil.pem";
const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd";

/// Makes a program and signs it.
fn signed(root: &Path, folder: &Path) -> PathBuf {
    let [plain, key, signed] = ["linux.efi", "key", "signed.efi"].map(|name| folder.join(name));
    run(command("packager")
        .args(["uki", "-q", "--append", "quiet console=ttyS0", "--root"])
        .arg(root)
        .arg("-o")
        .arg(&plain));
    run(Command::new("openssl")
        .args(["rsa", "-passin", "pass:snakeoil", "-in", KEY, "-out"])
        .arg(&key));
    run(Command::new("sbsign")
        .arg("--key")
        .arg(&key)
        .args(["--cert", CERTIFICATE, "--output"])
        .args([&signed, &plain]));
    run(Command::new("sbverify")
        .args(["--cert", CERTIFICATE])
        .arg(&signed));
    signed
}

fn start(folder: &Path, program: &Path) -> Session {
    let image = folder.join("secure.img");
    run(command("packager")
        .args(["image", "-q", "--firmware", "uefi", "--efi"])
        .arg(program)
        .arg("-o")
        .arg(&image));
    let machine = Machine::from_disk(BootDisk {
        image,
        format: ImageFormat::Raw,
        bus: Bus::Usb,
        firmware: Firmware::Uefi,
        uefi: Some(UefiFirmware {
            code: CODE.into(),
            variables: VARIABLES.into(),
        }),
    });
    machine.start().unwrap()
}

#[test]
fn a_signed_program_starts_and_a_changed_one_does_not() {
    let files = [KEY, CERTIFICATE, CODE, VARIABLES];
    let present = files.iter().all(|file| Path::new(file).is_file());
    let Some(()) = required(present.then_some(()), "ovmf") else {
        return;
    };
    if !has(&[
        "sbsign",
        "sbverify",
        "openssl",
        "qemu-system-x86_64",
        "busybox",
    ]) {
        return;
    }
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let program = signed(&root, folder.path());
    let mut session = start(folder.path(), &program);
    session.expect("init: ready", PATIENCE).unwrap();
    session.expect("# ", PATIENCE).unwrap();
    let log = session.run("dmesg", PATIENCE).unwrap().text;
    assert!(log.contains("Secure boot enabled"), "{log}");
    session.send(b"poweroff\n").unwrap();
    session.wait(PATIENCE).unwrap();

    let mut bytes = std::fs::read(&program).unwrap();
    let words = b"quiet console=ttyS0";
    let at = bytes.windows(words.len()).position(|part| part == words);
    bytes[at.unwrap()] = b'Q';
    std::fs::write(&program, bytes).unwrap();
    let mut session = start(folder.path(), &program);
    session.expect("Access Denied", PATIENCE).unwrap();
    assert!(!session.transcript().contains("init: ready"));
}
