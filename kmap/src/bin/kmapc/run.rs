//! Compiling: all keymaps first, then what is to be said of them, and only then the writing.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use cli::{Failure, Fault};
use kmap::{Compiled, FileSource, Mode, Report, emit};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::Compile;
use crate::input::{self, is_standard_input};
use crate::screen::{self, Screen};
use crate::{json as data, output};

/// One result: what it is made of, and where it goes.
struct Job<'a> {
    inputs: Vec<&'a Path>,
    target: Target,
}

#[derive(Clone, PartialEq, Eq)]
enum Target {
    Standard,
    File(PathBuf),
}

pub(crate) fn run(args: &Compile, screen: Screen) -> Result<(), Failure> {
    let jobs = jobs(args)?;
    let results = compile_all(args, &jobs);
    if args.json {
        return finish_json(args, &jobs, results);
    }
    let done = all_or_errors(results, screen)?;
    if args.deps {
        return print_inputs(&done);
    }
    if !args.quiet {
        let warnings = done.iter().flat_map(|compiled| &compiled.warnings);
        warnings.for_each(|warning| screen.show(warning));
    }
    write(args, &jobs, &done)
}

fn compile_all(args: &Compile, jobs: &[Job<'_>]) -> Vec<Result<Compiled, Report>> {
    let source = FileSource::new(args.reading.search()).with_cache();
    let compile = |job: &Job<'_>| {
        let options = args.reading.options();
        let mut compiled = input::compile(&mut source.clone(), &job.inputs, &options)?;
        if args.prune {
            compiled.keymap.prune();
        }
        Ok(compiled)
    };
    match jobs.len() {
        1 => jobs.iter().map(compile).collect(),
        _ => jobs.par_iter().map(compile).collect(),
    }
}

/// The keymaps, or the errors of all that have any.
fn all_or_errors(
    results: Vec<Result<Compiled, Report>>,
    screen: Screen,
) -> Result<Vec<Compiled>, Failure> {
    let mut done = Vec::new();
    let mut fault = None;
    for result in results {
        match result {
            Ok(compiled) => done.push(compiled),
            Err(report) => fault = worse(fault, screen.report(&report).fault()),
        }
    }
    match fault {
        Some(fault) => Err(Failure::reported(fault)),
        None => Ok(done),
    }
}

/// A fault of the machine counts more than one of the input.
fn worse(before: Option<Fault>, fault: Fault) -> Option<Fault> {
    match before {
        Some(Fault::Machine) => before,
        _ => Some(fault),
    }
}

/// Where each keymap goes. Two of them never go to the same file.
fn jobs(args: &Compile) -> Result<Vec<Job<'_>>, Failure> {
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
        if !args.deps && jobs.iter().any(|job| job.target == target) {
            let input = inputs.first().map(|input| input.display().to_string());
            return Err(Failure::usage(format_args!(
                "`{}` would be written over another keymap's output",
                input.unwrap_or_default()
            )));
        }
        jobs.push(Job { inputs, target });
    }
    let is_standard = jobs.iter().any(|job| job.target == Target::Standard);
    if is_standard && !args.deps {
        check_standard_output(args)?;
    }
    Ok(jobs)
}

