//! Generated keymaps against the installed `loadkeys`: the same bytes or a rejection from both, in both modes.
//!
//! `KEYMAP_PROGRAMS=20000` tries so many, `KEYMAP_SEED=7` tries others. A failure prints the shortest program that still
//! shows it, with the files that it includes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::str::FromStr;

use kmap::{Endian, FileSource, Mode, SearchPath, SourceText};
use rayon::prelude::*;
use tests::keymaps::{Characters, Loadkeys, Programs};

/// As many programs share one set of files to include.
const BATCH: usize = 100;
/// A failing program is shortened by so many runs at most.
const SHRINKING: usize = 2000;

const MODES: [(Characters, Mode); 2] = [
    (Characters::Bytes, Mode::EightBit),
    (Characters::Unicode, Mode::Unicode),
];

fn variable<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// Both answers to one program.
struct Verdict {
    ours: Result<Vec<u8>, String>,
    theirs: Option<Vec<u8>>,
}

impl Verdict {
    fn agrees(&self) -> bool {
        self.ours.as_ref().ok() == self.theirs.as_ref()
    }
}

fn judge(
    loadkeys: Loadkeys,
    text: &str,
    (characters, mode): (Characters, Mode),
    folder: &Path,
) -> Verdict {
    let source = &mut FileSource::new(SearchPath::standard());
    let text_here = SourceText {
        path: folder.join("program"),
        bytes: text.into(),
    };
    let ours = kmap::compile_text(source, text_here, mode);
    Verdict {
        ours: ours
            .map(|compiled| compiled.keymap.to_bkeymap(Endian::Little))
            .map_err(|report| report.to_string()),
        theirs: loadkeys.text(text.as_bytes(), characters, folder).unwrap(),
    }
}

/// Leaves out lines as long as the verdicts still differ: halves first, single lines last.
fn shrink(mut lines: Vec<String>, still_fails: impl Fn(&str) -> bool) -> Vec<String> {
    let mut runs = 0;
    let mut size = lines.len().div_ceil(2);
    while size > 0 && runs < SHRINKING {
        let mut start = 0;
        while start < lines.len() {
            let mut fewer = lines.clone();
            fewer.drain(start..(start + size).min(fewer.len()));
            runs += 1;
            if still_fails(&fewer.concat()) {
                lines = fewer;
            } else {
                start += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    lines
}

fn explain(
    loadkeys: Loadkeys,
    lines: Vec<String>,
    modes: (Characters, Mode),
    folder: &Path,
) -> String {
    let fails = |text: &str| !judge(loadkeys, text, modes, folder).agrees();
    let text = shrink(lines, fails).concat();
    let verdict = judge(loadkeys, &text, modes, folder);
    let mut screen = format!("{:?}, this program:\n{text}---\n", modes.1);
    for (index, file) in fs::read_dir(folder).unwrap().enumerate() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if index == 0 {
            screen += "its files:\n";
        }
        screen += &format!("{name}: {}\n", fs::read_to_string(&path).unwrap());
    }
    match (verdict.ours, verdict.theirs) {
        (Ok(ours), Some(theirs)) => {
            let at = ours.iter().zip(&theirs).position(|(a, b)| a != b);
            screen += &format!(
                "the bytes differ at {at:?}; {} and {} bytes",
                ours.len(),
                theirs.len()
            );
        }
        (Ok(_), None) => screen += "loadkeys rejects it",
        (Err(report), _) => screen += &format!("loadkeys accepts it, and we say: {report}"),
    }
    screen
}

/// Tries the programs of one batch. Returns how many runs `loadkeys` accepted.
fn batch(loadkeys: Loadkeys, seed: u64, count: usize) -> Result<usize, String> {
    let mut programs = Programs::new(seed);
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in programs.files() {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut accepted = 0;
    for _ in 0..count {
        let lines = programs.program();
        for modes in MODES {
            let verdict = judge(loadkeys, &lines.concat(), modes, folder.path());
            accepted += usize::from(verdict.theirs.is_some());
            if !verdict.agrees() {
                return Err(format!(
                    "seed {seed}, {}",
                    explain(loadkeys, lines, modes, folder.path())
                ));
            }
        }
    }
    Ok(accepted)
}

#[test]
fn generated_programs_in_two_modes() {
    let Some(loadkeys) = Loadkeys::find() else {
        return;
    };
    let programs: usize = variable("KEYMAP_PROGRAMS", 3000);
    let seed: u64 = variable("KEYMAP_SEED", 1);
    let batches = programs.div_ceil(BATCH);
    let results: Vec<Result<usize, String>> = (0..batches)
        .into_par_iter()
        .map(|index| {
            let count = BATCH.min(programs - index * BATCH);
            batch(loadkeys, seed.wrapping_mul(1 << 32) + index as u64, count)
        })
        .collect();
    let failures: Vec<&String> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {batches} batches fail; the first: {}",
        failures.len(),
        failures[0]
    );
    let accepted: usize = results
        .iter()
        .filter_map(|result| result.as_ref().ok())
        .sum();
    println!("{programs} programs in two modes: equal; {accepted} of the runs accepted");
    // A generator whose programs are mostly wrong would test the rejection only.
    assert!(accepted > programs / 2, "{accepted} of {programs}");
}
