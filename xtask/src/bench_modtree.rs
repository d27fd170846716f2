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
use tests::environment::{corpus, find_program, workspace};
use tests::modules::synthetic::Synthetic;
use tests::modules::trees::{LISTINGS, modules_dir};
use tests::modules::{Kmod, index_files, shadow};

use crate::{corpus, shell};

/// Enough for a median on a machine that does other things; the slowest command takes five seconds.
const ROUNDS: usize = 9;

/// The module that is added for `--incremental`, below the modules directory, as DKMS would put it there.
const ADDED: &str = "updates/dkms/added.ko";

/// A piece of work with the ways to do it, the peer's first.
struct Work {
    name: &'static str,
    ways: Vec<Way>,
}

/// One way to do a piece of work.
struct Way {
    name: &'static str,
    /// Run before each measurement, and not measured.
    before: Before,
    /// Measured together.
    commands: Vec<Vec<String>>,
}

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
    shell::run(Command::new("cargo").args(["build", "--release", "--quiet", "-p", "modtree"]))?;
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
        let tree = Tree::new(&kernel, &temporary.path().join(form))?;
        let _ = writeln!(text, "\n## {} modules, {form}\n", tree.modules);
        text.push_str("| work | command | median | fastest | slowest | times faster | processor time | times less | memory |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for work in works(&kmod, &tree, form) {
            measure(&work, &tree, &mut text)?;
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
        let dir = shadow(&original, root);
        let order = fs::read_to_string(dir.join(LISTINGS[0]))?;
        let version = dir.file_name().context("a version")?;
        Ok(Self {
            root: root.to_path_buf(),
            version: version.to_string_lossy().into_owned(),
            dir,
            modules: order.lines().count(),
        })
    }

    /// Brings the tree into a state.
    fn prepare(&self, before: Before) -> Result<()> {
        let added = self.dir.join(ADDED);
        let index = |words: &[&str]| start(&modtree(self, "depmod", words));
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
    let program = workspace().join("target/release/modtree");
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

fn works(kmod: &Kmod, tree: &Tree, form: &str) -> Vec<Work> {
    use Before::{Anything, Index, NoIndex, OneAdded};
    let way = |name, before, commands| Way {
        name,
        before,
        commands,
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
    let mut works = vec![
        Work {
            name: "all indexes",
            ways: vec![
                way("kmod 34: depmod", Anything, vec![depmod()]),
                way("modtree depmod (files synced)", NoIndex, ours(&[])),
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
            work.ways.retain(|way| !way.name.starts_with("kmod"));
        }
    }
    works
}

/// Runs a command to its end, without its output.
fn start(words: &[String]) -> Result<()> {
    let (program, words) = words.split_first().context("a program")?;
    let mut command = Command::new(program);
    command
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    ensure!(command.status()?.success(), "{command:?} failed");
    Ok(())
}

/// The largest resident set of some commands, in KiB, by GNU time; none where that is missing.
fn memory(commands: &[Vec<String>]) -> Result<Option<u64>> {
    let Some(time) = find_program("time") else {
        return Ok(None);
    };
    let mut largest = 0;
    for words in commands {
        let mut command = Command::new(&time);
        command.args(["-f", "%M"]).args(words).stdout(Stdio::null());
        let stderr = String::from_utf8_lossy(&command.output()?.stderr).into_owned();
        let last = stderr.lines().last().unwrap_or_default();
        let kib = last
            .parse()
            .with_context(|| format!("{command:?}: {last}"))?;
        largest = u64::max(largest, kib);
    }
    Ok(Some(largest))
}

/// What was measured of one way.
#[derive(Default)]
struct Sums {
    times: Vec<Duration>,
    ticks: u64,
    memory: Option<u64>,
}

fn measure(work: &Work, tree: &Tree, text: &mut String) -> Result<()> {
    let mut sums: Vec<Sums> = work.ways.iter().map(|_| Sums::default()).collect();
    // The first round brings the files into memory, and does not count; memory is measured in it.
    for round in 0..=ROUNDS {
        for (way, sums) in work.ways.iter().zip(&mut sums) {
            tree.prepare(way.before)?;
            if round == 0 {
                sums.memory = memory(&way.commands)?;
                continue;
            }
            let before = children_ticks()?;
            let clock = Instant::now();
            way.commands.iter().try_for_each(|words| start(words))?;
            sums.times.push(clock.elapsed());
            sums.ticks += children_ticks()? - before;
        }
    }
    let mut peer = None;
    for (way, sums) in work.ways.iter().zip(&mut sums) {
        sums.times.sort();
        let ms = |at: usize| sums.times[at].as_secs_f64() * 1000.0;
        // A tick is 10 ms on Linux, whatever the kernel's own clock.
        let processor = sums.ticks as f64 * 10.0 / ROUNDS as f64;
        let median = ms(ROUNDS / 2);
        let (peer_median, peer_processor) = *peer.get_or_insert((median, processor));
        let less = match processor > 0.0 {
            true => format!("{:.1}", peer_processor / processor),
            false => "-".to_owned(),
        };
        let memory = sums.memory.map_or("-".to_owned(), |kib| {
            format!("{:.1} MB", kib as f64 / 1024.0)
        });
        let _ = writeln!(
            text,
            "| {} | {} | {median:.1} ms | {:.1} ms | {:.1} ms | {:.1} | {processor:.0} ms | {less} | {memory} |",
            work.name,
            way.name,
            ms(0),
            ms(ROUNDS - 1),
            peer_median / median,
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

fn heading() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or("unknown")
        .trim_start_matches(['\t', ':', ' ']);
    let cores = std::thread::available_parallelism()?;
    let rust = shell::output(Command::new("rustc").arg("--version"))?;
    Ok(format!(
        "# modtree beside kmod\n\n\
         Written by `cargo xtask bench modtree`. Medians of {ROUNDS} runs of whole processes, page cache warm, all commands of a\n\
         piece of work in turns; \"times faster\" and \"times less\" are against its first line, in the same run.\n\
         Processor time is the mean, over all threads, in steps of 10 ms; on a machine with other work it says more than the clock.\n\
         Memory is the largest resident set. The closure is of usb_storage and vfat; the added module is found by no listing.\n\n\
         * machine: {model}, {cores} cores; load at the beginning: {}\n\
         * kmod 34 of Debian 13, with its own C library; {}",
        load()?,
        rust.trim()
    ) + "\n")
}

fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
