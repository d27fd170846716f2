//! What `/init` does by the kernel's command line: another keymap, waiting, mounting, a shell before a step, a real root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use packager::qemu::Machine;
use tests::environment::{command, has, kernel, tool};
use tests::guest::{PATIENCE, boot, power_off, run};
use tests::stick::Stick;

/// One image for all boots: two keymaps, the drivers of a stick, ext4.
struct Built {
    folder: tempfile::TempDir,
    kernel: PathBuf,
}

static BUILT: LazyLock<Option<Built>> = LazyLock::new(|| {
    let root = kernel("linux-6.1")?;
    if !has(&["qemu-system-x86_64", "mformat", "busybox"]) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let status = command("packager")
        .args([
            "initramfs",
            "--keymap",
            "es,us",
            "--modules",
            "usb_storage,vfat,ext4",
            "--root",
        ])
        .arg(&root)
        .args(["--quiet", "-o"])
        .arg(folder.path().join("simple.izst"))
        .status()
        .unwrap();
    assert!(status.success());
    let image = fs::read_dir(root.join("boot"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("vmlinuz-")
        })
        .unwrap();
    Some(Built {
        folder,
        kernel: image,
    })
});

impl Built {
    fn machine(&self, words: &str) -> Machine {
        let mut machine = Machine::new(&self.kernel, self.folder.path().join("simple.izst"));
        machine.append = format!("quiet {} {words}", machine.append);
        machine
    }
}

#[test]
fn another_keymap_of_the_image_is_loaded_by_name() {
    let Some(built) = &*BUILT else { return };
    let mut session = boot(&built.machine("keymap=us"));
    let dump =
        |keymap: &str| format!("loadkmap </etc/keymaps/{keymap}.bmap; dumpkmap >/tmp/{keymap}");
    run(&mut session, "dumpkmap >/tmp/loaded");
    run(&mut session, &dump("us"));
    run(&mut session, &dump("es"));
    run(&mut session, "cmp /tmp/loaded /tmp/us");
    assert_ne!(
        session
            .run("cmp -s /tmp/us /tmp/es", PATIENCE)
            .unwrap()
            .code,
        0
    );
    power_off(session);
    let mut session = boot(&built.machine("keymap=none"));
    assert!(session.written_by_programs().contains(
        "init: loading the keymap failed: there is no keymap none in the image, which has es us"
    ));
    // The first one is loaded all the same.
    run(&mut session, "dumpkmap >/tmp/loaded");
    run(&mut session, &dump("es"));
    run(&mut session, "cmp /tmp/loaded /tmp/es");
    power_off(session);
}

#[test]
fn a_device_is_waited_for_and_mounted() {
    let Some(built) = &*BUILT else { return };
    let stick = Stick::create(&built.folder.path().join("mounted.img")).unwrap();
    stick.write("HELLO.TXT", b"Hola\n").unwrap();
    let mut machine = built.machine("mount=/dev/sda1");
    machine.sticks = vec![stick.path().into()];
    let mut session = boot(&machine);
    let transcript = session.written_by_programs();
    assert!(
        transcript.contains("init: /dev/sda1 is on /mnt after "),
        "{transcript}"
    );
    assert_eq!(run(&mut session, "cat /mnt/HELLO.TXT").trim(), "Hola");
    run(&mut session, "echo written >/mnt/WRITTEN.TXT");
    // What is mounted goes back to the stick when the machine powers off.
    power_off(session);
    assert_eq!(stick.read("WRITTEN.TXT").unwrap(), b"written\n");
}

#[test]
fn a_device_that_does_not_come_is_told_and_the_boot_goes_on() {
    let Some(built) = &*BUILT else { return };
    let words = "\"wait-for=LABEL=NO SUCH:4\" break=lunch";
    let mut session = boot(&built.machine(words));
    let transcript = session.written_by_programs();
    for words in [
        "init: there is no step lunch for break=; there are modules, ",
        "init: waiting for LABEL=NO SUCH, 4 s at most",
        "init: waiting for LABEL=NO SUCH:4 failed: LABEL=NO SUCH has not come within 4 s",
    ] {
        assert!(
            transcript.contains(words),
            "`{words}` is not in {transcript}"
        );
    }
    // To look for a label takes its time, which counts.
    let ready = transcript.split("init: ready after ").nth(1).unwrap();
    let seconds: f64 = ready.split(' ').next().unwrap().parse().unwrap();
    assert!(seconds > 4.0, "{transcript}");
    run(&mut session, "true");
    power_off(session);
    // A mistake in the number, or a name that busybox does not know, is told at once.
    let mut session = boot(
        &built.machine("wait-for=/dev/none:08 mount=/dev/sda1:30s root=PARTUUID=1-1/PARTNROFF=1"),
    );
    let transcript = session.written_by_programs();
    for words in [
        "init: waiting for /dev/none:08 failed: /dev/none:08: 08 is no number of seconds from 0 to 9999",
        "init: mounting /dev/sda1:30s on /mnt failed: /dev/sda1:30s: 30s is no number of seconds from 0 to 9999",
        "init: mounting the root PARTUUID=1-1/PARTNROFF=1 failed: PARTUUID=1-1/PARTNROFF=1: an offset (/PARTNROFF=) is not understood",
    ] {
        assert!(
            transcript.contains(words),
            "`{words}` is not in {transcript}"
        );
    }
    run(&mut session, "true");
    power_off(session);
}

