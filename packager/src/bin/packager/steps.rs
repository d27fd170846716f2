//! Options that are steps: they are carried out in the order in which they stand on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// Something to do with a running machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait until this is on the serial console.
    Expect(String),
    /// Let time pass.
    Wait(Duration),
    /// Type a line into the serial console.
    Type(String),
    /// Press keys of the PC's keyboard, by QEMU's names.
    Keys(String),
    /// Save a picture of the screen.
    Screenshot(PathBuf),
}

/// The steps, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps(pub(crate) Vec<Step>);

impl Step {
    /// The option's name, and its value as it was given.
    pub(crate) fn words(&self) -> (&'static str, String) {
        match self {
            Step::Expect(text) => ("expect", text.clone()),
            Step::Wait(time) => ("wait", time.as_secs_f64().to_string()),
            Step::Type(text) => ("type", text.clone()),
            Step::Keys(keys) => ("keys", keys.clone()),
            Step::Screenshot(path) => ("screenshot", path.display().to_string()),
        }
    }
}

/// An option: its name, its value's name, and its help.
const OPTIONS: [(&str, &str, &str); 5] = [
    (
        "expect",
        "TEXT",
        "Wait until this is on the serial console; exit code 1 if it never comes",
    ),
    ("wait", "SECONDS", "Let the machine run on for so long"),
    ("type", "TEXT", "Type a line into the serial console"),
    (
        "keys",
        "KEYS",
        "Press keys of the PC's keyboard, by QEMU's names: 'a shift-2 alt_r-2 ret'",
    ),
    (
        "screenshot",
        "FILE",
        "Save a picture of the screen: FILE.png or FILE.ppm",
    ),
];

impl Args for Steps {
    fn augment_args(command: Command) -> Command {
        let option = |(name, value, help): (&'static str, &'static str, &'static str)| {
            Arg::new(name)
                .long(name)
                .value_name(value)
                .help(help)
                .action(ArgAction::Append)
                .help_heading("Steps, carried out in the order in which they are given")
        };
        command.args(OPTIONS.map(|it| match it.0 {
            "wait" => option(it).value_parser(seconds),
            "screenshot" => option(it).value_parser(picture),
            _ => option(it),
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Steps {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut steps = of(matches, "expect", Step::Expect);
        steps.extend(of(matches, "wait", Step::Wait));
        steps.extend(of(matches, "type", Step::Type));
        steps.extend(of(matches, "keys", Step::Keys));
        steps.extend(of(matches, "screenshot", Step::Screenshot));
        steps.sort_by_key(|(place, _)| *place);
        Ok(Self(steps.into_iter().map(|(_, step)| step).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of one option, with their places on the command line.
fn of<T: Clone + Send + Sync + 'static>(
    matches: &ArgMatches,
    name: &str,
    step: fn(T) -> Step,
) -> Vec<(usize, Step)> {
    let places = matches.indices_of(name).into_iter().flatten();
    let values = matches.get_many::<T>(name).into_iter().flatten();
    places.zip(values.cloned().map(step)).collect()
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "a number of seconds is needed: 20".to_owned())
}

fn picture(text: &str) -> Result<PathBuf, String> {
    match text.ends_with(".png") || text.ends_with(".ppm") {
        true => Ok(text.into()),
        false => Err("the file must end with .png or .ppm, which says its format".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_command_line() {
        let words = "x --keys a --expect one --wait 2 --keys b --expect two --screenshot s.png";
        let command = Steps::augment_args(Command::new("x"));
        let matches = command.try_get_matches_from(words.split(' ')).unwrap();
        let steps = Steps::from_arg_matches(&matches).unwrap().0;
        let expected = [
            Step::Keys("a".into()),
            Step::Expect("one".into()),
            Step::Wait(Duration::from_secs(2)),
            Step::Keys("b".into()),
            Step::Expect("two".into()),
            Step::Screenshot("s.png".into()),
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn what_is_no_time_and_no_picture_is_refused() {
        assert!(seconds("-1").is_err());
        assert!(seconds("soon").is_err());
        assert!(picture("screen.jpg").is_err());
    }
}
