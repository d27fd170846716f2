//! Many names in little memory, as depmod has them: of 4,000 modules, 200,000 imports.

use std::borrow::Cow;

/// Byte strings one after the other, each ended by NUL: a tenth of the memory of so many `String`s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names<'a> {
    bytes: Cow<'a, [u8]>,
}

impl<'a> Names<'a> {
    pub(crate) fn push(&mut self, name: &[u8]) {
        let bytes = self.bytes.to_mut();
        bytes.extend_from_slice(name);
        bytes.push(0);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        ended(&self.bytes)
    }

    /// Whether this string is among them.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        let names = self.bytes.strip_suffix(b"\0");
        names.is_some_and(|names| find_whole(names, name).is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The strings as they are kept: NUL behind each.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes bytes that [`as_bytes`](Self::as_bytes) gave.
    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Self {
        Self {
            bytes: bytes.into(),
        }
    }
}

/// The symbols that a module imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Imports<'a> {
    /// As they stand in the module.
    Names(Names<'a>),
    /// By their numbers, each little-endian, in a list of names that many modules share.
    Numbers(&'a [[u8; 4]]),
}

/// Where a string stands that is not a part of another one: between NULs, the beginning and the end.
pub(super) fn find_whole(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.contains(&0) {
        return None;
    }
    let is_whole = |&at: &usize| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let behind = bytes.get(at + wanted.len());
        [before, behind]
            .into_iter()
            .flatten()
            .all(|&byte| byte == 0)
    };
    memchr::memmem::find_iter(bytes, wanted).find(is_whole)
}

/// Strings one after the other, each ended by NUL.
pub(crate) fn ended(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr::memchr(0, rest)?;
        let name = &rest[..end];
        rest = &rest[end + 1..];
        Some(name)
    })
}

impl Default for Imports<'_> {
    fn default() -> Self {
        Imports::Names(Names::default())
    }
}

impl Imports<'_> {
    /// The names, but for those in a list.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        let names = match self {
            Imports::Names(names) => Some(names),
            Imports::Numbers(_) => None,
        };
        names.into_iter().flat_map(Names::iter)
    }

    pub(super) fn push(&mut self, name: &[u8]) {
        match self {
            Imports::Names(names) => names.push(name),
            // What is shared is complete.
            Imports::Numbers(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_come_back_as_they_were_put_in() {
        let mut names = Names::default();
        assert_eq!(names.iter().count(), 0);
        assert!(!names.contains(b""));
        for name in ["a", "", "bc"] {
            names.push(name.as_bytes());
        }
        let all: Vec<_> = names.iter().collect();
        assert_eq!(all, [&b"a"[..], b"", b"bc"]);
        let is_there = |name: &str| names.contains(name.as_bytes());
        assert!(is_there("a") && is_there("bc") && is_there(""));
        assert!(!is_there("b") && !is_there("c") && !is_there("abc") && !is_there("\0bc"));
    }
}
