//! `syslinux.cfg`: what the boot loader offers, written and read.
//!
//! A line is a keyword, in whatever letters, and its value (`doc/syslinux.txt` in syslinux's source). Lines up to the first
//! `LABEL` are about everything, those behind it about that entry.

mod parse;

use std::fmt;

/// More entries than people make; those behind them are not looked at, and get no words of all. Each of them is looked for in a directory
/// several times.
pub(in crate::disk) const ENTRIES_MAX: usize = 1000;

/// What an entry starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A Linux kernel.
    #[default]
    Linux,
    /// What its name says: a kernel, unless it has the suffix of something else.
    ByName,
    /// A module of syslinux, a boot sector.
    Other,
    /// Another configuration. The command line is the folder that its paths begin in, if there is one.
    Config,
    /// No file: the next disk.
    Local,
}

/// What syslinux tries where a kernel is not there under its name; a file of one of these suffixes is no kernel.
pub const SUFFIXES: [&str; 8] = [".cbt", ".0", ".com", ".c32", ".bs", ".bss", ".bin", ".img"];

/// One choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub label: String,
    /// The path of the kernel, or of what is started instead of one.
    pub kernel: String,
    /// What that is.
    pub kind: Kind,
    /// The paths of the initramfs's parts.
    pub initramfs: Vec<String>,
    /// The kernel's command line.
    pub append: String,
}

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What is booted when nobody chooses: an entry's label, or a kernel, and words for it.
    pub default: String,
    /// The label of the entry that the menu marks, where [`default`](Self::default) names none.
    pub menu_default: String,
    /// The same as `default` for the end of the time.
    pub on_timeout: String,
    /// The program that shows the menu, and its words.
    pub ui: String,
    /// The kernel's command line where no entry has another one.
    pub append: String,
    /// Whether there is a prompt (`boot:`) without a key being held.
    pub prompt: bool,
    /// After how many tenths of a second the default is booted; 0 waits for ever at a prompt.
    pub timeout: u32,
    /// The serial port that the boot loader also talks to, and its speed.
    pub serial: Option<(u8, u32)>,
    /// The choices.
    pub entries: Vec<Entry>,
    /// Where modules (`*.c32`) are looked for, too.
    pub path: Vec<String>,
    /// Files that syslinux does without where they are not there: what is shown, and included configurations that nobody has
    /// given.
    pub files: Vec<String>,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((port, speed)) = self.serial {
            // It must be the first line to hold for everything.
            writeln!(f, "SERIAL {port} {speed}")?;
        }
        writeln!(f, "DEFAULT {}", self.default)?;
        writeln!(f, "PROMPT {}", u8::from(self.prompt))?;
        writeln!(f, "TIMEOUT {}", self.timeout)?;
        if self.prompt && self.entries.len() > 1 {
            // The boot loader shows nothing but `boot:` by itself.
            let labels: Vec<_> = self
                .entries
                .iter()
                .map(|entry| entry.label.as_str())
                .collect();
            writeln!(f, "SAY Type one of: {}", labels.join(" "))?;
        }
        for entry in &self.entries {
            writeln!(f, "\nLABEL {}", entry.label)?;
            writeln!(f, "  LINUX {}", entry.kernel)?;
            if !entry.initramfs.is_empty() {
                writeln!(f, "  INITRD {}", entry.initramfs.join(","))?;
            }
            if !entry.append.is_empty() {
                writeln!(f, "  APPEND {}", entry.append)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let entry = Entry {
            label: "linux".into(),
            kernel: "/vmlinuz".into(),
            kind: Kind::Linux,
            initramfs: vec!["/initrd.img".into()],
            append: "quiet".into(),
        };
        let config = Config {
            default: "linux".into(),
            prompt: true,
            timeout: 50,
            entries: vec![entry],
            ..Config::default()
        };
        assert_eq!(
            config.to_string(),
            "DEFAULT linux\nPROMPT 1\nTIMEOUT 50\n\nLABEL linux\n  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND quiet\n"
        );
        assert_eq!(Config::parse(&config.to_string()), config);
    }
}
