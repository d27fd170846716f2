//! What can be said about a keymap: each kind of problem, its severity, its text, and the shortest input that causes it.
//!
//! A [`Diagnostic`] is complete in itself: it carries the place, the source line and the files through which the place was
//! included, so that it can be shown after everything else is gone. [`Report`] is what a failed compilation returns.

mod kind;
mod text;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::emit::BkeymapError;
use crate::render::{self, Style};
use crate::source::SourceError;

pub use kind::DiagnosticKind;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// The keymap compiles, but perhaps not to what its author meant.
    Warning,
    /// There is no keymap.
    Error,
}

/// Where in the input a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was found.
    pub path: PathBuf,
    /// The line, from 1; 0 where the file as a whole is meant, and all that follows is empty then.
    pub line: usize,
    /// The column, from 1, in characters; where the line is not UTF-8, in bytes.
    pub column: usize,
    /// The line's bytes without its end, or the part around the problem.
    pub line_text: Vec<u8>,
    /// Whether the line is so long that `line_text` is only a part of it.
    pub is_cut: bool,
    /// The part of `line_text` that is meant. May be empty, at the end of the line.
    pub underline: Range<usize>,
    /// The files and lines through which the file was included, innermost first.
    pub included_from: Vec<(PathBuf, usize)>,
}

impl Place {
    /// A file as a whole.
    pub(crate) fn whole(path: PathBuf) -> Self {
        Self {
            path,
            line: 0,
            column: 0,
            line_text: Vec::new(),
            is_cut: false,
            underline: 0..0,
            included_from: Vec::new(),
        }
    }
}

/// One problem and its place. Displays as the text, the source line and the help, over several lines; the text reads
/// after `error: `. [`screen`](Self::screen) has the severity too, and colour.
#[derive(Debug)]
pub struct Diagnostic {
    /// What is wrong.
    pub kind: DiagnosticKind,
    /// Where. `None` where the input could not even be opened.
    pub place: Option<Box<Place>>,
}

impl Diagnostic {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// How many problems it stands for: one, or those that are not told one by one.
    pub fn count(&self) -> usize {
        match self.kind {
            DiagnosticKind::MoreWarnings { count } => count,
            DiagnosticKind::TooManyErrors => 0,
            _ => 1,
        }
    }

    /// The diagnostic as a person sees it on a terminal, beginning with its severity, without a line feed at the end. With
    /// `color`, it holds ANSI escape sequences; nothing that comes from the input does.
    ///
    /// ```
    /// let report = kmap::compile(b"keycode 1 = Escpae\n").unwrap_err();
    /// let screen = report.errors()[0].screen(false);
    /// assert!(screen.starts_with("error: unknown keysym `Escpae`\n --> text:1:13\n"));
    /// ```
    pub fn screen(&self, color: bool) -> String {
        render::diagnostic(self, Style::with(color), true)
    }

    /// As [`screen`](Self::screen), after others of the same keymap: advice about the keymap as a whole that one of them has given is
    /// not given again.
    pub fn screen_after(&self, before: &[Diagnostic], color: bool) -> String {
        render::diagnostic(self, Style::with(color), !self.is_said(before))
    }

    fn is_said(&self, before: &[Diagnostic]) -> bool {
        self.kind.is_about_mode() && before.iter().any(|one| one.kind.is_about_mode())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::diagnostic(self, Style::Nameless, true))
    }
}

/// So many errors are shown.
const MOST_SHOWN: usize = 20;

/// Why there is no keymap: one error or more, in the order of the input.
///
/// Displays as text for people that reads after `error: `; every error but the first brings its own `error: `. Twenty are shown: what
/// follows is mostly consequence.
#[derive(Debug)]
pub struct Report {
    pub(crate) errors: Vec<Diagnostic>,
}

impl Report {
    /// The errors; at least one, and a thousand at most, with one more that says so.
    pub fn errors(&self) -> &[Diagnostic] {
        &self.errors
    }

    /// The errors, to keep.
    pub fn into_errors(self) -> Vec<Diagnostic> {
        self.errors
    }

    /// Whether the machine is at fault (a read fails) and not the input.
    pub fn is_machine_fault(&self) -> bool {
        self.errors.iter().any(
            |error| matches!(&error.kind, DiagnosticKind::Source(error) if error.is_machine_fault()),
        )
    }
}

impl From<SourceError> for Report {
    fn from(error: SourceError) -> Self {
        Self::from(Diagnostic {
            kind: DiagnosticKind::Source(error),
            place: None,
        })
    }
}

impl Report {
    /// That a text cannot be read which is no file, such as standard input. An error of the kind
    /// [`InvalidData`](std::io::ErrorKind::InvalidData) is the input's fault, any other the machine's.
    pub fn unreadable(name: &str, error: std::io::Error) -> Self {
        Self::from(SourceError::Stream {
            name: name.to_owned(),
            error,
        })
    }

    /// That a file is no sound binary keymap.
    pub fn damaged(path: &Path, error: BkeymapError) -> Self {
        let name = format!("`{}`", render::path(path));
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        Self::unreadable(&name, error)
    }
}

impl From<Diagnostic> for Report {
    fn from(error: Diagnostic) -> Self {
        Self {
            errors: vec![error],
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().take(MOST_SHOWN).enumerate() {
            f.write_str(if index == 0 { "" } else { "\nerror: " })?;
            let before = self.errors.get(..index).unwrap_or_default();
            let with_help = !error.is_said(before);
            f.write_str(&render::diagnostic(error, Style::Nameless, with_help))?;
        }
        match self.errors.len().checked_sub(MOST_SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Report {}
