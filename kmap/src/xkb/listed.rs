//! What xkb-data lists for people: layouts, variants and options, in `rules/evdev.lst`.

use std::path::Path;

use super::{XkbError, root};

/// The lists, of which one is enough; the first is that of Linux.
const LISTS: [&str; 2] = ["rules/evdev.lst", "rules/base.lst"];

/// A layout, with what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLayout {
    /// Its name, such as `es`.
    pub layout: String,
    /// What it is, such as `Spanish`.
    pub description: String,
    /// Its variants.
    pub variants: Vec<ListedVariant>,
}

/// A layout's variant, with what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedVariant {
    /// Its name, such as `nodeadkeys`.
    pub variant: String,
    /// What it is, such as `Spanish (no dead keys)`.
    pub description: String,
}

/// The layouts that the installed xkb-data lists; none where it is not installed.
pub fn layouts() -> Vec<String> {
    names(&list(&root()), "! layout")
        .map(str::to_owned)
        .collect()
}

/// The options that the installed xkb-data lists, headings of groups (`ctrl`) among them; none where it is not installed.
pub fn options() -> Vec<String> {
    names(&list(&root()), "! option")
        .map(str::to_owned)
        .collect()
}

/// The layouts that the installed xkb-data lists, with their variants, in its order.
///
/// # Errors
/// [`XkbError::NoData`].
pub fn listed_layouts() -> Result<Vec<ListedLayout>, XkbError> {
    let root = root();
    let list = list(&root);
    let layouts = lines(&list, "! layout").map(|(layout, description)| ListedLayout {
        layout: layout.to_owned(),
        description: description.to_owned(),
        variants: variants(&list, layout)
            .map(|(variant, description)| ListedVariant {
                variant: variant.to_owned(),
                description: description.to_owned(),
            })
            .collect(),
    });
    let layouts: Vec<_> = layouts.collect();
    match layouts.is_empty() {
        true => Err(XkbError::NoData(root)),
        false => Ok(layouts),
    }
}

/// The list's text; empty where there is none.
pub(super) fn list(root: &Path) -> String {
    let mut lists = LISTS.iter();
    let list = lists.find_map(|list| std::fs::read_to_string(root.join(list)).ok());
    list.unwrap_or_default()
}

/// The names behind a heading.
pub(super) fn names<'a>(list: &'a str, heading: &'a str) -> impl Iterator<Item = &'a str> {
    lines(list, heading).map(|(name, _)| name)
}

/// A layout's variants with their descriptions, which stand as `VARIANT LAYOUT: DESCRIPTION`.
pub(super) fn variants<'a>(
    list: &'a str,
    layout: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    lines(list, "! variant").filter_map(move |(variant, text)| {
        let (of, description) = text.split_once(':')?;
        (of == layout).then_some((variant, description.trim()))
    })
}

/// Whether the rules list the variant: a few are in another layout's file.
pub(super) fn listed(root: &Path, layout: &str, variant: &str) -> bool {
    let list = list(root);
    variants(&list, layout).any(|(name, _)| name == variant)
}

/// The lines behind a heading: their first words, and what is behind these.
fn lines<'a>(list: &'a str, heading: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let lines = list
        .lines()
        .skip_while(move |line| *line != heading)
        .skip(1);
    lines
        .take_while(|line| !line.starts_with('!'))
        .filter_map(|line| {
            let line = line.trim();
            let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            (!name.is_empty()).then(|| (name, rest.trim()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_descriptions_and_layouts_variants() {
        let list = "! layout\n  es   Spanish\n  us  English (US)\n\n! variant\n  intl  us: English (US, intl.)\n  cat  es: Catalan\n\n! option\n  grp  Switching\n";
        assert_eq!(names(list, "! layout").collect::<Vec<_>>(), ["es", "us"]);
        assert_eq!(names(list, "! option").collect::<Vec<_>>(), ["grp"]);
        assert_eq!(names(list, "! model").count(), 0);
        let of_us: Vec<_> = variants(list, "us").collect();
        assert_eq!(of_us, [("intl", "English (US, intl.)")]);
    }
}
