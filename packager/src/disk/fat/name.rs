//! Names as FAT and Windows allow them, and the short names (8.3) that stand for them.

use std::collections::BTreeSet;
use std::fmt;

/// UTF-16 units of a long name.
const LONG_MAX: usize = 255;

/// What Windows forbids in a long name, besides control characters.
const FORBIDDEN: &str = "\"*/:<>?\\|";

/// What a short name may have besides capital letters and digits.
const SHORT_SIGNS: &[u8] = b"$%'-_@~`!(){}^#&";

/// Names that Windows keeps for devices, whatever suffix they have.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "COM", "LPT"];

/// Bits of byte 12 of an entry, an extension of Windows NT: the short name is shown in small letters.
const LOWER_BASE: u8 = 0x08;
const LOWER_SUFFIX: u8 = 0x10;

/// A name of a file or directory that FAT can hold and Windows can open.
///
/// ```
/// use packager::disk::fat::Name;
///
/// assert!(Name::new("vmlinuz-6.1.0-56-amd64").is_ok());
/// assert_eq!(Name::new("a:b").unwrap_err().to_string(), "the name `a:b` has `:`, which FAT and Windows forbid");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// Why a name is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty, `.` or `..`.
    #[error("`{0}` is not a name")]
    Empty(String),
    /// A character that is not allowed.
    #[error("the name `{}` has `{}`, which FAT and Windows forbid", name.escape_debug(), character.escape_debug())]
    Character {
        /// The name.
        name: String,
        /// The character.
        character: char,
    },
    /// Windows cuts it off, so that the file could not be opened.
    #[error("the name `{0}` ends with a dot or a space, which Windows cuts off")]
    End(String),
    /// Windows opens a device instead.
    #[error("the name `{0}` is a device's on Windows")]
    Device(String),
    /// More than 255 UTF-16 units.
    #[error("the name `{0}` is longer than 255 UTF-16 units")]
    Long(String),
}

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        if matches!(name, "" | "." | "..") {
            return Err(NameError::Empty(name.to_owned()));
        }
        let forbidden = |c: &char| c.is_ascii_control() || FORBIDDEN.contains(*c);
        if let Some(character) = name.chars().find(forbidden) {
            return Err(NameError::Character {
                name: name.to_owned(),
                character,
            });
        }
        if name.ends_with(['.', ' ']) || name.starts_with(' ') {
            return Err(NameError::End(name.to_owned()));
        }
        if is_device(name) {
            return Err(NameError::Device(name.to_owned()));
        }
        if name.encode_utf16().count() > LONG_MAX {
            return Err(NameError::Long(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two names must differ in: FAT does not tell large letters from small ones.
    pub(super) fn key(&self) -> String {
        self.0.to_uppercase()
    }

    /// The short name, its case bits, and whether a long name must stand in front of it. `taken` are the short names of
    /// the directory so far; the new one is added.
    pub(super) fn shorten(&self, taken: &mut BTreeSet<ShortName>) -> Short {
        if let Some((name, case)) = direct(&self.0) {
            let upper = ShortName(name.0.map(|byte| byte.to_ascii_uppercase()));
            if taken.insert(upper) {
                return Short {
                    name: upper,
                    case: case.unwrap_or(0),
                    needs_long: case.is_none(),
                };
            }
        }
        let (base, suffix) = mangled(&self.0);
        for number in 1_u32.. {
            let tail = format!("~{number}");
            let kept = base.len().min(8 - tail.len());
            let name = ShortName::new(&[&base[..kept], tail.as_bytes()].concat(), &suffix);
            if taken.insert(name) {
                return Short {
                    name,
                    case: 0,
                    needs_long: true,
                };
            }
        }
        // A directory has fewer than 65536 entries, so that one of the numbers was free.
        Short {
            name: ShortName::new(&base, &suffix),
            case: 0,
            needs_long: true,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Eight bytes of name and three of suffix, filled up with spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShortName(pub(super) [u8; 11]);

impl ShortName {
    pub(super) fn new(base: &[u8], suffix: &[u8]) -> Self {
        let mut bytes = [b' '; 11];
        bytes[..base.len().min(8)].copy_from_slice(&base[..base.len().min(8)]);
        bytes[8..8 + suffix.len().min(3)].copy_from_slice(&suffix[..suffix.len().min(3)]);
        Self(bytes)
    }

    /// The check sum that ties long-name entries to their short one.
    pub(super) fn checksum(&self) -> u8 {
        self.0
            .iter()
            .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
    }
}

/// A short name as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) name: ShortName,
    pub(super) case: u8,
    pub(super) needs_long: bool,
}

/// The name itself where it is short already, with its case bits; the case is `None` where letters are mixed.
fn direct(name: &str) -> Option<(ShortName, Option<u8>)> {
    let (base, suffix) = name.rsplit_once('.').unwrap_or((name, ""));
    let suffix_fits = suffix.len() <= 3 && (!suffix.is_empty() || !name.contains('.'));
    if base.is_empty() || base.len() > 8 || !suffix_fits {
        return None;
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || SHORT_SIGNS.contains(&byte);
    if !base.bytes().chain(suffix.bytes()).all(allowed) {
        return None;
    }
    let short = ShortName::new(base.as_bytes(), suffix.as_bytes());
    let case = case_bit(base, LOWER_BASE).zip(case_bit(suffix, LOWER_SUFFIX));
    Some((short, case.map(|(base, suffix)| base | suffix)))
}

/// `bit` for small letters, 0 for large ones or none, nothing for both.
fn case_bit(part: &str, bit: u8) -> Option<u8> {
    let lower = part.bytes().any(|byte| byte.is_ascii_lowercase());
    let upper = part.bytes().any(|byte| byte.is_ascii_uppercase());
    match (lower, upper) {
        (true, true) => None,
        (true, false) => Some(bit),
        (false, _) => Some(0),
    }
}

/// What is left of a long name for a short one: up to eight and three bytes.
fn mangled(name: &str) -> (Vec<u8>, Vec<u8>) {
    let trimmed = name.trim_start_matches('.');
    let (base, suffix) = trimmed.rsplit_once('.').unwrap_or((trimmed, ""));
    (short_part(base, 8), short_part(suffix, 3))
}

fn short_part(part: &str, limit: usize) -> Vec<u8> {
    part.chars()
        .filter(|c| !matches!(c, ' ' | '.'))
        .map(|c| {
            let upper = c.to_ascii_uppercase() as u32 as u8;
            let allowed = upper.is_ascii_alphanumeric() || SHORT_SIGNS.contains(&upper);
            if c.is_ascii() && allowed { upper } else { b'_' }
        })
        .take(limit)
        .collect()
}

fn is_device(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or(name).trim_end();
    let base = base.to_ascii_uppercase();
    DEVICES
        .iter()
        .any(|device| match base.strip_prefix(device) {
            Some("") => !matches!(*device, "COM" | "LPT"),
            Some(number) => {
                matches!(*device, "COM" | "LPT") && matches!(number.as_bytes(), [b'1'..=b'9'])
            }
            None => false,
        })
}

/// A volume's label: up to eleven bytes of what a short name may have, and spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(pub(super) [u8; 11]);

/// Why a label is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Empty, or longer than eleven bytes.
    #[error("the label `{}` must have 1 to 11 characters", .0.escape_debug())]
    Length(String),
    /// The first character is a space.
    #[error("the label `{}` begins with a space", .0.escape_debug())]
    Begin(String),
    /// A character that is not allowed.
    #[error(
        "the label `{}` has `{}`; A-Z, 0-9, space and {} are allowed",
        label.escape_debug(),
        character.escape_debug(),
        String::from_utf8_lossy(SHORT_SIGNS)
    )]
    Character {
        /// The label.
        label: String,
        /// The character.
        character: char,
    },
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.0).trim_end())
    }
}

