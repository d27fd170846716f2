//! What is no error in a keymap but seldom meant, seen from the finished tables.

use crate::Keymap;
use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind};
use crate::reach::{ranges, trap};
use crate::syntax::Span;
use crate::texts::Texts;
use crate::typing::Typing;

/// So few missing letters may be meant; a keymap of another script lacks nearly all.
const SHOWN_LETTERS: usize = 8;

/// The lints for a finished keymap; the places are those of its last `keymaps` line and of its first string or rule.
pub(crate) fn keymap(
    keymap: &Keymap,
    [declared_at, first_extra]: [Option<Span>; 2],
    texts: &Texts,
) -> Vec<Diagnostic> {
    let at = |kind: Kind, span: Option<Span>| match span {
        Some(span) => texts.diagnostic(kind, span),
        None => texts.whole(kind),
    };
    let mut found = Vec::new();
    let reachable = keymap.reachable_modifiers();
    let unreachable = keymap
        .tables()
        .map(|(map, _)| map)
        .filter(|map| map & !reachable != 0);
    let maps = ranges(unreachable);
    if !maps.is_empty() {
        let maps = format!(
            "{} {maps}",
            if maps.contains([',', '-']) {
                "the maps"
            } else {
                "map"
            }
        );
        found.push(at(Kind::UnreachableMaps { maps }, declared_at));
    }
    if first_extra.is_some() {
        let (strings, rules) = (keymap.strings().len(), keymap.compose().len());
        found.push(at(Kind::NotInBinary { strings, rules }, first_extra));
    }
    if !keymap.has_enter() {
        found.push(texts.whole(Kind::NoEnter {
            keypad: keymap.has_keypad_enter(),
        }));
    }
    if let Some(missing) = missing_letters(keymap) {
        found.push(texts.whole(Kind::NoLatin { missing }));
    }
    if let Some(lock) = trap(keymap) {
        let name = lock.describe();
        found.push(texts.whole(Kind::NoWayBack { name }));
    }
    found
}

fn missing_letters(keymap: &Keymap) -> Option<String> {
    let typing = Typing::new(keymap);
    let missing: Vec<char> = ('a'..='z')
        .filter(|&letter| typing.direct(letter).is_none())
        .collect();
    let shown: String = missing.iter().take(SHOWN_LETTERS).collect();
    match missing.len() {
        0 => None,
        26 => Some("a to z".to_owned()),
        count if count > SHOWN_LETTERS => {
            Some(format!("{shown} and {} more", count - SHOWN_LETTERS))
        }
        _ => Some(shown),
    }
}

/// What a Unicode console makes of a keymap of bytes: those characters that are others in Unicode mode.
pub(crate) fn eight_bit_loss(eight_bit: &Keymap, unicode: &Keymap) -> Option<Kind> {
    let mut count = 0;
    let mut example = None;
    for (map, table) in eight_bit.tables() {
        for (key, keysym) in (0..=u8::MAX).zip(table.iter()) {
            let shown = keysym.character();
            let meant = unicode.get(map, key).and_then(|keysym| keysym.character());
            if let (Some(shown), Some(meant)) = (shown, meant)
                && shown != meant
            {
                count += 1;
                example.get_or_insert((meant, shown));
            }
        }
    }
    example.map(|example| Kind::EightBitLoss { count, example })
}
