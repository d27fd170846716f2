//! What a person sees of diagnostics: on standard error, in colour where that is wanted.

use std::io;

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use cli::{Failure, Fault};
use kmap::{Diagnostic, DiagnosticKind, Report};

/// `--color`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that knows colours, unless NO_COLOR is set
    Auto,
    /// Also into a pipe or a file
    Always,
    /// Not at all
    Never,
}

/// Where diagnostics go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen(pub(crate) Color);

impl Screen {
    fn is_colored(self) -> bool {
        match self.0 {
            Color::Auto => AutoStream::choice(&io::stderr()) != ColorChoice::Never,
            Color::Always => true,
            Color::Never => false,
        }
    }

    pub(crate) fn show(self, diagnostic: &Diagnostic) {
        match is_compiled(diagnostic) {
            true => {
                cli::tell!(
                    "error: this is a compiled keymap already; `kmapc decompile` makes text of it"
                )
            }
            false => cli::tell!("{}", diagnostic.screen(self.is_colored())),
        }
    }

    /// Shows all errors of a report.
    pub(crate) fn report(self, report: &Report) -> Failure {
        match report.errors() {
            [first, ..] if is_compiled(first) => self.show(first),
            errors => errors.iter().for_each(|error| self.show(error)),
        }
        Failure::reported(fault(report))
    }
}

pub(crate) fn fault(report: &Report) -> Fault {
    match report.is_machine_fault() {
        true => Fault::Machine,
        false => Fault::Input,
    }
}

/// Whether the file is not a keymap's text but a binary keymap.
fn is_compiled(error: &Diagnostic) -> bool {
    matches!(&error.kind, DiagnosticKind::UnknownWord { word, .. } if word.starts_with("bkeymap"))
}
