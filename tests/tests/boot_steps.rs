//! `packager boot` with steps: what it waits for, presses, saves and reports; on every format of image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tests::disks::{image, root};
use tests::environment::{command, has};
use tests::stick::Stick;

fn boot(image: &Path, arguments: &[&str]) -> Output {
    command("packager")
        .arg("boot")
        .arg(image)
        .args(["--accel", "tcg"])
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An initramfs, and the options that name its kernel.
fn initramfs(folder: &Path) -> Option<(PathBuf, [String; 2])> {
    let root = root("linux-6.1")?;
    let path = folder.join("simple.igz");
    let output = command("packager")
        .args(["initramfs", "-q", "--keymap", "es", "--root"])
        .arg(&root)
        .arg("-o")
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Some((path, ["--root".into(), root.to_str().unwrap().into()]))
}

#[test]
fn steps_are_carried_out_in_order_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, [option, root])) = initramfs(folder.path()) else {
        return;
    };
    let [transcript, png, ppm] =
        ["console.txt", "screen.png", "screen.ppm"].map(|name| folder.path().join(name));
    let output = boot(
        &image,
        &[
            &option,
            &root,
            "--expect",
            "init: ready",
            "--expect",
            "# ",
            "--type",
            "echo $((6 * 7))-typed",
            "--expect",
            "42-typed",
            "--keys",
            "e c h o spc shift-6 ret",
            "--wait",
            "0.5",
            "--screenshot",
            png.to_str().unwrap(),
            "--screenshot",
            ppm.to_str().unwrap(),
            "--transcript",
            transcript.to_str().unwrap(),
            "--json",
        ],
    );
    let json = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{json}{}",
        text(&output.stderr)
    );
    for words in [
        "\"passes\": true",
        "\"panic\": null",
        "\"step\": \"keys\"",
        "\"accelerator\": \"tcg\"",
    ] {
        assert!(json.contains(words), "`{words}` is not in {json}");
    }
    let json: Value = serde_json::from_str(&json).unwrap();
    let steps = json["steps"].to_string();
    assert!(steps.find("42-typed") < steps.find("screen.png"), "{steps}");
    let transcript = fs::read_to_string(transcript).unwrap();
    assert!(transcript.contains("42-typed"), "{transcript}");
    assert_eq!(json["transcript"], *transcript);
    assert!(fs::read(png).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
    let ppm = fs::read(ppm).unwrap();
    assert!(ppm.starts_with(b"P6\n"));
    let pixels = &ppm[ppm.len() / 2..];
    assert!(pixels.iter().any(|byte| *byte > 0x80), "a black screen");
}

#[test]
fn what_never_comes_is_exit_code_1_and_the_transcript_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, [option, root])) = initramfs(folder.path()) else {
        return;
    };
    let transcript = folder.path().join("console.txt");
    let path = transcript.to_str().unwrap();
    let options = [&*option, &root, "--transcript", path, "--json"];
    let never = [
        &options[..],
        &["--timeout", "1", "--expect", "no such text"],
    ]
    .concat();
    let output = boot(&image, &never);
    let (json, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.starts_with("error: nothing like `no such text` within 1 s on the console"),
        "{stderr}"
    );
    assert!(json.contains("\"passes\": false"), "{json}");
    assert!(transcript.is_file());
    // A machine that ends before: its kernel starts it anew after a panic.
    let panics = ["--append", "rdinit=/none"];
    let panic = "VFS: Unable to mount root fs on unknown-block(0,0)";
    for (step, value, expected) in [
        ("--expect", "init: ready", "`init: ready`"),
        ("--wait", "1000", "the given time to pass"),
    ] {
        let output = boot(&image, &[&options[..], &panics, &[step, value]].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let error = format!("error: the kernel gave up ({panic}) while waiting for {expected}\n");
        assert!(stderr.starts_with(&error), "{stderr}");
        // What led there, and no registers.
        assert!(stderr.trim_end().ends_with(panic), "{stderr}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["panic"], panic);
        assert!(json["error"].as_str().unwrap().contains(panic));
        assert!(
            json["transcript"]
                .as_str()
                .unwrap()
                .contains("Kernel panic")
        );
    }
    let transcript = fs::read_to_string(transcript).unwrap();
    assert!(transcript.contains("Kernel panic"), "{transcript}");
}

#[test]
fn a_time_that_is_given_ends_a_machine_on_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, [option, root])) = initramfs(folder.path()) else {
        return;
    };
    let output = boot(&image, &[&option, &root, "--timeout", "1"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let error = "error: the machine was still running after the 1 s of --timeout, and was ended\n";
    assert!(stderr.ends_with(error), "{stderr}");
    // With steps, and nothing that keeps what the console showed.
    let never = ["--timeout", "1", "--expect", "no such text"];
    let output = boot(&image, &[&[&*option, &root], &never[..]].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("note: --transcript FILE keeps"), "{stderr}");
}

/// Whether the kernel takes an image is seen by booting it, whatever our reader thinks of it.
#[test]
fn an_image_that_cannot_be_read_is_booted() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_, [option, root])) = initramfs(folder.path()) else {
        return;
    };
    let image = folder.path().join("damaged.cpio");
    fs::write(&image, b"070701damaged").unwrap();
    let output = boot(&image, &[&option, &root, "--wait", "0.1"]);
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("cannot be read"), "{stderr}");
    assert!(
        stderr.contains("the kernel is chosen without its modules"),
        "{stderr}"
    );
}

