//! `packager write` in a guest, on emulated USB sticks that fail: with write errors, pulled out while being written, and
//! whole. The real command runs there, with its libraries, from memory.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use packager::qemu::{Machine, Session};
use tests::disks::root;
use tests::environment::{command, required};
use tests::guest::{boot, power_off, run};

/// Bytes of the image, and of the sticks.
const IMAGE: usize = 12 << 20;
const STICK: usize = 32 << 20;

/// What a stick holds before: neither zero nor the image.
const OLD: u8 = 0xee;

/// QEMU's name for its USB disks.
const MODEL: &str = "QEMU QEMU HARDDISK";

/// A machine with the command and an image in its memory.
fn start(folder: &Path) -> Option<(Session, String)> {
    let root = root("linux-6.1")?;
    let program = PathBuf::from(command("packager").get_program());
    let initramfs = folder.join("simple.ilz4");
    let output = command("packager")
        .args(["initramfs", "-q", "--sysroot", "/", "--root"])
        .arg(&root)
        .arg("--program")
        .arg(&program)
        .arg("-o")
        .arg(&initramfs)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let kernels = fs::read_dir(root.join("boot")).unwrap();
    let mut kernels = kernels.map(|entry| entry.unwrap().path());
    let kernel = kernels.find(|path| path.to_str().is_some_and(|it| it.contains("vmlinuz")));
    let mut machine = Machine::new(required(kernel, "a kernel's image")?, initramfs);
    machine.memory = 1024;
    let mut session = boot(&machine);
    run(
        &mut session,
        &format!(
            "dd if=/dev/urandom of=/image bs=1048576 count={} 2>/dev/null && \
             printf '\\125\\252' | dd of=/image bs=1 seek=510 conv=notrunc 2>/dev/null",
            IMAGE >> 20
        ),
    );
    Some((session, program.to_str().unwrap().to_owned()))
}

fn stick(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, vec![OLD; STICK]).unwrap();
    path
}

fn first_sector(path: &Path) -> [u8; 512] {
    let mut sector = [0; 512];
    fs::File::open(path)
        .unwrap()
        .read_exact_at(&mut sector, 0)
        .unwrap();
    sector
}

fn wait_for_stick(session: &mut Session) {
    run(session, "until [ -b /dev/sda ]; do usleep 50000; done");
}

fn pull(session: &mut Session, id: &str) {
    session.unplug(id).unwrap();
    run(session, "while [ -e /dev/sda ]; do usleep 50000; done");
}

/// The command's exit code and what it says.
fn write(session: &mut Session, program: &str, options: &str) -> (i32, String) {
    let line = format!("{program} write /image {options}");
    let output = session.run(&line, tests::guest::PATIENCE).unwrap();
    (output.code, output.text)
}

#[test]
fn sticks_that_fail_hold_no_image_and_one_that_works_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut session, program)) = start(folder.path()) else {
        return;
    };
    a_write_error(&mut session, &program, folder.path());
    pulled_while_writing(&mut session, &program, folder.path());
    a_stick_that_works(&mut session, &program, folder.path());
    power_off(session);
}

/// Sector 16384 cannot be written: the first part of the image is on the stick, and the rest is not.
fn a_write_error(session: &mut Session, program: &str, folder: &Path) {
    let disk = stick(folder, "broken.img");
    let rules = folder.join("rules");
    fs::write(
        &rules,
        "[inject-error]\nevent = \"none\"\niotype = \"write\"\nsector = \"16384\"\nerrno = \"5\"\n",
    )
    .unwrap();
    let drive = format!("file=blkdebug:{}:{}", rules.display(), disk.display());
    let id = session.plug_drive(&drive).unwrap();
    wait_for_stick(session);
    let (code, text) = write(session, program, &format!("/dev/sda --confirm '{MODEL}'"));
    assert_eq!(code, 3, "{text}");
    let words = "error: `/dev/sda`: cannot write to the disk at offset";
    assert!(text.contains(words), "{text}");
    assert!(text.contains("it holds no image now"), "{text}");
    pull(session, &id);
    assert_eq!(first_sector(&disk), [0; 512]);
}

fn pulled_while_writing(session: &mut Session, program: &str, folder: &Path) {
    let disk = stick(folder, "pulled.img");
    let drive = format!("file={},bps_wr=2000000", disk.display());
    let id = session.plug_drive(&drive).unwrap();
    wait_for_stick(session);
    run(
        session,
        &format!(
            "( {program} write /image /dev/sda --confirm '{MODEL}' >/out 2>&1; echo $? >/code ) & true"
        ),
    );
    // Field 7 of /sys/block/sda/stat is how many sectors have been written.
    run(
        session,
        "until set -- $(cat /sys/block/sda/stat) && [ $7 -gt 2048 ]; do usleep 50000; done",
    );
    pull(session, &id);
    run(session, "until [ -s /code ]; do usleep 50000; done");
    let text = run(session, "cat /out");
    assert_eq!(run(session, "cat /code").trim(), "3", "{text}");
    assert!(text.contains("it holds no image now"), "{text}");
    assert!(!text.contains("read back;"), "{text}");
    assert_eq!(first_sector(&disk), [0; 512]);
}

fn a_stick_that_works(session: &mut Session, program: &str, folder: &Path) {
    let disk = stick(folder, "good.img");
    let id = session.plug(&disk).unwrap();
    wait_for_stick(session);
    let (code, list) = write(session, program, "");
    assert_eq!(code, 0, "{list}");
    let line = list.lines().find(|line| line.starts_with("/dev/sda "));
    let line = line.unwrap_or_default();
    assert!(line.contains("33.55 MB") && line.contains("USB"), "{list}");
    assert!(line.ends_with(MODEL), "{list}");
    let (code, text) = write(session, program, "/dev/sda --confirm SanDisk");
    assert_eq!(code, 1, "{text}");
    assert_eq!(first_sector(&disk), [OLD; 512]);
    let (code, text) = write(session, program, &format!("/dev/sda --confirm '{MODEL}'"));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("written and read back"), "{text}");
    let sum = run(session, "sha256sum </image");
    pull(session, &id);
    let bytes = fs::read(&disk).unwrap();
    let copy = folder.join("copy");
    fs::write(&copy, &bytes[..IMAGE]).unwrap();
    let here = Command::new("sha256sum")
        .stdin(fs::File::open(copy).unwrap())
        .output()
        .unwrap();
    // The kernel may have said something on the console before.
    let here = String::from_utf8_lossy(&here.stdout);
    assert!(sum.trim().ends_with(here.trim()), "{here} is not {sum}");
    let behind = bytes[IMAGE..].iter().all(|byte| *byte == OLD);
    assert!(behind, "bytes behind the image were written");
}