impl Label {
    /// Checks a label. Small letters become large ones.
    ///
    /// # Errors
    /// See [`LabelError`].
    pub fn new(label: &str) -> Result<Self, LabelError> {
        let upper = label.to_ascii_uppercase();
        let allowed = |c: &char| {
            c.is_ascii_uppercase()
                || c.is_ascii_digit()
                || *c == ' '
                || c.is_ascii() && SHORT_SIGNS.contains(&(*c as u32 as u8))
        };
        if let Some(character) = upper.chars().find(|c| !allowed(c)) {
            return Err(LabelError::Character {
                label: label.to_owned(),
                character,
            });
        }
        if upper.trim().is_empty() || upper.len() > 11 {
            return Err(LabelError::Length(label.to_owned()));
        }
        if upper.starts_with(' ') {
            return Err(LabelError::Begin(label.to_owned()));
        }
        let mut bytes = [b' '; 11];
        bytes[..upper.len()].copy_from_slice(upper.as_bytes());
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(name: &str) -> (String, u8, bool) {
        let short = Name::new(name).unwrap().shorten(&mut BTreeSet::new());
        let text = String::from_utf8(short.name.0.to_vec()).unwrap();
        (text, short.case, short.needs_long)
    }

    #[test]
    fn short_names_are_those_of_mtools() {
        assert_eq!(short("UPPER.TXT"), ("UPPER   TXT".into(), 0, false));
        assert_eq!(short("lower.TXT"), ("LOWER   TXT".into(), 8, false));
        assert_eq!(short("ldlinux.sys"), ("LDLINUX SYS".into(), 0x18, false));
        assert_eq!(short("Mixed.Txt"), ("MIXED   TXT".into(), 0, true));
        assert_eq!(short("Long Name.txt"), ("LONGNA~1TXT".into(), 0, true));
        assert_eq!(short(".config"), ("CONFIG~1   ".into(), 0, true));
        assert_eq!(short("a.b.c"), ("AB~1    C  ".into(), 0, true));
        assert_eq!(short("é"), ("_~1        ".into(), 0, true));
    }

    #[test]
    fn short_names_differ_within_a_directory() {
        let mut taken = BTreeSet::new();
        let names: Vec<_> = (0..12)
            .map(|n| {
                Name::new(&format!("long name {n}"))
                    .unwrap()
                    .shorten(&mut taken)
            })
            .map(|short| String::from_utf8_lossy(&short.name.0).into_owned())
            .collect();
        assert_eq!(names[8], "LONGNA~9   ");
        assert_eq!(names[9], "LONGN~10   ");
    }

    #[test]
    fn names_that_windows_cannot_open_are_refused() {
        for name in [
            "", ".", "..", "a/b", "a\\b", "a\n", "end.", "end ", " begin", "con", "Nul.txt", "com1",
        ] {
            assert!(Name::new(name).is_err(), "{name:?}");
        }
        for name in ["console", "com", "com10", "lpt0", "a b", "ä", "+,;=[]"] {
            assert!(Name::new(name).is_ok(), "{name:?}");
        }
        assert!(Name::new(&"x".repeat(256)).is_err());
        assert!(Name::new(&"😀".repeat(127)).is_ok());
        assert!(Name::new(&"😀".repeat(128)).is_err());
    }

    #[test]
    fn labels() {
        assert_eq!(Label::new("simple").unwrap().0, *b"SIMPLE     ");
        assert!(Label::new("").is_err());
        assert!(Label::new("twelve chars").is_err());
        let error = |label| Label::new(label).unwrap_err().to_string();
        assert!(error("a.b").starts_with("the label `a.b` has `.`; A-Z, 0-9"));
        assert!(error("a\nb").starts_with("the label `a\\nb` has `\\n`; "));
        assert_eq!(error(" x"), "the label ` x` begins with a space");
    }
}
