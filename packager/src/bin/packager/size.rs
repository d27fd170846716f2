//! `packager size`: where an image's bytes go.

use std::cmp::Reverse;
use std::path::PathBuf;

use clap::Args;
use cli::Failure;
use packager::inspect::size::{Size, Tree, Use, sizes};
use packager::inspect::{Segment, treemap};
use packager::names;
use serde_json::{Value, json};

use crate::input::Image;
use crate::{input, report};

#[derive(Debug, Args)]
pub(crate) struct SizeArgs {
    /// The image; - is standard input
    image: PathBuf,

    /// Leave out what has less than this share of the whole, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    least: f64,

    /// Draw a treemap
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print every file and folder as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn run(args: &SizeArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let image = Image::open(&args.image)?;
    let segments = input::segments(&args.image, &image)?;
    let tree = sizes(&image, &segments).map_err(|error| input::at_fault(&args.image, error))?;
    if let Some(path) = &args.svg {
        report::check_output(path, [args.image.as_path()])?;
        let name = args.image.file_name().unwrap_or_default();
        let picture = treemap::svg(&tree, &name.to_string_lossy());
        cli::write_atomically(path, picture.as_bytes())?;
    }
    let text = if args.json {
        json_text(&segments, &tree)
    } else {
        text(&segments, &tree, args.least)
    };
    cli::print(text.as_bytes())
}

fn text(segments: &[Segment<'_>], tree: &Tree, least: f64) -> String {
    let mut out = String::new();
    for segment in segments {
        let (packed, unpacked) = (segment.length, segment.archive.len());
        out += &format!(
            "segment at {}: {}, {} unpacked, {}\n",
            segment.offset,
            report::size(packed),
            report::size(unpacked),
            report::format_name(segment.format)
        );
    }
    for (used, count, size) in uses(tree) {
        out += &format!(
            "{}: {count} entries, {}, {} unpacked\n",
            used.name(),
            report::size(size.packed as usize),
            report::size(size.unpacked as usize)
        );
    }
    out += &format!(
        "trailers, padding and what is not read: {}\n",
        report::size(tree.overhead() as usize)
    );
    out += &format!("{:>12} {:>12}\n", "unpacked", "packed");
    let least = tree.size.packed as f64 * least / 100.0;
    lines(&mut out, "/", tree, 0, least, tree.size.packed);
    out
}

fn lines(out: &mut String, name: &str, tree: &Tree, depth: usize, least: f64, whole: u64) {
    let Size { unpacked, packed } = tree.size;
    let share = 100.0 * packed as f64 / whole.max(1) as f64;
    let (indent, name) = ("  ".repeat(depth), names::shown(name));
    *out += &format!("{unpacked:>12} {packed:>12} {share:5.1} %  {indent}{name}\n");
    let parts = tree.parts.iter();
    let mut parts: Vec<_> = parts
        .filter(|(_, part)| part.size.packed as f64 >= least)
        .collect();
    parts.sort_by_key(|(name, part)| (Reverse(part.size.packed), name.as_str()));
    for (name, part) in parts {
        lines(out, name, part, depth + 1, least, whole);
    }
}

/// What the entries of each use take together; those that the image has.
fn uses(tree: &Tree) -> Vec<(Use, usize, Size)> {
    let entries = tree.entries();
    let sum = |used: Use| {
        let of_use: Vec<_> = entries
            .iter()
            .filter(|(path, _)| Use::of(path) == used)
            .collect();
        let size = Size {
            unpacked: of_use.iter().map(|(_, size)| size.unpacked).sum(),
            packed: of_use.iter().map(|(_, size)| size.packed).sum(),
        };
        (used, of_use.len(), size)
    };
    let all = Use::ALL.into_iter().map(sum);
    all.filter(|(_, count, _)| *count > 0).collect()
}

fn json_text(segments: &[Segment<'_>], tree: &Tree) -> String {
    let size = |size: &Size| json!({ "unpacked": size.unpacked, "packed": size.packed });
    let segments: Vec<Value> = segments
        .iter()
        .map(|segment| {
            json!({
                "offset": segment.offset,
                "packed": segment.length,
                "unpacked": segment.archive.len(),
                "compression": segment.format.map(|format| format.name()),
            })
        })
        .collect();
    let files: Vec<Value> = tree
        .entries()
        .into_iter()
        .map(|(path, size)| {
            json!({
                "path": format!("/{path}"),
                "use": Use::of(&path).name(),
                "unpacked": size.unpacked,
                "packed": size.packed,
            })
        })
        .collect();
    let json = json!({
        "segments": segments,
        "whole": size(&tree.size),
        "overhead": tree.overhead(),
        "files": files,
    });
    format!("{json:#}\n")
}