#[test]
fn a_shell_comes_before_the_step_that_is_named() {
    let Some(built) = &*BUILT else { return };
    let mut session = built.machine("break=modules").start().unwrap();
    session
        .expect("init: a shell before the step modules", PATIENCE)
        .unwrap();
    session.expect("# ", PATIENCE).unwrap();
    assert_eq!(run(&mut session, "wc -l </proc/modules").trim(), "0");
    session.send(b"exit\n").unwrap();
    session.expect("init: ready", PATIENCE).unwrap();
    session.expect("# ", PATIENCE).unwrap();
    assert_ne!(run(&mut session, "wc -l </proc/modules").trim(), "0");
    power_off(session);
}

#[test]
fn a_real_root_is_entered() {
    let Some((built, mke2fs)) = BUILT.as_ref().zip(tool("mke2fs")) else {
        return;
    };
    let disk = root_disk(built.folder.path(), &mke2fs);
    let mut machine = built.machine("root=\"LABEL=rescue\" rootfstype=ext4 ro");
    machine.sticks = vec![disk];
    let mut session = machine.start().unwrap();
    session
        .expect("init: entering LABEL=rescue", PATIENCE)
        .unwrap();
    session
        .expect("the real root: ext4 ro, /dev console yes", PATIENCE)
        .unwrap();
    session.wait(PATIENCE).unwrap();
}

#[test]
fn a_root_without_an_init_is_told_and_a_shell_comes() {
    let Some((built, mke2fs)) = BUILT.as_ref().zip(tool("mke2fs")) else {
        return;
    };
    let disk = root_disk(built.folder.path(), &mke2fs);
    let mut machine = built.machine("root=LABEL=rescue init=/sbin/none");
    machine.sticks = vec![disk];
    let mut session = boot(&machine);
    assert!(
        session
            .written_by_programs()
            .contains("there is no /sbin/none on LABEL=rescue"),
        "{}",
        session.written_by_programs()
    );
    run(&mut session, "true");
    power_off(session);
}

#[test]
fn partitions_are_found_by_what_their_tables_say() {
    let Some((built, (mke2fs, sfdisk))) = BUILT.as_ref().zip(tool("mke2fs").zip(tool("sfdisk")))
    else {
        return;
    };
    let root = fs::read(root_disk(built.folder.path(), &mke2fs)).unwrap();
    let partition = |name: &str, table: &str| {
        let disk = built.folder.path().join(name);
        let mut bytes = vec![0; 4096 * 512];
        // A table of another time, which is none under this MBR.
        bytes[512..520].copy_from_slice(b"EFI PART");
        bytes.extend(&root);
        bytes.resize(bytes.len() + (1 << 20), 0);
        fs::write(&disk, bytes).unwrap();
        let script = built.folder.path().join("table");
        fs::write(&script, table).unwrap();
        let mut sfdisk = Command::new(&sfdisk);
        sfdisk.args(["--quiet", "--wipe", "never"]).arg(&disk);
        let made = sfdisk.stdin(fs::File::open(script).unwrap()).status();
        assert!(made.unwrap().success());
        disk
    };
    let mut machine = built.machine(
        "wait-for=PARTUUID=a0b1c2d3-02:5 \"mount=PARTLABEL=the spare\" \
         root=PARTUUID=6F9DE2D9-0F4A-4D6B-8E5C-00C4A1F3B70B",
    );
    machine.sticks = vec![
        partition(
            "mbr.img",
            "label: dos\nlabel-id: 0xa0b1c2d3\nstart=2048, size=1024\nstart=4096, size=32768\n",
        ),
        partition(
            "gpt.img",
            "label: gpt\nstart=2048, size=1024, name=\"the spare\"\n\
             start=4096, size=32768, uuid=6f9de2d9-0f4a-4d6b-8e5c-00c4a1f3b70b\n",
        ),
    ];
    let mut session = machine.start().unwrap();
    session
        .expect("init: entering PARTUUID=6F9DE2D9", PATIENCE)
        .unwrap();
    session
        .expect("the real root: ext4 ro, /dev console yes", PATIENCE)
        .unwrap();
    let transcript = session.written_by_programs();
    assert!(!transcript.contains("a0b1c2d3-02 failed"), "{transcript}");
    // There is no file system on it.
    let message = "mounting PARTLABEL=the spare on /mnt failed: mount: mounting /dev/";
    assert!(transcript.contains(message), "{transcript}");
    session.wait(PATIENCE).unwrap();
}

/// An ext4 file system with busybox and without a shell, whose init says where it is and powers off.
fn root_disk(folder: &Path, mke2fs: &Path) -> PathBuf {
    let folder = tempfile::tempdir_in(folder).unwrap().keep();
    let tree = folder.join("tree");
    for name in ["bin", "lib", "sbin", "dev", "proc", "sys"] {
        fs::create_dir_all(tree.join(name)).unwrap();
    }
    let busybox = packager::busybox::Busybox::find(Path::new("/")).unwrap();
    fs::copy(&busybox.path, tree.join("bin/busybox")).unwrap();
    let script = "#!/bin/busybox sh\n\
        set -- $(/bin/busybox grep ' / ext4 ' /proc/mounts)\n\
        [ -c /dev/console ] && console=yes\n\
        echo \"the real root: $3 ${4%%,*}, /dev console $console\"\n\
        /bin/busybox poweroff -f\n";
    // There is no shell to look from within, where the absolute link leads.
    fs::write(tree.join("lib/first"), script).unwrap();
    fs::set_permissions(tree.join("lib/first"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("/lib/first", tree.join("sbin/init")).unwrap();
    let disk = folder.join("root.img");
    let made = Command::new(mke2fs)
        .args(["-q", "-t", "ext4", "-L", "rescue", "-d"])
        .arg(&tree)
        .arg(&disk)
        .arg("16M")
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    disk
}
