//! Images against GNU cpio; byte-identical builds; packages; the plan.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kmap::{Endian, Keymap};
use packager::cpio::Kind;
use packager::kernel::KernelSource;
use packager::{Plan, Recipe};
use tests::environment::{command, has, kernel};
use tests::root::{Root, pack, plan, small_root};

fn archive(folder: &Path, root: &Path) -> PathBuf {
    let path = folder.join("simple.cpio");
    let result = pack(root, &["--keymap", "es", "-o", path.to_str().unwrap()]);
    assert!(
        result.status.success(),
        "{}",
        String::from_utf8_lossy(&result.stderr)
    );
    path
}

#[test]
fn gnu_cpio_lists_and_extracts_it() {
    let Some(root) = kernel("linux-6.1").filter(|_| has(&["cpio", "busybox"])) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = archive(folder.path(), &root);
    let cpio = |arguments: &[&str]| {
        let output = Command::new("cpio")
            .args(arguments)
            .current_dir(folder.path())
            .stdin(fs::File::open(&image).unwrap())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && stderr.is_empty(),
            "cpio {arguments:?}: {stderr}"
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let plan = plan(&root);
    let listed = cpio(&["-t", "--quiet"]);
    let ours = command("packager")
        .args(["list", "--names"])
        .arg(&image)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(ours.stdout).unwrap(), listed);
    // The names of one file stand together, and otherwise the order is the plan's.
    let mut listed: Vec<_> = listed.lines().collect();
    listed.sort_unstable();
    let planned: Vec<_> = plan.items().map(|(path, _)| path).collect();
    assert_eq!(listed, planned);
    // Device nodes need root; everything else does not.
    cpio(&["-i", "-d", "-m", "--quiet", "-f", "dev/*"]);
    for (path, item) in plan.items().filter(|(path, _)| !path.starts_with("dev/")) {
        let extracted = folder.path().join(path);
        let found = fs::symlink_metadata(&extracted).unwrap();
        match item.kind() {
            Kind::Directory => assert!(found.is_dir(), "{path}"),
            Kind::Symlink => assert_eq!(
                fs::read_link(&extracted)
                    .unwrap()
                    .as_os_str()
                    .as_encoded_bytes(),
                &*item.data,
                "{path}"
            ),
            _ => assert!(fs::read(&extracted).unwrap() == *item.data, "{path}"),
        }
        if item.kind() != Kind::Symlink {
            assert_eq!(
                found.permissions().mode() & 0o7777,
                item.attributes.permissions,
                "{path}"
            );
        }
    }
    // The devices: type, permissions and numbers, as cpio sees them.
    let listing = cpio(&["-t", "-v", "--quiet", "--numeric-uid-gid", "dev/*"]);
    let console = listing
        .lines()
        .find(|line| line.ends_with(" dev/console"))
        .unwrap();
    assert!(
        console.starts_with("crw-------") && console.contains("5,   1"),
        "{console}"
    );
}

#[test]
fn two_builds_are_byte_identical() {
    let Some(root) = small_root() else { return };
    // The other user may not be able to reach the folder of the checkout.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let packager = folder.path().join("packager");
    fs::copy(command("packager").get_program(), &packager).unwrap();
    let build = |name: &str, umask: &str, locale: &str, user: &[&str]| {
        let place = folder.path().join(name);
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
        let mut words = user.to_vec();
        words.extend(["sh", "-c", "umask $1; shift; exec \"$@\"", "sh", umask]);
        let status = Command::new(words[0])
            .args(&words[1..])
            .arg(&packager)
            .args(["initramfs", "--keymap", "es", "-o", "simple.igz", "--root"])
            .arg(root.path())
            .current_dir(&place)
            .env("LC_ALL", locale)
            .env("HOME", &place)
            .status()
            .unwrap();
        assert!(status.success(), "{name}");
        fs::read(place.join("simple.igz")).unwrap()
    };
    let first = build("first", "022", "C", &[]);
    let other_user: &[&str] = match Command::new("id")
        .arg("-u")
        .output()
        .unwrap()
        .stdout
        .as_slice()
    {
        b"0\n" => &[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ],
        _ => &[],
    };
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = build("another folder", "077", "tr_TR.UTF-8", other_user);
    assert!(first == second);
}

#[test]
fn source_date_epoch_is_the_one_clock() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("simple.cpio");
    let build = |epoch: &str| {
        command("packager")
            .args(["initramfs", "--root"])
            .arg(root.path())
            .arg("-o")
            .arg(&path)
            .env("SOURCE_DATE_EPOCH", epoch)
            .output()
            .unwrap()
    };
    assert!(build("1700000000").status.success());
    let bytes = fs::read(&path).unwrap();
    let times: BTreeSet<_> = packager::cpio::entries(&bytes)
        .map(|entry| entry.unwrap().mtime)
        .collect();
    assert_eq!(times, BTreeSet::from([1_700_000_000]));
    assert_eq!(build("yesterday").status.code(), Some(2));
    assert_eq!(build("99999999999").status.code(), Some(2));
    assert!(
        fs::read(&path).unwrap() == bytes,
        "an error has touched the old image"
    );
}

