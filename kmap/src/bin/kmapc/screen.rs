//! What a person sees of diagnostics: on standard error, in colour where that is wanted.

use std::io;

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use cli::{Failure, Fault};
use kmap::{Diagnostic, DiagnosticKind, Report};

/// So many errors of a keymap are shown: what follows is mostly consequence.
const MOST_ERRORS: usize = 20;

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
        self.show_after(diagnostic, &[]);
    }

    /// Shows one behind others of the same keymap.
    pub(crate) fn show_after(self, diagnostic: &Diagnostic, before: &[Diagnostic]) {
        match is_compiled(diagnostic) {
            true => {
                cli::tell!(
                    "error: this is a compiled keymap already; `kmapc decompile` makes text of it"
                )
            }
            false => cli::tell!("{}", diagnostic.screen_after(before, self.is_colored())),
        }
    }

    /// Shows so many, and how many are left.
    pub(crate) fn show_first(self, all: &[Diagnostic], most: usize, what: &str) {
        for (index, diagnostic) in all.iter().take(most).enumerate() {
            self.show_after(diagnostic, all.get(..index).unwrap_or_default());
        }
        let more = all.iter().skip(most).map(Diagnostic::count).sum::<usize>();
        if more > 0 {
            let or_more = match all.last().map(|last| &last.kind) {
                Some(DiagnosticKind::TooManyErrors) => "at least ",
                _ => "",
            };
            cli::tell!("and {or_more}{more} more {what}; `kmapc check` shows them");
        }
    }

    /// Shows the errors of a report.
    pub(crate) fn report(self, report: &Report) -> Failure {
        self.show_first(report.errors(), MOST_ERRORS, "errors");
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
