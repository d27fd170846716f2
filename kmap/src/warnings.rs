//! Warnings as they are found: a hostile file could cause millions, so that only the first are kept.

use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind};

/// As many are kept.
const MOST: usize = 1000;

#[derive(Default)]
pub(crate) struct Warnings {
    list: Vec<Diagnostic>,
    /// How many more there were.
    dropped: usize,
}

impl Warnings {
    /// Keeps what `warning` makes, unless there are too many already.
    pub(crate) fn push(&mut self, warning: impl FnOnce() -> Diagnostic) {
        match self.list.len() < MOST {
            true => self.list.push(warning()),
            false => self.dropped += 1,
        }
    }

    pub(crate) fn append(&mut self, other: Warnings) {
        self.dropped += other.dropped;
        other
            .list
            .into_iter()
            .for_each(|warning| self.push(|| warning));
    }

    /// All that are kept, and how many are not.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        if self.dropped > 0 {
            self.list.push(Diagnostic {
                kind: Kind::MoreWarnings {
                    count: self.dropped,
                },
                place: None,
            });
        }
        self.list
    }
}
