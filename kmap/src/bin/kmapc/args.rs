//! The command line, as plain data.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use kmap::{Mode, Options, SearchPath, layout::Shape};

use crate::screen::Color;
use crate::{complete, help};

/// Compile Linux console keymaps into the binary format that busybox loadkmap reads
#[derive(Debug, Parser)]
#[command(
    name = "kmapc",
    version,
    after_help = help::COMPILE,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) compile: Compile,

    /// Colour errors and warnings
    #[arg(long, value_enum, value_name = "WHEN", global = true, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

/// What else can be done with keymaps.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Report every problem of many keymaps, and sum them up
    Check(Check),
    /// Turn a binary keymap into text that compiles back to the same bytes
    Decompile(Decompile),
    /// Show which keys differ between two keymaps
    Diff(Diff),
    /// List the keymaps that names find, or XKB layouts
    List(List),
    /// Draw the layout
    Show(Show),
    /// Say which keys type a text
    Type(Type),
    /// Make a keymap of an XKB layout, the ones that graphical programs use
    Xkb(Xkb),
}

/// How keymaps are found and read.
#[derive(Clone, Debug, Group)]
pub(crate) struct Reading {
    /// Characters are Unicode, as `loadkeys -u`
    #[arg(short, long, conflicts_with = "eight_bit")]
    pub(crate) unicode: bool,

    /// Characters are bytes, as `loadkeys` without -u [default: 8-bit where that works, else Unicode]
    #[arg(short = '8', long)]
    pub(crate) eight_bit: bool,

    /// The byte order of binary keymaps: that of the machine that loads them [default: little; of one that is read, the
    /// order in which it makes sense]
    #[arg(long, value_enum)]
    endian: Option<Endian>,

    /// Look for keymaps by name in DIR, with as many levels of directories as stars follow (`maps**`); may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) search_path: Vec<PathBuf>,

    /// Let keys that the kernel cannot have do nothing, with a warning, instead of failing the keymap
    #[arg(long)]
    pub(crate) skip_unsupported: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Compile {
    /// A keymap file, plain or compressed; or a keymap's name, such as `es`; or `-` for standard input
    #[arg(value_name = "KEYMAP", required = true, add = complete::keymaps())]
    pub(crate) inputs: Vec<PathBuf>,

    /// Write to FILE, `-` for standard output [default: NAME.bmap in the current directory; standard output where the
    /// keymap comes from standard input]
    #[arg(short, long, value_name = "FILE", conflicts_with = "out_dir")]
    pub(crate) output: Option<PathBuf>,

    /// Write NAME.bmap into DIR, which is made where it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: Reading,

    /// Compile all KEYMAPs into one, each going on where the one before ended, as loadkeys does
    #[arg(long)]
    pub(crate) merge: bool,

    /// Leave out the tables that no modifier key of the keymap leads to
    #[arg(long)]
    pub(crate) prune: bool,

    /// Write C source instead, as `loadkeys --mktable` does [to standard output by default]
    #[arg(long, conflicts_with_all = ["prune", "companion"])]
    pub(crate) mktable: bool,

    /// Also write NAME.companion: the strings and compose rules, which the binary format cannot carry, as a keymap text
    #[arg(long)]
    pub(crate) companion: bool,

    /// Only print the files that are read, one a line
    #[arg(long)]
    pub(crate) deps: bool,

    /// Also write to FILE what each output is made of, as rules for make
    #[arg(long, value_name = "FILE", conflicts_with = "deps")]
    pub(crate) depfile: Option<PathBuf>,

    /// Print what was done and every problem as JSON, on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Print errors only, no warnings and notes
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print what was read and what was written
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Group)]
#[command(after_help = help::CHECK)]
pub(crate) struct Check {
    /// Keymap files or names
    #[arg(value_name = "KEYMAP", required = true, add = complete::keymaps())]
    pub(crate) inputs: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: Reading,

    /// Print every problem as JSON, on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Print the summary only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Group)]
#[command(after_help = help::DECOMPILE)]
pub(crate) struct Decompile {
    /// A binary keymap, or any other, which is compiled first
    #[arg(value_name = "KEYMAP", add = complete::keymaps())]
    pub(crate) input: PathBuf,

    /// Write to FILE [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: Reading,

    #[command(flatten)]
    pub(crate) quiet: cli::Quiet,
}

#[derive(Debug, Group)]
#[command(after_help = help::DIFF)]
pub(crate) struct Diff {
    /// The keymap as it is: text or binary
    #[arg(value_name = "OLD", add = complete::keymaps())]
    pub(crate) old: PathBuf,

    /// The keymap to compare it with
    #[arg(value_name = "NEW", add = complete::keymaps())]
    pub(crate) new: PathBuf,

    /// Print the differences as JSON: a list, a key with modifiers each
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) reading: Reading,

