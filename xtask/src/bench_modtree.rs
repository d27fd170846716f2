//! `cargo xtask bench modtree`: modtree beside kmod.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result};
use tests::environment::{corpus, workspace};
use tests::modules::synthetic::Synthetic;
use tests::modules::trees::{LISTINGS, modules_dir};
use tests::modules::{Kmod, index_files};

use crate::measure::{self, HEAD, Start, Way, Work, load, measure};
use crate::{corpus, release, shell};

/// The module that is added for `--incremental`, below the modules directory, as DKMS would put it there.
const ADDED: &str = "updates/dkms/added.ko";

/// The state in which a tree has to be.
#[derive(Clone, Copy)]
enum Before {
    /// As it comes.
    Anything,
    /// No index.
    NoIndex,
    /// A fresh index.
    Index,
    /// An index and a cache, and then one module more.
    OneAdded,
}

/// Measures, prints the table, and writes it to `benches/results/modtree.md`.
pub(crate) fn run() -> Result<()> {
    release::build(&["modtree", "xtask"])?;
    let kmod = Kmod::v34().context("kmod 34 is missing from the corpus")?;
    let temporary = tempfile::tempdir()?;
    corpus::recompressed()?;
    let mut text = heading()?;
    for (form, kernel) in [
        ("plain", corpus::linux_6_1()?),
        ("zstd", corpus().join("linux-6.1-zstd")),
        ("gzip", corpus().join("linux-6.1-gzip")),
        ("xz", corpus::linux_6_12()?),
    ] {
        let tree = Rc::new(Tree::new(&kernel, &temporary.path().join(form))?);
        let _ = writeln!(text, "\n## {} modules, {form}\n", tree.modules);
        text.push_str(HEAD);
        for work in works(&kmod, &tree, form) {
            measure(&work, &mut text)?;
        }
    }
    let _ = writeln!(text, "\nLoad of the machine at the end: {}", load()?);
    let file = workspace().join("benches/results/modtree.md");
    fs::create_dir_all(file.parent().context("a folder")?)?;
    fs::write(&file, &text)?;
    print!("{text}");
    Ok(())
}

/// A modules directory in a root of its own.
struct Tree {
    root: PathBuf,
    dir: PathBuf,
    version: String,
    modules: usize,
}

impl Tree {
    fn new(kernel: &Path, root: &Path) -> Result<Self> {
        let original = modules_dir(kernel).context("no modules in the kernel of the corpus")?;
        let modules = root.join("lib/modules");
        fs::create_dir_all(&modules)?;
        // Not by links: who looks at 4,000 files pays for each link on the way.
        shell::run(Command::new("cp").arg("-a").arg(&original).arg(&modules))?;
        let dir = modules.join(original.file_name().context("a version")?);
        let order = fs::read_to_string(dir.join(LISTINGS[0]))?;
        let version = dir.file_name().context("a version")?.to_string_lossy();
        Ok(Self {
            root: root.to_path_buf(),
            version: version.into_owned(),
            dir,
            modules: order.lines().count(),
        })
    }

    /// Brings the tree into a state.
    fn prepare(&self, before: Before) -> Result<()> {
        let added = self.dir.join(ADDED);
        let index = |words: &[&str]| measure::run(&mut command(&modtree(self, "depmod", words)));
        match before {
            Before::Anything => Ok(()),
            Before::Index => index(&[]),
            Before::NoIndex => {
                for name in index_files(&self.dir).into_keys() {
                    fs::remove_file(self.dir.join(name))?;
                }
                Ok(())
            }
            Before::OneAdded => {
                if added.exists() {
                    fs::remove_file(&added)?;
                }
                index(&["--incremental"])?;
                fs::create_dir_all(added.parent().context("a folder")?)?;
                let module =
                    Synthetic::new("alias=pci:v0000ADDEd*\n", &["usb_register_driver"], &[]);
                Ok(fs::write(added, module.bytes())?)
            }
        }
    }
}

