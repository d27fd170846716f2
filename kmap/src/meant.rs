//! Which keysym is meant by a name that is none.

use crate::keysym::{Code, keysym_names};
use crate::names::Names;

/// The known name that is meant by an unknown one: what kbd calls a character whose name is X's (`Cyrillic_a`), else the nearest
/// name, if one is near enough.
pub(crate) fn suggest(name: &[u8]) -> Option<String> {
    for prefix in ["Meta_", "dead2_"] {
        if let Some(base) = name.strip_prefix(prefix.as_bytes()) {
            return plain(base).map(|base| format!("{prefix}{base}"));
        }
    }
    plain(name).map(str::to_owned)
}

/// As [`suggest`], of a name without a prefix.
fn plain(name: &[u8]) -> Option<&'static str> {
    let found = of_x(name).or_else(|| of_misspelt_x(name));
    found.or_else(|| nearest(name))
}

/// The nearest name; of those that differ in case only, the one that begins as the name does.
fn nearest(name: &[u8]) -> Option<&'static str> {
    let near = suggest::near(&String::from_utf8_lossy(name), keysym_names());
    let first = *near.first()?;
    let mut same = near
        .iter()
        .filter(|other| other.eq_ignore_ascii_case(first));
    let begins = same.find(|other| other.as_bytes().first() == name.first());
    Some(begins.copied().unwrap_or(first))
}

/// What X's names of the letters of other scripts begin with.
const SCRIPTS: [&str; 9] = [
    "Arabic",
    "Armenian",
    "Byelorussian",
    "Cyrillic",
    "Georgian",
    "Greek",
    "Macedonia",
    "Serbian",
    "Ukrainian",
];

/// kbd's name of a character whose name is X's but for a slip in the script.
fn of_misspelt_x(name: &[u8]) -> Option<&'static str> {
    let (script, letter) = std::str::from_utf8(name).ok()?.split_once('_')?;
    let script = suggest::nearest(script, SCRIPTS)?;
    of_x(format!("{script}_{letter}").as_bytes())
}

/// kbd's name of the character that an X keysym stands for.
fn of_x(name: &[u8]) -> Option<&'static str> {
    let character = kbvm::Keysym::from_str(name)?.char()?;
    Names::new(true).get(Code::unicode(u32::from(character)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_prefixes_ends() {
        assert_eq!(suggest("Meta_".repeat(200_000).as_bytes()), None);
        assert_eq!(suggest(b"Meta_spce").as_deref(), Some("Meta_space"));
    }

    #[test]
    fn a_near_name_is_suggested() {
        for (name, meant) in [
            ("Escpae", Some("Escape")),
            ("eacut", Some("eacute")),
            ("Eacut", Some("Eacute")),
            ("odieresis", Some("odiaeresis")),
            ("Cyrilic_a", Some("cyrillic_small_letter_a")),
            ("Meta_spce", Some("Meta_space")),
            ("qqqqqqqq", None),
        ] {
            assert_eq!(suggest(name.as_bytes()).as_deref(), meant, "{name}");
        }
    }

    #[test]
    fn the_name_of_x_is_understood() {
        assert_eq!(
            suggest(b"Cyrillic_a").as_deref(),
            Some("cyrillic_small_letter_a")
        );
    }
}
