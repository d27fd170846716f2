//! `kmapc check`: every problem of many keymaps in one run, and a table that sums them up.

use std::path::{Path, PathBuf};

use cli::{Failure, Fault};
use kmap::{Compiled, Diagnostic, FileSource, Mode, Options, Report, Severity};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::Check;
use crate::job::check_standard_input;
use crate::screen::Screen;
use crate::{input, json as data};

/// What was found in one keymap.
struct Finding<'a> {
    name: &'a Path,
    /// The mode and the number of tables, where it compiles.
    compiled: Option<(Mode, usize)>,
    diagnostics: Vec<Diagnostic>,
    is_machine_fault: bool,
}

impl Finding<'_> {
    fn count(&self, severity: Severity) -> usize {
        let diagnostics = self.diagnostics.iter();
        diagnostics
            .filter(|diagnostic| diagnostic.severity() == severity)
            .map(Diagnostic::count)
            .sum()
    }
}

pub(crate) fn run(args: &Check, screen: Screen) -> Result<(), Failure> {
    check_standard_input(args.inputs.iter().map(PathBuf::as_path))?;
    let source = FileSource::new(args.reading.search()).with_cache();
    let options = Options {
        lints: true,
        ..args.reading.options()
    };
    let small = args.inputs.par_iter().map(|name| {
        let result = input::compile_small(&source, &[name], &options)?;
        Some(finding(name, result))
    });
    let small: Vec<Option<Finding<'_>>> = small.collect();
    // What takes much memory is done one by one.
    let large = |name| finding(name, input::compile(&mut source.clone(), &[name], &options));
    let all = args.inputs.iter().zip(small);
    let findings: Vec<Finding<'_>> = all
        .map(|(name, small)| small.unwrap_or_else(|| large(name)))
        .collect();
    if args.json {
        let entries: Vec<Value> = findings.iter().map(entry).collect();
        cli::print(format!("{:#}\n", Value::from(entries)).as_bytes())?;
    } else {
        if !args.quiet {
            for finding in &findings {
                screen.show_first(&finding.diagnostics, usize::MAX, "");
            }
        }
        cli::print(summary(&findings).as_bytes())?;
    }
    if findings.iter().any(|finding| finding.is_machine_fault) {
        return Err(Failure::reported(Fault::Machine));
    }
    match findings.iter().any(|finding| finding.compiled.is_none()) {
        true => Err(Failure::reported(Fault::Input)),
        false => Ok(()),
    }
}

fn finding(name: &Path, result: Result<Compiled, Report>) -> Finding<'_> {
    match result {
        Ok(compiled) => Finding {
            name,
            compiled: Some((compiled.mode, compiled.keymap.tables().len())),
            diagnostics: compiled.warnings,
            is_machine_fault: false,
        },
        Err(report) => Finding {
            name,
            compiled: None,
            is_machine_fault: report.is_machine_fault(),
            diagnostics: report.into_errors(),
        },
    }
}

fn mode(finding: &Finding<'_>) -> &'static str {
    match finding.compiled {
        Some((Mode::Unicode, _)) => "Unicode",
        Some(_) => "8-bit",
        None => "-",
    }
}

fn entry(finding: &Finding<'_>) -> Value {
    let diagnostics: Vec<Value> = finding.diagnostics.iter().map(data::diagnostic).collect();
    json!({
        "keymap": data::path(finding.name),
        "mode": finding.compiled.map(|_| mode(finding)),
        "tables": finding.compiled.map(|(_, tables)| tables),
        "diagnostics": diagnostics,
    })
}

fn summary(findings: &[Finding<'_>]) -> String {
    let names: Vec<String> = findings
        .iter()
        .map(|finding| kmap::shown_path(finding.name))
        .collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .max("keymap".len());
    let mut out = format!(
        "{:width$}  {:7}  {:>6}  {:>6}  {:>8}\n",
        "keymap", "mode", "tables", "errors", "warnings"
    );
    for (finding, name) in findings.iter().zip(&names) {
        let tables = finding
            .compiled
            .map_or("-".to_owned(), |(_, tables)| tables.to_string());
        let (errors, warnings) = (
            finding.count(Severity::Error),
            finding.count(Severity::Warning),
        );
        out += &format!(
            "{name:width$}  {:7}  {tables:>6}  {errors:>6}  {warnings:>8}\n",
            mode(finding)
        );
    }
    let good = findings
        .iter()
        .filter(|finding| finding.compiled.is_some())
        .count();
    let warned = findings
        .iter()
        .filter(|finding| finding.count(Severity::Warning) > 0)
        .count();
    out += &format!(
        "keymaps: {}; compile: {good}; with errors: {}; with warnings: {warned}\n",
        findings.len(),
        findings.len() - good
    );
    out
}
