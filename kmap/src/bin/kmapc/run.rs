//! What the command does: compile everything, say what is to be said, and only then write.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use cli::{Failure, Fault};
use kmap::{
    Compiled, Diagnostic, DiagnosticKind, FileSource, Mode, Report, SearchPath, Severity,
    SourceText,
};

use crate::args::Args;

/// As much is read from standard input, and as much may come out of it.
const INPUT_LIMIT: u64 = 16 << 20;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let outputs = outputs(args)?;
    let search = SearchPath::from_env();
    let mut done = Vec::new();
    let mut faults = Vec::new();
    for input in &args.inputs {
        match compile(input, &search, args.mode()) {
            Ok(compiled) => done.push(compiled),
            // `main` prints one failure; of several keymaps, each may have its own.
            Err(failure) if args.inputs.len() == 1 => return Err(failure),
            Err(failure) => {
                eprintln!("error: {}", failure.message().unwrap_or_default());
                faults.push(failure.fault());
            }
        }
    }
    if let Some(&fault) = faults
        .iter()
        .find(|&&fault| fault == Fault::Machine)
        .or(faults.first())
    {
        return Err(Failure::reported(fault));
    }
    for (compiled, output) in done.iter().zip(&outputs) {
        write(args, compiled, output)?;
    }
    Ok(())
}

enum Output {
    Standard,
    File(PathBuf),
}

/// Where each keymap goes. Two of them never go to the same file.
fn outputs(args: &Args) -> Result<Vec<Output>, Failure> {
    if args.output.is_some() && args.inputs.len() > 1 {
        return Err(Failure::usage(
            "--output takes one keymap only; without it, each gets a file of its own",
        ));
    }
    let mut outputs: Vec<Output> = Vec::new();
    for input in &args.inputs {
        let output = match &args.output {
            Some(path) if path.as_os_str() == "-" => Output::Standard,
            Some(path) => Output::File(path.clone()),
            None if is_standard_input(input) => Output::Standard,
            None => Output::File(default_output(input)?),
        };
        let taken = outputs.iter().any(|other| match (other, &output) {
            (Output::File(other), Output::File(path)) => other == path,
            (Output::Standard, Output::Standard) => true,
            _ => false,
        });
        if taken {
            let input = input.display();
            return Err(Failure::usage(format_args!(
                "`{input}` would be written over another keymap's output"
            )));
        }
        outputs.push(output);
    }
    if outputs
        .iter()
        .any(|output| matches!(output, Output::Standard))
        && io::stdout().is_terminal()
    {
        return Err(Failure::usage(
            "a binary keymap is nothing for a terminal; use `-o FILE` or a pipe",
        ));
    }
    Ok(outputs)
}

fn is_standard_input(input: &Path) -> bool {
    input.as_os_str() == "-"
}

/// `es.kmap.gz`, `/a/es.map` and `es` all become `es.bmap`.
fn default_output(input: &Path) -> Result<PathBuf, Failure> {
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
    output.push(".bmap");
    Ok(PathBuf::from(output))
}

fn compile(input: &Path, search: &SearchPath, mode: Mode) -> Result<Compiled, Failure> {
    let result = if is_standard_input(input) {
        kmap::compile_text(
            &mut FileSource::new(search.clone()),
            standard_input()?,
            mode,
        )
    } else {
        kmap::compile_named(input, search, mode)
    };
    result.map_err(|report| match report.is_machine_fault() {
        true => Failure::machine(report),
        false => Failure::input(explain(&report)),
    })
}

/// The report, and a hint where the file is not a keymap's text at all.
fn explain(report: &Report) -> String {
    let is_binary = report.errors().first().is_some_and(|error| {
        matches!(&error.kind, DiagnosticKind::UnknownWord { word, .. } if word.starts_with("bkeymap"))
    });
    match is_binary {
        true => "this is a compiled keymap already; kmapc takes its source text".to_owned(),
        false => report.to_string(),
    }
}

fn standard_input() -> Result<SourceText, Failure> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(INPUT_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::machine(format_args!("cannot read standard input: {error}")))?;
    if bytes.len() as u64 > INPUT_LIMIT {
        return Err(Failure::input(format_args!(
            "standard input holds more than {INPUT_LIMIT} bytes"
        )));
    }
    let bytes = codec::decode(&bytes, INPUT_LIMIT)
        .map_err(|error| Failure::input(format_args!("cannot read standard input: {error}")))?;
    Ok(SourceText {
        path: "<standard input>".into(),
        bytes: bytes.into_owned(),
    })
}

fn write(args: &Args, compiled: &Compiled, output: &Output) -> Result<(), Failure> {
    if !args.quiet {
        compiled.warnings.iter().for_each(show);
    }
    let bytes = compiled.keymap.to_bkeymap(args.endian.into());
    let target = match output {
        Output::Standard => {
            cli::print(&bytes)?;
            "standard output".to_owned()
        }
        Output::File(path) => {
            cli::write_atomically(path, &bytes)?;
            path.display().to_string()
        }
    };
    if args.verbose {
        let mode = if compiled.mode == Mode::Unicode {
            "Unicode"
        } else {
            "8-bit"
        };
        let inputs: Vec<String> = compiled
            .inputs
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let tables = compiled.keymap.tables().len();
        eprintln!("read {}", inputs.join(", "));
        eprintln!(
            "wrote {target}: {mode}, {tables} tables, {} bytes",
            bytes.len()
        );
    }
    Ok(())
}

fn show(diagnostic: &Diagnostic) {
    match (diagnostic.severity(), &diagnostic.place) {
        // The reason for Unicode mode is nothing to mend, so a line will do.
        (Severity::Note, Some(place)) => {
            let (path, line, column) = (place.path.display(), place.line, place.column);
            eprintln!("note: {} ({path}:{line}:{column})", diagnostic.kind);
        }
        (Severity::Note, None) => eprintln!("note: {diagnostic}"),
        (Severity::Warning, _) => eprintln!("warning: {diagnostic}"),
        (Severity::Error, _) => eprintln!("error: {diagnostic}"),
    }
}
