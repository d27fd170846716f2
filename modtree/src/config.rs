//! The kernel's build configuration: `boot/config-VERSION`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use codec::file::{ReadError, read_decoded};

/// A configuration is some 250 KiB; more than this is something else.
const LIMIT: u64 = 16 << 20;

/// The options that a kernel was built with.
///
/// ```
/// let config = modtree::KernelConfig::parse(b"CONFIG_FAT_FS=m\nCONFIG_NLS_DEFAULT=\"utf8\"\n# CONFIG_KCOV is not set\n");
/// assert_eq!(config.get("CONFIG_FAT_FS"), Some("m"));
/// assert_eq!(config.get("CONFIG_NLS_DEFAULT"), Some("utf8"));
/// assert_eq!(config.get("CONFIG_KCOV"), None);
/// ```
#[derive(Clone, Debug, Default)]
pub struct KernelConfig {
    path: Option<PathBuf>,
    options: HashMap<String, String>,
}

impl KernelConfig {
    /// Takes the text of a `.config` file. Lines which set nothing are skipped, comments among them.
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let options = text
            .lines()
            .filter(|line| line.starts_with("CONFIG_"))
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), unquote(value.trim_end())))
            .collect();
        Self {
            path: None,
            options,
        }
    }

    /// Reads a `.config` file, also a compressed one such as `/proc/config.gz`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let bytes = read_decoded(path, LIMIT)?;
        Ok(Self {
            path: Some(path.to_path_buf()),
            ..Self::parse(&bytes)
        })
    }

    /// The value of an option, named with its `CONFIG_`: `y`, `m`, a number, or a string without its quotes. `None` where
    /// the option is not set.
    pub fn get(&self, option: &str) -> Option<&str> {
        self.options.get(option).map(String::as_str)
    }

    /// The file that was read.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Kconfig escapes quotes and backslashes in strings with a backslash.
fn unquote(value: &str) -> String {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for letter in inner.chars() {
        if letter == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(letter);
            escaped = false;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_lose_their_quotes_and_escapes() {
        let config =
            KernelConfig::parse(b"CONFIG_A=\"x \\\"y\\\" \\\\\"\nCONFIG_B=437\r\nNOT_CONFIG=y\n");
        assert_eq!(config.get("CONFIG_A"), Some("x \"y\" \\"));
        assert_eq!(config.get("CONFIG_B"), Some("437"));
        assert_eq!(config.get("NOT_CONFIG"), None);
    }
}
