//! `cargo xtask bench modtree`: modtree beside kmod, whole processes, in turns.
//!
//! Every round runs each command once, so that a change of the machine's mood meets all of them. Medians are compared; the
//! table shows the spread, and the load of the machine before and after.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::environment::workspace;
use tests::modules::{Kmod, shadow};

use crate::{corpus, shell};

/// Enough for a median on a machine that does other things; the slowest command takes five seconds.
pub(crate) const ROUNDS: usize = 9;

/// A piece of work with the commands that do it, the peer first.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) commands: Vec<(&'static str, Start)>,
}

/// Makes a command anew for each run.
pub(crate) type Start = Box<dyn Fn() -> Command>;

/// Measures, prints the table, and writes it to `benches/results/modtree.md`.
pub(crate) fn run() -> Result<()> {
    shell::run(Command::new("cargo").args(["build", "--release", "--quiet", "-p", "modtree"]))?;
    let kmod = Kmod::v34().context("kmod 34 is missing from the corpus")?;
    let temporary = tempfile::tempdir()?;
    let plain = tree(&corpus::linux_6_1()?, &temporary.path().join("plain"))?;
    let xz = tree(&corpus::linux_6_12()?, &temporary.path().join("xz"))?;
    let zstd = recompressed(&plain, &temporary.path().join("zstd"))?;
    let mut text = heading()?;
    for (form, tree) in [("plain", &plain), ("zstd", &zstd), ("xz", &xz)] {
        let count = format!("{} modules, {form}", tree.modules);
        let _ = writeln!(text, "\n## {count}\n");
        text.push_str("| work | command | median | fastest | slowest | times faster | processor time |\n| --- | --- | --- | --- | --- | --- | --- |\n");
        for work in works(&kmod, tree) {
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
#[derive(Clone)]
struct Tree {
    root: PathBuf,
    dir: PathBuf,
    version: String,
    modules: usize,
}

fn tree(kernel: &Path, root: &Path) -> Result<Tree> {
    let places = ["lib/modules", "usr/lib/modules"].map(|place| kernel.join(place));
    let versions = places.iter().filter_map(|place| fs::read_dir(place).ok());
    let original = versions
        .flatten()
        .next()
        .context("a kernel in the corpus")??
        .path()
        .canonicalize()?;
    Tree::at(root, shadow(&original, root))
}

impl Tree {
    fn at(root: &Path, dir: PathBuf) -> Result<Self> {
        let order = fs::read_to_string(dir.join("modules.order"))?;
        Ok(Self {
            root: root.to_path_buf(),
            version: dir
                .file_name()
                .context("a version")?
                .to_string_lossy()
                .into_owned(),
            dir,
            modules: order.lines().count(),
        })
    }
}

/// The same modules, each compressed by zstd at its default level.
fn recompressed(from: &Tree, root: &Path) -> Result<Tree> {
    let dir = root.join("lib/modules").join(&from.version);
    let order = fs::read_to_string(from.dir.join("modules.order"))?;
    for line in order.lines() {
        let to = dir.join(format!("{line}.zst"));
        fs::create_dir_all(to.parent().context("a folder")?)?;
        let bytes = fs::read(from.dir.join(line))?;
        fs::write(to, codec::encode(&bytes, codec::Format::Zstd, Some(3))?)?;
    }
    for file in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        fs::copy(from.dir.join(file), dir.join(file))?;
    }
    Tree::at(root, dir)
}

fn works(kmod: &Kmod, tree: &Tree) -> Vec<Work> {
    let modtree = workspace().join("target/release/modtree");
    let ours = move |tree: &Tree, words: &'static [&'static str]| -> Start {
        let (modtree, tree) = (modtree.clone(), tree.clone());
        Box::new(move || {
            let mut command = Command::new(&modtree);
            command
                .args(&words[..1])
                .arg("-b")
                .arg(&tree.root)
                .args(&words[1..]);
            if words[0] == "depmod" {
                command.arg(&tree.version);
            }
            command
        })
    };
    let theirs = |tool: &'static str, words: &'static [&'static str]| -> Start {
        let (kmod, tree) = (kmod.clone(), tree.clone());
        Box::new(move || {
            let mut command = kmod.tool(tool);
            match tool {
                "depmod" => command.arg("-b").arg(&tree.root).arg(&tree.version),
                _ => command
                    .arg("-d")
                    .arg(&tree.root)
                    .args(["-S", &tree.version])
                    .args(words),
            };
            command
        })
    };
    vec![
        Work {
            name: "all indexes",
            commands: vec![
                ("kmod 34: depmod", theirs("depmod", &[])),
                (
                    "modtree depmod (files synced)",
                    ours(tree, &["depmod", "-q"]),
                ),
                (
                    "modtree depmod --incremental, nothing changed",
                    ours(tree, &["depmod", "-q", "-i"]),
                ),
            ],
        },
        Work {
            name: "text indexes to standard output",
            commands: vec![
                ("kmod 34: depmod -n", {
                    let (kmod, tree) = (kmod.clone(), tree.clone());
                    Box::new(move || {
                        let mut command = kmod.tool("depmod");
                        command
                            .arg("-n")
                            .arg("-b")
                            .arg(&tree.root)
                            .arg(&tree.version);
                        command
                    })
                }),
                ("modtree depmod -n", ours(tree, &["depmod", "-q", "-n"])),
            ],
        },
        Work {
            name: "closure of one module",
            commands: vec![
                (
                    "kmod 34: modprobe --show-depends (with its index)",
                    theirs("modprobe", &["--show-depends", "usb_storage"]),
                ),
                (
                    "modtree closure usb_storage (no index)",
                    ours(tree, &["closure", "-q", "usb_storage"]),
                ),
                (
                    "modtree closure --runtime usb_storage vfat (fresh index)",
                    ours(tree, &["closure", "-q", "-r", "usb_storage", "vfat"]),
                ),
            ],
        },
    ]
}

/// Runs the commands in turns, and adds a line for each.
pub(crate) fn measure(work: &Work, text: &mut String) -> Result<()> {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); work.commands.len()];
    let mut processor = vec![0; work.commands.len()];
    // The first round brings the files into memory, and does not count.
    for round in 0..=ROUNDS {
        let sums = times.iter_mut().zip(&mut processor);
        for ((_, command), (times, processor)) in work.commands.iter().zip(sums) {
            let mut command = command();
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let before = children_ticks()?;
            let start = Instant::now();
            let status = command.status()?;
            let time = start.elapsed();
            ensure!(status.success(), "{command:?} failed");
            if round > 0 {
                times.push(time);
                *processor += children_ticks()? - before;
            }
        }
    }
    let mut peer = None;
    let sums = times.iter_mut().zip(processor);
    for ((name, _), (times, processor)) in work.commands.iter().zip(sums) {
        times.sort();
        // A tick is 10 ms on Linux, whatever the kernel's own clock.
        let processor = processor as f64 * 10.0 / ROUNDS as f64;
        let ms = |at: usize| times[at].as_secs_f64() * 1000.0;
        let median = ms(ROUNDS / 2);
        let ratio = *peer.get_or_insert(median) / median;
        let _ = writeln!(
            text,
            "| {} | {name} | {median:.1} ms | {:.1} ms | {:.1} ms | {ratio:.1} | {processor:.0} ms |",
            work.name,
            ms(0),
            ms(ROUNDS - 1)
        );
    }
    Ok(())
}

