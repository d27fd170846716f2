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

/// What stands before the first dot of a file's name: a module's name but for its dashes.
pub(crate) fn stem(file: &[u8]) -> &[u8] {
    // Names are shorter than what a search is made for.
    let dot = file.iter().position(|&byte| byte == b'.');
    &file[..dot.unwrap_or(file.len())]
}

/// A letter of a module's name.
pub(crate) fn underscore(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}

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
    let found = suggest::near(wanted.as_str(), known.map(ModuleName::as_str));
    found.into_iter().map(ModuleName::new).collect()
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
