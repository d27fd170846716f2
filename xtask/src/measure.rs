//! Measuring: whole processes, in turns, with the peer first; tables for `benches/results`.
//!
//! Every round runs each way once, so that a change of the machine's mood meets all of them. Medians are compared; a table
//! shows the spread, and the load of the machine before and after.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::environment::find_program;

use crate::shell;

/// Enough for a median on a machine that does other things.
pub(crate) const ROUNDS: usize = 9;

/// A table's first lines.
pub(crate) const HEAD: &str = "| work | command | median | fastest | slowest | times faster | processor time | times less | memory |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";

/// Makes a command anew for each run.
pub(crate) type Start = Box<dyn Fn() -> Command>;

/// A piece of work with the ways to do it, the peer's first.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) ways: Vec<Way>,
}

/// One way to do a piece of work.
pub(crate) struct Way {
    name: &'static str,
    /// Run before each measurement, and not measured.
    before: Box<dyn Fn() -> Result<()>>,
    /// Measured together.
    commands: Vec<Start>,
}

impl Way {
    /// Commands that start from any state.
    pub(crate) fn new(name: &'static str, commands: Vec<Start>) -> Self {
        Self::after(name, || Ok(()), commands)
    }

    /// Commands before which something has to be done each time.
    pub(crate) fn after(
        name: &'static str,
        before: impl Fn() -> Result<()> + 'static,
        commands: Vec<Start>,
    ) -> Self {
        let before = Box::new(before);
        Self {
            name,
            before,
            commands,
        }
    }
}

/// What was measured of one way.
#[derive(Default)]
struct Sums {
    times: Vec<Duration>,
    ticks: u64,
    memory: Option<u64>,
}

/// Runs the ways in turns, and adds a line for each.
pub(crate) fn measure(work: &Work, text: &mut String) -> Result<()> {
    eprintln!("{}", work.name);
    let mut sums: Vec<Sums> = work.ways.iter().map(|_| Sums::default()).collect();
    // The first round brings the files into memory, and does not count; memory is measured in it.
    for round in 0..=ROUNDS {
        for (way, sums) in work.ways.iter().zip(&mut sums) {
            (way.before)()?;
            if round == 0 {
                sums.memory = memory(&way.commands)?;
                continue;
            }
            let before = children_ticks()?;
            let clock = Instant::now();
            way.commands
                .iter()
                .try_for_each(|start| run(&mut start()))?;
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

/// Runs a command to its end, without its output.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    ensure!(command.status()?.success(), "{command:?} failed");
    Ok(())
}

/// The largest resident set of some commands, in KiB, by GNU time; none where that is missing.
fn memory(commands: &[Start]) -> Result<Option<u64>> {
    let Some(time) = find_program("time") else {
        return Ok(None);
    };
    let mut largest = 0;
    for start in commands {
        let measured = start();
        let mut command = Command::new(&time);
        command
            .args(["-f", "%M"])
            .arg(measured.get_program())
            .args(measured.get_args())
            .envs(
                measured
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdout(Stdio::null());
        if let Some(folder) = measured.get_current_dir() {
            command.current_dir(folder);
        }
        let output = command.output()?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{command:?} failed: {stderr}");
        let last = stderr.lines().last().unwrap_or_default();
        let kib = last
            .parse()
            .with_context(|| format!("{command:?}: {last}"))?;
        largest = u64::max(largest, kib);
    }
    Ok(Some(largest))
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

/// How it was measured, and on what: the beginning of every result.
pub(crate) fn heading() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or("unknown")
        .trim_start_matches(['\t', ':', ' ']);
    let cores = std::thread::available_parallelism()?;
    let rust = shell::output(Command::new("rustc").arg("--version"))?;
    Ok(format!(
        "Medians of {ROUNDS} runs of whole processes, page cache warm, all commands of a piece of work in turns; \"times faster\" and\n\
         \"times less\" are against its first line, in the same run. Processor time is the mean, over all threads, in steps of\n\
         10 ms; on a machine with other work it says more than the clock. Memory is the largest resident set.\n\n\
         * machine: {model}, {cores} cores; load at the beginning: {}\n\
         * {}\n",
        load()?,
        rust.trim()
    ))
}

/// The machine's load over 1, 5 and 15 minutes.
pub(crate) fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
