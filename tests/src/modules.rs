//! Trees of real modules, arranged for the installed kmod.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they fail"
)]

pub mod synthetic;
pub mod trees;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use modtree::ClosureOptions;

use crate::environment::{self, corpus, required, tool};
use trees::LISTINGS;

/// Debian's architectures whose kernels are in the corpus as `linux-6.1-ARCHITECTURE`, each with the package that depends
/// on the newest one: 32 bits, the other byte order, other relocations.
pub const ARCHITECTURES: [(&str, &str); 4] = [
    ("arm64", "linux-image-arm64"),
    ("s390x", "linux-image-s390x"),
    ("armhf", "linux-image-armmp"),
    ("i386", "linux-image-686-pae"),
];

/// A version of kmod that is there to be compared with.
#[derive(Clone, Debug)]
pub struct Kmod {
    /// For `modtree depmod --compat`.
    pub name: &'static str,
    /// The program with the arguments that start it, and where the name of the tool goes.
    program: PathBuf,
    loader: Option<PathBuf>,
}

impl Kmod {
    /// kmod 34 from the corpus, kmod 30 from this machine: those that are there.
    pub fn all() -> Vec<Kmod> {
        [Kmod::v34(), Kmod::v30()].into_iter().flatten().collect()
    }

    /// Debian 13's, unpacked, with its own C library.
    pub fn v34() -> Option<Kmod> {
        let folder = corpus().join("kmod-34/usr");
        let there = folder.join("bin/kmod").is_file().then_some(folder);
        let folder = required(there, "kmod 34 in the corpus (cargo xtask corpus)")?;
        Some(Kmod {
            name: "kmod34",
            program: folder.join("bin/kmod"),
            loader: Some(folder.join("lib64/ld-linux-x86-64.so.2")),
        })
    }

    /// The installed one, if it is kmod 30.
    pub fn v30() -> Option<Kmod> {
        let program = tool("kmod").or_else(|| std::fs::canonicalize(tool("depmod")?).ok())?;
        let version = run(Command::new(&program).arg("--version"));
        let there = version.starts_with("kmod version 30").then_some(program);
        let program = required(there, "kmod 30, Debian 12's")?;
        Some(Kmod {
            name: "kmod30",
            program,
            loader: None,
        })
    }

    /// One of its tools: `depmod`, `modprobe`, `modinfo`.
    pub fn tool(&self, name: &str) -> Command {
        use std::os::unix::process::CommandExt;
        let Some(loader) = &self.loader else {
            let mut command = Command::new(&self.program);
            command.arg0(name);
            return command;
        };
        let libraries = self.program.with_file_name("../lib/x86_64-linux-gnu");
        let mut command = Command::new(loader);
        command.args(["--argv0", name, "--library-path"]);
        command.arg(libraries).arg(&self.program);
        command
    }
}

/// The files of a modules directory that depmod writes, by name.
///
/// # Panics
/// Where the directory cannot be read.
pub fn index_files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).expect("a modules directory");
    let names = entries.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("UTF-8")
    });
    names
        .filter(|name| name.starts_with("modules.") && !LISTINGS.contains(&name.as_str()))
        .map(|name| {
            let bytes = std::fs::read(dir.join(&name)).expect("read");
            (name, bytes)
        })
        .collect()
}

/// Runs depmod of this kmod and `modtree depmod` on `root/lib/modules/VERSION`, and says in which files they differ. Both
/// write outside of `root` where that is possible; `more` goes to both.
///
/// # Panics
/// Where one of them fails.
pub fn compare_depmod(kmod: &Kmod, root: &Path, version: &str, more: &[&str]) -> Vec<String> {
    let dir = root.join("lib/modules").join(version);
    let out = tempfile::tempdir().expect("a temporary directory");
    for name in index_files(&dir).into_keys() {
        std::fs::remove_file(dir.join(name)).expect("remove");
    }
    run(kmod
        .tool("depmod")
        .arg("-b")
        .arg(root)
        .args(more)
        .arg(version));
    let theirs = index_files(&dir);
    let ours = modtree_depmod(
        root,
        out.path(),
        version,
        &[&["--compat", kmod.name], more].concat(),
    );
    assert!(
        ours.status.success(),
        "{}",
        String::from_utf8_lossy(&ours.stderr)
    );
    let ours = index_files(&out.path().join("lib/modules").join(version));
    let mut names: Vec<_> = theirs.keys().chain(ours.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|&name| theirs.get(name) != ours.get(name))
        .map(|name| first_difference(name, theirs.get(name), ours.get(name)))
        .collect()
}

/// The name of a file, and the first line in which its two forms differ.
fn first_difference(name: &str, theirs: Option<&Vec<u8>>, ours: Option<&Vec<u8>>) -> String {
    let (Some(theirs), Some(ours)) = (theirs, ours) else {
        return format!("{name} (only one has it)");
    };
    let line = |file: &[u8], at: usize| -> String {
        let line = file.split(|&byte| byte == b'\n').nth(at);
        line.map_or("(end)".to_owned(), |line| line.escape_ascii().to_string())
    };
    let mut lines = 0..usize::MAX;
    let at = lines.find(|&at| line(theirs, at) != line(ours, at));
    let at = at.unwrap_or_default();
    format!(
        "{name}, line {}: `{}` for `{}`",
        at + 1,
        line(ours, at),
        line(theirs, at)
    )
}

/// `modtree depmod -q -b ROOT -o OUT … VERSION`.
///
/// # Panics
/// Where it cannot be started.
pub fn modtree_depmod(root: &Path, out: &Path, version: &str, more: &[&str]) -> Output {
    let mut command = environment::command("modtree");
    command
        .args(["depmod", "--quiet", "-b"])
        .arg(root)
        .arg("-o")
        .arg(out);
    command.args(more).arg(version).output().expect("start")
}

/// Makes a modules directory `root/lib/modules/VERSION` with `kernel` a symbolic link to the one in `original`, so that
/// depmod can write its files beside it.
///
/// # Panics
/// Where the file system refuses.
pub fn shadow(original: &Path, root: &Path) -> PathBuf {
    let version = original.file_name().expect("a version");
    let to = root.join("lib/modules").join(version);
    std::fs::create_dir_all(&to).expect("create");
    std::os::unix::fs::symlink(original.join("kernel"), to.join("kernel")).expect("link");
    for file in LISTINGS {
        std::fs::copy(original.join(file), to.join(file)).expect("copy");
    }
    to
}

/// A closure with what the modules ask for while running.
pub fn runtime() -> ClosureOptions {
    ClosureOptions {
        runtime: true,
        ..ClosureOptions::default()
    }
}

/// Runs a program that must succeed, and gives its standard output.
///
/// # Panics
/// Where it cannot be started or fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("start");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stderr}",
        output.status
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}
