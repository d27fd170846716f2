//! The kernel's build configuration: `boot/config-VERSION`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use codec::detect;
use codec::file::{ReadError, read_decoded};
use memchr::{memchr, memmem};

use crate::fast_hash::FastMap;
use crate::text::Text;
use crate::tree::lock;

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
    /// The lines. Of 9,000 options a run asks for a dozen, so they are searched.
    text: Text,
    /// The few values that are not as they stand in the text.
    rewritten: OnceLock<FastMap<String, String>>,
    /// Where the values are that have been asked for: rules ask for the same ones of module after module.
    known: Arc<Mutex<FastMap<String, Option<Range<usize>>>>>,
}

impl KernelConfig {
    /// Takes the text of a `.config` file. Lines which set nothing are skipped, comments among them.
    pub fn parse(text: &[u8]) -> Self {
        Self::of_text(text.to_vec().into())
    }

    fn of_text(text: Text) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }

    /// Reads a `.config` file, also a compressed one such as `/proc/config.gz`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text = match Text::open(path, LIMIT)? {
            compressed if detect(&compressed).is_some() => read_decoded(path, LIMIT)?.into(),
            plain => plain,
        };
        Ok(Self {
            path: Some(path.to_path_buf()),
            ..Self::of_text(text)
        })
    }

    /// The value of an option, named with its `CONFIG_`: `y`, `m`, a number, or a string without its quotes. `None` where
    /// the option is not set.
    pub fn get(&self, option: &str) -> Option<&str> {
        if !option.starts_with("CONFIG_") {
            return None;
        }
        let known = lock(&self.known).get(option).cloned();
        let place = known.unwrap_or_else(|| {
            let place = self.place(option);
            lock(&self.known).insert(option.to_owned(), place.clone());
            place
        });
        match std::str::from_utf8(self.text.get(place?)?) {
            Ok(value) if !value.contains('\\') => Some(unquoted(value).unwrap_or(value.trim_end())),
            _ => self.rewritten().get(option).map(String::as_str),
        }
    }

    fn rewritten(&self) -> &FastMap<String, String> {
        self.rewritten.get_or_init(|| {
            let lines = self.text.split(|&byte| byte == b'\n');
            let odd = lines.filter(|line| line.contains(&b'\\') || !line.is_ascii());
            let odd = odd.filter_map(|line| {
                let line = String::from_utf8_lossy(line);
                let (name, value) = line.split_once('=')?;
                let unescaped = unquoted(value).map(unescape);
                let value = unescaped.unwrap_or_else(|| value.trim_end().to_owned());
                Some((name.to_owned(), value))
            });
            odd.collect()
        })
    }

    /// Where an option's value is in the text.
    fn place(&self, option: &str) -> Option<Range<usize>> {
        let text = &*self.text;
        let key = format!("{option}=");
        let found = memmem::find_iter(text, key.as_bytes());
        let found = found.filter(|&at| at == 0 || text[at - 1] == b'\n');
        // The last one counts. memchr searches with vector instructions, but not backwards.
        let start = found.last()? + key.len();
        let length = memchr(b'\n', text.get(start..)?);
        Some(start..length.map_or(text.len(), |length| start + length))
    }

    /// The file that was read.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// What stands between quotes.
fn unquoted(value: &str) -> Option<&str> {
    value.trim_end().strip_prefix('"')?.strip_suffix('"')
}

/// Kconfig escapes quotes and backslashes in strings with a backslash.
fn unescape(string: &str) -> String {
    let mut text = String::with_capacity(string.len());
    let mut escaped = false;
    for letter in string.chars() {
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
        assert_eq!(config.get("CONFIG_"), None);
        let odd =
            KernelConfig::parse(b"CONFIG_A=\"x\xff\"\nCONFIG_B=a\\b \nCONFIG_C=\"\xc3\xa9\"\n");
        assert_eq!(odd.get("CONFIG_A"), Some("x\u{fffd}"));
        assert_eq!(odd.get("CONFIG_B"), Some("a\\b"));
        assert_eq!(odd.get("CONFIG_C"), Some("\u{e9}"));
    }

    #[test]
    fn the_last_of_several_lines_counts() {
        let config =
            KernelConfig::parse(b"CONFIG_A=y\n#CONFIG_A=n\nCONFIG_A=m\nCONFIG_AB=y\nCONFIG_B=");
        assert_eq!(config.get("CONFIG_A"), Some("m"));
        assert_eq!(config.get("CONFIG_B"), Some(""));
        assert_eq!(KernelConfig::default().get("CONFIG_A"), None);
    }
}
