//! What a module shows of itself, as far as rules and its own code ask for it: traces are looked for, cheapest first.

use super::called::calls_of;
use super::{Rule, Traces};
use crate::alias::{Pattern, matches};
use crate::calls::CallSite;
use crate::tree::{Entry, Tree, TreeError};
use crate::{ModInfo, Symbols};

/// The result of looking for something: the evidence, if it was found.
type Found = Option<Vec<String>>;

/// What a module shows of itself: all of this can be read before anything else is known.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// For each rule.
    pub(super) shown: Vec<Result<Shown, TreeError>>,
    pub(super) calls: Result<Vec<CallSite>, TreeError>,
}

/// Whether a module shows the traces that a rule wants.
#[derive(Debug)]
pub(super) enum Shown {
    Yes {
        evidence: Vec<String>,
    },
    No,
    /// An option of the kernel's configuration is not known; a lower-case sentence says which, and why.
    Unclear(String),
}

/// A template with the values of options in place of `{CONFIG_X}`.
pub(super) enum Filled {
    Text {
        text: String,
        evidence: Vec<String>,
    },
    /// See [`Shown::Unclear`].
    Unclear(String),
}

impl Prepared {
    pub(super) fn of(tree: &Tree, rules: &[Rule], module: &Entry, info: &ModInfo) -> Self {
        let shown = rules
            .iter()
            .map(|rule| Shown::of(tree, module, info, &rule.when));
        Self {
            shown: shown.collect(),
            calls: calls_of(tree, module),
        }
    }
}

impl Shown {
    /// Whether a module shows all these traces, cheapest first.
    fn of(tree: &Tree, module: &Entry, info: &ModInfo, traces: &Traces) -> Result<Self, TreeError> {
        let Some(mut evidence) = patterns(traces).and_then(|patterns| alias_trace(info, &patterns))
        else {
            return Ok(Shown::No);
        };
        match vermagic_trace(info, &traces.vermagic) {
            Some(more) => evidence.extend(more),
            None => return Ok(Shown::No),
        }
        if !traces.imports.is_empty() || !traces.exports.is_empty() {
            match symbol_traces(&*tree.symbols(module)?, traces) {
                Some(more) => evidence.extend(more),
                None => return Ok(Shown::No),
            }
        }
        for template in &traces.strings {
            let (text, options) = match fill(tree, template)? {
                Filled::Text { text, evidence } => (text, evidence),
                Filled::Unclear(why) => return Ok(Shown::Unclear(why)),
            };
            let Some((section, offset)) = tree.find_string(module, &text)? else {
                return Ok(Shown::No);
            };
            evidence.push(format!("string `{text}` at {section}+{offset:#x}"));
            evidence.extend(options);
        }
        Ok(Shown::Yes { evidence })
    }
}

/// Puts the values of options in place of `{CONFIG_X}`; the options are evidence.
pub(super) fn fill(tree: &Tree, template: &str) -> Result<Filled, TreeError> {
    let mut text = String::new();
    let mut evidence = Vec::new();
    let mut rest = template;
    while let Some((before, from)) = rest.split_once('{') {
        let Some((option, behind)) = from.split_once('}') else {
            break;
        };
        let config = tree.config()?;
        let Some(value) = config.and_then(|config| config.get(option)) else {
            let why = match config {
                Some(_) => "the kernel's configuration does not set it",
                None => "the kernel's configuration was not found",
            };
            return Ok(Filled::Unclear(format!("{option} is not known: {why}")));
        };
        text.push_str(before);
        text.push_str(value);
        evidence.push(format!("{option}={value}"));
        rest = behind;
    }
    text.push_str(rest);
    Ok(Filled::Text { text, evidence })
}

/// The patterns for aliases. One that is not well formed matches nothing: `None` where that is so of all.
pub(super) fn patterns(traces: &Traces) -> Option<Vec<Pattern>> {
    let patterns = traces.alias.iter();
    let patterns: Vec<_> = patterns
        .filter_map(|pattern| Pattern::new(pattern.as_bytes()))
        .collect();
    (traces.alias.is_empty() || !patterns.is_empty()).then_some(patterns)
}

/// The first alias of a module that one of the patterns matches; no evidence is needed where there are no patterns.
pub(super) fn alias_trace(info: &ModInfo, patterns: &[Pattern]) -> Found {
    if patterns.is_empty() {
        return Some(Vec::new());
    }
    let found = info
        .raw("alias")
        .find(|alias| patterns.iter().any(|pattern| pattern.matches(alias)))?;
    Some(vec![format!("alias `{}`", String::from_utf8_lossy(found))])
}

/// The first word of a module's `vermagic=` that one of the patterns matches; no evidence is needed where there are no patterns.
fn vermagic_trace(info: &ModInfo, patterns: &[String]) -> Found {
    if patterns.is_empty() {
        return Some(Vec::new());
    }
    let vermagic = info.get("vermagic")?;
    let matching = |word: &&str| {
        let mut patterns = patterns.iter();
        patterns.any(|pattern| matches(pattern.as_bytes(), word.as_bytes()))
    };
    let found = vermagic.split(' ').find(matching)?;
    Some(vec![format!("vermagic `{found}`")])
}

/// Whether a symbol has a role in a module.
type Lookup = fn(&Symbols, &str) -> bool;

pub(crate) fn symbol_traces(symbols: &Symbols, traces: &Traces) -> Found {
    let mut evidence = Vec::new();
    let roles: [(_, _, Lookup); 2] = [
        ("imports", &traces.imports, Symbols::is_import),
        ("exports", &traces.exports, Symbols::is_export),
    ];
    for (what, wanted, has) in roles {
        if !wanted.is_empty() {
            let symbol = wanted.iter().find(|symbol| has(symbols, symbol))?;
            evidence.push(format!("{what} `{symbol}`"));
        }
    }
    Some(evidence)
}
