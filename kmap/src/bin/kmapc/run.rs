//! Compiling: all keymaps first, then what is to be said of them, and only then do the new files take their places.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::CommandFactory as _;
use cli::{Failure, Fault, Staged};
use kmap::{Compiled, Diagnostic, DiagnosticKind, FileSource, NR_KEYS, Report, Source as _, emit};
use serde_json::{Value, json};

use crate::args::Compile;
use crate::job::{Job, Target, companion, jobs};
use crate::output::{MadeDirectories, Output};
use crate::screen::{self, Screen};
use crate::{input, json as data, output};

/// So many warnings of a keymap are shown.
const MOST_WARNINGS: usize = 100;

/// What is told of a keymap. The tables themselves are not kept, since there may be many keymaps.
struct Made {
    is_unicode: bool,
    tables: usize,
    warnings: Vec<Diagnostic>,
    inputs: Vec<PathBuf>,
}

/// What was made of a keymap, and what of it is not in a file.
struct Done {
    made: Made,
    /// The output's length, in bytes.
    length: usize,
    /// The output where it goes to standard output.
    standard: Option<Vec<u8>>,
}

pub(crate) fn run(args: &Compile, screen: Screen) -> Result<(), Failure> {
    let jobs = jobs(args)?;
    let directory = args.out_dir.as_deref().filter(|_| !args.deps);
    let _made = directory.map(MadeDirectories::new).transpose()?;
    let (results, staged) = compile_all(args, &jobs);
    if results.iter().any(Result::is_err)
        && let Some(name) = misplaced_command(args)
    {
        return Err(Failure::usage(format_args!(
            "there is no keymap `{name}`, but a command of that name: options stand behind it, as in `kmapc {name} -u es`"
        )));
    }
    if args.json {
        return finish_json(args, &jobs, results, staged);
    }
    let done = all_or_errors(results, screen)?;
    if args.deps {
        return print_inputs(&done);
    }
    if !args.quiet {
        for done in &done {
            screen.show_first(&done.made.warnings, MOST_WARNINGS, "warnings");
        }
    }
    finish(args, &jobs, &done, staged)
}

/// The name of a command in the place of the first keymap, where no keymap is called so.
fn misplaced_command(args: &Compile) -> Option<String> {
    let name = args.inputs.first()?;
    let commands = crate::args::Args::command();
    let is_command = commands.find_subcommand(name).is_some();
    let is_missing = || FileSource::new(args.reading.search()).open(name).is_err();
    (is_command && is_missing()).then(|| kmap::shown_path(name))
}

type Staging = Result<Vec<Staged>, Failure>;

fn compile_all(args: &Compile, jobs: &[Job<'_>]) -> (Vec<Result<Done, Report>>, Staging) {
    let source = FileSource::new(args.reading.search()).with_cache();
    let options = args.reading.options();
    let made = |job: &Job<'_>, result: Result<Compiled, Report>| match result {
        Ok(mut compiled) => {
            if args.mktable {
                compiled
                    .warnings
                    .retain(|warning| !is_in_c_source(&warning.kind));
            }
            let (done, files) = outputs(args, job, compiled);
            (Ok(done), files)
        }
        Err(report) => (Err(report), Vec::new()),
    };
    output::stage_all(
        jobs,
        |job| {
            Some(made(
                job,
                input::compile_small(&source, &job.inputs, &options)?,
            ))
        },
        |job| {
            made(
                job,
                input::compile(&mut source.clone(), &job.inputs, &options),
            )
        },
    )
}

/// Whether a warning is about what the binary format lacks and C source has: keycodes up to 255.
fn is_in_c_source(kind: &DiagnosticKind) -> bool {
    matches!(kind, DiagnosticKind::KeycodeTooLarge { keycode } if (*keycode as usize) < NR_KEYS)
}

