//! Modules that are asked for while running: rules, which are data, and what they find in a tree.
//!
//! No symbol leads from `vfat` to the character sets that a mount asks for, or from a USB driver to the host controller that
//! its device hangs on. A [`Rule`] names the trace which such a need leaves in the ELF file (an imported symbol, an alias,
//! a string) or in the kernel's configuration, and how the modules to add are found: by the same kinds of trace, never by a
//! list of file names. `data/rules/README.md` documents the grammar; each addition carries its evidence.

mod apply;
mod called;
mod foresee;
mod providers;
mod rare;
mod shown;
#[cfg(test)]
#[path = "request/tests.rs"]
mod trace_tests;

pub use apply::{Addition, Requests};
pub use called::Possible;
pub(crate) use foresee::{Foreseen, Foresight, Question};
pub(crate) use providers::passed_over;
pub use rare::is_rare_request;
pub(crate) use shown::symbol_traces;

/// The rules that come with this crate: (file name, contents).
const EMBEDDED: [(&str, &str); 3] = [
    (
        "filesystems.toml",
        include_str!("../../data/rules/filesystems.toml"),
    ),
    (
        "storage.toml",
        include_str!("../../data/rules/storage.toml"),
    ),
    ("usb.toml", include_str!("../../data/rules/usb.toml")),
];

/// A file of rules is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rules in {file}: {reason}")]
pub struct RulesError {
    file: String,
    reason: String,
}

/// A set of rules, applied in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The rules.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// One rule: when a module shows certain traces, certain modules are added.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A name to speak of it.
    pub name: String,
    /// Why, in words which continue "MODULE: ".
    pub reason: String,
    /// What the module must show.
    pub when: Traces,
    /// What is added then.
    pub add: Vec<Selector>,
}

/// Traces in a module. Every list that is not empty has to be met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// It imports one of these symbols.
    pub imports: Vec<String>,
    /// It exports one of these symbols.
    pub exports: Vec<String>,
    /// One of its aliases, taken as text, matches one of these patterns.
    pub alias: Vec<String>,
    /// One of the words of its `vermagic=` matches one of these patterns: kernels of some architectures have theirs there.
    pub vermagic: Vec<String>,
    /// Its data (`.rodata*`, `.data`) holds all of these strings, each as a whole. `{CONFIG_X}` stands for an option's value.
    pub strings: Vec<String>,
}

/// How the modules to add are found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selector {
    /// By the name that the kernel asks for, such as `nls_cp{CONFIG_FAT_DEFAULT_CODEPAGE}`.
    Module(String),
    /// By an alias that the kernel asks for, such as `scsi:t-0x00`: the modules which have a matching pattern.
    Alias(String),
    /// By their own traces (`strings` and `vermagic` are not looked at): all modules of the tree which show them.
    Provider(Traces),
}

impl Rules {
    /// The rules that come with this crate.
    ///
    /// # Errors
    /// None in practice: a test parses them.
    pub fn embedded() -> Result<Self, RulesError> {
        let mut all = Rules::default();
        for (file, text) in EMBEDDED {
            all.rules.extend(Rules::parse(file, text)?.rules);
        }
        Ok(all)
    }

    /// Takes the text of a file of rules; `file` is its name for errors.
    ///
    /// ```
    /// let rules = modtree::Rules::parse("scsi.toml", r#"
    ///     [[rule]]
    ///     name = "scsi-disk"
    ///     reason = "the disks behind a SCSI host have a driver of their own"
    ///     when = { imports = ["scsi_add_host_with_dma"] }
    ///     add = [{ alias = "scsi:t-0x00" }]
    /// "#)?;
    /// assert_eq!(rules.rules[0].name, "scsi-disk");
    /// # Ok::<(), modtree::RulesError>(())
    /// ```
    ///
    /// # Errors
    /// [`RulesError`]: the text is not TOML, has a key that the grammar does not know, or a rule that would always apply.
    pub fn parse(file: &str, text: &str) -> Result<Self, RulesError> {
        let failed = |reason: String| RulesError {
            file: file.to_owned(),
            reason,
        };
        let rules: Rules = toml::from_str(text).map_err(|error| failed(error.to_string()))?;
        match rules.rules.iter().find(|rule| rule.is_boundless()) {
            Some(rule) => Err(failed(format!(
                "rule {} names no trace, so it would match every module",
                rule.name
            ))),
            None => Ok(rules),
        }
    }
}

impl Rule {
    /// Whether it would apply to every module, or add every one.
    pub(crate) fn is_boundless(&self) -> bool {
        self.when == Traces::default() || self.add.iter().any(Selector::is_boundless)
    }
}

impl Selector {
    pub(crate) fn is_boundless(&self) -> bool {
        matches!(self, Selector::Provider(traces) if *traces == Traces::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_rules_are_well_formed_and_have_names_of_their_own() {
        let rules = Rules::embedded().unwrap().rules;
        let mut names: Vec<_> = rules.iter().map(|rule| &rule.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), rules.len());
    }

    #[test]
    fn a_rule_without_a_trace_is_refused() {
        let text = "[[rule]]\nname = 'x'\nreason = ''\nwhen = {}\nadd = []";
        let error = Rules::parse("x.toml", text).unwrap_err().to_string();
        assert_eq!(
            error,
            "rules in x.toml: rule x names no trace, so it would match every module"
        );
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = "[[rule]]\nname = 'x'\nreason = ''\nwhen = { file = ['vfat.ko'] }\nadd = []";
        assert!(Rules::parse("x.toml", text).is_err());
    }
}
