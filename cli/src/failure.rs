//! Errors of a command, their exit codes, and the one place where they are printed.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// Who is at fault, and thereby the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The input is wrong: a keymap, a module, an image. Exit code 1.
    Input = 1,
    /// The command line is wrong. Exit code 2, which is also what clap uses.
    Usage = 2,
    /// The machine is wrong: a tool is missing, the disk is full, a read fails. Exit code 3.
    Machine = 3,
}

/// Why a command ends without having done its work.
#[derive(Debug)]
pub struct Failure {
    fault: Fault,
    message: Option<String>,
}

impl Failure {
    /// The input is at fault. `message` is a lower-case fragment that reads after `error: `.
    pub fn input(message: impl fmt::Display) -> Self {
        Self::new(Fault::Input, message)
    }

    /// The command line is at fault.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Fault::Usage, message)
    }

    /// The machine is at fault.
    pub fn machine(message: impl fmt::Display) -> Self {
        Self::new(Fault::Machine, message)
    }

    /// A failure with its causes (`error: outer: inner: innermost`), as `std::error::Error::source` links them.
    pub fn from_error(fault: Fault, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = inner.source();
        }
        Self::new(fault, message)
    }

    /// The command has printed what was wrong already; only the exit code remains to be set.
    pub fn reported(fault: Fault) -> Self {
        Self {
            fault,
            message: None,
        }
    }

    /// The same, told behind a place: `PLACE: MESSAGE`.
    #[must_use]
    pub fn behind(self, place: impl fmt::Display) -> Self {
        let message = self.message.map(|message| format!("{place}: {message}"));
        Self { message, ..self }
    }

    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The text that stands after `error: `, unless it has been printed already.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    fn new(fault: Fault, message: impl fmt::Display) -> Self {
        Self {
            fault,
            message: Some(message.to_string()),
        }
    }
}

/// Prints the failure, if there is one, and gives the exit code.
pub fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                crate::tell!("error: {message}");
            }
            ExitCode::from(failure.fault as u8)
        }
    }
}

/// The end of a comparison, as diff(1) has it: 1 says that there are differences, so that what is wrong with the input becomes 2.
///
/// # Errors
/// There are differences, or the comparison failed.
pub fn compared(differ: Result<bool, Failure>) -> Result<(), Failure> {
    match differ {
        Ok(false) => Ok(()),
        Ok(true) => Err(Failure::reported(Fault::Input)),
        Err(failure) => Err(match failure.fault {
            Fault::Input => Failure {
                fault: Fault::Usage,
                ..failure
            },
            _ => failure,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read es.kmap")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn causes_follow_the_error_they_explain() {
        let error = Outer(std::io::Error::other("the disk is gone"));
        let failure = Failure::from_error(Fault::Machine, &error);
        assert_eq!(
            failure.message(),
            Some("cannot read es.kmap: the disk is gone")
        );
        assert_eq!(failure.fault(), Fault::Machine);
    }
}
