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

use kmap::emit::c_source;
use kmap::{Compiled, Endian, FileSource, Mode, SearchPath, SourceText};
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
    /// The C source of both, where both accept the program.
    sources: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Verdict {
    fn agrees(&self) -> bool {
        self.ours.as_ref().ok() == self.theirs.as_ref()
            && self
                .sources
                .as_ref()
                .is_none_or(|(ours, theirs)| Some(ours) == theirs.as_ref())
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
    let source = ours
        .as_ref()
        .ok()
        .filter(|compiled| is_defined(compiled))
        .map(|compiled| c_source(&compiled.keymap));
    let text = text.as_bytes();
    let theirs = loadkeys.text(text, characters, folder).unwrap();
    let sources = source.filter(|_| theirs.is_some()).map(|ours| {
        let theirs = loadkeys.c_source_of_text(text, characters, folder);
        (
            ours.into_bytes(),
            theirs.unwrap().map(|text| fitting(&text)),
        )
    });
    Verdict {
        ours: ours
            .map(|compiled| compiled.keymap.to_bkeymap(Endian::Little))
            .map_err(|report| report.to_string()),
        theirs,
        sources,
    }
}

/// Whether `loadkeys -m` gives the same text twice: it asks C's `isgraph` about compose characters of more than a byte,
/// which is undefined.
fn is_defined(compiled: &Compiled) -> bool {
    compiled.keymap.compose().iter().all(|rule| {
        let result = if compiled.keymap.is_unicode() {
            0
        } else {
            rule.result
        };
        [rule.first, rule.second, result]
            .iter()
            .all(|value| *value <= 0xff)
    })
}

/// C source without the numbers that do not fit a key: `loadkeys -m` writes those of keycodes above 127 where `-b` says
/// nothing of them; the compiler of C would cut them.
fn fitting(text: &[u8]) -> Vec<u8> {
    let words = text.split_inclusive(|&byte| byte == b',');
    let fits = |word: &[u8]| {
        !(word.starts_with(b"\t0x") || word.starts_with(b"\n\t0x"))
            || word.len() <= b"\n\t0x0000,".len()
    };
    let shortened = words.map(|word| match (fits(word), word.starts_with(b"\n")) {
        (true, _) => word,
        (false, true) => b"\n\t0xf200,",
        (false, false) => b"\t0xf200,",
    });
    shortened.collect::<Vec<_>>().concat()
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
    if let Some((ours, Some(theirs))) = &verdict.sources {
        let lines = |text: &[u8]| -> Vec<String> {
            let text = String::from_utf8_lossy(text);
            text.lines().map(str::to_owned).collect()
        };
        let (ours, theirs) = (lines(ours), lines(theirs));
        if let Some(at) =
            (0..ours.len().max(theirs.len())).find(|&at| ours.get(at) != theirs.get(at))
        {
            screen += &format!(
                "C source, line {}: {:?}, expected {:?}\n",
                at + 1,
                ours.get(at),
                theirs.get(at)
            );
        }
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
