//! The `modtree` command: what it prints where, and with which exit code it ends.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::process::Output;

use modtree::Tree;
use tests::environment::{command, kernel};
use tests::modules::synthetic::Synthetic;

fn modtree(args: &[&str]) -> Output {
    command("modtree").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn paths_in_load_order_and_nothing_else_on_standard_output() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let root = root.to_str().unwrap();
    let output = modtree(&[
        "closure",
        "--basedir",
        root,
        "usb-storage",
        "vfat",
        "nls_base",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 7);
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with(root) && std::path::Path::new(line).is_file())
    );
    assert!(lines[6].ends_with("/kernel/fs/fat/vfat.ko"));
    assert_eq!(
        text(&output.stderr),
        "note: nls_base is built into the kernel (asked for as nls_base)\n"
    );
}

#[test]
fn errors_say_what_and_where_and_exit_with_their_code() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let version = Tree::select(&root, None).unwrap().version().to_owned();
    let root = root.to_str().unwrap();
    let fails = |args: &[&str], code: i32, message: &str| {
        let output = modtree(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(message), "{args:?}: {stderr}");
    };
    fails(
        &["closure", "-b", root, "usb_storge"],
        1,
        "; did you mean `usb_storage`?\n",
    );
    fails(
        &["closure", "-b", root, "-k", "5.0", "vfat"],
        1,
        &format!("(there are modules of {version})"),
    );
    fails(
        &["closure", "-b", root, "-k", "../x", "vfat"],
        2,
        "error: `../x` is not a kernel version",
    );
    fails(
        &["closure", "-b", "/proc/self/fd", "vfat"],
        1,
        "error: no kernel modules below `/proc/self/fd`: neither lib/modules nor usr/lib/modules has any; name the root",
    );
    fails(&["closure"], 2, "Usage: modtree closure");
}

#[test]
fn a_truncated_module_of_the_closure_is_an_error() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let fat = Tree::select(&root, None)
        .unwrap()
        .dir()
        .join("kernel/fs/fat/fat.ko");
    let bytes = std::fs::read(fat).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("usr/lib/modules/1.0/kernel");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("fat.ko"), &bytes[..100_000]).unwrap();
    let output = modtree(&["closure", "-b", temporary.path().to_str().unwrap(), "fat"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("error: module `"), "{stderr}");
    assert!(
        stderr.contains("kernel/fat.ko`: truncated: the file ends at 0x186a0, and its "),
        "{stderr}"
    );
}

#[test]
fn json_has_the_reasons() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let output = modtree(&[
        "closure",
        "--runtime",
        "--format",
        "json",
        "-b",
        root.to_str().unwrap(),
        "vfat",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let stdout = text(&output.stdout);
    for part in [
        "\"name\": \"nls_ascii\"",
        "\"kind\": \"runtime\"",
        "CONFIG_FAT_DEFAULT_IOCHARSET=ascii",
    ] {
        assert!(stdout.contains(part), "{stdout}");
    }
}

/// A modules directory may be named in the place of the root that it is in.
#[test]
fn a_modules_directory_is_as_good_as_its_root() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&root, None).unwrap();
    let (dir, version) = (tree.dir().to_str().unwrap(), tree.version());
    let of_root = modtree(&["closure", "-b", root.to_str().unwrap(), "vfat"]);
    for arguments in [
        &["closure", "-b", dir, "vfat"][..],
        &["closure", "-b", dir, "-k", version, "vfat"],
    ] {
        assert_eq!(modtree(arguments).stdout, of_root.stdout, "{arguments:?}");
    }
    let other = modtree(&["closure", "-b", dir, "-k", "5.0", "vfat"]);
    assert_eq!(other.status.code(), Some(1));
    let packed = |root: &str| {
        let output = command("packager").args(["plan", "--root", root]).output();
        text(&output.unwrap().stdout).to_owned()
    };
    assert_eq!(packed(dir), packed(root.to_str().unwrap()));
}

/// What lies beside it is found, and goes to its place.
#[test]
fn a_modules_directory_has_its_root_around_it() {
    for place in ["lib/modules/5.0-x", "usr/lib/modules/5.0-x"] {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join(place);
        std::fs::create_dir_all(dir.join("kernel")).unwrap();
        std::fs::create_dir_all(root.path().join("lib/firmware")).unwrap();
        let module = Synthetic::new("depends=\nfirmware=a.bin\n", &[], &[]);
        std::fs::write(dir.join("kernel/a.ko"), module.bytes()).unwrap();
        let out = root.path().join("out");
        for basedir in [root.path(), &dir] {
            let basedir = basedir.to_str().unwrap();
            let checked = modtree(&["check", "-b", basedir]);
            let missed = "missing firmware: a: names a.bin\n";
            assert!(text(&checked.stdout).starts_with(missed), "{basedir}");
            let done = modtree(&["depmod", "-b", basedir, "-o", out.to_str().unwrap()]);
            assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
            assert!(out.join(place).join("modules.dep").is_file(), "{basedir}");
            std::fs::remove_dir_all(&out).unwrap();
        }
    }
}

