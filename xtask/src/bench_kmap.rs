//! `cargo xtask bench kmap`: `kmapc` against `loadkeys`, whole processes, in one run; writes `benches/results/kmap.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::environment::workspace;
use tests::keymaps::{Characters, Loadkeys, console_data};

use crate::shell;

/// Runs of one map, and of all maps; the median of each counts.
const RUNS_OF_ONE: usize = 101;
const RUNS_OF_ALL: usize = 11;

/// The times of one command, in ascending order.
struct Times(Vec<Duration>);

impl Times {
    fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    /// `median (first quartile to third quartile)`, in milliseconds.
    fn text(&self) -> String {
        let at = |quarter: usize| {
            self.0
                .get(self.0.len() * quarter / 4)
                .copied()
                .unwrap_or_default()
        };
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        format!(
            "{:.1} ms ({:.1} to {:.1})",
            ms(self.median()),
            ms(at(1)),
            ms(at(3))
        )
    }
}

pub(crate) fn run() -> Result<()> {
    shell::run(Command::new("cargo").args(["build", "--release", "--quiet", "-p", "kmap"]))?;
    let kmapc = target().join("release/kmapc");
    let loadkeys = Loadkeys::find().context("loadkeys is not installed (cargo xtask setup)")?;
    let maps: Vec<PathBuf> = console_data()
        .into_iter()
        .filter(|map| {
            loadkeys
                .file(map, Characters::Unicode)
                .is_ok_and(|bytes| bytes.is_some())
        })
        .collect();
    ensure!(
        !maps.is_empty(),
        "console-data is not installed (cargo xtask setup)"
    );
    let one = Path::new("/usr/share/keymaps/i386/qwerty/es.kmap.gz");
    let folder = workspace().join("target/bench-kmap");
    fs::create_dir_all(&folder)?;

    // Both in turns, so that whatever else the machine does falls on both.
    let of_one = compare(
        RUNS_OF_ONE,
        || time(Command::new(&kmapc).args(["-8", "-o", "-"]).arg(one)),
        || time(Command::new("loadkeys").arg("-b").arg(one)),
    )?;
    let of_all = compare(
        RUNS_OF_ALL,
        || {
            // Replacing the files of the last run takes longer than writing new ones, and is not what is measured.
            fs::remove_dir_all(&folder)?;
            fs::create_dir(&folder)?;
            let mut all = Command::new(&kmapc);
            time(all.args(["-u", "-q", "--out-dir"]).arg(&folder).args(&maps))
        },
        || {
            let each = |map: &PathBuf| time(Command::new("loadkeys").args(["-u", "-b"]).arg(map));
            maps.iter().map(each).sum()
        },
    )?;
    let text = report(&of_one, &of_all, maps.len())?;
    let path = workspace().join("benches/results/kmap.md");
    fs::create_dir_all(path.parent().context("no parent")?)?;
    fs::write(&path, &text)?;
    print!("{text}");
    Ok(())
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

fn compare(
    runs: usize,
    ours: impl Fn() -> Result<Duration>,
    theirs: impl Fn() -> Result<Duration>,
) -> Result<(Times, Times)> {
    let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        of_ours.push(ours()?);
        of_theirs.push(theirs()?);
    }
    of_ours.sort();
    of_theirs.sort();
    Ok((Times(of_ours), Times(of_theirs)))
}

fn time(command: &mut Command) -> Result<Duration> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(start.elapsed())
}

fn report(of_one: &(Times, Times), of_all: &(Times, Times), count: usize) -> Result<String> {
    let ratio = |(ours, theirs): &(Times, Times)| {
        theirs.median().as_secs_f64() / ours.median().as_secs_f64()
    };
    let cores = std::thread::available_parallelism()?;
    let version = |program: &str| shell::output(Command::new(program).arg("--version"));
    let kernel = shell::output(Command::new("uname").args(["-sr"]))?;
    Ok(format!(
        "# kmapc and loadkeys\n\n\
         Written by `cargo xtask bench kmap`. Whole processes, both commands in turns; the median, and in parentheses the first \
         and the third quartile.\n\n\
         Machine: {}, {cores} cores, {}. Peer: {}. Runs: {RUNS_OF_ONE} of one map, {RUNS_OF_ALL} of all.\n\n\
         | what | kmapc | loadkeys | ratio |\n| --- | --- | --- | --- |\n\
         | one map to a pipe (`kmapc -8 -o - es.kmap.gz`, `loadkeys -b es.kmap.gz`) | {} | {} | {:.1} |\n\
         | {count} maps to files, synced to the disk (`kmapc -u --out-dir DIR …`), against {count} calls of `loadkeys -u -b` that write nothing | {} | {} | {:.1} |\n",
        processor(),
        kernel.trim(),
        version("loadkeys")?.lines().next().unwrap_or_default(),
        of_one.0.text(),
        of_one.1.text(),
        ratio(of_one),
        of_all.0.text(),
        of_all.1.text(),
        ratio(of_all),
    ))
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    line.map_or("unknown processor".to_owned(), |line| {
        line.trim_start_matches([' ', '\t', ':']).to_owned()
    })
}
