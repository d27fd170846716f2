//! Numbers of bytes, as people write them.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// What a size may be.
const NEEDED: &str = "a number of bytes, or one with K, M or G: \"64M\"";

/// A number of bytes; K, M, G and T are 1024 of the one before, with or without `B` or `iB` behind them.
///
/// ```
/// use packager::recipe::parse_size;
///
/// assert_eq!(parse_size("64M"), Some(64 << 20));
/// assert_eq!(parse_size("64 bytes"), None);
/// ```
pub fn parse_size(text: &str) -> Option<u64> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - unit.len()];
    let factor: u64 = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        "T" | "TB" | "TIB" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// A recipe's size: a number, or a text with a unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NEEDED)
    }

    fn visit_i64<E: Error>(self, size: i64) -> Result<Size, E> {
        u64::try_from(size)
            .map(Size)
            .map_err(|_| E::custom(format_args!("{NEEDED} is needed here, not `{size}`")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        parse_size(text)
            .map(Size)
            .ok_or_else(|| E::custom(format_args!("{NEEDED} is needed here, not \"{text}\"")))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]+([Bb]|[KkMmGg]([Ii]?[Bb])?)?$" },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn units_are_1024_of_the_one_before() {
        for (text, size) in [
            ("64M", 64 << 20),
            ("64MiB", 64 << 20),
            ("64m", 64 << 20),
            ("1000", 1000),
        ] {
            assert_eq!(parse_size(text), Some(size), "{text}");
        }
        for text in ["", "M", "12x", "12.5M", "+5M", "5 M", "99999999999G"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
