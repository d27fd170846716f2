//! The options of `modtree depmod` against those of kmod's.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime};

use tests::environment::{command, kernel};
use tests::modules::trees::{Synthetics, modules_dir, small};
use tests::modules::{Kmod, index_files, modtree_depmod};

#[test]
fn printed_instead_of_written() {
    let tree = small();
    for kmod in Kmod::all() {
        let theirs = kmod
            .tool("depmod")
            .args(["-n", "-b"])
            .arg(tree.root.path())
            .arg("1.2.3")
            .output()
            .unwrap();
        let ours = modtree_depmod(
            tree.root.path(),
            tree.root.path(),
            "1.2.3",
            &["-n", "--compat", kmod.name],
        );
        assert!(
            ours.stdout == theirs.stdout,
            "{}",
            String::from_utf8_lossy(&ours.stdout)
        );
    }
    assert!(index_files(&tree.dir).is_empty());
}

/// Temporary files are complete before the first rename: a directory in the way stops all.
#[test]
fn nothing_is_half_written() {
    let tree = small();
    let output = modtree_depmod(tree.root.path(), Path::new("/proc/nowhere"), "1.2.3", &[]);
    assert_eq!(output.status.code(), Some(3));
    let ours = modtree_depmod(tree.root.path(), tree.root.path(), "1.2.3", &[]);
    assert!(ours.status.success());
    let names = std::fs::read_dir(&tree.dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.starts_with('.')));
}

/// `-e` with a list of the kernel's symbols, some of them with other checksums and some missing: the same warnings.
#[test]
fn unknown_symbols_and_other_checksums() {
    let (Some(original), Some(kmod)) = (kernel("linux-6.1"), Kmod::v34()) else {
        return;
    };
    let modules = modules_dir(&original).unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("lib/modules/1.2.3");
    std::fs::create_dir_all(dir.join("kernel")).unwrap();
    let mut symvers = String::new();
    let mut map = String::new();
    for name in ["fat", "msdos", "vfat"] {
        let file = modules.join(format!("kernel/fs/fat/{name}.ko"));
        std::fs::copy(&file, dir.join(format!("kernel/{name}.ko"))).unwrap();
        let versions = kmod
            .tool("modprobe")
            .arg("--dump-modversions")
            .arg(file)
            .output()
            .unwrap()
            .stdout;
        for (at, line) in String::from_utf8(versions).unwrap().lines().enumerate() {
            let (crc, symbol) = line.split_once('\t').unwrap();
            let crc = if at % 3 == 0 { "0x00000001" } else { crc };
            if at % 3 < 2 {
                symvers += &format!("{crc}\t{symbol}\tvmlinux\tEXPORT_SYMBOL\n");
                map += &format!("ffffffff81000000 T __ksymtab_{symbol}\n");
            }
        }
    }
    for (option, text) in [("-E", symvers), ("-F", map)] {
        let list = root.path().join("list");
        std::fs::write(&list, text).unwrap();
        let lines = |stderr: Vec<u8>| -> Vec<String> {
            let text = String::from_utf8(stderr).unwrap();
            let relevant = text.lines().filter(|line| line.contains(" symbol "));
            let mut lines: Vec<String> = relevant
                .filter_map(|line| Some(line.split_once("kernel/")?.1.to_owned()))
                .collect();
            lines.sort();
            lines
        };
        let theirs = kmod
            .tool("depmod")
            .args(["-n", "-e", option])
            .arg(&list)
            .arg("-b")
            .arg(root.path())
            .arg("1.2.3")
            .output()
            .unwrap();
        let mut ours = command("modtree");
        let ours = ours
            .args(["depmod", "-n", "-e", option])
            .arg(&list)
            .arg("-b")
            .arg(root.path())
            .arg("1.2.3")
            .output()
            .unwrap();
        let (theirs, ours) = (lines(theirs.stderr), lines(ours.stderr));
        assert_eq!(ours, theirs, "{option}");
        println!("{option}: {} warnings, the same", ours.len());
    }
}

/// `-a` is what is done anyway, in both.
#[test]
fn all() {
    small().assert_same(&["-a"], "-a");
}

/// `-A` writes where a module is newer than `modules.dep` or that is missing, and otherwise nothing; like kmod, it looks at
/// the time of the modules only.
#[test]
fn quick() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let set = |path: &Path, seconds| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(at(seconds)).unwrap();
    };
    // The state of modules.dep, the time of the module, and whether there is something to do.
    let cases = [
        (None, 1000, true),
        (Some(2000), 1000, false),
        (Some(2000), 2000, false),
        (Some(2000), 2001, true),
    ];
    for (dep, module, wanted) in cases {
        let tree = Synthetics::new();
        tree.module("kernel/a.ko", "alias=x\n", &[], &["a"]);
        set(&tree.dir.join("kernel/a.ko"), module);
        let root = tree.root.path();
        let run_ours = || modtree_depmod(root, root, "1.2.3", &["-A"]).status;
        let mut runs: Vec<Box<dyn Fn() -> bool>> = vec![Box::new(|| run_ours().success())];
        for kmod in Kmod::all() {
            runs.push(Box::new(move || {
                let mut theirs = kmod.tool("depmod");
                theirs.arg("-A").arg("-b").arg(root).arg("1.2.3");
                theirs.status().unwrap().success()
            }));
        }
        for (turn, run) in runs.iter().enumerate() {
            let path = tree.dir.join("modules.dep");
            drop(std::fs::remove_file(&path));
            if let Some(seconds) = dep {
                std::fs::write(&path, "old").unwrap();
                set(&path, seconds);
            }
            assert!(run(), "{turn}");
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text != "old", wanted, "{turn}: {dep:?} {module}");
        }
    }
}

