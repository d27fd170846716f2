//! Where a value stands in a recipe: what is wrong with it may be known only when it is used.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a recipe's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Place {
    /// The place of a byte of the text.
    pub(super) fn at(text: &str, start: usize) -> Self {
        let before = text.get(..start).unwrap_or(text);
        let (_, line) = before.rsplit_once('\n').unwrap_or(("", before));
        // A byte order mark is no character to whom an editor shows the line.
        let characters = line.trim_start_matches('\u{feff}').chars();
        Self {
            line: before.matches('\n').count() + 1,
            column: characters.count() + 1,
        }
    }

    /// Where a recipe gives texts to a key, in whatever table, in lists as well: those that are meant, in their order.
    ///
    /// ```
    /// use packager::recipe::Place;
    ///
    /// let recipe = "modules = [\n  \"vfat\",\n  \"nosuch\",\n]\n";
    /// let places = Place::of_values(recipe, "modules", |name| name == "nosuch");
    /// assert_eq!(places, [Place { line: 3, column: 3 }]);
    /// ```
    pub fn of_values(text: &str, key: &str, is_meant: impl Fn(&str) -> bool) -> Vec<Self> {
        let Ok(recipe) = DeTable::parse(text) else {
            return Vec::new();
        };
        let mut starts = Vec::new();
        search(recipe.get_ref(), key, &is_meant, &mut starts);
        starts.sort_unstable();
        starts.into_iter().map(|at| Self::at(text, at)).collect()
    }
}

/// Looks at a table, and at the tables in it. A recipe has no deeper ones than `[[file]]`, and TOML's reader limits what else may come.
fn search(
    table: &DeTable<'_>,
    key: &str,
    is_meant: &impl Fn(&str) -> bool,
    starts: &mut Vec<usize>,
) {
    for (name, value) in table {
        let all = match value.get_ref() {
            DeValue::Array(list) => list.iter().collect(),
            _ => vec![value],
        };
        for value in all {
            match value.get_ref() {
                DeValue::Table(table) => search(table, key, is_meant, starts),
                DeValue::String(text) if name.get_ref() == key && is_meant(text) => {
                    starts.push(Spanned::span(value).start);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_tables_and_lists() {
        let recipe = "\u{feff}programs = [\"/bin/é\", \"/bin/a\"]\n[[file]]\npath = \"/a\"\ntext = \"/a\"\n[[file]]\n  path = '/a'\n[[step]]\nname = \"path\"\n";
        let places = |key, value: &str| {
            let places = Place::of_values(recipe, key, |it| it == value).into_iter();
            places.map(|it| it.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(places("programs", "/bin/a"), ["1:23"]);
        assert_eq!(places("path", "/a"), ["3:8", "6:10"]);
        assert!(places("path", "/b").is_empty() && places("name", "/a").is_empty());
        assert!(Place::of_values("programs = ", "programs", |_| true).is_empty());
    }
}
