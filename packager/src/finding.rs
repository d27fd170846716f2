//! What a check finds: a code, what was seen, why it matters, and the way out. Checks of different things share the type.

use std::fmt;

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
        write!(f, "{severity}[{name}]: {}", self.seen)
    }
}
