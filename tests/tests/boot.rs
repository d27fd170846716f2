//! Images that boot: Debian's 6.1 kernel in QEMU, hotplug, applets and failures. `boot_matrix.rs` has kernels, controllers and keys.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use packager::compression::Compression;
use packager::kernel::KernelSource;
use packager::qemu::Machine;
use packager::timing::Timings;
use packager::{Initramfs, Plan, Recipe};
use tests::environment::{command, has, kernel};
use tests::guest::{PATIENCE, boot, power_off, run};
use tests::stick::Stick;

/// The image that the command makes with the Spanish keymap; all boots share it.
struct Built {
    folder: tempfile::TempDir,
    kernel: PathBuf,
    plan: Plan,
}

static BUILT: LazyLock<Option<Built>> = LazyLock::new(|| {
    let root = kernel("linux-6.1")?;
    let present = has(&["qemu-system-x86_64", "mformat", "busybox"]);
    present.then(|| build(&root))
});

fn build(root: &Path) -> Built {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("simple.igz");
    let status = command("packager")
        .args(["initramfs", "--keymap", "es", "--root"])
        .arg(root)
        .arg("-o")
        .arg(&image)
        .status()
        .unwrap();
    assert!(status.success());
    let recipe = Recipe {
        kernel: KernelSource::Root(root.into()),
        keymaps: vec!["es".into()],
        ..Recipe::default()
    };
    let plan = Plan::new(&recipe).unwrap();
    let kernel = plan.kernel_image.clone().unwrap();
    Built {
        folder,
        kernel,
        plan,
    }
}

impl Built {
    fn image(&self) -> PathBuf {
        self.folder.path().join("simple.igz")
    }

    fn machine(&self) -> Machine {
        Machine::new(&self.kernel, self.image())
    }

    fn stick(&self, name: &str) -> Stick {
        let stick = Stick::create(&self.folder.path().join(name)).unwrap();
        stick.write("HELLO.TXT", b"Hola\n").unwrap();
        stick
    }
}

#[test]
fn a_stick_comes_and_goes() {
    let Some(built) = &*BUILT else { return };
    let stick = built.stick("hotplug.img");
    let mut session = boot(&built.machine());
    assert_ne!(session.run("[ -e /dev/sda1 ]", PATIENCE).unwrap().code, 0);
    let id = session.plug(stick.path()).unwrap();
    run(
        &mut session,
        "until [ -b /dev/sda1 ]; do usleep 50000; done",
    );
    session.unplug(&id).unwrap();
    run(
        &mut session,
        "while [ -e /dev/sda1 ] || [ -e /dev/sda ]; do usleep 50000; done",
    );
    power_off(session);
}

#[test]
fn every_applet_is_reachable_by_name() {
    let Some(built) = &*BUILT else { return };
    let mut session = boot(&built.machine());
    let missing = run(
        &mut session,
        "for applet in $(busybox --list); do for folder in /bin /sbin /usr/bin /usr/sbin; do [ -x $folder/$applet ] || echo $folder/$applet; done; done",
    );
    assert_eq!(missing.trim(), "");
    let listed: BTreeSet<_> = run(&mut session, "busybox --list")
        .lines()
        .map(str::to_owned)
        .collect();
    let in_plan: BTreeSet<_> = built
        .plan
        .items()
        .filter_map(|(path, _)| path.strip_prefix("usr/bin/").map(str::to_owned))
        .collect();
    assert_eq!(listed, in_plan);
    // A shell on the screen, too, and names for user 0.
    assert!(run(&mut session, "ps").contains("-/bin/sh"));
    assert_eq!(run(&mut session, "id -un").trim(), "root");
    power_off(session);
}

#[test]
fn the_kernel_unpacks_every_compressor() {
    let Some(built) = &*BUILT else { return };
    for suffix in ["cpio", "ixz", "izst", "ilz4", "ibz2"] {
        let image = built.folder.path().join(format!("simple.{suffix}"));
        let mut plan = built.plan.clone();
        plan.compression.format = Compression::by_suffix(&image).unwrap();
        let made = Initramfs::new(&plan, &Recipe::default(), &mut Timings::default()).unwrap();
        std::fs::write(&image, made.to_bytes()).unwrap();
        let session = boot(&Machine::new(&built.kernel, &image));
        power_off(session);
    }
}

#[test]
fn a_step_that_fails_is_told_and_does_not_stop_the_boot() {
    let Some(built) = &*BUILT else { return };
    let mut plan = built.plan.clone();
    plan.file(
        "etc/keymap.bmap",
        0o644,
        b"no keymap".to_vec(),
        "damaged for a test",
    );
    plan.file(
        "etc/modules",
        0o644,
        b"vfat\nno_such_module\n".to_vec(),
        "damaged for a test",
    );
    let image = built.folder.path().join("damaged.cpio");
    std::fs::write(&image, plan.archive(Default::default()).unwrap()).unwrap();
    let mut session = boot(&Machine::new(&built.kernel, &image));
    let transcript = session.written_by_programs();
    assert!(
        transcript.contains("init: loading the keymap failed: loadkmap: not a valid binary keymap"),
        "{transcript}"
    );
    assert!(
        transcript
            .contains("init: loading modules failed: modprobe: module no_such_module not found"),
        "{transcript}"
    );
    assert!(run(&mut session, "cat /proc/modules").contains("vfat "));
    power_off(session);
}
