//! Which options somebody has given, where that cannot be told by their values.

use std::collections::BTreeSet;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, Id};

/// The names of the options on the command line, as fields have them: `no_check`.
#[derive(Debug)]
pub(super) struct Given(BTreeSet<String>);

impl Given {
    /// The first of these that was given, as it is written.
    pub(super) fn first_of(&self, options: &[&str]) -> Option<String> {
        let first = options.iter().find(|option| self.0.contains(**option))?;
        Some(match *first {
            "goals" => "--for".to_owned(),
            field => format!("--{}", field.replace('_', "-")),
        })
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let names = matches.ids().map(Id::as_str);
        let is_given = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        Ok(Self(names.filter(is_given).map(str::to_owned).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// It has no option of its own.
impl Args for Given {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
