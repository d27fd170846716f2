//! Diagnostics as text: what is wrong, the line, the place in it, and what to do, in the form that rustc has made familiar.
//!
//! Keymaps are bytes, often ISO 8859-1, and may hold anything. What is shown is therefore decoded leniently, one character
//! for each byte where a text is not UTF-8, so that columns and underlines stay right; and control characters are replaced, so
//! that a hostile file cannot steer the reader's terminal.

use std::path::Path;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Place, Severity};

/// The distance from a control character of ASCII to its picture.
const PICTURES: u32 = 0x2400;

/// Text for the screen: U+FFFD for each byte that is not ASCII where the text is not UTF-8, and for characters that would
/// change the order or the colour of others; a tab becomes a space.
pub(crate) fn text(bytes: &[u8]) -> String {
    decoded(bytes).replace('\t', " ")
}

fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().map(harmless).collect(),
        Err(_) => bytes.iter().map(|&byte| latin(byte)).collect(),
    }
}

/// A byte of a text that is not UTF-8.
fn latin(byte: u8) -> char {
    match byte.is_ascii() {
        true => harmless(char::from(byte)),
        false => char::REPLACEMENT_CHARACTER,
    }
}

/// How many characters a part of a line is on the screen.
pub(crate) fn characters(line: &[u8], part: &[u8]) -> usize {
    match std::str::from_utf8(line) {
        // The bytes in the middle of a character do not count.
        Ok(_) => part.iter().filter(|&&byte| byte & 0xc0 != 0x80).count(),
        Err(_) => part.len(),
    }
}

fn harmless(character: char) -> char {
    let replacement = char::REPLACEMENT_CHARACTER;
    match character {
        '\t' => '\t',
        '\0'..='\x1f' => char::from_u32(PICTURES + u32::from(character)).unwrap_or(replacement),
        '\x7f' => '\u{2421}',
        // What turns the direction of writing.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => replacement,
        character if character.is_control() => replacement,
        character => character,
    }
}

/// A word of the input for the screen, cut where nobody would read on.
pub(crate) fn word(bytes: &[u8]) -> String {
    match bytes.get(..64) {
        Some(start) if bytes.len() > 64 => format!("{}…", text(start)),
        _ => text(bytes),
    }
}

/// A path for the screen: control characters and what is not UTF-8 are replaced, so that no name steers a terminal.
///
/// ```
/// assert_eq!(kmap::shown_path("new\nline".as_ref()), "new␊line");
/// ```
pub fn path(path: &Path) -> String {
    text(path.as_os_str().as_encoded_bytes())
}

/// How a diagnostic is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Reads after `error: `, as the text of an error does.
    Nameless,
    /// With its severity.
    Plain,
    /// With its severity, in colour.
    Colored,
}

impl Style {
    pub(crate) fn with(color: bool) -> Self {
        match color {
            true => Style::Colored,
            false => Style::Plain,
        }
    }
}

pub(crate) fn diagnostic(diagnostic: &Diagnostic, style: Style, with_help: bool) -> String {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let level = if style == Style::Nameless {
        level.no_name()
    } else {
        level
    };
    let renderer = match style {
        Style::Colored => Renderer::styled(),
        _ => Renderer::plain(),
    };
    let mut title = diagnostic.kind.to_string();
    let mut elements = Vec::new();
    match diagnostic.place.as_deref() {
        // A note is nothing to mend, so that a line will do.
        Some(place) if diagnostic.severity() == Severity::Note => {
            title += &format!(" ({})", position(place));
        }
        Some(place) => elements = excerpt(place),
        None => {}
    }
    let help = diagnostic.kind.help().filter(|_| with_help);
    elements.extend(help.map(|help| Level::HELP.message(help).into()));
    renderer.render(&[level.primary_title(title).elements(elements)])
}

/// `es.map:12:5`.
fn position(place: &Place) -> String {
    match place.line {
        0 => path(&place.path),
        line => format!("{}:{line}:{}", path(&place.path), place.column),
    }
}

/// The place, its line, and the files through which it was included, outermost first.
fn excerpt(place: &Place) -> Vec<Element<'static>> {
    let origin = Origin::path(path(&place.path));
    let mut elements: Vec<Element<'_>> = match place.line {
        0 => vec![origin.into()],
        // Of a part, annotate-snippets cannot know the column.
        line if place.is_cut => vec![
            origin.line(line).char_column(place.column).into(),
            Level::NOTE
                .message("the line is too long to be shown")
                .into(),
        ],
        line => vec![source_line(place, line).into()],
    };
    let chain = place.included_from.iter().rev();
    elements.extend(chain.map(|(file, line)| {
        let text = format!("included from {}:{line}", path(file));
        Level::NOTE.no_name().message(text).into()
    }));
    elements
}

fn source_line(
    place: &Place,
    line: usize,
) -> Snippet<'static, annotate_snippets::Annotation<'static>> {
    let text = decoded(&place.line_text);
    // An offset in bytes becomes one in characters, and that an offset into the text that is shown.
    let shown = |offset: usize| {
        let before = place.line_text.get(..offset).unwrap_or_default();
        let count = characters(&place.line_text, before);
        text.char_indices()
            .nth(count)
            .map_or(text.len(), |(at, _)| at)
    };
    let span = shown(place.underline.start)..shown(place.underline.end);
    Snippet::source(text)
        .path(path(&place.path))
        .line_start(line)
        .annotation(AnnotationKind::Primary.span(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(text(b"a\tb\x1b[2J\xc3\xb1\xc2\x9b"), "a b␛[2Jñ\u{fffd}");
        assert_eq!(text("\u{202e}a\x7f".as_bytes()), "\u{fffd}a␡");
        assert_eq!(path(Path::new("new\nline")), "new␊line");
        assert_eq!(word(&[b'a'; 100]).chars().count(), 65);
    }

    #[test]
    fn a_byte_that_is_not_utf_8_makes_every_byte_a_character() {
        assert_eq!(text(b"\xc3\xb1\xe9"), "\u{fffd}\u{fffd}\u{fffd}");
    }
}
