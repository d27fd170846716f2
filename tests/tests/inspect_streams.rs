//! Images through pipes: from standard input and from a FIFO, and to standard output.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use tests::environment::{command, has};
use tests::root::{Root, small_root};

fn packed() -> Option<(Root, tempfile::TempDir, PathBuf)> {
    let root = small_root()?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("simple.igz");
    let packed = root.pack(&["-q", "-o", path.to_str().unwrap()]);
    assert!(packed.status.success(), "{packed:?}");
    Some((root, folder, path))
}

fn packager(arguments: &[&str]) -> Command {
    let mut packager = command("packager");
    packager.args(arguments);
    packager
}

/// Runs a command with bytes that come to its standard input through a pipe.
fn fed(arguments: &[&str], bytes: &[u8]) -> Output {
    let mut child = packager(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // Who is refused does not read all.
        scope.spawn(move || input.write_all(bytes).is_ok());
        child.wait_with_output().unwrap()
    })
}

/// Prints the same as of the file, and says the same but for the name.
fn same(output: &Output, of_file: &Output, path: &Path, arguments: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let of_file_stderr = String::from_utf8_lossy(&of_file.stderr);
    assert_eq!(output.status, of_file.status, "{arguments:?}: {stderr}");
    assert!(output.stdout == of_file.stdout, "{arguments:?}: {stderr}");
    let name = arguments[1];
    assert_eq!(stderr, of_file_stderr.replace(path.to_str().unwrap(), name));
}

#[test]
fn an_image_comes_from_standard_input_or_a_fifo() {
    let Some((root, folder, path)) = packed() else {
        return;
    };
    let bytes = fs::read(&path).unwrap();
    let fifo = folder.path().join("fifo");
    if has(&["mkfifo"]) {
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
    }
    let modules = root.path().to_str().unwrap();
    for (verb, more) in [
        ("list", &["--json"][..]),
        ("cat", &["init"]),
        ("size", &["--json"]),
        ("why", &["init"]),
        ("check", &["--json", "--root", modules]),
        ("diff", &[path.to_str().unwrap()]),
    ] {
        let arguments = |image| [&[verb, image], more].concat();
        let of_file = packager(&arguments(path.to_str().unwrap())).output();
        let of_file = of_file.unwrap();
        assert!(of_file.status.success(), "{of_file:?}");
        for name in ["-", "/dev/stdin"] {
            let arguments = arguments(name);
            same(&fed(&arguments, &bytes), &of_file, &path, &arguments);
            let mut redirected = packager(&arguments);
            redirected.stdin(File::open(&path).unwrap());
            same(&redirected.output().unwrap(), &of_file, &path, &arguments);
        }
        if fifo.exists() {
            let arguments = arguments(fifo.to_str().unwrap());
            thread::scope(|scope| {
                scope.spawn(|| fs::write(&fifo, &bytes).unwrap());
                same(
                    &packager(&arguments).output().unwrap(),
                    &of_file,
                    &path,
                    &arguments,
                );
            });
        }
    }
    let out = folder.path().join("out");
    let extracted = fed(&["extract", "-", out.to_str().unwrap()], &bytes);
    assert!(extracted.status.success() && out.join("init").is_file());
}

#[test]
fn what_comes_through_a_pipe_is_refused_as_a_file_is() {
    for (arguments, bytes, words) in [
        (
            &["list", "-"][..],
            &b"\x89PNG"[..],
            "neither a cpio archive",
        ),
        (&["list", "-"], b"", "not an initramfs"),
        (&["check", "-"], b"", "`-` is empty"),
        (&["cat", "-", "init"], b"MZ", "not an EFI program"),
        (&["diff", "-", "-"], b"", "standard input is one image"),
    ] {
        let output = fed(arguments, bytes);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
    let output = packager(&["list", "-"]).stdin(Stdio::null()).output();
    let stderr = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
    assert!(stderr.contains("`-`: it is a device"), "{stderr}");
}

#[test]
fn an_image_goes_to_standard_output_and_nothing_else_does() {
    let Some((root, folder, path)) = packed() else {
        return;
    };
    let bytes = fs::read(&path).unwrap();
    for (options, says) in [(&["-q"][..], false), (&["--timings"], true)] {
        let all = [options, &["--compress", "gzip", "-o", "-"]].concat();
        let output = root.pack(&all);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(output.stdout == bytes, "{} bytes", output.stdout.len());
        assert_eq!(stderr.contains("standard output: "), says, "{stderr}");
        assert_eq!(stderr.is_empty(), !says);
    }
    // A file that is written to already keeps what it has, and its place.
    let target = folder.path().join("two");
    fs::write(&target, "before").unwrap();
    let append = || OpenOptions::new().append(true).open(&target).unwrap();
    let pack = |stdout: Stdio| {
        let mut initramfs = packager(&["initramfs", "-q", "--compress", "gzip", "-o", "-"]);
        initramfs.arg("--root").arg(root.path()).stdout(stdout);
        initramfs.output().unwrap()
    };
    assert!(pack(append().into()).status.success());
    assert!(fs::read(&target).unwrap() == [b"before", &bytes[..]].concat());
    // Nobody reads it.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert!(pack(writer.into()).status.success());
    let full = pack(
        OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
            .into(),
    );
    let stderr = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("cannot write `/dev/stdout`"), "{stderr}");
    let refused = root.pack(&["-o", "-", "--depfile", target.to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(
        refused.stdout.is_empty() && stderr.contains("--depfile"),
        "{stderr}"
    );
    assert!(!Path::new("-").exists());
}

#[test]
fn quiet_looks_are_without_notes() {
    let Some((_root, folder, path)) = packed() else {
        return;
    };
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"what is no archive");
    fs::write(&path, bytes).unwrap();
    let image = path.to_str().unwrap();
    let [loud, quiet] = ["loud", "quiet"].map(|name| folder.path().join(name));
    let [loud, quiet] = [&loud, &quiet].map(|it| it.to_str().unwrap());
    for (arguments, quiet_arguments) in [
        (vec!["list", image], None),
        (vec!["cat", image, "init"], None),
        (vec!["size", image], None),
        (vec!["why", image, "init"], None),
        (vec!["diff", image, image], None),
        (
            vec!["extract", image, loud],
            Some(vec!["extract", image, quiet]),
        ),
    ] {
        let output = packager(&arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("note: "), "{arguments:?}: {stderr}");
        let arguments = quiet_arguments.unwrap_or(arguments);
        let silent = packager(&arguments).arg("-q").output().unwrap();
        let stderr = String::from_utf8_lossy(&silent.stderr);
        assert!(silent.status.success(), "{arguments:?}: {stderr}");
        assert_eq!(stderr, "", "{arguments:?}");
        assert!(silent.stdout == output.stdout, "{arguments:?}");
    }
}
