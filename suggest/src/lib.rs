//! "Did you mean …?": the names that are spelled nearly like one that is not there.
//!
//! ```
//! let known = ["usb_storage", "vfat", "fat"];
//! assert_eq!(suggest::near("vaft", known), ["vfat"]);
//! assert_eq!(suggest::question(&suggest::near("usb_storge", known)), "; did you mean `usb_storage`?");
//! ```
#![forbid(unsafe_code)]

use std::fmt::Display;

/// A longer name is no slip of the finger, and the comparison is quadratic.
const LONGEST: usize = 64;

/// More names are not read.
const MOST: usize = 3;

/// Up to three of the known names that are spelled like `wanted`, each once, the nearest first; of equals the first by its bytes.
///
/// A slip is a letter to insert, delete, replace or swap with its neighbour (optimal string alignment); upper and lower case are
/// the same. One slip in three letters is allowed, two from six on, three from nine on, and one in shorter names: more would
/// suggest strangers. Where no name is near, the ones that begin so are meant, if there are three at most.
pub fn near<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if wanted.is_empty() || wanted.len() > LONGEST {
        return Vec::new();
    }
    let lower = wanted.to_lowercase();
    let letters = wanted.chars().count();
    let allowed = (letters / 3).clamp(1, 3);
    let slips = |name: &'a str| {
        let length = name.chars().count();
        if length.abs_diff(letters) > allowed {
            return None;
        }
        let slips = strsim::osa_distance(&lower, &name.to_lowercase());
        // A name of which nothing stays is not meant.
        (slips <= allowed && slips < length).then_some((slips, name))
    };
    let known: Vec<&str> = known.into_iter().collect();
    let mut found: Vec<(usize, &str)> = known.iter().copied().filter_map(slips).collect();
    if found.is_empty() {
        return begun(&lower, known);
    }
    found.sort();
    found.dedup();
    found.truncate(MOST);
    found.into_iter().map(|(_, name)| name).collect()
}

/// The names that begin so, unless they are too many to be read.
fn begun<'a>(lower: &str, known: Vec<&'a str>) -> Vec<&'a str> {
    let mut begun = known;
    begun.retain(|name| name.to_lowercase().starts_with(lower));
    begun.sort_unstable();
    begun.dedup();
    if begun.len() > MOST {
        begun.clear();
    }
    begun
}

/// The one that is nearest, if any is near.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near(wanted, known).first().copied()
}

/// What stands behind an error: `; did you mean …?`, or nothing.
pub fn question(near: &[impl Display]) -> String {
    let names: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found() {
        let names = ["es", "us", "de-latin1", "Escape"];
        assert_eq!(nearest("de_latin1", names), Some("de-latin1"));
        assert_eq!(nearest("escpae", names), Some("Escape"));
        assert_eq!(nearest("escap", names), Some("Escape"));
        assert_eq!(near("usb", names), ["us"]);
    }

    #[test]
    fn strangers_are_not() {
        let names = ["es", "us", "de-latin1"];
        assert_eq!(nearest("japanese", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("x", names), None);
        assert_eq!(nearest("日本", ["中国"]), None);
        assert_eq!(nearest(&"es".repeat(100), names), None);
    }

    #[test]
    fn beginnings_are_completed() {
        let names = ["usb-storage", "module-files", "modules", "usb-storage"];
        assert_eq!(near("usb", names), ["usb-storage"]);
        assert_eq!(near("MODUL", names), ["module-files", "modules"]);
        assert_eq!(near("s", ["sa1", "sb2", "sc3", "sd4"]), [""; 0]);
    }

    #[test]
    fn each_stands_once_and_three_at_most() {
        assert_eq!(near("sda", ["sda1", "sda1"]), ["sda1"]);
        assert_eq!(near("sda", ["sda4", "sda3", "sda2", "sda1"]).len(), 3);
    }
}
