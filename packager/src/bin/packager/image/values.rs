//! The values of the options.

use clap::ValueEnum;

/// The values of `--firmware`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Firmware {
    Both,
    Bios,
    Uefi,
}

/// The values of `--fat`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Fat {
    #[value(name = "16")]
    Fat16,
    #[value(name = "32")]
    Fat32,
}

/// The values of `--table`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Table {
    Mbr,
    Gpt,
    None,
}

/// The values of `--partition-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Type {
    Fat,
    Esp,
}