fn check_standard_output(args: &Compile) -> Result<(), Failure> {
    if args.json {
        return Err(Failure::usage(
            "--json is for standard output too; name a file with `-o FILE`",
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
            input.display()
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

fn print_inputs(done: &[Compiled]) -> Result<(), Failure> {
    let mut paths: Vec<&PathBuf> = done.iter().flat_map(|compiled| &compiled.inputs).collect();
    let mut seen = std::collections::HashSet::new();
    paths.retain(|path| seen.insert(*path));
    let lines: Vec<u8> = paths
        .iter()
        .flat_map(|path| [path.as_os_str().as_bytes(), b"\n"].concat())
        .collect();
    cli::print(&lines)
}

fn bytes(args: &Compile, compiled: &Compiled) -> Vec<u8> {
    match args.mktable {
        true => emit::c_source(&compiled.keymap).into_bytes(),
        false => compiled.keymap.to_bkeymap(args.reading.endian.into()),
    }
}

fn write(args: &Compile, jobs: &[Job<'_>], done: &[Compiled]) -> Result<(), Failure> {
    let mut files = Vec::new();
    let mut rules = Vec::new();
    for (job, compiled) in jobs.iter().zip(done) {
        let bytes = bytes(args, compiled);
        if args.verbose {
            explain(job, compiled, bytes.len());
        }
        match &job.target {
            Target::Standard => cli::print(&bytes)?,
            Target::File(path) => {
                rules.extend(rule(path, &compiled.inputs));
                let companion = match args.companion {
                    true => emit::companion(&compiled.keymap),
                    false => None,
                };
                files.extend(companion.map(|text| (path.with_extension("companion"), text)));
                files.push((path.clone(), bytes));
            }
        }
    }
    if let Some(path) = &args.depfile {
        files.push((path.clone(), rules));
    }
    output::write(&files)
}

/// `OUTPUT: INPUT…`, as `cc -MD` writes it.
fn rule(output: &Path, inputs: &[PathBuf]) -> Vec<u8> {
    let mut line = escaped(output);
    line.push(b':');
    for input in inputs {
        line.push(b' ');
        line.extend(escaped(input));
    }
    line.push(b'\n');
    line
}

/// A path as make reads it. A line feed cannot be written there at all.
fn escaped(path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in path.as_os_str().to_owned().into_vec() {
        match byte {
            b' ' | b'\t' | b'#' | b':' | b'\\' => out.push(b'\\'),
            b'$' => out.push(b'$'),
            _ => {}
        }
        out.push(if byte == b'\n' { b'?' } else { byte });
    }
    out
}

fn mode(compiled: &Compiled) -> &'static str {
    if compiled.mode == Mode::Unicode {
        "Unicode"
    } else {
        "8-bit"
    }
}

fn explain(job: &Job<'_>, compiled: &Compiled, length: usize) {
    let target = match &job.target {
        Target::Standard => "standard output".to_owned(),
        Target::File(path) => path.display().to_string(),
    };
    let inputs: Vec<String> = compiled
        .inputs
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let tables = compiled.keymap.tables().len();
    eprintln!("read {}", inputs.join(", "));
    eprintln!(
        "wrote {target}: {}, {tables} tables, {length} bytes",
        mode(compiled)
    );
}

/// Everything as one JSON document; nothing is written to files where a keymap has errors.
fn finish_json(
    args: &Compile,
    jobs: &[Job<'_>],
    results: Vec<Result<Compiled, Report>>,
) -> Result<(), Failure> {
    let mut entries = Vec::new();
    let mut done = Vec::new();
    let mut fault = None;
    for (job, result) in jobs.iter().zip(results) {
        let named: Vec<Value> = job.inputs.iter().map(|input| data::path(input)).collect();
        entries.push(match result {
            Ok(compiled) => {
                let entry = entry(job, &compiled);
                done.push(compiled);
                json!({"keymaps": named, "result": entry.0, "diagnostics": entry.1})
            }
            Err(report) => {
                fault = worse(fault, screen::fault(&report));
                let errors: Vec<Value> = report.errors().iter().map(data::diagnostic).collect();
                json!({"keymaps": named, "result": null, "diagnostics": errors})
            }
        });
    }
    cli::print(format!("{:#}\n", Value::from(entries)).as_bytes())?;
    match fault {
        Some(fault) => Err(Failure::reported(fault)),
        None => write(args, jobs, &done),
    }
}

fn entry(job: &Job<'_>, compiled: &Compiled) -> (Value, Vec<Value>) {
    let output = match &job.target {
        Target::Standard => Value::Null,
        Target::File(path) => data::path(path),
    };
    let read: Vec<Value> = compiled
        .inputs
        .iter()
        .map(|path| data::path(path))
        .collect();
    let result = json!({
        "output": output,
        "mode": mode(compiled),
        "tables": compiled.keymap.tables().len(),
        "inputs": read,
    });
    (
        result,
        compiled.warnings.iter().map(data::diagnostic).collect(),
    )
}
