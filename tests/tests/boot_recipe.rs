//! Recipes that boot: modules by device, stripped or as they are, scripts of one's own, a busybox with libraries.

use std::fs;
use std::path::{Path, PathBuf};

use packager::kernel::KernelSource;
use packager::qemu::Machine;
use packager::recipe::{Contents, Entry, Load, ModuleFiles, Step};
use packager::timing::Timings;
use packager::{Initramfs, Plan, PlanError, Recipe, cpio, inspect};
use tests::environment::{command, has, kernel};
use tests::guest::{boot, power_off, run};
use tests::stick::Stick;

fn recipe(root: &Path) -> Recipe {
    Recipe {
        kernel: KernelSource::Root(root.into()),
        ..Recipe::default()
    }
}

fn step(before: &str, name: &str, text: &str) -> Step {
    Step {
        before: before.into(),
        name: name.into(),
        contents: Contents::Text(format!("#!/bin/sh\n{text}\n")),
    }
}

/// A program that says where it is.
fn program(path: &str) -> Entry {
    Entry {
        path: path.into(),
        contents: Contents::Text(format!("#!/bin/sh\necho this is {path}\n")),
        permissions: Some(0o755),
        uid: 0,
        gid: 0,
    }
}

/// The kernel and the image of a recipe, and the image's bytes.
fn built(folder: &Path, recipe: &Recipe) -> (Machine, Plan, Vec<u8>) {
    let plan = Plan::new(recipe).unwrap();
    let image = Initramfs::new(&plan, recipe, &mut Timings::default()).unwrap();
    let path = folder.join("image");
    let bytes = image.to_bytes();
    fs::write(&path, &bytes).unwrap();
    let machine = Machine::new(plan.kernel_image.as_ref().unwrap(), path);
    (machine, plan, bytes)
}

fn module<'plan>(plan: &'plan Plan, name: &str) -> &'plan [u8] {
    let found = plan
        .items()
        .find(|(path, _)| path.ends_with(&format!("/{name}")));
    &found.unwrap().1.data
}

/// Only what has a device is loaded, from stripped files; what mount asks for comes when it is asked for.
#[test]
fn modules_are_loaded_for_the_devices_that_are_there() {
    let Some(root) = kernel("linux-6.1").filter(|_| has(&["qemu-system-x86_64", "mformat"])) else {
        return;
    };
    let Some(busybox) = kernel("busybox") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = Recipe {
        load: Load::Devices,
        module_files: ModuleFiles::Stripped,
        goals: vec!["usb-storage".into(), "rootfs:ext4".into(), "nvme".into()],
        modules: Vec::new(),
        busybox: Some(busybox.join("bin/busybox")),
        steps: vec![
            step("wait", "20-second", "echo second >>/run/steps"),
            step("wait", "10-first", "echo first >>/run/steps"),
            step("init", "fails", "echo it is broken; exit 3"),
        ],
        entries: vec![program("/usr/local/bin/hi"), program("/usr/local/sbin/id")],
        ..recipe(&root)
    };
    let refused = Plan::new(&recipe).unwrap_err();
    assert!(matches!(refused, PlanError::ModuleForm { .. }), "{refused}");
    assert!(refused.to_string().contains("strip-signed"), "{refused}");
    recipe.strip_signed = true;
    let (mut machine, plan, _) = built(folder.path(), &recipe);
    let original = fs::read(
        plan.inputs
            .iter()
            .find(|it| it.ends_with("vfat.ko"))
            .unwrap(),
    );
    assert!(module(&plan, "vfat.ko").len() < original.unwrap().len());
    let stick = Stick::create(&folder.path().join("stick.img")).unwrap();
    stick.write("HELLO.TXT", b"Hola\n").unwrap();
    machine.sticks = vec![stick.path().into()];
    let mut session = boot(&machine);
    let transcript = session.written_by_programs();
    assert!(
        transcript.contains("it is broken\r\ninit: /etc/init.d/init/fails failed\r\n"),
        "{transcript}"
    );
    run(
        &mut session,
        "until [ -b /dev/sda1 ]; do usleep 50000; done",
    );
    // A program of one's own is found by its name, before an applet that is called so.
    for (name, path) in [("hi", "/usr/local/bin/hi"), ("id", "/usr/local/sbin/id")] {
        let said = run(&mut session, name);
        assert_eq!(said.trim(), format!("this is {path}"));
    }
    let loaded = run(&mut session, "cut -d ' ' -f 1 /proc/modules");
    assert!(
        loaded.contains("usb_storage") && loaded.contains("xhci_pci"),
        "{loaded}"
    );
    for absent in ["vfat", "ext4", "nvme", "ohci_pci"] {
        assert!(!loaded.contains(absent), "{absent} in {loaded}");
    }
    // Nobody has loaded the file system's module, and nobody says which it is.
    run(&mut session, "mount /dev/sda1 /mnt");
    assert_eq!(run(&mut session, "cat /mnt/HELLO.TXT").trim(), "Hola");
    run(&mut session, "umount /mnt");
    // Its checksum's implementation is a soft dependency, which busybox's modprobe does not know of.
    run(&mut session, "modprobe ext4");
    let loaded = run(&mut session, "cat /proc/modules");
    assert!(loaded.contains("crc32c_generic"), "{loaded}");
    assert_eq!(run(&mut session, "cat /run/steps"), "first\nsecond\n");
    power_off(session);
}

