//! The command line, as plain data.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use kmap::Mode;

/// Compile Linux console keymaps into the binary format that busybox loadkmap reads
#[derive(Debug, Parser)]
#[command(name = "kmapc", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    /// A keymap file, plain or compressed; or a keymap's name, such as `es`; or `-` for standard input
    #[arg(value_name = "KEYMAP", required = true)]
    pub(crate) inputs: Vec<PathBuf>,

    /// Write to FILE, `-` for standard output [default: NAME.bmap in the current directory; standard output where the
    /// keymap comes from standard input]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Characters are Unicode, as `loadkeys -u`
    #[arg(short, long, conflicts_with = "eight_bit")]
    pub(crate) unicode: bool,

    /// Characters are bytes, as `loadkeys` without -u [default: 8-bit where that works, else Unicode]
    #[arg(short = '8', long)]
    pub(crate) eight_bit: bool,

    /// The byte order of the machine that will load the keymap
    #[arg(long, value_enum, default_value_t = Endian::Little)]
    pub(crate) endian: Endian,

    /// Print errors only, no warnings and notes
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print what was read and what was written
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// `--endian`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Endian {
    /// x86, ARM, RISC-V, ppc64le
    Little,
    /// s390x, big-endian POWER and MIPS
    Big,
    /// As this machine
    Native,
}

const EXAMPLES: &str = "\
Examples:
  kmapc es                     find the Spanish keymap, write es.bmap
  kmapc es.kmap.gz             compile this file, write es.bmap
  kmapc es us de-latin1        write es.bmap, us.bmap and de-latin1.bmap
  kmapc -u ro -o /tmp/ro.bmap  for a console in Unicode mode
  kmapc - < my.map | loadkmap  load it at once, in busybox

Names are searched under /usr/share/keymaps and its like; LOADKEYS_KEYMAP_PATH names another
directory, and LOADKEYS_INCLUDE_PATH where included files are. NAME.bmap is made of the
keymap's file name. Nothing is written unless every keymap is free of errors.

Exit codes: 0 done, 1 a keymap has errors, 2 wrong usage, 3 the machine is at fault.";

impl Args {
    pub(crate) fn mode(&self) -> Mode {
        match (self.unicode, self.eight_bit) {
            (true, _) => Mode::Unicode,
            (_, true) => Mode::EightBit,
            _ => Mode::Automatic,
        }
    }
}

impl From<Endian> for kmap::Endian {
    fn from(endian: Endian) -> Self {
        match endian {
            Endian::Little => kmap::Endian::Little,
            Endian::Big => kmap::Endian::Big,
            Endian::Native if cfg!(target_endian = "big") => kmap::Endian::Big,
            Endian::Native => kmap::Endian::Little,
        }
    }
}
