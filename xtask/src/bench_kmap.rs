//! `cargo xtask bench kmap`: `kmapc` beside `loadkeys`, whole processes, in turns.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use tests::environment::workspace;
use tests::keymaps::{Characters, Loadkeys, console_data};

use crate::measure::{self, HEAD, Start, Way, Work, load, measure};
use crate::shell;

/// One map takes little more than the start of a process.
const RUNS_OF_ONE: usize = 20;

const INTRODUCTION: &str = "# kmapc beside loadkeys\n\n\
    Written by `cargo xtask bench kmap`. \"all\" are the maps of console-data that loadkeys accepts in Unicode mode: `kmapc` writes\n\
    each to a file of its own in a new directory and syncs it to the disk; loadkeys, which takes one at a time, writes to\n\
    `/dev/null`.\n";

pub(crate) fn run() -> Result<()> {
    shell::run(Command::new("cargo").args(["build", "--release", "--quiet", "-p", "kmap"]))?;
    let kmapc = target().join("release/kmapc");
    let maps = accepted()?;
    let folder = target().join("bench-kmap");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut text = format!("{INTRODUCTION}\n{}", measure::heading()?);
    let version = shell::output(Command::new("loadkeys").arg("--version"))?;
    writeln!(text, "* {}\n\n{HEAD}", version.trim())?;
    text.truncate(text.trim_end().len());
    text.push('\n');
    for work in [one(&kmapc), all(&kmapc, &maps, &folder)] {
        measure(&work, &mut text)?;
    }
    writeln!(
        text,
        "\nall: {} maps. Load of the machine at the end: {}",
        maps.len(),
        load()?
    )?;
    fs::remove_dir_all(&folder)?;
    let path = workspace().join("benches/results/kmap.md");
    fs::create_dir_all(path.parent().context("no parent")?)?;
    fs::write(&path, &text)?;
    print!("{text}");
    Ok(())
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The maps that the peer compiles too.
fn accepted() -> Result<Vec<PathBuf>> {
    let loadkeys = Loadkeys::find().context("loadkeys is not installed (cargo xtask setup)")?;
    let accepts = |map: &PathBuf| {
        let bytes = loadkeys.file(map, Characters::Unicode);
        bytes.is_ok_and(|bytes| bytes.is_some())
    };
    let maps: Vec<PathBuf> = console_data().into_iter().filter(accepts).collect();
    ensure!(
        !maps.is_empty(),
        "console-data is not installed (cargo xtask setup)"
    );
    Ok(maps)
}

/// Makes the same command for each run.
fn start(program: &Path, arguments: &[&str], map: &Path) -> Start {
    let program = program.to_path_buf();
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let map = map.to_path_buf();
    Box::new(move || {
        let mut command = Command::new(&program);
        command.args(&arguments).arg(&map);
        command
    })
}

fn one(kmapc: &Path) -> Work {
    let es = Path::new("/usr/share/keymaps/i386/qwerty/es.kmap.gz");
    let often = |program: &Path, arguments: &[&str]| -> Vec<Start> {
        let runs = (0..RUNS_OF_ONE).map(|_| start(program, arguments, es));
        runs.collect()
    };
    Work {
        name: "one map, 20 times",
        ways: vec![
            Way::new(
                "loadkeys -b es.kmap.gz",
                often(Path::new("loadkeys"), &["-b"]),
            ),
            Way::new("kmapc -o - es.kmap.gz", often(kmapc, &["-q", "-o", "-"])),
        ],
    }
}

fn all(kmapc: &Path, maps: &[PathBuf], folder: &Path) -> Work {
    let loadkeys = Path::new("loadkeys");
    let each = maps.iter().map(|map| start(loadkeys, &["-u", "-b"], map));
    // A directory that was not there before: ext4 is slow to make files for some seconds after others were removed.
    let run = Rc::new(Cell::new(0));
    let place = {
        let (run, folder) = (Rc::clone(&run), folder.to_path_buf());
        move || folder.join(run.get().to_string())
    };
    let make = {
        let place = place.clone();
        move || {
            run.set(run.get() + 1);
            Ok(fs::create_dir(place())?)
        }
    };
    let (kmapc, maps) = (kmapc.to_path_buf(), maps.to_vec());
    let together: Start = Box::new(move || {
        let mut command = Command::new(&kmapc);
        command.args(["-u", "-q", "--out-dir"]).arg(place());
        command.args(&maps);
        command
    });
    Work {
        name: "all",
        ways: vec![
            Way::new("loadkeys -u -b, for each", each.collect()),
            Way::after("kmapc -u --out-dir DIR", make, vec![together]),
        ],
    }
}
