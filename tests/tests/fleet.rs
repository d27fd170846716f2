//! `examples/fleet`: many images by ninja and by Bazel, which learn of everything that was read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::environment::{command, has, workspace};
use tests::root::{Root, small_root};

/// Four images of two roots and two keymaps; a changed module makes its root's two anew.
#[test]
fn ninja_makes_only_what_is_out_of_date() {
    let (Some(first), Some(second)) = (small_root(), small_root()) else {
        return;
    };
    if !has(&["ninja"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let busybox = packager::busybox::Busybox::find(Path::new("/")).unwrap();
    let mut rules = fs::read_to_string(workspace().join("examples/fleet/build.ninja")).unwrap();
    for (usual, here) in [
        (
            "packager = packager",
            Path::new(command("packager").get_program()),
        ),
        ("first = roots/linux-6.1", first.path()),
        ("second = roots/linux-6.12", second.path()),
        ("busybox = /usr/bin/busybox", &busybox.path),
    ] {
        let name = usual.split_once(" = ").unwrap().0;
        assert!(rules.contains(&format!("{usual}\n")), "{usual}");
        rules = rules.replace(
            &format!("{usual}\n"),
            &format!("{name} = {}\n", here.display()),
        );
    }
    fs::write(folder.path().join("build.ninja"), rules).unwrap();
    let packed = || {
        let output = Command::new("ninja")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        text.matches("packing ").count()
    };
    assert_eq!(packed(), 4);
    assert_eq!(packed(), 0);
    touch(&first);
    assert_eq!(packed(), 2);
    let image = |name: &str| fs::read(folder.path().join("out").join(name)).unwrap();
    assert!(image("first-es.igz") == image("second-es.igz"));
    assert!(image("first-es.igz") != image("first-us.igz"));
}

/// The module's file is newer than every image.
fn touch(root: &Root) {
    let module = fs::File::options()
        .append(true)
        .open(root.module("fs/fat/vfat.ko"));
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    module
        .unwrap()
        .set_times(fs::FileTimes::new().set_modified(later))
        .unwrap();
}

/// A workspace as the example's README describes it.
struct Bazel {
    folder: tempfile::TempDir,
}

impl Bazel {
    fn new() -> Option<Self> {
        let root = small_root()?;
        if !has(&["bazel"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let example = workspace().join("examples/fleet");
        let busybox = packager::busybox::Busybox::find(Path::new("/")).unwrap();
        let keymaps = Path::new("/usr/share/keymaps/i386");
        for (from, to) in [
            (example.join("packager.bzl"), "packager.bzl"),
            (command("packager").get_program().into(), "tools/packager"),
            (busybox.path, "busybox"),
            (root.path().to_path_buf(), "linux-6.1"),
            (keymaps.join("qwerty/es.kmap.gz"), "keymaps/es.kmap.gz"),
            (keymaps.join("qwerty/us.kmap.gz"), "keymaps/us.kmap.gz"),
            (keymaps.join("include"), "keymaps/include"),
        ] {
            let to = folder.path().join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let copied = Command::new("cp").arg("-rL").arg(from).arg(to).status();
            assert!(copied.unwrap().success());
        }
        for (path, text) in [
            ("WORKSPACE", ""),
            ("tools/BUILD", "exports_files([\"packager\"])\n"),
            ("BUILD", &readme_rules()),
        ] {
            fs::write(folder.path().join(path), text).unwrap();
        }
        Some(Self { folder })
    }

    fn build(&self) -> Output {
        let mut state = std::ffi::OsString::from("--output_user_root=");
        state.push(self.path(".bazel"));
        let mut bazel = Command::new("bazel");
        bazel
            .args(["--batch".as_ref(), state.as_os_str()])
            .args(["build", "//:all"])
            .current_dir(self.folder.path());
        bazel.output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self, name: &str) -> (PathBuf, Vec<u8>) {
        let path = self.path("bazel-bin").join(name);
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    }
}

/// What the README says to write into `BUILD`.
fn readme_rules() -> String {
    let readme = fs::read_to_string(workspace().join("examples/fleet/README.md")).unwrap();
    let (_, rules) = readme.split_once("```python\n").unwrap();
    rules.split_once("```").unwrap().0.to_owned()
}

#[test]
fn bazel_makes_images_of_what_it_was_told() {
    let Some(bazel) = Bazel::new() else {
        return;
    };
    let succeeds = || {
        let output = bazel.build();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
    };
    succeeds();
    let (es, before) = bazel.image("rescue-es.igz");
    let made = fs::metadata(&es).unwrap().modified().unwrap();
    let direct = bazel.path("direct.igz");
    let mut packager = command("packager");
    packager
        .current_dir(bazel.folder.path())
        .args([
            "initramfs",
            "-q",
            "--root",
            "linux-6.1",
            "--sysroot",
            "linux-6.1",
        ])
        .args([
            "--busybox",
            "busybox",
            "--keymap",
            "keymaps/es.kmap.gz",
            "-o",
        ])
        .arg(&direct);
    assert!(packager.status().unwrap().success());
    assert!(fs::read(direct).unwrap() == before);

    // Another keymap: its image is made again, and no other one.
    let us = bazel.image("rescue-us.igz").1;
    fs::copy(
        bazel.path("keymaps/es.kmap.gz"),
        bazel.path("keymaps/us.kmap.gz"),
    )
    .unwrap();
    succeeds();
    assert!(bazel.image("rescue-us.igz").1 != us);
    assert_eq!(fs::metadata(&es).unwrap().modified().unwrap(), made);

    // Without its include, although the machine has it.
    fs::remove_file(bazel.path("keymaps/include/qwerty-layout.inc.gz")).unwrap();
    let output = bazel.build();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let words = "cannot find the included file `qwerty-layout`";
    assert!(stderr.contains(words), "{stderr}");
}
