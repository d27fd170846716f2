//! Values out of a small set, named alike in recipes and on the command line.

use super::{Load, ModuleFiles, RecipeError, Segments};

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
pub(super) fn choose<T: Choice>(key: &str, value: Option<&str>) -> Result<T, RecipeError> {
    let Some(value) = value else {
        return Ok(T::default());
    };
    T::named(value).ok_or_else(|| {
        let names: Vec<_> = T::NAMES.iter().map(|(name, _)| *name).collect();
        RecipeError::Value {
            key: key.to_owned(),
            reason: format!("`{value}` is none of {}", names.join(", ")),
        }
    })
}