/// What is to be written of a keymap.
fn outputs(args: &Compile, job: &Job<'_>, mut compiled: Compiled) -> (Done, Vec<Output>) {
    if args.prune {
        compiled.keymap.prune();
    }
    let bytes = match args.mktable {
        true => emit::c_source(&compiled.keymap).into_bytes(),
        false => compiled.keymap.to_bkeymap(args.reading.endian()),
    };
    let (length, mut standard, mut files) = (bytes.len(), None, Vec::new());
    match &job.target {
        _ if args.deps => {}
        Target::Standard => standard = Some(bytes),
        Target::File(path) => {
            if args.companion {
                let text = emit::companion(&compiled.keymap);
                files.extend(text.map(|text| (companion(path), text)));
            }
            files.push((path.clone(), bytes));
        }
    }
    let made = Made {
        is_unicode: compiled.keymap.is_unicode(),
        tables: compiled.keymap.tables().len(),
        warnings: compiled.warnings,
        inputs: compiled.inputs,
    };
    let done = Done {
        made,
        length,
        standard,
    };
    (done, files)
}

/// The keymaps, or the errors of all that have any.
fn all_or_errors(results: Vec<Result<Done, Report>>, screen: Screen) -> Result<Vec<Done>, Failure> {
    let mut done = Vec::new();
    let mut fault = None;
    for result in results {
        match result {
            Ok(one) => done.push(one),
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

fn print_inputs(done: &[Done]) -> Result<(), Failure> {
    let inputs = done.iter().flat_map(|done| &done.made.inputs);
    let mut paths: Vec<&PathBuf> = inputs.collect();
    let mut seen = std::collections::HashSet::new();
    paths.retain(|path| seen.insert(*path));
    let lines: Vec<u8> = paths
        .iter()
        .flat_map(|path| [path.as_os_str().as_bytes(), b"\n"].concat())
        .collect();
    cli::print(&lines)
}

/// All keymaps are right: the files take their places.
fn finish(args: &Compile, jobs: &[Job<'_>], done: &[Done], staged: Staging) -> Result<(), Failure> {
    let mut staged = staged?;
    let mut rules = Vec::new();
    for (job, done) in jobs.iter().zip(done) {
        if args.verbose {
            explain(job, &done.made, done.length);
        }
        if let Some(bytes) = &done.standard {
            cli::print(bytes)?;
        }
        if let Target::File(path) = &job.target {
            // As `cc -MD` writes it.
            let inputs = done.made.inputs.iter().map(PathBuf::as_path);
            rules.extend(cli::make_rule(&[path.as_path()], inputs, " "));
        }
    }
    if let Some(path) = &args.depfile {
        staged.push(Staged::new(path, &rules)?);
    }
    cli::commit(staged)
}

fn mode(made: &Made) -> &'static str {
    match made.is_unicode {
        true => "Unicode",
        false => "8-bit",
    }
}

fn explain(job: &Job<'_>, made: &Made, length: usize) {
    let target = match &job.target {
        Target::Standard => "standard output".to_owned(),
        Target::File(path) => kmap::shown_path(path),
    };
    let inputs: Vec<String> = made
        .inputs
        .iter()
        .map(|path| kmap::shown_path(path))
        .collect();
    let tables = made.tables;
    cli::tell!("read {}", inputs.join(", "));
    cli::tell!(
        "wrote {target}: {}, {tables} tables, {length} bytes",
        mode(made)
    );
}

/// Everything as one JSON document; nothing is written to files where a keymap has errors.
fn finish_json(
    args: &Compile,
    jobs: &[Job<'_>],
    results: Vec<Result<Done, Report>>,
    staged: Staging,
) -> Result<(), Failure> {
    let mut entries = Vec::new();
    let mut done = Vec::new();
    let mut fault = None;
    for (job, result) in jobs.iter().zip(results) {
        let named: Vec<Value> = job.inputs.iter().map(|input| data::path(input)).collect();
        entries.push(match result {
            Ok(one) => {
                let entry = entry(job, &one.made);
                done.push(one);
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
        None => finish(args, jobs, &done, staged),
    }
}

fn entry(job: &Job<'_>, made: &Made) -> (Value, Vec<Value>) {
    let output = match &job.target {
        Target::Standard => Value::Null,
        Target::File(path) => data::path(path),
    };
    let read: Vec<Value> = made.inputs.iter().map(|path| data::path(path)).collect();
    let result = json!({
        "output": output,
        "mode": mode(made),
        "tables": made.tables,
        "inputs": read,
    });
    (result, made.warnings.iter().map(data::diagnostic).collect())
}
