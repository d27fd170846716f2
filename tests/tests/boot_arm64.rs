//! Another architecture: an image for arm64, made on whatever machine this is, boots in QEMU and reads a stick.

use packager::qemu::Machine;
use tests::environment::{has, kernel};
use tests::guest::{boot, power_off, run};
use tests::root::pack;
use tests::stick::Stick;

#[test]
fn an_image_for_arm64_reads_a_stick() {
    let (Some(root), Some(busybox)) = (kernel("linux-6.1-arm64"), kernel("busybox-arm64")) else {
        return;
    };
    if !has(&["qemu-system-aarch64", "mformat"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("simple.igz");
    let busybox = busybox.join("bin/busybox");
    let output = pack(
        &root,
        &[
            "--busybox",
            busybox.to_str().unwrap(),
            "--for",
            "usb-storage",
            "-o",
            image.to_str().unwrap(),
        ],
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let boot_folder = root.join("boot");
    let mut kernels = std::fs::read_dir(boot_folder).unwrap().flatten();
    let vmlinuz = kernels.find(|it| it.file_name().to_string_lossy().starts_with("vmlinuz-"));
    let stick = Stick::create(&folder.path().join("stick.img")).unwrap();
    stick.write("HELLO.TXT", b"Hola\n").unwrap();
    let mut machine = Machine::new(vmlinuz.unwrap().path(), image);
    machine.sticks = vec![stick.path().into()];
    machine.append += " mount=/dev/sda1";
    let mut session = boot(&machine);
    assert_eq!(run(&mut session, "uname -m").trim(), "aarch64");
    assert_eq!(run(&mut session, "cat /mnt/HELLO.TXT").trim(), "Hola");
    power_off(session);
}

#[test]
fn busybox_of_another_machine_is_told() {
    let (Some(root), true) = (kernel("linux-6.1-arm64"), has(&["busybox"])) else {
        return;
    };
    let output = pack(&root, &["-o", "/dev/null/never"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("is for x86-64") && stderr.contains("is for arm64"),
        "{stderr}"
    );
}

#[test]
fn a_disk_image_of_a_kernel_for_another_machine_is_refused() {
    let (Some(root), Some(busybox)) = (kernel("linux-6.1-arm64"), kernel("busybox-arm64")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = tests::environment::command("packager")
        .args(["image", "--firmware", "uefi", "--root"])
        .arg(root)
        .arg("--busybox")
        .arg(busybox.join("bin/busybox"))
        .arg("-o")
        .arg(folder.path().join("simple.img"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("is not a kernel image of x86"), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
