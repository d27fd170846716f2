//! The options about the boot loaders' menu.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use cli::Failure;
use packager::disk::menu::{Choice, Menu};

use crate::report;

/// Text that is larger is no configuration.
const CONFIG_LIMIT: u64 = 1 << 20;

// What the boot loaders offer.
#[derive(Debug, ClapArgs)]
pub(crate) struct MenuArgs {
    /// Offer another entry, with this command line; the first one, `linux`, has that of --append
    #[arg(long, value_name = "NAME=WORDS", conflicts_with_all = ["uki", "efi"])]
    entry: Vec<String>,

    /// How many seconds the boot loader waits for another choice
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=3599))]
    timeout: u32,

    /// Let the boot loader wait until somebody has chosen, or for --timeout
    #[arg(long)]
    prompt: bool,

    /// Let a BIOS's boot loader talk to the first serial port as well (115200 baud)
    #[arg(long)]
    serial_console: bool,

    /// Take this syslinux.cfg as it is; on the image are /vmlinuz, /initrd.img and ldlinux.c32, and no menu (menu.c32): what else it
    /// names must be copied there afterwards (`mcopy -i FILE@@1M`)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["entry", "timeout", "prompt", "serial_console"])]
    syslinux_config: Option<PathBuf>,
}

impl MenuArgs {
    pub(crate) fn menu(&self, default: Choice) -> Result<Menu, Failure> {
        let others = self.entry.iter().map(|text| Choice::parse(text));
        let others = others.collect::<Result<Vec<_>, _>>();
        let others = others.map_err(Failure::usage)?;
        let mut menu = Menu::new(default, others).map_err(Failure::usage)?;
        menu.timeout = self.timeout;
        menu.prompt = self.prompt;
        menu.serial = self.serial_console.then_some((0, 115_200));
        Ok(menu)
    }

    /// The file that an option names.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.syslinux_config.as_deref()
    }

    /// Whether there are options about what only a BIOS's boot loader has.
    pub(crate) fn is_about_bios(&self) -> bool {
        self.serial_console || self.syslinux_config.is_some()
    }

    /// Whether the configuration is the user's own.
    pub(crate) fn has_own_config(&self) -> bool {
        self.syslinux_config.is_some()
    }

    /// The user's own configuration for syslinux.
    pub(crate) fn config(&self) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.syslinux_config.as_deref();
        let bytes = path.map(|path| codec::file::read(path, CONFIG_LIMIT));
        bytes.transpose().map_err(report::read)
    }
}
