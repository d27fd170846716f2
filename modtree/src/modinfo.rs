//! The `.modinfo` section: what a module says about itself.
//!
//! The section holds `key=value` strings, each ended by NUL, some padded with more NULs (`include/linux/moduleparam.h`,
//! `__MODULE_INFO`). A key may occur often (`alias`, `firmware`, `softdep`); values are bytes, in practice UTF-8.

use std::borrow::Cow;

use memchr::memchr;

use crate::Vermagic;

/// The fields of a module's `.modinfo` section, in their order there.
///
/// ```
/// let info = modtree::ModInfo::new(b"license=GPL\0depends=fat,nls_base\0alias=fs-vfat\0");
/// assert_eq!(info.get("license").as_deref(), Some("GPL"));
/// assert_eq!(info.depends().count(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModInfo {
    section: Box<[u8]>,
}

/// When a soft dependency is to be loaded: before or after the module that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// `pre:`
    Pre,
    /// `post:`
    Post,
}

impl ModInfo {
    /// Takes the bytes of a `.modinfo` section as they are. Any bytes will do: a string without `=` is no field.
    pub fn new(section: &[u8]) -> Self {
        Self {
            section: section.into(),
        }
    }

    /// The section's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.section
    }

    /// Every field, in the order of the section.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.section;
        let strings = std::iter::from_fn(move || {
            let end = match memchr(0, rest) {
                Some(end) => end,
                None if rest.is_empty() => return None,
                None => rest.len(),
            };
            let string = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            Some(string)
        });
        strings.filter_map(|string| {
            let equals = memchr(b'=', string)?;
            Some((&string[..equals], &string[equals + 1..]))
        })
    }

    /// The raw values of a key, in the order of the section.
    pub fn raw<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields()
            .filter(move |(found, _)| *found == key.as_bytes())
            .map(|(_, value)| value)
    }

    /// The values of a key as text (bytes that are not UTF-8 become U+FFFD), in the order of the section.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.raw(key).map(String::from_utf8_lossy)
    }

    /// The first value of a key.
    pub fn get<'a>(&'a self, key: &'a str) -> Option<Cow<'a, str>> {
        self.all(key).next()
    }

    /// The names in `depends=`: the modules whose symbols this one uses, as modpost wrote them down when it was built.
    pub fn depends(&self) -> impl Iterator<Item = &str> {
        self.raw("depends")
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
    }

    /// The soft dependencies of one module, a list for each `softdep=` line, in their order.
    ///
    /// What stands before the first `pre:` or `post:` of a line is dropped, as kmod does (`libkmod-config.c`).
    pub fn softdeps(&self) -> impl Iterator<Item = Vec<(When, String)>> {
        self.all("softdep").map(|line| softdep_line(&line))
    }

    /// The names in `weakdep=` lines: modules that this one may ask for, which are never loaded because of it.
    pub fn weakdeps(&self) -> impl Iterator<Item = String> {
        self.all("weakdep").flat_map(|line| {
            line.split_ascii_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
    }

    /// The kernel that the module was built for, by its `vermagic=`. The kernel refuses a module whose release is not its own, unless
    /// it was built with `MODVERSIONS`.
    pub fn vermagic(&self) -> Option<Vermagic> {
        Vermagic::new(&self.get("vermagic")?)
    }
}

fn softdep_line(line: &str) -> Vec<(When, String)> {
    let mut when = None;
    let mut found = Vec::new();
    for word in line.split_ascii_whitespace() {
        match (word, when) {
            ("pre:", _) => when = Some(When::Pre),
            ("post:", _) => when = Some(When::Post),
            (name, Some(when)) => found.push((when, name.to_owned())),
            (_, None) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_strings_without_a_key_are_no_fields() {
        let info = ModInfo::new(b"\0\0a=1\0\0\0nonsense\0a=2\0b==");
        let fields: Vec<_> = info.fields().collect();
        assert_eq!(fields, [(&b"a"[..], &b"1"[..]), (b"a", b"2"), (b"b", b"=")]);
    }

    #[test]
    fn softdep_lines_keep_their_order_and_need_a_prefix() {
        let info = ModInfo::new(b"softdep=pre: a b post: c\0softdep=gcm ccm\0softdep=pre: d\0");
        let lines: Vec<_> = info.softdeps().collect();
        let name = |when, text: &str| (when, text.to_owned());
        assert_eq!(
            lines[0],
            [
                name(When::Pre, "a"),
                name(When::Pre, "b"),
                name(When::Post, "c")
            ]
        );
        assert_eq!(lines[1], []);
        assert_eq!(lines[2], [name(When::Pre, "d")]);
    }

    #[test]
    fn an_empty_depends_names_nothing() {
        assert_eq!(ModInfo::new(b"depends=\0").depends().count(), 0);
    }
}
