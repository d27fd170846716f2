//! What the command line asks for: which keymaps, together or each by itself, and where they go.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use cli::Failure;

use crate::args::Compile;
use crate::input::is_standard_input;

/// One result: what it is made of, and where it goes.
pub(crate) struct Job<'a> {
    pub(crate) inputs: Vec<&'a Path>,
    pub(crate) target: Target,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Standard,
    File(PathBuf),
}

/// Where each keymap goes. Two of them never go to the same file.
pub(crate) fn jobs(args: &Compile) -> Result<Vec<Job<'_>>, Failure> {
    let inputs = args.inputs.iter().map(PathBuf::as_path);
    let groups: Vec<Vec<&Path>> = match args.merge {
        true => vec![inputs.collect()],
        false => inputs.map(|input| vec![input]).collect(),
    };
    if args.output.is_some() && groups.len() > 1 {
        return Err(Failure::usage(
            "--output takes one keymap only; without it, each gets a file of its own, and `--merge` makes one of all",
        ));
    }
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for inputs in groups {
        let target = target(args, &inputs)?;
        jobs.push(Job { inputs, target });
    }
    if !args.deps {
        check_files(args, &jobs)?;
    }
    let inputs = jobs.iter().flat_map(|job| &job.inputs);
    check_standard_input(inputs.copied())?;
    let standard = jobs.iter().filter(|job| job.target == Target::Standard);
    match standard.count() {
        _ if args.deps => {}
        0 => {}
        1 => check_standard_output(args)?,
        _ => {
            return Err(Failure::usage(
                "standard output has room for one result; `--merge` makes one keymap of all, `--out-dir DIR` a file of each",
            ));
        }
    }
    Ok(jobs)
}

/// Standard input is read once.
pub(crate) fn check_standard_input<'a>(
    inputs: impl Iterator<Item = &'a Path>,
) -> Result<(), Failure> {
    match inputs.filter(|input| is_standard_input(input)).count() {
        0 | 1 => Ok(()),
        _ => Err(Failure::usage(
            "standard input can be only one of the keymaps",
        )),
    }
}

/// What is only looked at is not written over.
pub(crate) fn check_output(input: &Path, output: &Path) -> Result<(), Failure> {
    match cli::is_same_file(input, output) {
        true => Err(over_itself(input)),
        false => Ok(()),
    }
}

fn over_itself(input: &Path) -> Failure {
    Failure::usage(format_args!(
        "`{}` would be written over itself; name another output with `-o FILE`",
        kmap::shown_path(input)
    ))
}

/// No output takes the place of another one, or of an input.
fn check_files(args: &Compile, jobs: &[Job<'_>]) -> Result<(), Failure> {
    let mut outputs: BTreeSet<PathBuf> = args.depfile.iter().cloned().collect();
    for job in jobs {
        let Target::File(path) = &job.target else {
            continue;
        };
        let companion = args.companion.then(|| companion(path));
        for output in companion.into_iter().chain([path.clone()]) {
            if !outputs.insert(output.clone()) {
                let input = job.inputs.first().map(|input| kmap::shown_path(input));
                return Err(Failure::usage(format_args!(
                    "`{}`: `{}` would be written over another output of this run",
                    input.unwrap_or_default(),
                    kmap::shown_path(&output)
                )));
            }
        }
    }
    let there: Vec<_> = outputs.iter().filter(|path| path.exists()).collect();
    let inputs = jobs.iter().flat_map(|job| &job.inputs);
    for input in inputs.filter(|_| !there.is_empty()) {
        if there.iter().any(|output| cli::is_same_file(input, output)) {
            return Err(over_itself(input));
        }
    }
    Ok(())
}

/// Where the strings and compose rules of a keymap go.
pub(crate) fn companion(keymap: &Path) -> PathBuf {
    keymap.with_extension("companion")
}

fn check_standard_output(args: &Compile) -> Result<(), Failure> {
    if args.json {
        return Err(Failure::usage(
            "--json is for standard output too; name a file with `-o FILE`",
        ));
    }
    if args.depfile.is_some() {
        return Err(Failure::usage(
            "--depfile names the file that is made; name one with `-o FILE`",
        ));
    }
    if args.companion {
        return Err(Failure::usage(
            "--companion writes a file beside the keymap; name that with `-o FILE`",
        ));
    }
    if io::stdout().is_terminal() && !args.mktable {
        return Err(Failure::usage(
            "a binary keymap is nothing for a terminal; use `-o FILE` or a pipe",
        ));
    }
    Ok(())
}

fn target(args: &Compile, inputs: &[&Path]) -> Result<Target, Failure> {
    let named = |path: &Path| match is_standard_input(path) {
        true => Target::Standard,
        false => Target::File(path.to_owned()),
    };
    if let Some(path) = &args.output {
        return Ok(named(path));
    }
    // loadkeys names a merged keymap after nothing; the last file has the last word, and is the most particular.
    let Some(input) = inputs.last() else {
        return Err(Failure::usage("no keymap is named"));
    };
    if is_standard_input(input) || (args.mktable && args.out_dir.is_none()) {
        return Ok(Target::Standard);
    }
    let suffix = if args.mktable { ".c" } else { ".bmap" };
    let name = default_output(input, suffix)?;
    Ok(Target::File(match &args.out_dir {
        Some(directory) => directory.join(name),
        None => name,
    }))
}

/// `es.kmap.gz`, `/a/es.map` and `es` all become `es.bmap`.
fn default_output(input: &Path, suffix: &str) -> Result<PathBuf, Failure> {
    let Some(name) = input.file_name() else {
        return Err(Failure::input(format_args!(
            "`{}` is not the name of a keymap",
            kmap::shown_path(input)
        )));
    };
    let mut stem = name.as_bytes();
    for suffixes in [
        &[".gz", ".bz2", ".xz", ".zst", ".lz4"][..],
        &[".kmap", ".map"],
    ] {
        let found = suffixes
            .iter()
            .find_map(|suffix| stem.strip_suffix(suffix.as_bytes()));
        stem = found.filter(|stem| !stem.is_empty()).unwrap_or(stem);
    }
    let mut output = OsStr::from_bytes(stem).to_owned();
    output.push(suffix);
    Ok(PathBuf::from(output))
}
