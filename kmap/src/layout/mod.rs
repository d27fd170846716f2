//! Keyboards as pictures: where keys are, what is printed on them, and how that is drawn.

mod label;
mod svg;
mod terminal;

use std::ops::RangeInclusive;

pub use svg::{html, svg};
pub use terminal::terminal;

use crate::Keymap;

/// The shape of a keyboard's main block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Europe: a tall Enter, and a key between the left Shift and Z.
    #[default]
    Iso,
    /// The United States: a wide Enter, and a wide left Shift.
    Ansi,
    /// Japan: a tall Enter, and keys beside the right Shift, Backspace and the space bar.
    Jis,
}

/// A key's place. Widths are quarters of an ordinary key; a row has 60 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    keycode: u8,
    x: usize,
    row: usize,
    width: usize,
    /// The lower part of the tall Enter: nothing is printed on it, and no line is above it.
    continues: bool,
}

/// How wide a keyboard is, in quarters of a key.
const WIDTH: usize = 60;
/// How many rows it has.
const ROWS: usize = 5;

/// Keys from left to right: runs of keycodes, and the width of each key in a run.
type Row = &'static [(RangeInclusive<u8>, usize)];

const NUMBERS: Row = &[(41..=41, 4), (2..=13, 4), (14..=14, 8)];
const NUMBERS_JIS: Row = &[(41..=41, 4), (2..=13, 4), (124..=124, 4), (14..=14, 4)];
const UPPER: Row = &[(15..=15, 6), (16..=27, 4), (28..=28, 6)];
const UPPER_ANSI: Row = &[(15..=15, 6), (16..=27, 4), (43..=43, 6)];
const HOME: Row = &[(58..=58, 7), (30..=40, 4), (43..=43, 4), (28..=28, 5)];
const HOME_ANSI: Row = &[(58..=58, 7), (30..=40, 4), (28..=28, 9)];
const LOWER: Row = &[(42..=42, 5), (86..=86, 4), (44..=53, 4), (54..=54, 11)];
const LOWER_ANSI: Row = &[(42..=42, 9), (44..=53, 4), (54..=54, 11)];
const LOWER_JIS: Row = &[(42..=42, 9), (44..=53, 4), (89..=89, 4), (54..=54, 7)];
const SPACE: Row = &[
    (29..=29, 5),
    (125..=125, 5),
    (56..=56, 5),
    (57..=57, 25),
    (100..=100, 5),
    (126..=127, 5),
    (97..=97, 5),
];
const SPACE_JIS: Row = &[
    (29..=29, 5),
    (125..=125, 5),
    (56..=56, 5),
    (94..=94, 5),
    (57..=57, 15),
    (92..=93, 5),
    (100..=100, 5),
    (127..=127, 5),
    (97..=97, 5),
];

impl Shape {
    fn rows(self) -> [Row; ROWS] {
        match self {
            Shape::Iso => [NUMBERS, UPPER, HOME, LOWER, SPACE],
            Shape::Ansi => [NUMBERS, UPPER_ANSI, HOME_ANSI, LOWER_ANSI, SPACE],
            Shape::Jis => [NUMBERS_JIS, UPPER, HOME, LOWER_JIS, SPACE_JIS],
        }
    }

    fn keys(self) -> Vec<Key> {
        let mut keys = Vec::new();
        for (row, list) in self.rows().into_iter().enumerate() {
            let mut x = 0;
            let runs = list.iter().cloned();
            for (keycode, width) in runs.flat_map(|(run, width)| run.map(move |key| (key, width))) {
                let continues = keycode == 28 && row == 2 && self != Shape::Ansi;
                keys.push(Key {
                    keycode,
                    x,
                    row,
                    width,
                    continues,
                });
                x += width;
            }
        }
        keys
    }
}

/// The weights of the tables that are drawn: Shift and AltGr.
pub const DRAWN: u8 = SHIFT | ALTGR;

/// What four levels of a key give: plain, Shift, AltGr, Shift with AltGr.
const LEVELS: [u8; 4] = [0, 1, 2, 3];
/// The weight of Shift in a table's number.
const SHIFT: u8 = 1;
/// The weight of AltGr.
const ALTGR: u8 = 2;

/// The labels of a key; nothing where Shift or AltGr changes nothing.
fn legends(keymap: &Keymap, keycode: u8) -> [label::Label; 4] {
    let keysym = |map| keymap.get(map, keycode);
    LEVELS.map(|map| {
        let is_same = |modifier| map & modifier != 0 && keysym(map) == keysym(map ^ modifier);
        match is_same(SHIFT) || is_same(ALTGR) {
            true => label::Label::default(),
            false => keysym(map).map_or_else(label::Label::default, label::Label::new),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_as_wide_as_the_keyboard() {
        for shape in [Shape::Iso, Shape::Ansi, Shape::Jis] {
            for row in shape.rows() {
                let widths = row.iter().map(|(run, width)| run.len() * width);
                assert_eq!(widths.sum::<usize>(), WIDTH, "{shape:?}");
            }
        }
    }
}
