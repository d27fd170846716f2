//! A keyboard as an SVG picture, and as a page with the picture.
//!
//! The picture needs nothing but itself: no style sheet, no script, no font of its own. It keeps the order of a printed
//! keyboard: Shift above plain on the left, with AltGr on the right; dead keys are in red.

use std::fmt::Write as _;

use super::{Key, ROWS, Shape, WIDTH, legends};
use crate::Keymap;
use crate::layout::label::Label;

/// A quarter of a key, in pixels.
const QUARTER: usize = 15;
const KEY: usize = 4 * QUARTER;
/// The space around the keyboard.
const MARGIN: usize = 12;
/// The space for the title.
const TITLE: usize = 30;
/// The space for the explanation.
const FOOT: usize = 26;
/// Half the gap between two keys.
const GAP: usize = 2;

const STYLE: &str = "text{font-family:'DejaVu Sans','Noto Sans',sans-serif;font-size:17px;fill:#1d2733}\
.s{fill:#5b6875}.g{fill:#1f5fae}.d{fill:#c02818}.w{font-size:12px;fill:#5b6875}.t{font-size:16px;font-weight:bold}\
.f{font-size:12px}.k{fill:#fff;stroke:#b9c2cc}.m{fill:#edf0f3;stroke:#b9c2cc}";

/// Draws a keyboard. `title` may hold anything.
pub fn svg(keymap: &Keymap, shape: Shape, title: &str) -> String {
    let width = WIDTH * QUARTER + 2 * MARGIN;
    let height = ROWS * KEY + 2 * MARGIN + TITLE + FOOT;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>{STYLE}</style>\n<rect width=\"{width}\" height=\"{height}\" rx=\"10\" fill=\"#d8dde3\"/>\n\
         <text class=\"t\" x=\"{MARGIN}\" y=\"{}\">{}</text>\n",
        MARGIN + 16,
        escaped(title),
    );
    let keys = shape.keys();
    for key in keys.iter().filter(|key| !key.continues) {
        let below = keys
            .iter()
            .find(|below| below.continues && below.keycode == key.keycode);
        draw(
            &mut out,
            keymap,
            key,
            below.filter(|below| below.row == key.row + 1),
        );
    }
    let _ = write!(
        out,
        "<text class=\"f\" x=\"{MARGIN}\" y=\"{}\">Left: plain, Shift above. <tspan class=\"g\">Right: with AltGr.</tspan> \
         <tspan class=\"d\">Red: a dead key, for the accent of the next one.</tspan></text>\n</svg>\n",
        height - MARGIN,
    );
    out
}

/// A page with the picture. `title` may hold anything.
pub fn html(keymap: &Keymap, shape: Shape, title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{}</title>\n\
         <style>body{{margin:2em;background:#f4f6f8}}svg{{max-width:100%;height:auto}}</style>\n{}</html>\n",
        escaped(title),
        svg(keymap, shape, title),
    )
}

fn draw(out: &mut String, keymap: &Keymap, key: &Key, below: Option<&Key>) {
    let (x, y) = (MARGIN + key.x * QUARTER, MARGIN + TITLE + key.row * KEY);
    let width = key.width * QUARTER;
    let [plain, shift, altgr, both] = legends(keymap, key.keycode);
    let types = |label: &Label| !label.word && !label.text.is_empty() && label.text != "␣";
    let is_typing = key.width == 4 || [&plain, &shift, &altgr, &both].into_iter().any(types);
    let class = if plain.word || !is_typing { "m" } else { "k" };
    match below {
        Some(below) => {
            let (left, top, right) = (x + GAP, y + GAP, x + width - GAP);
            let (step, middle, bottom) = (
                MARGIN + below.x * QUARTER + GAP,
                y + KEY - GAP,
                y + 2 * KEY - GAP,
            );
            let _ = writeln!(
                out,
                "<path class=\"{class}\" d=\"M{left} {top}H{right}V{bottom}H{step}V{middle}H{left}Z\" stroke-linejoin=\"round\"/>"
            );
        }
        None => {
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
                x + GAP,
                y + GAP,
                width - 2 * GAP,
                KEY - 2 * GAP,
            );
        }
    }
    let (left, right) = (x + 10, x + width.min(KEY) - 26);
    let (upper, lower) = (y + 24, y + 49);
    if plain.word {
        text(out, left, lower - 12, "w", &plain);
        return;
    }
    text(out, left, upper, "s", &shift);
    text(out, left, lower, "p", &plain);
    text(out, right, upper, "g", &both);
    text(out, right, lower, "g", &altgr);
}

fn text(out: &mut String, x: usize, y: usize, class: &str, label: &Label) {
    if label.text.is_empty() || (label.word && class != "w") {
        return;
    }
    let class = if label.dead { "d" } else { class };
    let _ = writeln!(
        out,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>",
        escaped(&label.accent.map_or(label.text.clone(), String::from))
    );
}

/// Text for XML: what means something else there is escaped, and what may not be there at all is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            character if character.is_control() => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_input_is_markup() {
        assert_eq!(escaped("a<b>&\"\x1b"), "a&lt;b&gt;&amp;&quot;\u{fffd}");
        let keymap = crate::compile_bytes(
            b"keymaps 0-1\nkeycode 51 = comma less\n",
            crate::Mode::EightBit,
        )
        .unwrap()
        .keymap;
        let picture = svg(&keymap, Shape::Iso, "<x>");
        assert!(
            picture.contains(">&lt;</text>") && picture.contains("&lt;x&gt;"),
            "{picture}"
        );
    }
}
