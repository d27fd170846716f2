//! A picture of where an image's bytes go: nested rectangles whose areas are the files' shares of the image.
//!
//! The layout is that of M. Bruls, K. Huizing and J. J. van Wijk, "Squarified Treemaps" (2000): parts, the largest first, fill
//! the shorter side of what is free in rows, and a row is closed when another part would make its rectangles longer.

use std::fmt::Write as _;

use super::size::{Tree, Use, readable};

/// The picture, in pixels.
const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 760.0;
/// Title and legend, above the map.
const HEAD: f64 = 58.0;
/// A folder's name, above what it holds.
const BAR: f64 = 17.0;
/// Around what a folder holds.
const GAP: f64 = 2.0;
/// Advance of a character, in font sizes: sans-serif fonts have 0.5 to 0.6 on average, and file names more than their share of `m`.
const ADVANCE: f64 = 0.66;
const FONT: f64 = 11.0;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rectangle {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Rectangle {
    /// The same with its axes exchanged.
    fn turned(self) -> Self {
        Self {
            x: self.y,
            y: self.x,
            width: self.height,
            height: self.width,
        }
    }
}

/// The picture as SVG. `title` stands above it.
pub fn svg(tree: &Tree, title: &str) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"{FONT}\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let whole = tree.size.packed.max(1) as f64;
    let _ = writeln!(
        out,
        "<text x=\"8\" y=\"22\" font-size=\"16\" font-weight=\"bold\">{}</text>",
        escaped(&format!("{title}: {}", readable(tree.size.packed)))
    );
    legend(&mut out, tree);
    let map = Rectangle {
        x: GAP,
        y: HEAD,
        width: WIDTH - 2.0 * GAP,
        height: HEIGHT - HEAD - GAP,
    };
    let mut drawing = Drawing { out, whole };
    drawing.parts(tree, "", map);
    drawing.out + "</svg>\n"
}

struct Drawing {
    out: String,
    whole: f64,
}

impl Drawing {
    fn parts(&mut self, tree: &Tree, path: &str, place: Rectangle) {
        let mut parts: Vec<(&String, &Tree)> = tree
            .parts
            .iter()
            .filter(|(_, part)| part.size.packed > 0)
            .collect();
        parts.sort_by_key(|(name, part)| (std::cmp::Reverse(part.size.packed), name.as_str()));
        let sizes: Vec<f64> = parts
            .iter()
            .map(|(_, part)| part.size.packed as f64)
            .collect();
        for ((name, part), place) in parts.into_iter().zip(squarify(&sizes, place)) {
            self.part(name, part, path, place);
        }
    }

    fn part(&mut self, name: &str, part: &Tree, path: &str, place: Rectangle) {
        let (mut label, mut part) = (name.to_owned(), part);
        // A folder in a folder and nothing beside it need one frame.
        while let (1, Some((name, only))) = (part.parts.len(), part.parts.first_key_value()) {
            label = format!("{label}/{name}");
            part = only;
        }
        let path = format!("{path}/{label}");
        let is_folder = !part.parts.is_empty();
        let fill = if is_folder {
            "#f2f2f2"
        } else {
            colour(Use::of(&path[1..]))
        };
        let Rectangle {
            x,
            y,
            width,
            height,
        } = place;
        let share = 100.0 * part.size.packed as f64 / self.whole;
        let told = format!(
            "{path}: {} of the image ({share:.1} %), {} unpacked",
            readable(part.size.packed),
            readable(part.size.unpacked)
        );
        let _ = writeln!(
            self.out,
            "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\" stroke=\"#fff\"/>",
            escaped(&told)
        );
        let size = readable(part.size.packed);
        if is_folder {
            self.text(&format!("{label} {size}"), &label, place, 12.5);
        } else {
            self.text(&label, &label, place, 13.0);
            if height > 2.6 * FONT + GAP {
                self.text(&size, "", place, 27.0);
            }
        }
        self.out += "</g>\n";
        let inner = Rectangle {
            x: x + GAP,
            y: y + BAR,
            width: width - 2.0 * GAP,
            height: height - BAR - GAP,
        };
        if is_folder && inner.width > 2.0 && inner.height > 2.0 {
            self.parts(part, &path, inner);
        }
    }

    /// `long`, or `short`, or as much of it as there is room for at `down` below the upper edge.
    fn text(&mut self, long: &str, short: &str, place: Rectangle, down: f64) {
        let room = ((place.width - 6.0) / (FONT * ADVANCE)).max(0.0) as usize;
        if place.height < down + 3.0 {
            return;
        }
        let fits = |text: &&str| text.chars().count() <= room;
        let text = [long, short].into_iter().find(fits).map_or_else(
            || {
                let kept = room.saturating_sub(1);
                short.chars().take(kept).chain(['…']).collect()
            },
            str::to_owned,
        );
        if text.is_empty() || text.chars().count() < 3.min(long.chars().count()) {
            return;
        }
        let (x, y) = (place.x + 4.0, place.y + down);
        let _ = writeln!(
            self.out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escaped(&text)
        );
    }
}

