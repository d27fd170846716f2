//! Nothing is read that was not named.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::environment::{command, tool};
use tests::root::small_root;

/// What every program reads before its first line runs, and what the runtime asks the kernel for.
const SYSTEM: [&str; 5] = ["/etc/ld.so", "/lib/", "/usr/lib/", "/proc/", "/sys/"];

/// The paths of system calls that open, read or look at files and succeed, from `strace`'s log.
fn seen(log: &str) -> BTreeSet<String> {
    log.lines()
        .filter(|line| !line.contains("= -1"))
        .filter_map(|line| Some(line.split_once('"')?.1.split_once('"')?.0.to_owned()))
        .collect()
}

#[test]
fn no_file_is_read_that_was_not_named() {
    let (Some(root), Some(strace)) = (small_root(), tool("strace")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // A root of the test's own: nothing below the machine's folders is meant.
    let busybox = packager::busybox::Busybox::find(Path::new("/")).unwrap();
    fs::copy(&busybox.path, path("busybox")).unwrap();
    let search = kmap::SearchPath::from_env();
    let es = kmap::compile_named(Path::new("es"), &search, kmap::Mode::Unicode).unwrap();
    let text = kmap::emit::text(&es.keymap).unwrap();
    fs::write(path("mine.kmap"), text).unwrap();
    let packager = PathBuf::from(command("packager").get_program());
    let output = Command::new(strace)
        .args(["-f", "-qq", "-e", "trace=%file", "-o"])
        .arg(path("log"))
        .arg(&packager)
        .args(["initramfs", "--root"])
        .arg(root.path())
        .arg("--sysroot")
        .arg(root.path())
        .arg("--busybox")
        .arg(path("busybox"))
        .arg("--keymap")
        .arg(path("mine.kmap"))
        .arg("-o")
        .arg(path("a.igz"))
        .env_clear()
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let log = fs::read_to_string(path("log")).unwrap();
    let all = seen(&log);
    assert!(
        all.iter().any(|it| it.ends_with("vfat.ko")),
        "strace saw nothing: {log}"
    );
    let named = [root.path(), folder.path(), packager.as_path()];
    let strange: Vec<_> = all
        .iter()
        .filter(|it| it.starts_with('/') && *it != "/")
        .filter(|it| !named.iter().any(|path| Path::new(it).starts_with(path)))
        .filter(|it| !SYSTEM.iter().any(|start| it.starts_with(start)))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    // Modules and firmware are data, and stand in folders of the system, too.
    let ours: Vec<_> = all
        .iter()
        .filter(|it| it.starts_with("/lib/modules") || it.contains("/firmware"))
        .filter(|it| !Path::new(it).starts_with(root.path()))
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
}