#[test]
fn steps_that_mean_nothing_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("simple.img");
    let mut bytes = vec![0; 1024];
    bytes[510..512].copy_from_slice(b"\x55\xaa");
    fs::write(&image, bytes).unwrap();
    let refuses = |arguments: &[&str], words: &str| {
        let output = boot(&image, arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(words), "`{words}` is not in {stderr}");
    };
    refuses(&["--screenshot", "x.jpg"], ".png or .ppm");
    refuses(&["--screenshot", "x.png"], "--wait SECONDS first");
    refuses(&["--json"], "about steps");
    refuses(&["--wait", "soon"], "a number of seconds");
    let place = image.to_str().unwrap();
    let over = "would be written over";
    refuses(&["--wait", "0.1", "--transcript", place], over);
    let picture = folder.path().join("screen.png");
    fs::hard_link(&image, &picture).unwrap();
    let picture = picture.to_str().unwrap();
    refuses(&["--wait", "0.1", "--screenshot", picture], over);
    refuses(
        &["--append", "quiet", "--wait", "1"],
        "give it to `packager image`",
    );
    let mut program = vec![0; 1024];
    program[..2].copy_from_slice(b"MZ");
    program[60] = 64;
    program[64..68].copy_from_slice(b"PE\0\0");
    let efi = folder.path().join("linux.efi");
    fs::write(&efi, program).unwrap();
    let output = boot(&efi, &["--wait", "0.1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("packager image --efi"));
    if has(&["qemu-system-x86_64"]) {
        refuses(&["--wait", "0.1", "--keys", "nokey"], "nokey");
    }
}

#[test]
fn images_of_every_format_start() {
    let Some(root) = root("linux-6.1") else {
        return;
    };
    if !has(&["qemu-img"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["simple.qcow2", "simple.vmdk", "simple.vdi", "simple.iso"] {
        let image = image(&root, folder.path(), name, &[]);
        let output = boot(&image, &["--expect", "init: ready"]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    }
}

/// What tells whether KVM works is a guest that gets to its end where everything works.
#[test]
fn the_probe_of_accelerators_gets_through_translation() {
    assert!(packager::qemu::Accelerator::Tcg.works());
}

#[test]
fn a_kernel_that_is_cut_off_is_refused_before_the_machine_starts() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, [_, root])) = initramfs(folder.path()) else {
        return;
    };
    let kernels = fs::read_dir(Path::new(&root).join("boot")).unwrap();
    let mut kernels = kernels.map(|entry| entry.unwrap().path());
    let is_kernel = |path: &PathBuf| path.to_string_lossy().contains("vmlinuz");
    let whole = fs::read(kernels.find(is_kernel).unwrap()).unwrap();
    let kernel = folder.path().join("vmlinuz");
    fs::write(&kernel, &whole[..whole.len() / 2]).unwrap();
    let output = boot(
        &image,
        &["--kernel", kernel.to_str().unwrap(), "--wait", "1"],
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let seen = format!("is cut off: it has {} bytes", whole.len() / 2);
    assert!(said.contains(&seen), "{said}");
    assert!(!said.contains("QEMU"), "{said}");
    fs::write(&kernel, "").unwrap();
    let output = boot(&image, &["--kernel", kernel.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is empty; name a kernel's image"));
}

#[test]
fn a_panic_in_front_of_the_user_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, [option, root])) = initramfs(folder.path()) else {
        return;
    };
    // Without steps: the machine is left to who sits at the terminal, which is nobody here.
    let output = boot(&image, &[&option, &root, "--append", "rdinit=/nowhere"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("Kernel panic"), "{stdout}");
    assert!(
        stderr.contains("error: the kernel gave up: VFS: Unable to mount root fs"),
        "{stderr}"
    );
}

/// A kernel that has no orders to start anew stands still: nobody waits for it until the time is over.
#[test]
fn a_kernel_that_gave_up_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, [option, root])) = initramfs(folder.path()) else {
        return;
    };
    let output = boot(
        &image,
        &[
            &option,
            &root,
            "--append",
            "rdinit=/nowhere panic=0",
            "--expect",
            "init: ready",
            "--timeout",
            "3000",
        ],
    );
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("error: the kernel gave up (VFS: Unable to mount root fs"),
        "{stderr}"
    );
}

/// With --snapshot the machine sees what it has written, and the stick's file does not.
#[test]
fn what_is_written_to_a_stick_is_forgotten_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let Some((image, [option, root])) = initramfs(folder.path()).filter(|_| has(&["mformat"]))
    else {
        return;
    };
    let stick = Stick::create(&folder.path().join("stick.img")).unwrap();
    let before = fs::read(stick.path()).unwrap();
    let write = "until mount /dev/sda1 /mnt 2>/dev/null; do usleep 50000; done; echo new >/mnt/new; umount /mnt; mount /dev/sda1 /mnt && echo $(cat /mnt/new)-written; umount /mnt; poweroff";
    for (snapshot, is_same) in [(&["--snapshot"][..], true), (&[], false)] {
        let steps = ["--expect", "init: ready", "--expect", "# "];
        let steps = [&steps[..], &["--type", write, "--expect", "new-written"]].concat();
        let steps = [&steps[..], &["--expect", "Power down"]].concat();
        let options = [&*option, &root, "--usb", stick.path().to_str().unwrap()];
        let output = boot(&image, &[&options[..], snapshot, &steps].concat());
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
        let is_left = fs::read(stick.path()).unwrap() == before;
        assert_eq!(is_left, is_same, "{snapshot:?}");
    }
    let alone = boot(&image, &[&*option, &root, "--snapshot"]);
    assert_eq!(alone.status.code(), Some(2), "{}", text(&alone.stderr));
}
