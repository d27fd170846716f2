//! The picture as SVG: one file without scripts, styles of other files, or fonts.

use std::fmt::Write as _;

use super::layers::Layers;
use super::place::vertical;
use super::{Arrow, MOST, Style, TooMany, arrows, names, without_implied};
use crate::Closure;

/// The width of a letter in a monospaced font of 12 pixels.
const LETTER: f64 = 7.25;
const BOX_HEIGHT: f64 = 22.0;
/// What a module and a passing edge take of a column.
const ROW: f64 = 30.0;
const PASSAGE: f64 = 10.0;
/// Between columns: room for the edges to turn.
const GAP: f64 = 56.0;
const MARGIN: f64 = 16.0;
const LEGEND: f64 = 28.0;

struct Canvas {
    layers: Layers,
    widths: Vec<f64>,
    /// The left edge and the width of each column.
    columns: Vec<(f64, f64)>,
    y: Vec<f64>,
}

/// Draws a closure. A tooltip on each module and each edge gives the reasons.
///
/// # Errors
/// [`TooMany`], where there are more than [`MOST`] modules.
pub fn svg(closure: &Closure) -> Result<String, TooMany> {
    let names = names(closure);
    if names.len() > MOST {
        return Err(TooMany(names.len()));
    }
    let mut arrows = arrows(closure);
    arrows.retain(|arrow| arrow.from != arrow.to);
    without_implied(&mut arrows, names.len());
    let edges: Vec<_> = arrows.iter().map(|arrow| (arrow.from, arrow.to)).collect();
    let widths = names.iter().map(|name| letters(name.as_str()) + 16.0);
    let canvas = Canvas::new(Layers::new(names.len(), &edges), widths.collect());
    let mut body = String::new();
    for (arrow, chain) in arrows.iter().zip(&canvas.layers.chains) {
        canvas.arrow(&mut body, arrow, chain);
    }
    for (node, name) in names.iter().enumerate() {
        let planned = closure.get(name);
        let reasons = planned.map_or(&[][..], |planned| &planned.reasons);
        let asked = reasons.iter().any(|reason| reason.by.is_none());
        let title: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        canvas.module(&mut body, node, name.as_str(), asked, &title.join("\n"));
    }
    Ok(canvas.document(&body))
}

fn letters(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

impl Canvas {
    fn new(layers: Layers, widths: Vec<f64>) -> Self {
        let nodes = widths.len();
        let mut columns = Vec::new();
        let mut left = MARGIN;
        for items in &layers.order {
            let wide = items.iter().filter_map(|&item| widths.get(item));
            let width = wide.copied().fold(0.0, f64::max);
            columns.push((left, width));
            left += width + GAP;
        }
        let mut y = vertical(&layers, |item| if item < nodes { ROW } else { PASSAGE });
        y.iter_mut().for_each(|y| *y += MARGIN + LEGEND);
        Self {
            layers,
            widths,
            columns,
            y,
        }
    }

    fn size(&self) -> (f64, f64) {
        let right = self
            .columns
            .last()
            .map_or(0.0, |(left, width)| left + width);
        let bottom = self.y.iter().copied().fold(0.0, f64::max) + ROW / 2.0;
        // The legend has its own width.
        ((right + MARGIN).max(460.0), bottom + MARGIN)
    }

    /// The left and the right end of an item, for edges.
    fn ends(&self, item: usize) -> (f64, f64) {
        let (left, width) = self.columns[self.layers.layer[item]];
        (left, left + self.widths.get(item).copied().unwrap_or(width))
    }

    fn arrow(&self, out: &mut String, arrow: &Arrow<'_>, chain: &[usize]) {
        let mut path = String::new();
        for pair in chain.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let (x1, y1) = (self.ends(from).1, self.y[from]);
            let (x2, y2) = (self.ends(to).0, self.y[to]);
            // To the end of the column first: a curve over a wider box beside a narrow one would cross it.
            let (left, width) = self.columns[self.layers.layer[from]];
            let start = left + width;
            let middle = (start + x2) / 2.0;
            if path.is_empty() {
                let _ = write!(path, "M{x1:.1} {y1:.1}");
            }
            let _ = write!(
                path,
                "H{start:.1}C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}"
            );
        }
        // An edge that closes a cycle was turned round to be laid out.
        let (head, tail) = match chain.first() == Some(&arrow.from) {
            true => (" marker-end=\"url(#head)\"", ""),
            false => ("", " marker-start=\"url(#head)\""),
        };
        let reasons: Vec<_> = arrow.reasons.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            out,
            "<path class=\"{}\" d=\"{path}\"{head}{tail}><title>{}</title></path>",
            class(arrow.style),
            escaped(&reasons.join("\n"))
        );
    }

    fn module(&self, out: &mut String, node: usize, name: &str, asked: bool, title: &str) {
        let (left, right) = self.ends(node);
        let y = self.y[node];
        let class = if asked { "asked" } else { "module" };
        let _ = writeln!(
            out,
            "<g class=\"{class}\"><title>{}</title><rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BOX_HEIGHT}\" rx=\"4\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            escaped(title),
            y - BOX_HEIGHT / 2.0,
            right - left,
            (left + right) / 2.0,
            y + 4.0,
            escaped(name),
        );
    }

    fn document(&self, body: &str) -> String {
        let (width, height) = self.size();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
             {STYLE}<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}{body}</svg>\n",
            legend()
        )
    }
}

const STYLE: &str = "\
<style>
text { font: 12px 'DejaVu Sans Mono', monospace; text-anchor: middle; fill: #1a1a1a }
.legend { text-anchor: start }
rect { stroke: #667 }
.module rect { fill: #f2f4f8 }
.asked rect { fill: #ffe9b8; stroke: #a70 }
path { fill: none; stroke-width: 1.2 }
.hard { stroke: #446 }
.soft { stroke: #2a7; stroke-dasharray: 6 3 }
.runtime { stroke: #c53; stroke-dasharray: 2 3 }
</style>
<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\">\
<path d=\"M0 0L8 4L0 8z\" style=\"fill: #446; stroke: none\"/></marker></defs>
";

fn legend() -> String {
    let mut text = String::new();
    let mut left = MARGIN;
    for (style, words) in [
        (Style::Hard, "uses symbols"),
        (Style::Soft, "softdep, weakdep"),
        (Style::Runtime, "asks while running"),
    ] {
        let _ = writeln!(
            text,
            "<path class=\"{}\" d=\"M{left:.1} 20h24\"/><text class=\"legend\" x=\"{:.1}\" y=\"24\">{words}</text>",
            class(style),
            left + 30.0
        );
        left += 30.0 + letters(words) + 20.0;
    }
    text
}

fn class(style: Style) -> &'static str {
    match style {
        Style::Hard => "hard",
        Style::Soft => "soft",
        Style::Runtime => "runtime",
    }
}

/// Text for XML. Characters that XML does not have become U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' => escaped.push('\n'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
