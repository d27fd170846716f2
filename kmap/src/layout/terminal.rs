//! A keyboard drawn with box characters, 61 columns wide. Each key shows Shift above plain on the left, and the same with
//! AltGr on the right; a dotted circle carries the accent of a dead key.

use super::{Key, ROWS, Shape, WIDTH, legends};
use crate::Keymap;
use crate::layout::label::Label;

/// Lines of a key, its upper border included.
const HEIGHT: usize = 3;

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;
/// The box character for each set of directions.
const LINES: [char; 16] = [
    ' ', '╵', '╷', '│', '╴', '┘', '┐', '┤', '╶', '└', '┌', '├', '─', '┴', '┬', '┼',
];

/// One place on the screen.
#[derive(Clone, Default)]
struct Cell {
    lines: u8,
    text: Option<String>,
    /// Covered by a wide character on the left.
    covered: bool,
}

struct Canvas(Vec<Vec<Cell>>);

impl Canvas {
    fn new() -> Self {
        Self(vec![vec![Cell::default(); WIDTH + 1]; ROWS * HEIGHT + 1])
    }

    fn at(&mut self, x: usize, y: usize) -> Option<&mut Cell> {
        self.0.get_mut(y)?.get_mut(x)
    }

    fn line(&mut self, x: usize, y: usize, directions: u8) {
        if let Some(cell) = self.at(x, y) {
            cell.lines |= directions;
        }
    }

    fn horizontal(&mut self, from: usize, to: usize, y: usize) {
        for x in from..to {
            self.line(x, y, RIGHT);
            self.line(x + 1, y, LEFT);
        }
    }

    fn vertical(&mut self, x: usize, from: usize, to: usize) {
        for y in from..to {
            self.line(x, y, DOWN);
            self.line(x, y + 1, UP);
        }
    }

    fn text(&mut self, x: usize, y: usize, label: &Label) {
        let mut x = x;
        for (index, character) in label.text.char_indices() {
            let end = index + character.len_utf8();
            let piece = label.text.get(index..end).unwrap_or_default();
            let one = Label {
                text: piece.to_owned(),
                ..Label::default()
            };
            match one.width() {
                // What combines belongs to the character before it.
                0 => {
                    if let Some(Cell {
                        text: Some(text), ..
                    }) = self.at(x.saturating_sub(1), y)
                    {
                        text.push_str(piece);
                    }
                }
                width => {
                    if let Some(cell) = self.at(x, y) {
                        cell.text = Some(piece.to_owned());
                    }
                    for covered in 1..width {
                        if let Some(cell) = self.at(x + covered, y) {
                            cell.covered = true;
                        }
                    }
                    x += width;
                }
            }
        }
    }

    fn finish(self) -> String {
        let mut out = String::new();
        for row in self.0 {
            let mut line = String::new();
            for cell in row.into_iter().filter(|cell| !cell.covered) {
                match cell.text {
                    Some(text) => line.push_str(&text),
                    None => line.push(LINES.get(usize::from(cell.lines)).copied().unwrap_or(' ')),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Draws a keyboard. The lines end without blanks; everything on them is one column wide, but for the wide characters of
/// East Asia, which take two.
pub fn terminal(keymap: &Keymap, shape: Shape) -> String {
    let mut canvas = Canvas::new();
    let keys = shape.keys();
    for key in &keys {
        let (left, right) = (key.x, key.x + key.width);
        let (top, bottom) = (key.row * HEIGHT, (key.row + 1) * HEIGHT);
        if !key.continues {
            canvas.horizontal(left, right, top);
        }
        let is_above_tall = |below: &&Key| {
            below.continues && below.row == key.row + 1 && below.keycode == key.keycode
        };
        match keys.iter().find(is_above_tall) {
            // The tall Enter is narrower below, and open between its parts.
            Some(below) => canvas.horizontal(left, below.x, bottom),
            None => canvas.horizontal(left, right, bottom),
        }
        canvas.vertical(left, top, bottom);
        canvas.vertical(right, top, bottom);
    }
    for key in keys.iter().filter(|key| !key.continues) {
        print(&mut canvas, keymap, key);
    }
    canvas.finish()
}

fn print(canvas: &mut Canvas, keymap: &Keymap, key: &Key) {
    let [plain, shift, altgr, both] = legends(keymap, key.keycode);
    let (left, top) = (key.x + 1, key.row * HEIGHT + 1);
    if plain.word {
        let room = key.width - 1;
        let text = match &*plain.text {
            "Shift" if room < 5 => "Shft".to_owned(),
            "AltGr" if room < 5 => "AlGr".to_owned(),
            word => word.chars().take(room).collect(),
        };
        canvas.text(left, top + 1, &Label { text, ..plain });
        return;
    }
    let is_room =
        |label: &Label, beside: &Label| !label.word && label.width() + beside.width() <= 3;
    for (line, label, beside) in [(top, shift, both), (top + 1, plain, altgr)] {
        if !label.word {
            canvas.text(left, line, &label);
        }
        if is_room(&beside, &label) {
            canvas.text(left + 3 - beside.width().max(1), line, &beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture() {
        let text = b"keymaps 0-3\nkeycode 16 = q Q at U+03a9\nkeycode 26 = dead_grave dead_circumflex bracketleft VoidSymbol\nkeycode 28 = Return\n";
        let keymap = crate::compile_bytes(text, crate::Mode::Automatic)
            .unwrap()
            .keymap;
        let picture = terminal(&keymap, Shape::Iso);
        assert!(
            picture
                .lines()
                .all(|line| line.chars().count() <= WIDTH + 4),
            "{picture}"
        );
        assert!(picture.contains("◌\u{302}"), "{picture}");
        assert!(picture.starts_with("┌───┬───┬"), "{picture}");
    }
}
