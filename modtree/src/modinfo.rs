//! The `.modinfo` section: what a module says about itself.
//!
//! The section holds `key=value` strings, each ended by NUL, some padded with more NULs (`include/linux/moduleparam.h`,
//! `__MODULE_INFO`). A key may occur often (`alias`, `firmware`, `softdep`); values are bytes, in practice UTF-8.

use std::borrow::Cow;

use memchr::memchr_iter;

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
    /// Those of the first fields: each is asked for its key many times.
    places: Box<[Place]>,
}

/// Where a field is in its section: its beginning, its `=`, its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    start: u32,
    equals: u32,
    end: u32,
}

/// No module has so many fields. Those that follow, in a file that was made to fill the memory, are looked for each time.
const MOST_PLACES: usize = 1 << 16;

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
    /// Takes the bytes of a `.modinfo` section as they are. Any bytes will do: a string without `=` is no field. What is behind
    /// 4 GiB is passed over.
    pub fn new(section: &[u8]) -> Self {
        Self {
            section: section.into(),
            places: places(section, 0).take(MOST_PLACES).collect(),
        }
    }

    /// The section's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.section
    }

    /// Every field, in the order of the section.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let last = self
            .places
            .last()
            .filter(|_| self.places.len() == MOST_PLACES);
        let more = last.map(|last| places(&self.section, last.end as usize + 1));
        let all = { self.places.iter().copied() }.chain(more.into_iter().flatten());
        all.filter_map(|place| {
            let [start, equals, end] = [place.start, place.equals, place.end].map(|at| at as usize);
            let (key, value) = self.section.get(start..end)?.split_at(equals - start);
            Some((key, value.get(1..)?))
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

/// The places of the fields from `start` on.
fn places(section: &[u8], mut start: usize) -> impl Iterator<Item = Place> {
    let first = start;
    let rest = section.get(start..).unwrap_or_default();
    let ends = memchr_iter(0, rest).chain([rest.len()]);
    ends.filter_map(move |end| {
        let end = first + end;
        let start = std::mem::replace(&mut start, end + 1);
        // Keys are shorter than what a search is made for.
        let equals = section
            .get(start..end)?
            .iter()
            .position(|&byte| byte == b'=')?;
        let at = |place| u32::try_from(place).ok();
        Some(Place {
            start: at(start)?,
            equals: at(start + equals)?,
            end: at(end)?,
        })
    })
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
    fn more_fields_than_places_are_found_all_the_same() {
        let section: String = (0..MOST_PLACES + 3)
            .map(|at| format!("a={at}\0\0"))
            .collect();
        let info = ModInfo::new(section.as_bytes());
        let last = (MOST_PLACES + 2).to_string();
        assert_eq!(info.raw("a").count(), MOST_PLACES + 3);
        assert_eq!(info.raw("a").last(), Some(last.as_bytes()));
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