#[test]
fn a_debian_package_gives_the_same_image_as_its_unpacked_root() {
    let Some(root) = kernel("linux-6.1").filter(|_| has(&["busybox", "dpkg-deb"])) else {
        return;
    };
    let small = Root::new(&root);
    let folder = tempfile::tempdir().unwrap();
    let unpacked = folder.path().join("root.igz");
    assert!(
        small
            .pack(&["-o", unpacked.to_str().unwrap()])
            .status
            .success()
    );
    for compressor in ["xz", "zstd", "gzip", "none"] {
        let package = folder.path().join(format!("{compressor}.deb"));
        small.packaged(&package, compressor);
        let image = folder.path().join("deb.igz");
        let status = command("packager")
            .args(["initramfs", "--deb"])
            .arg(&package)
            .arg("-o")
            .arg(&image)
            .status()
            .unwrap();
        assert!(status.success(), "{compressor}");
        assert!(
            fs::read(&image).unwrap() == fs::read(&unpacked).unwrap(),
            "{compressor}"
        );
        // A package that is cut short leaves nothing.
        let whole = fs::read(&package).unwrap();
        fs::write(&package, &whole[..whole.len() / 2]).unwrap();
        let result = command("packager")
            .args(["initramfs", "-o", "none.igz", "--deb"])
            .arg(&package)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(
            result.status.code(),
            Some(1),
            "{compressor}: {}",
            String::from_utf8_lossy(&result.stderr)
        );
        assert!(!folder.path().join("none.igz").exists());
    }
}

#[test]
fn the_plan_prints_a_reason_for_every_file_and_writes_nothing() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("simple.igz");
    let result = root.pack(&["--dry-run", "-o", output.to_str().unwrap()]);
    assert!(result.status.success());
    let text = String::from_utf8(result.stdout).unwrap();
    assert!(text.lines().count() > 100);
    for line in text.lines() {
        assert!(
            line.split_once("  # ")
                .is_some_and(|(_, reason)| !reason.is_empty()),
            "{line}"
        );
    }
    assert!(!output.exists());
    let plan = |arguments: &[&str]| {
        let output = command("packager")
            .args(["plan", "--root"])
            .arg(root.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(plan(&[]), text);
    let json: serde_json::Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    let files = json["files"].as_array().unwrap();
    assert_eq!(files.len(), text.lines().count());
    assert!(files.iter().all(|file| file["reason"] != ""));
}

#[test]
fn the_scripts_are_clean_for_shellcheck() {
    if !has(&["shellcheck"]) {
        return;
    }
    let folder = tests::environment::workspace().join("data/init");
    let scripts: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "sh"))
        .collect();
    assert!(scripts.len() >= 2);
    let output = Command::new("shellcheck")
        .arg("--shell=dash")
        .args(scripts)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn a_keymap_that_is_compiled_already_is_taken_as_it_is() {
    let Some(root) = small_root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let text = plan(root.path());
    let compiled = text.get("etc/keymap.bmap").unwrap().data.to_vec();
    let file = folder.path().join("es.bmap");
    fs::write(&file, &compiled).unwrap();
    let is_taken = || {
        let taken = Plan::new(&Recipe {
            kernel: KernelSource::Root(root.path().into()),
            keymaps: vec![file.clone().into()],
            ..Recipe::default()
        })
        .unwrap();
        for path in ["etc/keymap.bmap", "etc/keymaps/es.bmap"] {
            assert_eq!(taken.get(path).unwrap().data.to_vec(), compiled, "{path}");
        }
        assert!(taken.inputs.contains(&file));
    };
    is_taken();
    // One that was made for a machine of the other byte order.
    let (keymap, _) = Keymap::from_any_bkeymap(&compiled).unwrap();
    fs::write(&file, keymap.to_bkeymap(Endian::Big)).unwrap();
    is_taken();
    fs::write(&file, &compiled[..1000]).unwrap();
    root.refuses(
        &["--keymap", file.to_str().unwrap()],
        1,
        &["es.bmap", "need 2311 bytes, and it has 1000"],
    );
}

#[test]
fn modules_that_no_program_uses_are_told() {
    let Some(root) = kernel("linux-6.1").filter(|_| has(&["busybox"])) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("packager.toml");
    let told = |file: &str| {
        fs::write(&recipe, format!("goals = [\"crypt\"]\n{file}")).unwrap();
        let arguments = ["--dry-run", "--recipe", recipe.to_str().unwrap()];
        let result = pack(&root, &arguments);
        let stderr = String::from_utf8_lossy(&result.stderr);
        assert!(result.status.success(), "{stderr}");
        stderr.contains("cryptsetup, which is not in the image")
    };
    assert!(told(""));
    let program =
        "[[file]]\npath = \"/usr/sbin/cryptsetup\"\nmode = \"0755\"\ntext = \"#!/bin/sh\\n\"\n";
    assert!(!told(program));
}
