//! Module names, in the one spelling that the kernel knows.

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fmt;

/// A module's name: dashes are underscores, and it ends before the first dot.
///
/// File names, `depends=` and command lines spell one module in several ways (`usb-storage.ko`, `usb_storage`). The kernel
/// turns every dash into an underscore (`scripts/Makefile.lib`, `name-fix`), and kmod cuts at the first dot
/// (`modname_normalize` in `shared/util.c`), so `foo.bar.ko` is the module `foo`.
///
/// ```
/// use modtree::ModuleName;
/// assert_eq!(ModuleName::new("usb-storage.ko.xz"), ModuleName::new("usb_storage"));
/// assert_eq!(ModuleName::new("nls_cp437").as_str(), "nls_cp437");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct ModuleName(Box<str>);

impl ModuleName {
    /// The name that `text` spells: a module's name or its file's name, without directories.
    pub fn new(text: &str) -> Self {
        let end = text.find('.').unwrap_or(text.len());
        Self(text[..end].replace('-', "_").into())
    }

    /// The name of the module in a file of this name. Bytes that are not UTF-8 become U+FFFD.
    pub fn of_file(name: &OsStr) -> Self {
        Self::new(&name.to_string_lossy())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for ModuleName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ModuleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ModuleName {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Up to three of `known` that are spelled like `wanted`, the nearest first: what an error suggests.
pub(crate) fn near<'a>(
    wanted: &str,
    known: impl Iterator<Item = &'a ModuleName>,
) -> Vec<ModuleName> {
    let wanted = ModuleName::new(wanted);
    let found = near_texts(wanted.as_str(), known.map(ModuleName::as_str));
    found.into_iter().map(ModuleName::new).collect()
}

/// The same for any names.
pub(crate) fn near_texts<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // One slip in three letters, two from six on, three from nine on: more would suggest strangers.
    let allowed = (wanted.len() / 3).min(3);
    let mut found: Vec<(usize, &str)> = known
        .filter_map(|name| {
            let slips = distance(wanted.as_bytes(), name.as_bytes(), allowed)?;
            Some((slips, name))
        })
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// `; did you mean …?` for what stands behind an error.
pub(crate) fn suggestion(near: &[impl fmt::Display]) -> String {
    let names: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

/// The number of letters to insert, delete, replace or swap with their neighbour (optimal string alignment), or `None`
/// where it is more than `allowed`.
fn distance(a: &[u8], b: &[u8], allowed: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > allowed {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|&slips| slips <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for text in ["foo-bar", "foo_bar.ko", "foo-bar.ko.zst", "foo_bar.baz.ko"] {
            assert_eq!(ModuleName::new(text).as_str(), "foo_bar", "{text}");
        }
    }

    #[test]
    fn near_names_are_slips_and_nothing_else() {
        let known = ["usb_storage", "vfat", "fat", "ext4"].map(ModuleName::new);
        let near = |wanted| {
            near(wanted, known.iter())
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(near("usb-storge"), ["usb_storage"]);
        assert_eq!(near("vaft"), ["vfat"]);
        assert_eq!(near("btrfs"), [""; 0]);
    }
}
