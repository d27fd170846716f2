//! What the boot loaders offer: one kernel and one initramfs under one or several command lines, for syslinux and for
//! systemd-boot alike.

use super::syslinux::config::{Config, Entry, Kind};

/// The longest command line that a kernel for x86 takes (`COMMAND_LINE_SIZE`, with its NUL).
const APPEND_MAX: usize = 2047;

/// One choice: a name, and the kernel's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    name: String,
    append: String,
}

/// Why there is no such menu.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MenuError {
    /// A name that one of the boot loaders could not take.
    #[error(
        "`{name}` cannot be an entry's name: it must have 1 to 32 letters, digits, `.`, `_` or `-`"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A name that systemd-boot keeps for itself.
    #[error(
        "`{name}` cannot be an entry's name: systemd-boot does not show entries whose names begin with `.` or `auto-`; choose another name"
    )]
    Hidden {
        /// The name.
        name: String,
    },
    /// An entry without a command line.
    #[error(
        "`{text}` is no entry: it must be a name and a command line, as in `rescue=break=root`"
    )]
    NoAppend {
        /// What was said.
        text: String,
    },
    /// Two entries of one name. Large letters are not told from small ones.
    #[error("there are two entries of the name `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// The command line holds a character that would end it.
    #[error("the kernel's command line of the entry `{name}` has a line break")]
    LineBreak {
        /// The entry's name.
        name: String,
    },
    /// The command line is cut off by the kernel.
    #[error(
        "the kernel's command line of the entry `{name}` has {length} bytes, and a kernel takes {APPEND_MAX}"
    )]
    Long {
        /// The entry's name.
        name: String,
        /// Its length in bytes.
        length: usize,
    },
}

impl Choice {
    /// A choice.
    ///
    /// # Errors
    /// [`MenuError::Name`], [`MenuError::Hidden`], [`MenuError::LineBreak`], [`MenuError::Long`].
    pub fn new(name: &str, append: &str) -> Result<Self, MenuError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name = name.to_owned();
        if !(1..=32).contains(&name.len()) || !name.chars().all(fits) {
            return Err(MenuError::Name { name });
        }
        if is_hidden(&name) {
            return Err(MenuError::Hidden { name });
        }
        if append.contains(['\n', '\r', '\0']) {
            return Err(MenuError::LineBreak { name });
        }
        if append.len() > APPEND_MAX {
            let length = append.len();
            return Err(MenuError::Long { name, length });
        }
        let append = append.to_owned();
        Ok(Self { name, append })
    }

    /// `NAME=WORDS`.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`MenuError::NoAppend`].
    pub fn parse(text: &str) -> Result<Self, MenuError> {
        let Some((name, append)) = text.split_once('=') else {
            let text = text.to_owned();
            return Err(MenuError::NoAppend { text });
        };
        Self::new(name, append)
    }

    /// The kernel's command line.
    pub fn append(&self) -> &str {
        &self.append
    }
}

/// Whether systemd-boot leaves out an entry, by the name of its file.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.to_ascii_lowercase().starts_with("auto-")
}

/// The choices, the first of which is taken where nobody chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    default: Choice,
    others: Vec<Choice>,
    /// How many seconds the boot loader waits for another choice.
    pub timeout: u32,
    /// Whether it waits for ever where the timeout is 0.
    pub prompt: bool,
    /// The serial port that a BIOS's boot loader also talks to, and its speed.
    pub serial: Option<(u8, u32)>,
}

impl Menu {
    /// A menu that does not wait.
    ///
    /// # Errors
    /// [`MenuError::Twice`].
    pub fn new(default: Choice, others: Vec<Choice>) -> Result<Self, MenuError> {
        let mut names = vec![default.name.to_ascii_lowercase()];
        for choice in &others {
            let name = choice.name.to_ascii_lowercase();
            if names.contains(&name) {
                return Err(MenuError::Twice { name });
            }
            names.push(name);
        }
        Ok(Self {
            default,
            others,
            timeout: 0,
            prompt: false,
            serial: None,
        })
    }

    /// The command line that is taken where nobody chooses.
    pub fn append(&self) -> &str {
        &self.default.append
    }

