//! Module aliases: patterns which modules declare, and the literal strings that ask for them.
//!
//! A device's modalias (`usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00`) and a name that kernel code asks for (`fs-vfat`)
//! are literal; the patterns are on the modules' side (`usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*`). Matching is fnmatch(3)
//! without flags, after dashes outside brackets have become underscores on both sides (kmod: `alias_normalize` in
//! `shared/util.c`, `index_searchwild` in `libkmod-index.c`).

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

/// As [`normalize`], without a copy where nothing changes.
pub(crate) fn normal(alias: &[u8]) -> Option<Cow<'_, [u8]>> {
    match is_normal(alias) {
        true => Some(Cow::Borrowed(alias)),
        false => normalize(alias).map(Cow::Owned),
    }
}

/// Whether there is neither a dash nor a bracket: so are most aliases.
fn is_normal(alias: &[u8]) -> bool {
    memchr::memchr3(b'-', b'[', b']', alias).is_none()
}

/// Turns dashes outside brackets into underscores. `None` where a bracket has no partner: kmod warns and skips such an alias.
pub fn normalize(alias: &[u8]) -> Option<Vec<u8>> {
    let mut normal = Vec::with_capacity(alias.len());
    normalize_into(alias, &mut normal)?;
    Some(normal)
}

/// As [`normalize`], behind what `normal` holds. Where a bracket has no partner, a part may be there.
pub(crate) fn normalize_into(alias: &[u8], normal: &mut Vec<u8>) -> Option<()> {
    if is_normal(alias) {
        normal.extend_from_slice(alias);
        return Some(());
    }
    let mut inside = false;
    for &byte in alias {
        match byte {
            b'[' => inside = true,
            b']' if !inside => return None,
            b']' => inside = false,
            _ => {}
        }
        normal.push(if byte == b'-' && !inside { b'_' } else { byte });
    }
    (!inside).then_some(())
}

/// Whether `text` matches `pattern` as fnmatch(3) has it without flags: `*`, `?`, `[a-f]`, `[!0]`, and a backslash that
/// takes the next byte literally.
///
/// Takes time in proportion to both lengths multiplied at most, whatever the number of stars.
///
/// ```
/// use modtree::alias::matches;
/// assert!(matches(b"pci:v*bc0Csc03i[0-3]0*", b"pci:v00008086d00001E31bc0Csc03i30"));
/// assert!(!matches(b"fs_vfat", b"fs_vfa"));
/// ```
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    compare(pattern, text, |p, t| p == pattern.len() && t == text.len())
}

/// Whether `text` may match a pattern of which only the beginning is known: it matches that, with whatever behind it.
///
/// A bracket or a backslash must not stand in the beginning, where it may not be complete.
pub(crate) fn may_begin(beginning: &[u8], text: &[u8]) -> bool {
    compare(beginning, text, |p, _| p == beginning.len())
}

/// Matches a text against a pattern, up to places in both that are the end.
fn compare(pattern: &[u8], text: &[u8], is_end: impl Fn(usize, usize) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when a later part fails: behind the last star, with one byte more taken by it.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if is_end(p, t) {
            return true;
        } else if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if let Some(&byte) = text.get(t)
            && let Some(next) = step(pattern, p, byte)
        {
            p = next;
            t += 1;
        } else if let Some((behind, taken)) = star.filter(|&(_, taken)| taken < text.len()) {
            star = Some((behind, taken + 1));
            (p, t) = (behind, taken + 1);
        } else {
            return false;
        }
    }
}

/// Matches one byte against what stands at `p`, which is not a star; gives the place behind it.
fn step(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => match bracket(pattern, p, byte) {
            Some((end, hit)) => hit.then_some(end),
            // A bracket that is never closed is a letter.
            None => (byte == b'[').then_some(p + 1),
        },
        b'\\' => match pattern.get(p + 1) {
            Some(&literal) => (literal == byte).then_some(p + 2),
            None => None,
        },
        literal => (literal == byte).then_some(p + 1),
    }
}

/// Reads the bracket expression at `p`: the place behind it, and whether `byte` is in its set.
fn bracket(pattern: &[u8], p: usize, byte: u8) -> Option<(usize, bool)> {
    let mut at = p + 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let first = at;
    let mut hit = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, hit != negated));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                hit |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                hit |= low == byte;
                at += 1;
            }
        }
    }
}

/// A pattern that is held against many aliases, which may be patterns themselves.
#[derive(Debug)]
pub(crate) struct Pattern {
    normal: Vec<u8>,
    /// How many bytes at its start stand for themselves, with or without normalisation.
    literal: usize,
}

impl Pattern {
    /// `None` where the pattern is not well formed: it matches nothing.
    pub(crate) fn new(pattern: &[u8]) -> Option<Self> {
        let normal = normalize(pattern)?;
        let special = normal.iter().position(|byte| b"*?[\\_".contains(byte));
        let literal = special.unwrap_or(normal.len());
        Some(Self { normal, literal })
    }

    /// The lines of `text` that hold the longest part of the pattern which stands for itself: those that it may match, and
    /// a few more.
    pub(crate) fn lines_with_it<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
        let part = Finder::new(longest_literal(&self.normal)).into_owned();
        let mut from = 0;
        std::iter::from_fn(move || {
            let at = from + part.find(text.get(from..)?)?;
            let start = memrchr(b'\n', &text[..at]).map_or(0, |end| end + 1);
            let end = memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length);
            from = end + 1;
            Some(&text[start..end])
        })
    }

    /// Whether it matches an alias. One with dashes is the same as one with underscores; one that is not well formed is taken
    /// as it is.
    pub(crate) fn matches(&self, alias: &[u8]) -> bool {
        if !alias.starts_with(&self.normal[..self.literal]) {
            return false;
        }
        let normal = normal(alias);
        matches(&self.normal, normal.as_deref().unwrap_or(alias))
    }
}