/// The words of a command of ours.
fn modtree(tree: &Tree, subcommand: &str, words: &[&str]) -> Vec<String> {
    let program = release::program("modtree");
    let mut all = vec![program.to_string_lossy().into_owned()];
    all.extend([subcommand, "-q", "-b", &tree.root.to_string_lossy()].map(str::to_owned));
    all.extend(words.iter().map(ToString::to_string));
    if subcommand == "depmod" {
        all.push(tree.version.clone());
    }
    all
}

/// The words of one of kmod's commands.
fn theirs(kmod: &Kmod, tree: &Tree, tool: &str, words: &[&str]) -> Vec<String> {
    let mut command = kmod.tool(tool);
    match tool {
        "depmod" => command
            .arg("-b")
            .arg(&tree.root)
            .args(words)
            .arg(&tree.version),
        _ => command
            .arg("-d")
            .arg(&tree.root)
            .args(["-S", &tree.version])
            .args(words),
    };
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

fn works(kmod: &Kmod, tree: &Rc<Tree>, form: &str) -> Vec<Work> {
    use Before::{Anything, Index, NoIndex, OneAdded};
    let way = |name, before, commands: Vec<Vec<String>>| {
        let tree = Rc::clone(tree);
        let starts = commands
            .into_iter()
            .map(|words| -> Start { Box::new(move || command(&words)) });
        Way::after(name, move || tree.prepare(before), starts.collect())
    };
    let names = ["usb_storage", "vfat"];
    let depmod = || theirs(kmod, tree, "depmod", &[]);
    let show = || {
        theirs(
            kmod,
            tree,
            "modprobe",
            &["-a", "--show-depends", names[0], names[1]],
        )
    };
    let closure = || modtree(tree, "closure", &names);
    let ours = |words: &[&str]| vec![modtree(tree, "depmod", words)];
    let floor = match form {
        "plain" => "the floor: reading the needed sections, all cores",
        _ => "the floor: decoding all files, all cores",
    };
    let xtask = release::program("xtask");
    let xtask = xtask.to_string_lossy().into_owned();
    let mut works = vec![
        Work {
            name: "all indexes",
            ways: vec![
                way("kmod 34: depmod", Anything, vec![depmod()]),
                way("modtree depmod (files synced)", NoIndex, ours(&[])),
                way(
                    floor,
                    Anything,
                    vec![vec![
                        xtask,
                        "floor".into(),
                        tree.dir.to_string_lossy().into_owned(),
                    ]],
                ),
            ],
        },
        Work {
            name: "text indexes to standard output",
            ways: vec![
                way(
                    "kmod 34: depmod -n",
                    Anything,
                    vec![theirs(kmod, tree, "depmod", &["-n"])],
                ),
                way("modtree depmod -n", Anything, ours(&["-n"])),
            ],
        },
        Work {
            name: "one module added",
            ways: vec![
                way("kmod 34: depmod", OneAdded, vec![depmod()]),
                way("modtree depmod --incremental", OneAdded, ours(&["-i"])),
            ],
        },
        Work {
            name: "closure, no index",
            ways: vec![
                way(
                    "kmod 34: depmod; modprobe --show-depends",
                    NoIndex,
                    vec![depmod(), show()],
                ),
                way("modtree closure", NoIndex, vec![closure()]),
            ],
        },
        Work {
            name: "closure, with an index",
            ways: vec![
                way("kmod 34: modprobe --show-depends", Index, vec![show()]),
                way("modtree closure", Index, vec![closure()]),
            ],
        },
    ];
    if form == "gzip" {
        // Debian's build of kmod does not know the suffix, and would find no module.
        for work in &mut works {
            work.ways.remove(0);
        }
    }
    works
}

/// The command of some words.
fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn heading() -> Result<String> {
    Ok(format!(
        "# modtree beside kmod\n\n\
         Written by `cargo xtask bench modtree`. The peer is kmod 34 of Debian 13, with its own C library. The closure is of\n\
         usb_storage and vfat; the added module is found by no listing.\n{}",
        measure::heading()?
    ))
}
