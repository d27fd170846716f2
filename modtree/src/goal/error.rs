//! What can be wrong with a goal.

use std::io;
use std::path::PathBuf;

use codec::file::ReadError;

use super::Parameter;

/// Why a goal cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum GoalError {
    /// There is no goal of this name.
    #[error("no goal `{name}`{}", hint(near, known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Goals whose names are spelled like it or begin with it.
        near: Vec<String>,
        /// All goals.
        known: Vec<String>,
    },
    /// The goal takes no parameter, and one was given.
    #[error("goal {0} takes nothing behind a colon")]
    NoParameter(String),
    /// The goal wants a parameter, and none was given.
    #[error("the goal is {usage}: {} is {}", parameter.name, parameter.meaning)]
    NeedsParameter {
        /// How it is asked for.
        usage: String,
        /// The parameter.
        parameter: Parameter,
    },
    /// A parameter's value is no name.
    #[error("`{asked}` is no {usage}: {} is {}, of letters, digits, dots, dashes and underscores; several are separated by commas", parameter.name, parameter.meaning)]
    BadParameter {
        /// What was asked for.
        asked: String,
        /// How it is asked for.
        usage: String,
        /// The parameter.
        parameter: Parameter,
    },
    /// A goal's file is not well formed.
    #[error("goal in {file}: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A directory of goals cannot be listed.
    #[error("cannot read `{}`: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A goal's file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl GoalError {
    pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Self {
        let known: Vec<String> = known.cloned().collect();
        let near = suggest::near(name, known.iter().map(String::as_str));
        GoalError::Unknown {
            name: name.to_owned(),
            near: near.into_iter().map(str::to_owned).collect(),
            known,
        }
    }

    /// Whether what was asked for is at fault, or a goal's file, and not the machine.
    pub fn is_input(&self) -> bool {
        match self {
            GoalError::Read(ReadError::Io { .. }) => false,
            GoalError::Directory { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
            _ => true,
        }
    }
}

fn hint(near: &[String], known: &[String]) -> String {
    match near {
        [] => format!("; there are {}", known.join(", ")),
        near => suggest::question(near),
    }
}
