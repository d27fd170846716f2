//! The matrix: two kernels, every compressor, every kind of controller and of stick, two keymaps. Each row boots, reads and writes
//! a stick, and types; each pair of values is in some row. And what a missing module costs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use packager::compression::Compression;
use packager::cpio::Options;
use packager::inspect::check::{Booted, check};
use packager::kernel::KernelSource;
use packager::qemu::{Machine, Session, UsbController};
use packager::{Plan, Recipe};
use tests::environment::{has, kernel};
use tests::guest::{PATIENCE, boot, power_off, run, typed};
use tests::sound::pack_without;
use tests::stick::Stick;

const KERNELS: [&str; 2] = ["linux-6.1", "linux-6.12"];
const COMPRESSORS: [&str; 5] = ["gzip", "xz", "zstd", "lz4", "bzip2"];

/// The last one is a stick that speaks UAS.
const CONTROLLERS: [(UsbController, bool); 5] = [
    (UsbController::Xhci, false),
    (UsbController::Ehci, false),
    (UsbController::Uhci, false),
    (UsbController::Ohci, false),
    (UsbController::Xhci, true),
];

/// A keymap, keys by what a keyboard of the United States has on them, and what comes out.
const KEYMAPS: [(&str, &[&str], &str); 2] = [
    (
        "es",
        &["semicolon", "q", "shift-2", "alt_r-2", "minus"],
        "ñq\"@'",
    ),
    ("fr", &["q", "a", "semicolon", "m", "w"], "aqm,z"),
];

/// The numbers of a row's kernel, compressor, controller and keymap.
type Row = [usize; 4];

/// Compressors and controllers have five values each: fewer than 25 rows cannot have all pairs of them.
fn rows() -> Vec<Row> {
    let row = |number: usize| {
        let (compressor, controller) = (number / 5, number % 5);
        let kernel = (compressor + controller) % 2;
        [
            kernel,
            compressor,
            controller,
            (compressor / 2 + controller) % 2,
        ]
    };
    (0..25).map(row).collect()
}

#[test]
fn the_rows_have_every_pair_of_values() {
    let counts = [
        KERNELS.len(),
        COMPRESSORS.len(),
        CONTROLLERS.len(),
        KEYMAPS.len(),
    ];
    for (first, second) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        let pairs: BTreeSet<_> = rows().iter().map(|row| (row[first], row[second])).collect();
        assert_eq!(pairs.len(), counts[first] * counts[second]);
    }
}

/// The plans, for each kernel with each keymap.
static PLANS: LazyLock<Option<Vec<Vec<Plan>>>> = LazyLock::new(|| {
    if !has(&["qemu-system-x86_64", "mformat", "busybox"]) {
        return None;
    }
    let plans = |name: &&str| {
        let root = kernel(name)?;
        let plan = |keymap: &str| plan(&root, keymap);
        Some(KEYMAPS.iter().map(|(keymap, ..)| plan(keymap)).collect())
    };
    KERNELS.iter().map(plans).collect()
});

fn plan(root: &Path, keymap: &str) -> Plan {
    Plan::new(&Recipe {
        kernel: KernelSource::Root(root.into()),
        keymaps: vec![keymap.into()],
        ..Recipe::default()
    })
    .unwrap()
}

fn stick(folder: &Path) -> Stick {
    let stick = Stick::create(&folder.join("stick.img")).unwrap();
    stick.write("HELLO.TXT", b"Hola\n").unwrap();
    stick
}

/// Boots every row with this controller.
fn works_behind(controller: usize) {
    let Some(plans) = &*PLANS else { return };
    for row in rows().into_iter().filter(|row| row[2] == controller) {
        let [kernel, compressor, _, keymap] = row;
        eprintln!(
            "{} {} {:?} {}",
            KERNELS[kernel], COMPRESSORS[compressor], CONTROLLERS[controller], KEYMAPS[keymap].0
        );
        works(
            &plans[kernel][keymap],
            COMPRESSORS[compressor],
            CONTROLLERS[controller],
            KEYMAPS[keymap],
        );
    }
}

