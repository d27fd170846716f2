//! The names of ISO 9660: a file's own one, for Rock Ridge, and what stands for it where only some letters are allowed.

use std::collections::BTreeSet;

use super::tree::IsoError;

/// UTF-16 units of a name in Joliet.
const JOLIET_MAX: usize = 64;

/// Bytes of a name in Rock Ridge, so that everything about a file fits into one record of 254 bytes.
const ROCK_RIDGE_MAX: usize = 120;

/// What Joliet forbids in a name, besides control characters.
const FORBIDDEN: &str = "*/:;?\\";

/// Characters of an identifier, without the dot and the version (ECMA-119, section 7.5.1), and of what stands behind the dot.
const IDENTIFIER_MAX: usize = 30;
const SUFFIX_MAX: usize = 8;

/// Which of the two hierarchies of directories is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Capital letters, digits and `_`, with the real name beside it.
    RockRidge,
    /// The real name in UTF-16.
    Joliet,
}

/// A name that both hierarchies can hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(String);

impl Name {
    pub(super) fn new(name: &str) -> Result<Self, IsoError> {
        let error = |reason| IsoError::Name {
            name: name.to_owned(),
            reason,
        };
        let forbidden = |c: char| c.is_control() || FORBIDDEN.contains(c);
        if matches!(name, "" | "." | "..") {
            return Err(error("it is no name"));
        }
        if name.contains(forbidden) {
            return Err(error(
                "Joliet forbids control characters and any of * / : ; ? \\",
            ));
        }
        if name.encode_utf16().count() > JOLIET_MAX {
            return Err(error("Joliet holds 64 characters"));
        }
        if name.len() > ROCK_RIDGE_MAX {
            return Err(error("a record of Rock Ridge holds 120 bytes of a name"));
        }
        Ok(Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands in a directory; a file's version is still to come. `taken` are its identifiers so far; the new one is added.
    pub(super) fn identifier(
        &self,
        naming: Naming,
        is_directory: bool,
        taken: &mut BTreeSet<String>,
    ) -> Vec<u8> {
        match naming {
            Naming::Joliet => self.0.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Naming::RockRidge if is_directory => plain(&self.0, "", taken).into_bytes(),
            Naming::RockRidge => {
                let (base, suffix) = self.0.rsplit_once('.').unwrap_or((&self.0, ""));
                let suffix = letters(suffix, SUFFIX_MAX);
                let base = plain(base, &suffix, taken);
                format!("{base}.{suffix}").into_bytes()
            }
        }
    }
}

/// The part of an identifier in front of the dot: capital letters, and a number where another one has the same.
fn plain(base: &str, suffix: &str, taken: &mut BTreeSet<String>) -> String {
    let room = IDENTIFIER_MAX - suffix.len();
    let whole = letters(base, room);
    let numbered = (1_u64..).map(|number| {
        let number = number.to_string();
        letters(base, room - number.len()) + &number
    });
    // Readers leave out a dot at the end, so that a file must not have the name of a directory without it.
    let is_new = |base: &String| {
        let shown = match suffix {
            "" => base.clone(),
            suffix => format!("{base}.{suffix}"),
        };
        taken.insert(shown)
    };
    // A directory has fewer names than there are numbers.
    let mut bases = std::iter::once(whole).chain(numbered);
    bases.find(is_new).unwrap_or_default()
}

/// Capital letters and digits as they are, everything else as `_`.
fn letters(text: &str, limit: usize) -> String {
    let letter = |c: char| match c.to_ascii_uppercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '_',
    };
    text.chars().map(letter).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifiers(names: &[&str], is_directory: bool) -> Vec<String> {
        let mut taken = BTreeSet::new();
        let identifier = |name: &&str| {
            let name = Name::new(name).unwrap();
            let bytes = name.identifier(Naming::RockRidge, is_directory, &mut taken);
            String::from_utf8(bytes).unwrap()
        };
        names.iter().map(identifier).collect()
    }

    #[test]
    fn identifiers_have_capital_letters_and_differ() {
        let names = ["vmlinuz", "initrd.img", "a b.conf", "a-b.conf", "é.tar.gz"];
        let expected = [
            "VMLINUZ.",
            "INITRD.IMG",
            "A_B.CONF",
            "A_B1.CONF",
            "__TAR.GZ",
        ];
        assert_eq!(identifiers(&names, false), expected);
        assert_eq!(identifiers(&["EFI", "a.d"], true), ["EFI", "A_D"]);
        let long = "x".repeat(50);
        let names = [long.clone() + "1.suffixes99", long + "2.suffixes99"];
        let long = identifiers(&[&names[0], &names[1]], false);
        assert_eq!(long[0], format!("{}.SUFFIXES", "X".repeat(22)));
        assert_eq!(long[1], format!("{}1.SUFFIXES", "X".repeat(21)));
    }

    #[test]
    fn what_cannot_be_held_is_told() {
        let reason = |name: &str| Name::new(name).unwrap_err().to_string();
        assert_eq!(
            reason("a;b"),
            "the name `a;b` cannot be on an ISO: Joliet forbids control characters and any of * / : ; ? \\"
        );
        assert!(reason(&"x".repeat(65)).ends_with("Joliet holds 64 characters"));
        assert!(reason(&"€".repeat(41)).ends_with("120 bytes of a name"));
        assert!(reason("..").ends_with("it is no name"));
        assert!(Name::new(&"x".repeat(64)).is_ok());
    }
}
