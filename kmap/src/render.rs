//! Diagnostics as text: the line, the place in it, and what to do.
//!
//! Keymaps are bytes, often ISO 8859-1, and may hold anything. What is shown is therefore decoded leniently, and control
//! characters are replaced, so that a hostile file cannot steer the reader's terminal.

use std::fmt::{self, Write as _};
use std::path::Path;

use crate::diagnostic::{Diagnostic, Place};

/// Text for the screen: not UTF-8 becomes U+FFFD, a tab a space, other control characters `�` as well.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|char| match char {
            '\t' => ' ',
            char if char.is_control() => char::REPLACEMENT_CHARACTER,
            char => char,
        })
        .collect()
}

/// A word of the input for the screen, cut where nobody would read on.
pub(crate) fn word(bytes: &[u8]) -> String {
    match bytes.get(..64) {
        Some(start) if bytes.len() > 64 => format!("{}…", text(start)),
        _ => text(bytes),
    }
}

/// A path for the screen.
pub(crate) fn path(path: &Path) -> String {
    text(path.as_os_str().as_encoded_bytes())
}

pub(crate) fn diagnostic(f: &mut fmt::Formatter<'_>, diagnostic: &Diagnostic) -> fmt::Result {
    write!(f, "{}", diagnostic.kind)?;
    let margin = diagnostic
        .place
        .as_ref()
        .map_or(0, |place| place.line.to_string().len());
    if let Some(place) = &diagnostic.place {
        source_line(f, place, margin)?;
    }
    if let Some(help) = diagnostic.kind.help() {
        match margin {
            0 => write!(f, "\nhelp: {help}")?,
            _ => write!(f, "\n{:margin$} = help: {help}", "")?,
        }
    }
    Ok(())
}

fn source_line(f: &mut fmt::Formatter<'_>, place: &Place, margin: usize) -> fmt::Result {
    let file = path(&place.path);
    let (line, column) = (place.line, place.column);
    if line == 0 {
        return write!(f, "\n{:margin$}--> {file}", "");
    }
    let part = |range: std::ops::Range<usize>| text(place.line_text.get(range).unwrap_or_default());
    let before = part(0..place.underline.start);
    let marked = part(place.underline.clone());
    let after = part(place.underline.end..place.line_text.len());
    write!(f, "\n{:margin$}--> {file}:{line}:{column}", "")?;
    write!(f, "\n{:margin$} |", "")?;
    write!(
        f,
        "\n{line} | {}",
        format!("{before}{marked}{after}").trim_end()
    )?;
    write!(f, "\n{:margin$} | {:2$}", "", "", before.chars().count())?;
    (0..marked.chars().count().max(1)).try_for_each(|_| f.write_char('^'))?;
    for (path, line) in place.included_from.iter().rev() {
        write!(
            f,
            "\n{:margin$} = included from {}:{line}",
            "",
            self::path(path)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(text(b"a\tb\x1b[2J\xe9\xc3\xb1"), "a b\u{fffd}[2J\u{fffd}ñ");
        assert_eq!(path(Path::new("new\nline")), "new\u{fffd}line");
        assert_eq!(word(&[b'a'; 100]).chars().count(), 65);
    }
}
