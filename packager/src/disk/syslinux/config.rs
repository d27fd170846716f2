//! `syslinux.cfg`: what the boot loader offers, written and read.
//!
//! A line is a keyword, in whatever letters, and its value (`doc/syslinux.txt` in syslinux's source). Lines up to the first
//! `LABEL` are about everything, those behind it about that entry.

use std::fmt;

/// One choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub label: String,
    /// The path of the kernel.
    pub kernel: String,
    /// The paths of the initramfs's parts.
    pub initramfs: Vec<String>,
    /// The kernel's command line.
    pub append: String,
}

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The label of the entry that is booted when nobody chooses.
    pub default: String,
    /// Whether there is a prompt (`boot:`) without a key being held.
    pub prompt: bool,
    /// After how many tenths of a second the default is booted; 0 waits for ever at a prompt.
    pub timeout: u32,
    /// The serial port that the boot loader also talks to, and its speed.
    pub serial: Option<(u8, u32)>,
    /// The choices.
    pub entries: Vec<Entry>,
    /// Files that the configuration names besides kernels: menus, included configurations.
    pub files: Vec<String>,
}

/// Where syslinux looks for its configuration, in this order.
pub const PLACES: [&str; 5] = [
    "boot/syslinux/syslinux.cfg",
    "boot/syslinux/extlinux.conf",
    "syslinux/syslinux.cfg",
    "syslinux.cfg",
    "extlinux.conf",
];

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

impl Config {
    /// Reads a configuration as far as it says which files are needed. What is not known is passed over, as syslinux does.
    pub fn parse(text: &str) -> Self {
        let mut config = Self::default();
        for line in text.lines() {
            let line = line.trim();
            let (keyword, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            config.line(&keyword.to_ascii_lowercase(), value.trim());
        }
        config
    }

    fn line(&mut self, keyword: &str, value: &str) {
        let files = |value: &str| value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match (keyword, self.entries.last_mut()) {
            ("label", _) => self.entries.push(Entry {
                label: value.to_owned(),
                ..Entry::default()
            }),
            ("default", _) => self.default = first_word(value).to_owned(),
            ("prompt", _) => self.prompt = value != "0",
            ("timeout", _) => self.timeout = value.parse().unwrap_or(0),
            ("ui" | "include", _) => self.files.push(first_word(value).to_owned()),
            ("kernel" | "linux", Some(entry)) => entry.kernel = first_word(value).to_owned(),
            ("initrd", Some(entry)) => entry.initramfs = files(value),
            ("append", Some(entry)) => {
                for word in value.split_whitespace() {
                    if let Some(paths) = word.strip_prefix("initrd=") {
                        entry.initramfs = files(paths);
                    }
                }
                entry.append = value.to_owned();
            }
            _ => {}
        }
    }
}

fn first_word(value: &str) -> &str {
    value.split_whitespace().next().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let entry = Entry {
            label: "linux".into(),
            kernel: "/vmlinuz".into(),
            initramfs: vec!["/initrd.img".into()],
            append: "quiet".into(),
        };
        let config = Config {
            default: "linux".into(),
            prompt: true,
            timeout: 50,
            serial: None,
            entries: vec![entry],
            files: Vec::new(),
        };
        assert_eq!(
            config.to_string(),
            "DEFAULT linux\nPROMPT 1\nTIMEOUT 50\n\nLABEL linux\n  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND quiet\n"
        );
        assert_eq!(Config::parse(&config.to_string()), config);
    }

    #[test]
    fn others_write_it_in_other_ways() {
        let text = "ui menu.c32\r\nlabel a\r\n\tkernel bzImage\r\n\tappend ro initrd=one.gz,two.gz quiet\r\n";
        let config = Config::parse(text);
        assert_eq!(config.files, ["menu.c32"]);
        assert_eq!(config.entries[0].kernel, "bzImage");
        assert_eq!(config.entries[0].initramfs, ["one.gz", "two.gz"]);
    }
}