    #[command(flatten)]
    pub(crate) quiet: cli::Quiet,
}

#[derive(Debug, Group)]
#[command(after_help = help::LIST)]
pub(crate) struct List {
    /// Only those with TEXT in their names, or in what they are; capitals do not matter
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,

    /// List the layouts and variants that `kmapc xkb` takes, and what they are
    #[arg(long, conflicts_with = "search_path")]
    pub(crate) xkb: bool,

    /// Print JSON: a list
    #[arg(long)]
    pub(crate) json: bool,

    /// Look for keymaps in DIR, with as many levels of directories as stars follow (`maps**`); may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) search_path: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) quiet: cli::Quiet,
}

#[derive(Debug, Group)]
#[command(after_help = help::SHOW)]
pub(crate) struct Show {
    /// A keymap, text or binary
    #[arg(value_name = "KEYMAP", add = complete::keymaps())]
    pub(crate) input: PathBuf,

    /// The keyboard's shape
    #[arg(long, value_enum, default_value_t = Form::Iso)]
    pub(crate) shape: Form,

    /// Write an SVG picture to FILE, `-` for standard output
    #[arg(long, value_name = "FILE", conflicts_with = "html")]
    pub(crate) svg: Option<PathBuf>,

    /// Write a page with the picture to FILE, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// Print what all keys do as JSON: a list, a key with modifiers each
    #[arg(long, conflicts_with_all = ["svg", "html", "shape"])]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) reading: Reading,

    #[command(flatten)]
    pub(crate) quiet: cli::Quiet,
}

#[derive(Debug, Group)]
#[command(after_help = help::TYPE)]
pub(crate) struct Type {
    /// A keymap, text or binary
    #[arg(value_name = "KEYMAP", add = complete::keymaps())]
    pub(crate) input: PathBuf,

    /// What is to be typed; `-` reads it from standard input, without the line feed at its end: there a passphrase is neither
    /// in the list of processes nor in the shell's history. A dash alone: `echo - | kmapc type KEYMAP -`
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,

    /// Print the ways as JSON: a list, a character each
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) reading: Reading,

    #[command(flatten)]
    pub(crate) quiet: cli::Quiet,
}

#[derive(Debug, Group)]
#[command(after_help = help::XKB)]
pub(crate) struct Xkb {
    /// A layout of xkb-data, such as `es`; or two with a comma between them, such as `us,ru`
    #[arg(value_name = "LAYOUT", add = complete::layouts())]
    pub(crate) layout: String,

    /// Its variant, such as `nodeadkeys`; for two layouts, theirs with a comma between them: `us,ru ,phonetic` has none for
    /// the first
    #[arg(value_name = "VARIANT", default_value = "")]
    pub(crate) variant: String,

    /// The keyboard's model [default: pc105]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,

    /// XKB options, such as `ctrl:nocaps`; several with commas between them
    #[arg(long, value_name = "OPTIONS", value_delimiter = ',', add = complete::options())]
    pub(crate) options: Vec<String>,

    /// Write to FILE, `-` for standard output [default: LAYOUT-VARIANT.bmap in the current directory]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Write the keymap's text instead, to standard output by default
    #[arg(long)]
    pub(crate) text: bool,

    /// The byte order of the machine that will load the keymap
    #[arg(long, value_enum, default_value_t = Endian::Little)]
    pub(crate) endian: Endian,

    #[command(flatten)]
    pub(crate) quiet: cli::Quiet,
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

/// `--shape`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Form {
    /// Europe
    Iso,
    /// The United States
    Ansi,
    /// Japan
    Jis,
}

impl Reading {
    pub(crate) fn mode(&self) -> Mode {
        match (self.unicode, self.eight_bit) {
            (true, _) => Mode::Unicode,
            (_, true) => Mode::EightBit,
            _ => Mode::Automatic,
        }
    }

    /// `--endian`, where it is given.
    pub(crate) fn asked_endian(&self) -> Option<kmap::Endian> {
        self.endian.map(kmap::Endian::from)
    }

    /// The byte order of what is written.
    pub(crate) fn endian(&self) -> kmap::Endian {
        self.asked_endian().unwrap_or_default()
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            mode: self.mode(),
            skip_unsupported: self.skip_unsupported,
            lints: false,
        }
    }

    pub(crate) fn search(&self) -> SearchPath {
        search(&self.search_path)
    }
}

/// `--search-path`, and where it is not given, what the environment says.
pub(crate) fn search(directories: &[PathBuf]) -> SearchPath {
    let search = SearchPath::from_env();
    match directories.is_empty() {
        true => search,
        false => search.with_keymaps(directories),
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

impl From<Form> for Shape {
    fn from(form: Form) -> Self {
        match form {
            Form::Iso => Shape::Iso,
            Form::Ansi => Shape::Ansi,
            Form::Jis => Shape::Jis,
        }
    }
}
