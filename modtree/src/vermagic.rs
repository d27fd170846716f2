//! The kernel that a module was built for, by its `vermagic=`.
//!
//! That is the kernel's release and then what it was configured to: `6.1.0-56-amd64 SMP preempt mod_unload modversions `. The kernel
//! compares all of it with its own; with `modversions`, the symbols' checksums stand for the release (`kernel/module/version.c`,
//! `same_magic`).

use std::collections::HashMap;
use std::fmt;

/// A module's `vermagic=`, which is not empty.
///
/// ```
/// use modtree::{ModInfo, Vermagic, VermagicMismatch};
///
/// let magics = ["6.1.0 SMP mod_unload ", "6.1.0 SMP mod_unload ", "6.1.0 mod_unload "];
/// let infos = magics.map(|magic| ModInfo::new(format!("vermagic={magic}").as_bytes()));
/// let magics: Vec<Vermagic> = infos.iter().filter_map(ModInfo::vermagic).collect();
/// let most = Vermagic::most_common_options(&magics);
/// assert_eq!(magics[0].mismatch("6.1.0", most), None);
/// let mismatch = magics[2].mismatch("6.1.0", most);
/// assert!(matches!(mismatch, Some(VermagicMismatch::Options { built_for: "mod_unload", .. })));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Vermagic {
    text: String,
}

/// How the kernel that a module was built for differs from another one. Reads after the module's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VermagicMismatch<'a> {
    /// In its options, so that it never loads the module.
    Options {
        /// Those that the module was built for.
        built_for: &'a str,
        /// Those of most modules.
        most: &'a str,
    },
    /// In its release alone.
    Release {
        /// The one that the module was built for.
        built_for: &'a str,
    },
}

impl Vermagic {
    /// Takes the value of a `vermagic=` field; `None` where it is blank.
    pub fn new(value: &str) -> Option<Self> {
        let text = value.trim();
        (!text.is_empty()).then(|| Self {
            text: text.to_owned(),
        })
    }

    fn parts(&self) -> (&str, &str) {
        let text = self.text.as_str();
        let (release, options) = text.split_once(' ').unwrap_or((text, ""));
        (release, options.trim_start())
    }

    /// The kernel's release: `6.1.0-56-amd64`.
    pub fn release(&self) -> &str {
        self.parts().0
    }

    /// What the kernel was configured to, without blanks around it: `SMP preempt mod_unload modversions`.
    pub fn options(&self) -> &str {
        self.parts().1
    }

    /// Whether the versions of symbols are compared in place of the release, if the module has some.
    pub fn has_modversions(&self) -> bool {
        let mut options = self.options().split(' ');
        options.any(|option| option == "modversions")
    }

    /// The options that most of some modules were built for; of equally many, the first by name.
    pub fn most_common_options<'a>(all: impl IntoIterator<Item = &'a Self>) -> &'a str {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for magic in all {
            *counts.entry(magic.options()).or_default() += 1;
        }
        let most = counts
            .into_iter()
            .max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
        most.map_or("", |(options, _)| options)
    }

    /// How a kernel of this release and with these options differs: in its options, else in its release.
    pub fn mismatch<'a>(&'a self, release: &str, options: &'a str) -> Option<VermagicMismatch<'a>> {
        let (own, built_for) = self.parts();
        if built_for != options {
            let most = options;
            return Some(VermagicMismatch::Options { built_for, most });
        }
        (own != release).then_some(VermagicMismatch::Release { built_for: own })
    }
}

impl fmt::Display for VermagicMismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options { built_for, most } => write!(
                f,
                "was built for a kernel with `{built_for}`, and most here for `{most}`"
            ),
            Self::Release { built_for } => write!(f, "was built for {built_for}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_the_parts_do_not_count() {
        for (value, release, options) in [
            ("6.1 SMP mod_unload ", "6.1", "SMP mod_unload"),
            (" 6.1  SMP mod_unload", "6.1", "SMP mod_unload"),
            ("6.1 ", "6.1", ""),
        ] {
            let magic = Vermagic::new(value).unwrap();
            assert_eq!((magic.release(), magic.options()), (release, options));
        }
        assert_eq!(Vermagic::new("  "), None);
    }

    #[test]
    fn modversions_is_a_word() {
        let has = |value| Vermagic::new(value).unwrap().has_modversions();
        assert!(has("6.1 SMP modversions aarch64"));
        assert!(!has("6.1 SMP nomodversions"));
        assert!(!has("modversions SMP"));
    }

    #[test]
    fn of_equally_many_options_the_first_by_name_counts() {
        let most = |values: &[&str]| {
            let all: Vec<_> = values.iter().copied().filter_map(Vermagic::new).collect();
            Vermagic::most_common_options(&all).to_owned()
        };
        assert_eq!(most(&["1 b", "2 a"]), "a");
        assert_eq!(most(&["1 a", "2 b ", "3 b"]), "b");
        assert_eq!(most(&[]), "");
    }

    #[test]
    fn options_count_before_the_release() {
        let magic = Vermagic::new("6.1 SMP").unwrap();
        let shown = |release, options| {
            let found = magic.mismatch(release, options);
            found.map(|found| found.to_string())
        };
        assert_eq!(shown("6.1", "SMP"), None);
        assert_eq!(shown("6.2", "SMP").unwrap(), "was built for 6.1");
        assert_eq!(
            shown("6.2", "").unwrap(),
            "was built for a kernel with `SMP`, and most here for ``"
        );
    }
}
