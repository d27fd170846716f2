//! What is wrong with a recipe, where, and what was meant.

use std::ops::Range;

use super::Place;

/// Why a recipe cannot be used: the TOML is wrong, or a key, or its value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{line}:{column}: {message}")]
pub struct RecipeError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong, and what would do.
    pub message: String,
}

/// A value that TOML takes and a recipe does not, with its place in the text, in bytes.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { span, message }
    }
}

impl RecipeError {
    pub(super) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let is_table = text.get(start..).is_some_and(|rest| rest.starts_with('['));
        Self::at(text, start, in_words(error.message(), is_table))
    }

    pub(super) fn refused(text: &str, refused: Refused) -> Self {
        Self::at(text, refused.span.start, refused.message)
    }

    fn at(text: &str, start: usize, message: String) -> Self {
        let Place { line, column } = Place::at(text, start);
        Self {
            line,
            column,
            message: shown(&message),
        }
    }
}

/// A message that quotes what may be anything, and cannot drive the terminal.
fn shown(message: &str) -> String {
    let mut out = String::new();
    for character in message.chars() {
        match character.is_control() {
            true => out.extend(character.escape_default()),
            false => out.push(character),
        }
    }
    out
}

/// serde speaks of Rust's types, and lists all known keys behind an unknown one, where the nearest says more.
fn in_words(message: &str, is_table: bool) -> String {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown_key(rest);
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("{key} is missing");
    }
    if message.starts_with("invalid length ") {
        return "a table is needed here, not a list".to_owned();
    }
    let mistaken = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "));
    match mistaken {
        Some(("map", "a sequence")) if is_table => {
            "a table stands where there may be several: `[[…]]` instead of `[…]`".to_owned()
        }
        Some((found, needed)) => {
            format!("{} is needed here, not {}", of_toml(needed), value(found))
        }
        None => message.trim_end().replace('\n', "; "),
    }
}

fn unknown_key(quoted: &str) -> String {
    let (unknown, known) = quoted.split_once("`, expected ").unwrap_or((quoted, ""));
    let unknown = unknown.trim_start_matches('`');
    let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
    match suggest::near(unknown, known.iter().copied()).as_slice() {
        [] => format!("unknown key `{unknown}`; known here: {}", known.join(", ")),
        near => format!("unknown key `{unknown}`{}", suggest::question(near)),
    }
}

/// What serde expects, as TOML calls it.
fn of_toml(needed: &str) -> &str {
    match needed {
        "a sequence" => "a list in brackets",
        "a string" | "path string" => "a text in quotes",
        "a boolean" => "true or false",
        "u32" => "a whole number from 0 to 4294967295",
        "i32" => "a whole number",
        table if table.starts_with("struct ") => "a table",
        other => other,
    }
}

/// What serde found, as it stands in the recipe.
fn value(found: &str) -> &str {
    let kinds = ["string ", "integer ", "floating point ", "boolean "];
    match found {
        // A date is a table to this reader.
        "map" => "a table or a date",
        "sequence" => "a list",
        found => kinds
            .iter()
            .find_map(|kind| found.strip_prefix(kind))
            .unwrap_or(found)
            .trim_end_matches(" as i128"),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn types_are_told_in_the_words_of_toml() {
        for (of_serde, words) in [
            (
                "invalid type: string \"vfat\", expected a sequence",
                "a list in brackets is needed here, not \"vfat\"",
            ),
            (
                "invalid type: integer `755`, expected a string",
                "a text in quotes is needed here, not `755`",
            ),
            (
                "invalid type: string \"6.1\", expected struct KernelTable",
                "a table is needed here, not \"6.1\"",
            ),
            ("missing field `path`", "`path` is missing"),
            (
                "invalid type: string \"a, expected b\", expected a sequence",
                "a list in brackets is needed here, not \"a, expected b\"",
            ),
            (
                "unknown field `a`b`, expected one of `kernel`, `modules`",
                "unknown key `a`b`; known here: kernel, modules",
            ),
        ] {
            assert_eq!(in_words(of_serde, false), words);
        }
    }
}
