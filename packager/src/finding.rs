//! What a check finds: a code, what was seen, why it matters, and the way out. Checks of different things share the type.

use std::fmt;

use crate::names;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but not everywhere, or not as one would expect.
    Warning,
    /// It will not work.
    Error,
}

/// A kind of finding. Each check has a table of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// What it is called, in words: `no-active-partition`.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Why it matters: what reads this, and what it does then.
    pub explanation: &'static str,
    /// What to do about it.
    pub way_out: &'static str,
}

/// Something that a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub code: &'static Code,
    /// What was seen, and where.
    pub seen: String,
}

impl Finding {
    /// A finding of a kind.
    pub fn new(code: &'static Code, seen: impl fmt::Display) -> Self {
        let seen = seen.to_string();
        Self { code, seen }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Code { name, severity, .. } = self.code;
        // Names from an image are not to be trusted with a terminal.
        write!(f, "{severity}[{name}]: {}", names::shown(&self.seen))
    }
}

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is wrong, in the order in which it would matter.
    pub findings: Vec<Finding>,
    /// What is there, for people.
    pub facts: Vec<String>,
}

impl Report {
    /// Whether nothing will keep the image from starting.
    pub fn passes(&self) -> bool {
        let severe = |finding: &Finding| finding.code.severity == Severity::Error;
        !self.findings.iter().any(severe)
    }

    pub(crate) fn find(&mut self, code: &'static Code, seen: impl fmt::Display) {
        self.findings.push(Finding::new(code, seen));
    }

    /// As [`find`](Self::find), unless the same has been seen: two boot loaders may have the same file.
    pub(crate) fn find_once(&mut self, code: &'static Code, seen: String) {
        let mut findings = self.findings.iter();
        if !findings.any(|finding| finding.code == code && finding.seen == seen) {
            self.find(code, seen);
        }
    }
}

/// Makes a table of [`Code`]s: a constant for each, and `ALL`.
macro_rules! codes {
    ($($constant:ident = $name:literal, $severity:ident, $explanation:literal, $way_out:literal;)*) => {
        $(
            #[doc = $explanation]
            pub const $constant: $crate::finding::Code = $crate::finding::Code {
                name: $name,
                severity: $severity,
                explanation: $explanation,
                way_out: $way_out,
            };
        )*

        /// Every one of them.
        pub const ALL: &[&$crate::finding::Code] = &[$(&$constant),*];
    };
}

pub(crate) use codes;