/// The processor time of all processes that this one has waited for, in ticks.
fn children_ticks() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let fields = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    // Fields 16 and 17 of proc(5): cutime and cstime.
    let ticks = fields.skip(13).take(2).map(str::parse::<u64>);
    ticks.sum::<Result<u64, _>>().context("/proc/self/stat")
}

/// What it was measured on, as a line of a list.
pub(crate) fn machine() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or("unknown")
        .trim_start_matches(['\t', ':', ' ']);
    let cores = std::thread::available_parallelism()?;
    let load = load()?;
    Ok(format!(
        "* machine: {model}, {cores} cores; load at the beginning: {load}"
    ))
}

fn heading() -> Result<String> {
    let rust = shell::output(Command::new("rustc").arg("--version"))?;
    Ok(format!(
        "# modtree beside kmod\n\n\
         Written by `cargo xtask bench modtree`. Medians of {ROUNDS} runs of whole processes, page cache warm, all commands of a\n\
         table in turns; \"times faster\" is against the first line of the same work in the same run.\n\
         Processor time is the mean, over all threads, in steps of 10 ms; on a machine with other work it says more than the clock.\n\n\
         {}\n\
         * kmod 34 of Debian 13, with its own C library; {}",
        machine()?,
        rust.trim()
    ) + "\n")
}

/// The machine's load over 1, 5 and 15 minutes.
pub(crate) fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