/// `-b` alone writes beside the modules, `-o` below another root, and `-m` has the modules elsewhere below both.
#[test]
fn where_modules_are_and_files_go() {
    let Some(kmod) = Kmod::v34() else { return };
    for (moduledir, words) in [
        ("lib/modules", &[][..]),
        ("usr/lib/modules", &["-m", "/usr/lib/modules"]),
        ("opt/x", &["-m", "opt/x"]),
    ] {
        let tree = small();
        let root = tree.root.path();
        let there = root.join(moduledir).join("1.2.3");
        if there != tree.dir {
            std::fs::create_dir_all(there.parent().unwrap()).unwrap();
            std::fs::rename(&tree.dir, &there).unwrap();
        }
        let outs = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut theirs = kmod.tool("depmod");
        theirs.arg("-b").arg(root).arg("-o").arg(outs[0].path());
        assert!(theirs.args(words).arg("1.2.3").status().unwrap().success());
        assert!(
            modtree_depmod(root, outs[1].path(), "1.2.3", words)
                .status
                .success()
        );
        let [theirs, ours] = outs.map(|out| index_files(&out.path().join(moduledir).join("1.2.3")));
        assert_eq!(theirs.len(), 11, "{moduledir}");
        assert_eq!(ours, theirs, "{moduledir}");
        assert!(index_files(&there).is_empty());
        let mut ours = command("modtree");
        ours.args(["depmod", "-q", "-b"])
            .arg(root)
            .args(words)
            .arg("1.2.3");
        assert!(ours.status().unwrap().success());
        assert_eq!(index_files(&there), theirs, "{moduledir}");
    }
}

/// `-w`: the same aliases of the same modules, each as often.
#[test]
fn duplicate_aliases() {
    let Some(kmod) = Kmod::v34() else { return };
    let tree = small();
    tree.module(
        "kernel/twice.ko",
        "alias=t-1\nalias=t_1\nalias=t-1\nalias=u[-]\nalias=u[-]\n",
        &[],
        &[],
    )
    .module("kernel/other.ko", "alias=t-1\n", &[], &[]);
    let words = |output: Output| -> Vec<String> {
        let text = String::from_utf8(output.stderr).unwrap();
        let text = text.replace("alias:\n", "alias: ");
        let lines = text
            .lines()
            .filter_map(|line| line.split_once("duplicate module alias: "));
        let mut found: Vec<_> = lines.map(|(_, rest)| rest.to_owned()).collect();
        found.sort();
        found
    };
    let mut modtree = command("modtree");
    modtree.arg("depmod");
    // kmod looks while it writes the binary indexes, which it does not with -n.
    let out = tempfile::tempdir().unwrap();
    let [theirs, ours] = [kmod.tool("depmod"), modtree].map(|mut depmod| {
        depmod.arg("-w").arg("-b").arg(tree.root.path());
        words(
            depmod
                .arg("-o")
                .arg(out.path())
                .arg("1.2.3")
                .output()
                .unwrap(),
        )
    });
    assert!(theirs.len() >= 4, "{theirs:?}");
    assert_eq!(ours, theirs);
}

/// `-e` needs a list of the kernel's symbols; both say so and go on. A list that is missing ends both.
#[test]
fn checks_without_a_list() {
    let tree = small();
    let run = |words: &[&str]| {
        let mut ours = command("modtree");
        let ours = ours.arg("depmod").args(words).arg("-b");
        ours.arg(tree.root.path()).arg("1.2.3").output().unwrap()
    };
    let output = run(&["-n", "-e"]);
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("warning: -e needs -E or -F\n"),
        "{stderr}"
    );
    for option in ["-E", "-F"] {
        let output = run(&["-e", option, "/nowhere/list"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(
            stderr.contains("error: cannot read `/nowhere/list`"),
            "{stderr}"
        );
    }
    // Of two lists, kmod takes the one with checksums; without -e it takes none.
    let both = run(&["-e", "-F", "/nowhere/b", "-E", "/nowhere/a"]);
    let stderr = String::from_utf8(both.stderr).unwrap();
    assert!(stderr.contains("`/nowhere/a`"), "{stderr}");
    assert_eq!(run(&["-n", "-E", "/nowhere/a"]).status.code(), Some(0));
    assert!(index_files(&tree.dir).is_empty());
}

/// Files that would be written with the bytes that they have stay as they are; `modules.dep` is new, for its time.
#[test]
fn what_is_the_same_is_not_written_again() {
    let tree = small();
    let run = || {
        let root = tree.root.path();
        assert!(modtree_depmod(root, root, "1.2.3", &[]).status.success());
        let entries = index_files(&tree.dir).into_keys();
        let numbered = entries.map(|name| {
            let inode = tree.dir.join(&name).metadata().unwrap().ino();
            (name, inode)
        });
        numbered.collect::<Vec<_>>()
    };
    let (first, second) = (run(), run());
    let changed = first.iter().zip(&second).filter(|(a, b)| a != b);
    let changed: Vec<&str> = changed.map(|((name, _), _)| name.as_str()).collect();
    assert_eq!(changed, ["modules.dep"]);
}
