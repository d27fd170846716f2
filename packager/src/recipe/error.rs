//! What is wrong with a recipe, where, and what was meant.

/// Why a recipe cannot be used. The text names line and column where there is a place.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecipeError {
    /// The TOML is wrong, or a key or its value is.
    #[error("{line}:{column}: {message}")]
    Toml {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong, with a suggestion where there is one.
        message: String,
    },
    /// A value that TOML takes and a recipe does not.
    #[error("`{key}`: {reason}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong with it, and what would do.
        reason: String,
    },
}

impl RecipeError {
    pub(super) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        RecipeError::Toml {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: with_suggestion(error.message()),
        }
    }
}

/// serde lists all known keys behind an unknown one; the nearest says more, where one is near.
fn with_suggestion(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (true, Some(unknown)) = (message.starts_with("unknown field"), quoted.next()) else {
        return message.trim_end().replace('\n', "; ");
    };
    let known: Vec<_> = quoted.collect();
    match suggest::near(unknown, known.iter().copied()).as_slice() {
        [] => format!("unknown key `{unknown}`; known here: {}", known.join(", ")),
        near => format!("unknown key `{unknown}`{}", suggest::question(near)),
    }
}
