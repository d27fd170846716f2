//! Disk images that boot: by BIOS and UEFI, as a stick and as a disk; and a user's walk through one.

use packager::qemu::{BootDisk, Bus, Firmware};
use tests::disks::{CONSOLES, image, root, start};
use tests::guest::{PATIENCE, power_off, run, typed};
use tests::stick::Stick;

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The same image starts in every way, and both boot loaders give the kernel its command line.
#[test]
fn one_image_starts_by_bios_and_uefi_from_stick_and_disk() {
    let Some(root) = root("linux-6.1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = image(&root, folder.path(), "simple.img", &[]);
    for (firmware, bus) in [
        (Firmware::Bios, Bus::Usb),
        (Firmware::Bios, Bus::Ide),
        (Firmware::Uefi, Bus::Usb),
        (Firmware::Uefi, Bus::Ide),
    ] {
        let mut session = start(&image, firmware, bus);
        let line = run(&mut session, "cat /proc/cmdline");
        assert!(line.contains(CONSOLES), "{line}");
        let efi = session.run("[ -d /sys/firmware/efi ]", PATIENCE).unwrap();
        assert_eq!(efi.code == 0, firmware == Firmware::Uefi);
        power_off(session);
    }
}

/// An image of these options starts by both kinds of firmware, and the kernel gets its command line.
fn starts_by_both(options: &[&str]) {
    let Some(root) = root("linux-6.1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = image(&root, folder.path(), "simple.img", options);
    for firmware in [Firmware::Uefi, Firmware::Bios] {
        let mut session = start(&image, firmware, Bus::Usb);
        let line = run(&mut session, "cat /proc/cmdline");
        assert!(line.contains(CONSOLES), "{line}");
        power_off(session);
    }
}

#[test]
fn a_unified_image_and_an_efi_system_partition_start() {
    starts_by_both(&["--uki", "--partition-type", "esp"]);
}

#[test]
fn a_guid_partition_table_starts() {
    starts_by_both(&["--table", "gpt"]);
}

#[test]
fn fat16_starts() {
    starts_by_both(&["--fat", "16", "--compress", "zstd"]);
}

/// Boots from a stick, types, pulls it out, plugs another one in, and works on that.
fn walk_through(kernel: &str, firmware: Firmware) {
    let Some(root) = root(kernel) else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = image(&root, folder.path(), "simple.img", &[]);
    let mut session = start(&image, firmware, Bus::Usb);
    let keys = ["semicolon", "q", "shift-2", "alt_r-2", "minus"];
    assert_eq!(typed(&mut session, &keys, 6), hex("ñq\"@'"));
    // Everything runs from memory: the stick is not needed any more.
    run(&mut session, "until [ -b /dev/sda ]; do usleep 50000; done");
    session.unplug(BootDisk::STICK).unwrap();
    run(
        &mut session,
        "while [ -e /dev/sda ] || [ -e /dev/sda1 ]; do usleep 50000; done; ls /bin/busybox",
    );
    run(&mut session, "dmesg -c >/dev/null");
    let stick = Stick::create(&folder.path().join("stick.img")).unwrap();
    stick.write("HELLO.TXT", b"Hola\n").unwrap();
    let id = session.plug(stick.path()).unwrap();
    run(
        &mut session,
        "until dmesg | grep -q 'Attached SCSI'; do usleep 50000; done",
    );
    let log = run(&mut session, "dmesg");
    assert!(log.contains("USB Mass Storage device detected"), "{log}");
    assert!(log.contains(" sda: sda1"), "{log}");
    run(&mut session, "rm -f /dev/sda /dev/sda1");
    run(
        &mut session,
        "mknod /dev/sda b 8 0 && mknod /dev/sda1 b 8 1",
    );
    run(
        &mut session,
        "mkdir -p /mnt/test && mount -t vfat /dev/sda1 /mnt/test",
    );
    let read = run(&mut session, "cat /mnt/test/HELLO.TXT");
    assert_eq!(read.trim(), "Hola");
    run(
        &mut session,
        "uname -r >/mnt/test/WRITTEN.TXT && umount /mnt/test",
    );
    session.unplug(&id).unwrap();
    power_off(session);
    let written = String::from_utf8(stick.read("WRITTEN.TXT").unwrap()).unwrap();
    let version = kernel.trim_start_matches("linux-");
    assert!(written.starts_with(version), "{written}");
}

#[test]
fn a_walk_through_linux_6_1_by_bios() {
    walk_through("linux-6.1", Firmware::Bios);
}

#[test]
fn a_walk_through_linux_6_1_by_uefi() {
    walk_through("linux-6.1", Firmware::Uefi);
}

#[test]
fn a_walk_through_linux_6_12_by_bios() {
    walk_through("linux-6.12", Firmware::Bios);
}

#[test]
fn a_walk_through_linux_6_12_by_uefi() {
    walk_through("linux-6.12", Firmware::Uefi);
}
