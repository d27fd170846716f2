//! Several entries in one image: chosen at the prompt of syslinux, and in the menu of systemd-boot.

use packager::qemu::{Bus, Firmware};
use tests::disks::{image, machine, root};
use tests::guest::{PATIENCE, power_off, run};

/// What tells the second entry from the first one.
const RESCUE: &str = "rescue=quiet console=ttyS0 chosen=rescue";

#[test]
fn the_second_entry_is_chosen_in_both_boot_loaders() {
    let Some(root) = root("linux-6.1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = ["--entry", RESCUE, "--prompt", "--serial-console"];
    let image = image(&root, folder.path(), "simple.img", &options);
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let mut session = machine(&image, firmware, Bus::Usb).start().unwrap();
        match firmware {
            Firmware::Bios => {
                session.expect("boot:", PATIENCE).unwrap();
                session.send(b"rescue\r").unwrap();
            }
            Firmware::Uefi => {
                session.expect("in memory (rescue)", PATIENCE).unwrap();
                session.press("down").unwrap();
                session.press("ret").unwrap();
            }
        }
        session.expect("init: ready", PATIENCE).unwrap();
        session.expect("# ", PATIENCE).unwrap();
        let line = run(&mut session, "cat /proc/cmdline");
        assert!(line.contains("chosen=rescue"), "{line}");
        power_off(session);
    }
}