/// The package's own `.ko.xz` files, and microcode before the image.
#[test]
fn modules_are_kept_as_they_are() {
    let Some(root) = kernel("linux-6.12").filter(|_| has(&["qemu-system-x86_64", "mformat"]))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let sysroot = folder.path().join("sysroot");
    let intel = sysroot.join("lib/firmware/intel-ucode");
    fs::create_dir_all(&intel).unwrap();
    fs::write(intel.join("06-01-00"), b"\x01\0\0\0no real microcode").unwrap();
    let recipe = Recipe {
        module_files: ModuleFiles::Kept,
        microcode: true,
        sysroot: Some(sysroot),
        ..recipe(&root)
    };
    let (mut machine, plan, image) = built(folder.path(), &recipe);
    assert!(module(&plan, "vfat.ko.xz").starts_with(b"\xfd7zXZ"));
    let segments = inspect::segments(&image).unwrap();
    assert_eq!(segments[0].format, None);
    let early: Vec<_> = cpio::entries(&segments[0].archive)
        .map(|entry| entry.unwrap().name)
        .collect();
    assert!(early.contains(&b"kernel/x86/microcode/GenuineIntel.bin".as_slice()));
    let stick = Stick::create(&folder.path().join("stick.img")).unwrap();
    machine.sticks = vec![stick.path().into()];
    machine.append += " mount=/dev/sda1";
    let mut session = boot(&machine);
    assert!(run(&mut session, "cat /proc/mounts").contains("/dev/sda1 /mnt vfat"));
    power_off(session);
}

#[test]
fn a_goal_that_is_unknown_is_told() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let unknown = Recipe {
        goals: vec!["usb-storge".into()],
        ..recipe(&root)
    };
    let error = Plan::new(&unknown).unwrap_err().to_string();
    assert!(error.contains("usb-storage"), "{error}");
}

#[test]
fn microcode_that_is_not_there_is_told() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let recipe = Recipe {
        microcode: true,
        sysroot: Some(PathBuf::from("/nonexistent")),
        ..recipe(&root)
    };
    let error = Plan::new(&recipe).unwrap_err().to_string();
    assert!(
        error.contains("no microcode below `/nonexistent`"),
        "{error}"
    );
}

/// Ours are single files, which a rescue system runs as they are.
#[test]
fn a_command_of_ours_runs_where_there_is_no_c_library() {
    let Some(root) = kernel("linux-6.1").filter(|_| has(&["qemu-system-x86_64"])) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe {
        entries: vec![Entry {
            path: "/usr/bin/modtree".into(),
            contents: Contents::File(command("modtree").get_program().into()),
            permissions: Some(0o755),
            uid: 0,
            gid: 0,
        }],
        ..recipe(&root)
    };
    let (machine, plan, _) = built(folder.path(), &recipe);
    assert!(plan.items().all(|(path, _)| !path.contains(".so.")));
    let mut session = boot(&machine);
    let found = run(&mut session, "modtree closure vfat");
    let files: Vec<_> = found.lines().map(|line| line.rsplit('/').next()).collect();
    assert_eq!(files, [Some("fat.ko"), Some("vfat.ko")], "{found}");
    power_off(session);
}