    /// What syslinux, isolinux and pxelinux read. `root` stands before the files' names: `/`, or nothing for the directory of
    /// the configuration's boot loader.
    pub fn syslinux(&self, root: &str) -> Config {
        let entries = self.choices().map(|choice| Entry {
            label: choice.name.clone(),
            kernel: format!("{root}{}", super::build::KERNEL),
            kind: Kind::Linux,
            initramfs: vec![format!("{root}{}", super::build::INITRAMFS)],
            append: choice.append.clone(),
        });
        Config {
            default: self.default.name.clone(),
            prompt: self.prompt || self.timeout > 0,
            timeout: self.timeout * 10,
            serial: self.serial,
            entries: entries.collect(),
            ..Config::default()
        }
    }

    /// systemd-boot's `loader.conf`.
    pub(super) fn loader(&self) -> String {
        let timeout = match (self.timeout, self.prompt) {
            (0, true) => "menu-force".to_owned(),
            (seconds, _) => seconds.to_string(),
        };
        format!("default {}.conf\ntimeout {timeout}\n", self.default.name)
    }

    /// The files of `loader/entries`, as
    /// <https://uapi-group.org/specifications/specs/boot_loader_specification/> has them. `sort-key` keeps their order.
    pub(super) fn loader_entries(&self, version: &str) -> Vec<(String, String)> {
        let entry = |(index, choice): (usize, &Choice)| {
            let Choice { name, append } = choice;
            let title = match index {
                0 => String::new(),
                _ => format!(" ({name})"),
            };
            let text = format!(
                "title Linux {version} in memory{title}\nsort-key linux-{index:03}\nversion {version}\nlinux /{}\ninitrd /{}\noptions {append}\n",
                super::build::KERNEL,
                super::build::INITRAMFS,
            );
            (format!("{name}.conf"), text)
        };
        self.choices().enumerate().map(entry).collect()
    }

    fn choices(&self) -> impl Iterator<Item = &Choice> {
        std::iter::once(&self.default).chain(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_boot_loaders_get_every_entry() {
        let others = vec![Choice::parse("rescue=quiet break=root").unwrap()];
        let mut menu = Menu::new(Choice::new("linux", "quiet").unwrap(), others).unwrap();
        menu.timeout = 5;
        assert_eq!(
            menu.syslinux("/").to_string(),
            "DEFAULT linux\nPROMPT 1\nTIMEOUT 50\nSAY Type one of: linux rescue\n\n\
             LABEL linux\n  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND quiet\n\n\
             LABEL rescue\n  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND quiet break=root\n"
        );
        assert_eq!(menu.loader(), "default linux.conf\ntimeout 5\n");
        let entries = menu.loader_entries("6.1");
        assert_eq!(entries[1].0, "rescue.conf");
        assert_eq!(
            entries[1].1,
            "title Linux 6.1 in memory (rescue)\nsort-key linux-001\nversion 6.1\nlinux /vmlinuz\ninitrd /initrd.img\n\
             options quiet break=root\n"
        );
    }

    #[test]
    fn a_prompt_without_a_timeout_waits_for_ever() {
        let mut menu = Menu::new(Choice::new("linux", "").unwrap(), Vec::new()).unwrap();
        assert_eq!(menu.loader(), "default linux.conf\ntimeout 0\n");
        menu.prompt = true;
        assert_eq!(menu.loader(), "default linux.conf\ntimeout menu-force\n");
        let text = menu.syslinux("").to_string();
        assert!(
            text.starts_with("DEFAULT linux\nPROMPT 1\nTIMEOUT 0\n"),
            "{text}"
        );
    }

    #[test]
    fn what_a_boot_loader_cannot_take_is_refused() {
        let error = |text: &str| Choice::parse(text).unwrap_err().to_string();
        assert!(error("rescue").contains("as in `rescue=break=root`"));
        assert!(error("a b=quiet").contains("`a b` cannot be an entry's name"));
        assert!(error("=quiet").contains("1 to 32"));
        for hidden in [".rescue=quiet", "auto-rescue=quiet", "Auto-x=quiet"] {
            assert!(error(hidden).contains("systemd-boot does not show"));
        }
        assert!(error("a=b\nc").contains("line break"));
        assert!(error(&format!("a={}", "x".repeat(2048))).contains("a kernel takes 2047"));
        let twice = Menu::new(
            Choice::new("linux", "").unwrap(),
            vec![Choice::new("Linux", "").unwrap()],
        );
        assert!(twice.unwrap_err().to_string().contains("two entries"));
    }
}
