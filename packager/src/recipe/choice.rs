//! Values out of a small set, named alike in recipes and on the command line.

use toml::Spanned;

use super::error::Refused;
use super::{Load, ModuleFiles, Segments};

/// A setting with a few named values.
pub trait Choice: Copy + Default + Send + Sync + 'static {
    /// Each value with its name; the first one is the default.
    const NAMES: &'static [(&'static str, Self)];

    /// The value of this name.
    fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }
}

impl Choice for Load {
    const NAMES: &'static [(&'static str, Self)] =
        &[("all", Load::All), ("devices", Load::Devices)];
}

impl Choice for ModuleFiles {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("plain", ModuleFiles::Plain),
        ("stripped", ModuleFiles::Stripped),
        ("kept", ModuleFiles::Kept),
    ];
}

impl Choice for Segments {
    const NAMES: &'static [(&'static str, Self)] =
        &[("several", Segments::Several), ("one", Segments::One)];
}

/// What a recipe's key says; the default where it is not there.
pub(super) fn choose<T: Choice>(value: Option<&Spanned<String>>) -> Result<T, Refused> {
    let Some(value) = value else {
        return Ok(T::default());
    };
    T::named(value.get_ref()).ok_or_else(|| {
        let names: Vec<_> = T::NAMES.iter().map(|(name, _)| *name).collect();
        none_of(value, &names)
    })
}

/// A value that is none of the known ones.
pub(super) fn none_of(value: &Spanned<String>, known: &[&str]) -> Refused {
    let text = value.get_ref();
    let near = suggest::near(text, known.iter().copied());
    let message = match near.as_slice() {
        [] => format!("`{text}` is none of {}", known.join(", ")),
        near => format!("there is no `{text}`{}", suggest::question(near)),
    };
    Refused::new(value.span(), message)
}
