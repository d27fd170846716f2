//! The companion of a binary keymap: the strings and compose rules that it cannot carry.
//!
//! It is a keymap in the ordinary language with two kinds of statements only, so that `loadkeys` and `kmapc` read it, and
//! nothing new has to be learnt: `string NAME = "TEXT"` and `compose FIRST SECOND to RESULT`. A rule's characters are quoted
//! bytes, with `\ooo` where they are not graphic ASCII, or `U+XXXX`. The first line is a comment that says which mode
//! the results are in: `loadkeys -u` loads those of Unicode mode.

use std::fmt::Write as _;

use crate::keymap::Keymap;
use crate::keysym::{Code, FUNCTION};
use crate::names::Names;

/// Writes the companion; `None` where the keymap has neither strings nor compose rules.
pub fn companion(keymap: &Keymap) -> Option<Vec<u8>> {
    if keymap.strings().len() == 0 && keymap.compose().is_empty() {
        return None;
    }
    let unicode = keymap.is_unicode();
    let mut out = match unicode {
        true => {
            "# strings and compose rules of a keymap; for Unicode mode: loadkeys -u\n".to_owned()
        }
        false => "# strings and compose rules of a keymap; for 8-bit mode\n".to_owned(),
    };
    let names = Names::new(unicode);
    for (key, text) in keymap.strings() {
        let name = names.get(Code::new(FUNCTION, key.into()));
        // Every function key has a name: F1 to F246 and ten others.
        let Some(name) = name else { continue };
        let _ = writeln!(out, "string {name} = \"{}\"", escaped(text));
    }
    for rule in keymap.compose() {
        let parts = [rule.first, rule.second].map(|value| character(value, unicode));
        let result = match u8::try_from(rule.result) {
            Ok(byte) if !unicode || byte < 0x80 => Some(quoted(byte)),
            _ if unicode => code_point(rule.result),
            _ => (rule.result < 0x1000).then(|| format!("{:#06x}", rule.result)),
        };
        // What has no byte or is no character can never be typed, so the rule does nothing.
        let ([Some(first), Some(second)], Some(result)) = (parts, result) else {
            continue;
        };
        let _ = writeln!(out, "compose {first} {second} to {result}");
    }
    Some(out.into_bytes())
}

fn character(value: u32, unicode: bool) -> Option<String> {
    match u8::try_from(value) {
        Ok(byte) if !unicode || byte < 0x80 => Some(quoted(byte)),
        _ if unicode => code_point(value),
        _ => None,
    }
}

fn code_point(value: u32) -> Option<String> {
    (value < 0xf000).then(|| format!("U+{value:04x}"))
}

fn quoted(byte: u8) -> String {
    match byte {
        b'\'' | b'\\' => format!("'\\{}'", byte as char),
        byte if byte.is_ascii_graphic() => format!("'{}'", byte as char),
        byte => format!("'\\{byte:03o}'"),
    }
}

fn escaped(text: &[u8]) -> String {
    let mut out = String::new();
    for &byte in text {
        let _ = match byte {
            b'"' | b'\\' => write!(out, "\\{}", byte as char),
            byte if byte == b' ' || byte.is_ascii_graphic() => write!(out, "{}", byte as char),
            byte => write!(out, "\\{byte:03o}"),
        };
    }
    out
}