/// A box of colour for each use that the image has, with what it takes.
fn legend(out: &mut String, tree: &Tree) {
    let files = tree.entries();
    let mut x = 8.0;
    for used in Use::ALL {
        let of_use = files.iter().filter(|(path, _)| Use::of(path) == used);
        let packed: u64 = of_use.map(|(_, size)| size.packed).sum();
        if packed == 0 {
            continue;
        }
        let text = format!("{} {}", used.name(), readable(packed));
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"34\" width=\"14\" height=\"14\" fill=\"{}\"/><text x=\"{:.1}\" y=\"45\">{text}</text>",
            colour(used),
            x + 19.0
        );
        x += 40.0 + text.chars().count() as f64 * FONT * ADVANCE;
    }
}

/// Light enough for black text; told apart by people who see few colours (the palette is P. Tol's "light").
fn colour(used: Use) -> &'static str {
    match used {
        Use::Module => "#77aadd",
        Use::Firmware => "#ee8866",
        Use::Library => "#eedd88",
        Use::Program => "#bbcc33",
        Use::Other => "#dddddd",
    }
}

/// Rectangles within `place`, whose areas are as `sizes`, which are positive and in descending order.
fn squarify(sizes: &[f64], place: Rectangle) -> Vec<Rectangle> {
    let total: f64 = sizes.iter().sum();
    let scale = place.width * place.height / total.max(f64::MIN_POSITIVE);
    let areas: Vec<f64> = sizes.iter().map(|size| size * scale).collect();
    let mut free = place;
    let mut rectangles = Vec::with_capacity(areas.len());
    let mut rest = areas.as_slice();
    while !rest.is_empty() {
        let side = free.width.min(free.height);
        let mut count = 1;
        while count < rest.len() && worst(&rest[..=count], side) <= worst(&rest[..count], side) {
            count += 1;
        }
        let (row, others) = rest.split_at(count);
        free = lay(row, free, &mut rectangles);
        rest = others;
    }
    rectangles
}

/// The largest ratio of a rectangle's sides, if `row` fills a strip along `side`.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let (largest, smallest) = row.iter().fold((0.0f64, f64::MAX), |(most, least), &area| {
        (most.max(area), least.min(area))
    });
    let (side, sum) = (side * side, sum * sum);
    (side * largest / sum).max(sum / (side * smallest))
}

/// Lays a row along the shorter side of `free`; gives what stays free.
fn lay(row: &[f64], free: Rectangle, rectangles: &mut Vec<Rectangle>) -> Rectangle {
    // The row is a column at the left; where the height is the longer side, everything is the other way round.
    let is_wide = free.width >= free.height;
    let turned = |it: Rectangle| if is_wide { it } else { it.turned() };
    let free = turned(free);
    let sum: f64 = row.iter().sum();
    let width = sum / free.height.max(f64::MIN_POSITIVE);
    let mut y = free.y;
    for area in row {
        let height = area / width.max(f64::MIN_POSITIVE);
        rectangles.push(turned(Rectangle {
            y,
            width,
            height,
            ..free
        }));
        y += height;
    }
    turned(Rectangle {
        x: free.x + width,
        width: (free.width - width).max(0.0),
        ..free
    })
}

/// Text for XML, which has no control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the paper's section 3.1: a rectangle of 6 by 4 and its seven parts.
    #[test]
    fn the_papers_example_is_laid_out_as_in_the_paper() {
        let place = Rectangle {
            x: 0.0,
            y: 0.0,
            width: 6.0,
            height: 4.0,
        };
        let rectangles = squarify(&[6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0], place);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let expected = [
            (0.0, 0.0, 3.0, 2.0),
            (0.0, 2.0, 3.0, 2.0),
            (3.0, 0.0, 12.0 / 7.0, 7.0 / 3.0),
            (3.0 + 12.0 / 7.0, 0.0, 9.0 / 7.0, 7.0 / 3.0),
        ];
        for (found, (x, y, width, height)) in rectangles.iter().zip(expected) {
            assert!(
                near(found.x, x)
                    && near(found.y, y)
                    && near(found.width, width)
                    && near(found.height, height),
                "{found:?}"
            );
        }
        let areas: Vec<_> = rectangles
            .iter()
            .map(|found| found.width * found.height)
            .collect();
        assert!(
            areas
                .iter()
                .zip([6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0])
                .all(|(a, b)| near(*a, b))
        );
    }

    #[test]
    fn names_cannot_break_the_picture() {
        assert_eq!(
            escaped("<a&\"\u{1b}\n>"),
            "&lt;a&amp;&quot;\u{fffd}\u{fffd}&gt;"
        );
        assert!(svg(&Tree::default(), "empty").ends_with("</svg>\n"));
    }
}
