//! `cargo xtask bench kmap`: `kmapc` beside `loadkeys`, whole processes, in turns.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tests::environment::workspace;
use tests::keymaps::{Characters, Loadkeys, console_data};

use crate::measure::{self, HEAD, Start, Way, Work, load, measure};
use crate::{release, shell};

/// One map takes little more than the start of a process.
const RUNS_OF_ONE: usize = 20;

const INTRODUCTION: &str = "# kmapc beside loadkeys\n\n\
    Written by `cargo xtask bench kmap`. \"all\" are the maps of console-data that loadkeys accepts in Unicode mode: `kmapc` writes\n\
    each to a file of its own in a new directory, and syncs it to the disk where that is one; loadkeys, which takes one at a\n\
    time, writes to `/dev/null`. `/dev/shm` is memory.\n";

pub(crate) fn run() -> Result<()> {
    release::build(&["kmap"])?;
    let kmapc = release::program("kmapc");
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
    Work {
        name: "all",
        ways: vec![
            Way::new("loadkeys -u -b, for each", each.collect()),
            together(
                "kmapc -u --out-dir /dev/shm/…",
                kmapc,
                maps,
                Path::new("/dev/shm"),
            ),
            together("kmapc -u --out-dir DIR, synced", kmapc, maps, folder),
        ],
    }
}

/// All maps in one call, to a directory that was not there before: ext4 is slow to make files for some seconds after others
/// were removed.
fn together(name: &'static str, kmapc: &Path, maps: &[PathBuf], folder: &Path) -> Way {
    let place: Rc<RefCell<Option<TempDir>>> = Rc::default();
    let make = {
        let (place, folder) = (Rc::clone(&place), folder.to_path_buf());
        move || {
            // On a disk the folder above goes at the end, with all that is in it.
            if let Some(last) = place.replace(Some(tempfile::tempdir_in(&folder)?))
                && !folder.starts_with("/dev/shm")
            {
                let _kept = last.keep();
            }
            Ok(())
        }
    };
    let (kmapc, maps) = (kmapc.to_path_buf(), maps.to_vec());
    let command: Start = Box::new(move || {
        let mut command = Command::new(&kmapc);
        command.args(["-u", "-q", "--out-dir"]);
        command.args(place.borrow().as_ref().map(TempDir::path));
        command.args(&maps);
        command
    });
    Way::after(name, make, vec![command])
}
