//! The texts that were read: the keymap and each file that it includes, once for every time it is included, so that a
//! span leads back to the whole chain of includes.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::diagnostic::{Diagnostic, DiagnosticKind, Place};
use crate::render;
use crate::syntax::Span;

/// Of a longer source line, only the part around the problem is kept. annotate-snippets takes a time that grows with the
/// line: 0.05 ms for 4 KiB, 4 ms for 64 KiB, 208 ms for 8 MiB.
const LONGEST_LINE: usize = 4096;
/// As much is kept before the problem, and as much after it.
const KEPT_BYTES: usize = 100;

/// What C sees of a text: nothing from the first nul on.
pub(crate) fn up_to_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

pub(crate) struct Text {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Rc<Vec<u8>>,
    /// The `include` that this text stands for; `None` for the keymap itself.
    pub(crate) included_at: Option<Span>,
}

#[derive(Default)]
pub(crate) struct Texts {
    list: Vec<Text>,
    total: usize,
    /// The text and the start of the line that was asked for last, with the number of that line: most questions go on from there.
    last: Cell<(u32, usize, usize)>,
}

impl Texts {
    /// Takes a text in and gives its number.
    pub(crate) fn add(&mut self, text: Text) -> u32 {
        self.total = self.total.saturating_add(text.bytes.len());
        self.list.push(text);
        (self.list.len() - 1) as u32
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Text> {
        self.list.get(number as usize)
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// The length of all texts together, in bytes.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        self.get(span.text)
            .and_then(|text| text.bytes.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// A text and those that include it, innermost first.
    pub(crate) fn chain(&self, number: u32) -> impl Iterator<Item = &Text> {
        std::iter::successors(self.get(number), |text| self.get(text.included_at?.text))
    }

    /// The files that were read, in the order of their first reading, each once.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for text in &self.list {
            if !paths.contains(&text.path) {
                paths.push(text.path.clone());
            }
        }
        paths
    }

    pub(crate) fn diagnostic(&self, kind: DiagnosticKind, span: Span) -> Diagnostic {
        Diagnostic {
            kind,
            place: self.place(span).map(Box::new),
        }
    }

    /// As [`diagnostic`](Self::diagnostic), for results: boxed, since a result is handed on for every token.
    pub(crate) fn error(&self, kind: DiagnosticKind, span: Span) -> Box<Diagnostic> {
        Box::new(self.diagnostic(kind, span))
    }

    /// The number of the line, from 1, in which a span begins.
    pub(crate) fn line(&self, span: Span) -> usize {
        self.line_of(span).map_or(0, |(line, _, _)| line)
    }

    /// The line in which a span begins: its number, its start and its end.
    fn line_of(&self, span: Span) -> Option<(usize, usize, usize)> {
        let bytes = &self.get(span.text)?.bytes;
        let (text, start, number) = self.last.get();
        let offset = (span.start as usize).min(bytes.len());
        let (from, before) = match text == span.text && start <= offset && number > 0 {
            true => (start, number - 1),
            false => (0, 0),
        };
        let (line, start, end) = line_of(bytes.get(from..)?, offset - from);
        let found = (before + line, from + start, from + end);
        self.last.set((span.text, found.1, found.0));
        Some(found)
    }

    /// What concerns a whole keymap: its file, without a line.
    pub(crate) fn whole(&self, kind: DiagnosticKind) -> Diagnostic {
        let place = self.get(0).map(|text| Place::whole(text.path.clone()));
        Diagnostic {
            kind,
            place: place.map(Box::new),
        }
    }

    fn place(&self, span: Span) -> Option<Place> {
        let text = self.get(span.text)?;
        let (line, line_start, line_end) = self.line_of(span)?;
        let start = (span.start as usize).clamp(line_start, line_end);
        let end = (span.end as usize).clamp(start, line_end);
        let line_text = text.bytes.get(line_start..line_end)?;
        let before = text.bytes.get(line_start..start)?;
        let is_cut = line_text.len() > LONGEST_LINE;
        let (kept_start, kept_end) = match is_cut {
            true => (
                line_start.max(start.saturating_sub(KEPT_BYTES)),
                line_end.min(start + KEPT_BYTES),
            ),
            false => (line_start, line_end),
        };
        Some(Place {
            path: text.path.clone(),
            line,
            column: render::characters(line_text, before) + 1,
            line_text: text.bytes.get(kept_start..kept_end)?.to_vec(),
            is_cut,
            underline: start - kept_start..end.min(kept_end) - kept_start,
            included_from: self.included_from(text),
        })
    }

    fn included_from(&self, text: &Text) -> Vec<(PathBuf, usize)> {
        let parents = std::iter::successors(text.included_at, |at| self.get(at.text)?.included_at);
        parents
            .filter_map(|at| {
                let parent = self.get(at.text)?;
                Some((parent.path.clone(), self.line(at)))
            })
            .collect()
    }

    /// The path that includes of this text are relative to.
    pub(crate) fn path(&self, number: u32) -> &Path {
        self.get(number).map_or(Path::new(""), |text| &text.path)
    }
}

/// The line that holds a byte offset: its number from 1, where it starts, and where it ends (without CR and LF).
fn line_of(bytes: &[u8], offset: usize) -> (usize, usize, usize) {
    let offset = offset.min(bytes.len());
    let (before, after) = bytes.split_at(offset);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |found| found + 1);
    let length = after
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(after.len());
    let mut end = offset + length;
    if end > offset && bytes.get(end - 1) == Some(&b'\r') {
        end -= 1;
    }
    (line, start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_lines() {
        assert_eq!(line_of(b"ab\ncd\r\nef", 0), (1, 0, 2));
        assert_eq!(line_of(b"ab\ncd\r\nef", 2), (1, 0, 2));
        assert_eq!(line_of(b"ab\ncd\r\nef", 3), (2, 3, 5));
        assert_eq!(line_of(b"ab\ncd\r\nef", 9), (3, 7, 9));
        assert_eq!(line_of(b"", 7), (1, 0, 0));
    }

    #[test]
    fn lines_are_found_in_any_order() {
        let mut texts = Texts::default();
        for bytes in [&b"a\nb\nc\n"[..], b"\n\n\nd"] {
            texts.add(Text {
                path: "text".into(),
                bytes: Rc::new(bytes.to_vec()),
                included_at: None,
            });
        }
        for (text, start, line) in [
            (0, 4, 3),
            (0, 0, 1),
            (0, 2, 2),
            (0, 5, 3),
            (1, 3, 4),
            (0, 4, 3),
            (1, 1, 2),
        ] {
            let end = start;
            assert_eq!(
                texts.line(Span { text, start, end }),
                line,
                "{text}, {start}"
            );
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_problem() {
        let mut texts = Texts::default();
        let number = texts.add(Text {
            path: "long".into(),
            bytes: Rc::new(vec![b'a'; 1_000_000]),
            included_at: None,
        });
        let span = Span {
            text: number,
            start: 500_000,
            end: 500_003,
        };
        let place = texts.place(span).unwrap();
        assert_eq!((place.line, place.column), (1, 500_001));
        assert!(place.is_cut && place.line_text.len() < 250);
        assert_eq!(place.underline.len(), 3);
    }
}
