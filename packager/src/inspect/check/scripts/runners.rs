//! Commands that start another one, whose name is among their words.

use super::names::name_of;

/// How such a command is called. Behind an option that is not known here, nothing is said of what follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Runner {
    pub(super) name: &'static str,
    /// Options that stand alone.
    flags: &'static [&'static str],
    /// Options whose value is the next word.
    values: &'static [&'static str],
    /// How many words stand before the command.
    pub(super) operands: usize,
    /// Whether `NAME=value` may stand before the command.
    pub(super) takes_settings: bool,
}

/// What a word that begins with `-` is to a [`Runner`].
pub(super) enum Switch {
    Flag,
    WithValue,
    Unknown,
}

const PLAIN: Runner = Runner {
    name: "",
    flags: &[],
    values: &[],
    operands: 0,
    takes_settings: false,
};

/// What busybox 1.35 takes.
static RUNNERS: [Runner; 9] = [
    Runner {
        name: "busybox",
        ..PLAIN
    },
    Runner {
        name: "command",
        flags: &["-p"],
        ..PLAIN
    },
    Runner {
        name: "exec",
        values: &["-a"],
        ..PLAIN
    },
    Runner {
        name: "env",
        flags: &["-", "-i"],
        values: &["-u"],
        takes_settings: true,
        ..PLAIN
    },
    Runner {
        name: "nice",
        values: &["-n"],
        ..PLAIN
    },
    Runner {
        name: "nohup",
        ..PLAIN
    },
    Runner {
        name: "setsid",
        flags: &["-c"],
        ..PLAIN
    },
    Runner {
        name: "cttyhack",
        ..PLAIN
    },
    Runner {
        name: "timeout",
        values: &["-s", "-k"],
        operands: 1,
        ..PLAIN
    },
];

impl Runner {
    /// The one of this name, or at the end of this path.
    pub(super) fn of(command: &str) -> Option<&'static Self> {
        let name = name_of(command);
        RUNNERS.iter().find(|runner| runner.name == name)
    }

    pub(super) fn switch(&self, option: &str) -> Switch {
        // nice -5.
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_level = self.name == "nice" && option.len() > 1 && is_number(&option[1..]);
        let is_joined = |value: &&&str| option.len() > value.len() && option.starts_with(**value);
        if is_level || self.flags.contains(&option) {
            Switch::Flag
        } else if self.values.contains(&option) {
            Switch::WithValue
        } else if self.values.iter().any(|value| is_joined(&value)) {
            Switch::Flag
        } else {
            Switch::Unknown
        }
    }
}