/// The longest run of bytes in a pattern that stand for themselves, with or without normalisation.
fn longest_literal(pattern: &[u8]) -> &[u8] {
    let mut longest: &[u8] = b"";
    let (mut start, mut at) = (0, 0);
    while start < pattern.len() {
        let next = match pattern.get(at) {
            Some(b'*' | b'?' | b'_') => at + 1,
            Some(b'\\') => at + 2,
            Some(b'[') => bracket(pattern, at, 0).map_or(at + 1, |(end, _)| end),
            Some(_) => {
                at += 1;
                continue;
            }
            None => at,
        };
        if at - start > longest.len() {
            longest = &pattern[start..at];
        }
        (start, at) = (next, next);
    }
    longest
}

/// Patterns with the module of each, to be asked which of them a literal string matches.
///
/// `T` is whatever stands for a module. The answers come in the order in which the patterns were added.
#[derive(Debug)]
pub(crate) struct Patterns<T> {
    /// Three of four are literal or as good as: they are found by hash.
    literal: HashMap<Box<[u8]>, Vec<(usize, T)>>,
    /// Normalised, with its position in the order of addition.
    wild: Vec<(Box<[u8]>, usize, T)>,
    added: usize,
}

impl<T: Clone + PartialEq> Patterns<T> {
    pub(crate) fn new() -> Self {
        Self {
            literal: HashMap::new(),
            wild: Vec::new(),
            added: 0,
        }
    }

    /// Adds a pattern as the module declares it. One that is not well formed can never match, and is left out.
    pub(crate) fn add(&mut self, pattern: &[u8], module: T) {
        let Some(normal) = normalize(pattern) else {
            return;
        };
        self.added += 1;
        let normal = normal.into_boxed_slice();
        if normal.iter().any(|byte| b"*?[\\".contains(byte)) {
            self.wild.push((normal, self.added, module));
        } else {
            self.literal
                .entry(normal)
                .or_default()
                .push((self.added, module));
        }
    }

    /// The modules with a pattern that `query` matches, each once.
    pub(crate) fn lookup(&self, query: &str) -> Vec<T> {
        let Some(query) = normalize(query.as_bytes()) else {
            return Vec::new();
        };
        let wild = self
            .wild
            .iter()
            .filter(|(pattern, ..)| matches(pattern, &query));
        let mut found: Vec<(usize, &T)> = wild
            .map(|(_, position, module)| (*position, module))
            .collect();
        if let Some(literal) = self.literal.get(query.as_slice()) {
            found.extend(literal.iter().map(|(position, module)| (*position, module)));
        }
        found.sort_by_key(|&(position, _)| position);
        let mut modules: Vec<T> = Vec::new();
        for (_, module) in found {
            if !modules.contains(module) {
                modules.push(module.clone());
            }
        }
        modules
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fnmatch_rules() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?", "", false),
            ("[0-9a]x", "ax", true),
            ("[!0-9]x", "5x", false),
            ("[]]x", "]x", true),
            ("[a-]", "-", true),
            ("[ab", "[ab", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("usb:v*p*ic08*", "usb:v0781p5567ic08isc06", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_matches_begins_like_its_pattern(pattern in "[ab?*]{0,8}", text in "[ab]{0,8}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            for end in 0..=pattern.len() {
                let begins = may_begin(&pattern[..end], text);
                let behind = [&pattern[..end], b"*"].concat();
                prop_assert_eq!(begins, matches(&behind, text));
                prop_assert!(begins || !matches(pattern, text));
            }
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = b"*a".repeat(200);
        let text = b"a".repeat(199);
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn no_line_is_lost_by_the_literal_part() {
        for (pattern, part) in [
            ("pci:*bc0Csc03i[0-3]0*", "bc0Csc03i"),
            ("a_bc-d", "bc"),
            ("[abcd]e?fg", "fg"),
            ("[]ab[0]cde", "cde"),
            ("[]abcd", "]abcd"),
            ("x\\\\abc\\", "abc"),
            ("*", ""),
        ] {
            let found = longest_literal(&normalize(pattern.as_bytes()).unwrap()).to_vec();
            assert_eq!(String::from_utf8(found).unwrap(), part, "{pattern}");
        }
        let text = b"alias a-bc x\nbc\n\nalias abd y\nalias bcbc z";
        let lines = Pattern::new(b"*bc*").unwrap();
        let lines: Vec<_> = lines.lines_with_it(text).collect();
        assert_eq!(lines, [&b"alias a-bc x"[..], b"bc", b"alias bcbc z"]);
        let every = Pattern::new(b"*").unwrap();
        assert_eq!(every.lines_with_it(text).count(), 5);
    }

    #[test]
    fn dashes_inside_brackets_stay() {
        assert_eq!(
            normalize(b"a-b[0-9]-c").as_deref(),
            Some(&b"a_b[0-9]_c"[..])
        );
        assert_eq!(normalize(b"a]"), None);
        assert_eq!(normalize(b"a[0"), None);
    }

    #[test]
    fn answers_keep_the_order_and_come_once() {
        let mut patterns = Patterns::new();
        for (pattern, module) in [("fs-*", 3), ("fs-vfat", 1), ("fs_v*", 3), ("fs-[", 9)] {
            patterns.add(pattern.as_bytes(), module);
        }
        assert_eq!(patterns.lookup("fs-vfat"), [3, 1]);
        assert_eq!(patterns.lookup("fs_ext4"), [3]);
        assert_eq!(patterns.lookup("ext4"), [0; 0]);
    }
}