/// A modules directory with none of the usual names, and a folder of modules.
#[test]
fn any_module_file_makes_a_modules_directory() {
    let root = tempfile::tempdir().unwrap();
    let put = |place: &str| {
        let path = root.path().join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, Synthetic::new("depends=", &[], &[]).bytes()).unwrap();
    };
    put("lib/modules/5.0-x/extra/deep/a.ko");
    put("flat/b.ko");
    put("lone/below/c.ko");
    let closure = |dir: &str, module: &str| {
        let dir = root.path().join(dir);
        modtree(&["closure", "-f", "name", "-b", dir.to_str().unwrap(), module])
    };
    for (dir, module) in [("", "a"), ("lib/modules/5.0-x", "a"), ("flat", "b")] {
        assert_eq!(
            text(&closure(dir, module).stdout),
            format!("{module}\n"),
            "{dir}"
        );
    }
    // A root is not searched.
    assert_eq!(closure("lone", "c").status.code(), Some(1));
}

#[test]
fn each_command_names_the_ways_that_it_has() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().to_str().unwrap();
    let stderr = |args: &[&str]| String::from_utf8(modtree(args).stderr).unwrap();
    let none = stderr(&["depmod", "--root", root]);
    assert!(
        none.ends_with("; name the root of another system with --root\n"),
        "{none}"
    );
    let none = stderr(&["diff", root, root]);
    assert!(none.ends_with("or a kernel's package\n"), "{none}");
    for version in ["1.0", "2.0"] {
        std::fs::create_dir_all(format!("{root}/lib/modules/{version}/kernel")).unwrap();
    }
    let several = stderr(&["depmod", "--root", root]);
    assert!(
        several.ends_with("1.0, 2.0; give one of them as VERSION\n"),
        "{several}"
    );
    let several = stderr(&["diff", root, root]);
    assert!(
        several.ends_with("; give the modules directory of one of them\n"),
        "{several}"
    );
}

#[test]
fn what_modules_dep_names_is_found_below_the_modules_directory() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let root = root.to_str().unwrap();
    let by = |module: &str| modtree(&["closure", "-q", "-b", root, module]).stdout;
    assert_eq!(text(&by("kernel/fs/fat/vfat.ko")), text(&by("vfat")));
}

/// A mainframe has no memory cards.
#[test]
fn a_goal_made_of_goals_does_what_it_can() {
    let Some(root) = kernel("linux-6.1-s390x") else {
        return;
    };
    let root = root.to_str().unwrap();
    let output = modtree(&["closure", "-f", "name", "-b", root, "--for", "disk"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("virtio_blk\n"));
    let note = "note: this kernel has nothing for a part of the goal disk: ";
    assert!(
        text(&output.stderr).contains(note),
        "{}",
        text(&output.stderr)
    );
    // By itself, a part is an error.
    let output = modtree(&["closure", "-b", root, "--for", "mmc"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

/// Nobody mends one name only to hear of the next.
#[test]
fn names_that_stand_for_nothing_are_told_together() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("lib/modules/5.0-x");
    std::fs::create_dir_all(dir.join("kernel")).unwrap();
    for name in ["vfat", "usb-storage"] {
        let module = Synthetic::new("depends=", &[], &[]).bytes();
        std::fs::write(dir.join("kernel").join(name).with_extension("ko"), module).unwrap();
    }
    for command in [
        &["closure"][..],
        &["closure", "-q"],
        &["closure", "--modprobe-compat"],
        &["graph", "--dot", "-"],
        &["why"],
        &["resolve"],
        &["info"],
    ] {
        let mut args = command.to_vec();
        args.extend(["-b", root.path().to_str().unwrap(), "vaft", "usb_storge"]);
        let output = modtree(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
        let expected = format!(
            "error: no module and no alias in `{}`: `vaft` (did you mean `vfat`?), `usb_storge` (did you mean `usb_storage`?)\n",
            dir.display()
        );
        assert_eq!(text(&output.stderr), expected, "{args:?}");
    }
}