fn works(
    plan: &Plan,
    compressor: &str,
    (controller, uas): (UsbController, bool),
    (_, keys, characters): (&str, &[&str], &str),
) {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let format = Compression::by_name(compressor).unwrap();
    let compression = Compression {
        format,
        level: None,
    };
    let archive = plan.archive(Options::default()).unwrap();
    std::fs::write(&image, compression.apply(archive).unwrap()).unwrap();
    let stick = stick(folder.path());
    let mut machine = Machine::new(plan.kernel_image.clone().unwrap(), image);
    machine.controller = controller;
    machine.uas = uas;
    machine.sticks = vec![stick.path().into()];
    let mut session = boot(&machine);
    run(
        &mut session,
        "until [ -b /dev/sda1 ]; do usleep 50000; done",
    );
    run(&mut session, "mount -t vfat /dev/sda1 /mnt");
    assert_eq!(run(&mut session, "cat /mnt/HELLO.TXT").trim(), "Hola");
    run(&mut session, "uname -r > /mnt/WRITTEN.TXT");
    run(&mut session, "umount /mnt");
    let driver = if uas { "uas" } else { "usb-storage" };
    run(
        &mut session,
        &format!("ls -d /sys/bus/usb/drivers/{driver}/*:1.0"),
    );
    the_loaded_modules_are_the_planned_ones(plan, &mut session);
    let expected: String = characters
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(typed(&mut session, keys, characters.len()), expected);
    power_off(session);
    let written = String::from_utf8(stick.read("WRITTEN.TXT").unwrap()).unwrap();
    assert_eq!(written.trim(), plan.version);
}

/// Nothing is loaded that was not planned, what is planned and not loaded has a reason, and no symbol was unknown.
fn the_loaded_modules_are_the_planned_ones(plan: &Plan, session: &mut Session) {
    let loaded = run(session, "cat /proc/modules");
    let loaded: BTreeSet<_> = loaded
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let planned: BTreeSet<_> = plan.modules.iter().map(String::as_str).collect();
    assert!(
        loaded.is_subset(&planned),
        "not planned: {:?}",
        loaded.difference(&planned)
    );
    assert!(!loaded.is_empty());
    let log = run(session, "cat /run/modprobe.log");
    for absent in planned.difference(&loaded) {
        let reason = log
            .lines()
            .find(|line| line.contains(&format!("module {absent} ")));
        let reason = reason.unwrap_or_else(|| {
            panic!("{absent} is planned, not loaded, and there is no reason:\n{log}")
        });
        assert!(reason.contains("No such device"), "{reason}");
    }
    let kernel_log = run(session, "dmesg").to_lowercase();
    assert!(!kernel_log.contains("unknown symbol"), "{kernel_log}");
}

#[test]
fn the_stick_and_the_keys_work_behind_xhci() {
    works_behind(0);
}

#[test]
fn the_stick_and_the_keys_work_behind_ehci() {
    works_behind(1);
}

#[test]
fn the_stick_and_the_keys_work_behind_uhci() {
    works_behind(2);
}

#[test]
fn the_stick_and_the_keys_work_behind_ohci() {
    works_behind(3);
}

#[test]
fn a_uas_stick_and_the_keys_work() {
    works_behind(4);
}

/// A dependency, a module that is asked for while running, and the driver of the controller: without each of them the check
/// fails, and so does the stick. (That the check misses each of all modules is shown in `check_initramfs.rs`.)
#[test]
fn without_a_module_the_check_fails_and_so_does_the_stick() {
    let Some(plans) = &*PLANS else { return };
    let plan = &plans[0][0];
    for (module, gone) in [
        ("fat", "mount"),
        ("nls_ascii", "mount"),
        ("xhci-pci", "device"),
    ] {
        let image = pack_without(plan, &format!("/{module}.ko"));
        let booted = Booted {
            version: Some(&plan.version),
            config: plan.config.as_ref(),
        };
        assert!(!check(&image, booted).passes(), "{module}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        std::fs::write(&path, image).unwrap();
        let mut machine = Machine::new(plan.kernel_image.clone().unwrap(), path);
        machine.sticks = vec![stick(folder.path()).path().into()];
        let mut session = boot(&machine);
        assert!(
            session
                .written_by_programs()
                .contains("init: loading modules failed"),
            "{module}"
        );
        let waited = "n=0; until [ -b /dev/sda1 ] || [ $n = 100 ]; do usleep 50000; n=$((n + 1)); done; [ -b /dev/sda1 ]";
        let device = session.run(waited, PATIENCE).unwrap();
        assert_eq!(device.code == 0, gone == "mount", "{module}");
        let mount = session
            .run("mount -t vfat /dev/sda1 /mnt", PATIENCE)
            .unwrap();
        assert_ne!(mount.code, 0, "{module}: {}", mount.text);
        power_off(session);
    }
}
