//! `packager size`: where an image's bytes go.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use cli::Failure;
use packager::inspect::Files;

use crate::{input, report};

/// Show where the bytes of an initramfs go: folders and files, the largest first
#[derive(Debug, Args)]
pub(crate) struct SizeArgs {
    /// The image
    image: PathBuf,

    /// Leave out what has less than this share of the whole, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    least: f64,
}

pub(crate) fn run(args: &SizeArgs) -> Result<(), Failure> {
    input::with_files(&args.image, |segments, files| {
        let mut out = String::new();
        for segment in segments {
            let format = segment
                .format
                .map_or("not compressed".to_owned(), |format| format.to_string());
            let (packed, unpacked) = (
                report::size(segment.length),
                report::size(segment.archive.len()),
            );
            out += &format!(
                "segment at {}: {packed}, {unpacked} unpacked, {format}\n",
                segment.offset
            );
        }
        let tree = Tree::new(files);
        let least = tree.size as f64 * args.least / 100.0;
        tree.print(&mut out, "/", 0, least, tree.size);
        cli::print(out.as_bytes())
    })
}

/// A folder or a file with the bytes of all that it holds.
#[derive(Default)]
struct Tree {
    size: usize,
    parts: BTreeMap<String, Tree>,
}

impl Tree {
    fn new(files: &Files<'_>) -> Self {
        let mut root = Self::default();
        for (path, file) in files.iter() {
            root.size += file.data.len();
            let mut here = &mut root;
            for part in path.split('/') {
                here = here.parts.entry(part.to_owned()).or_default();
                here.size += file.data.len();
            }
        }
        root
    }

    fn print(&self, out: &mut String, name: &str, depth: usize, least: f64, whole: usize) {
        let share = 100.0 * self.size as f64 / whole.max(1) as f64;
        let indent = "  ".repeat(depth);
        *out += &format!("{:>12} {share:5.1} %  {indent}{name}\n", self.size);
        let mut parts: Vec<_> = self
            .parts
            .iter()
            .filter(|(_, part)| part.size as f64 >= least && part.size > 0)
            .collect();
        parts.sort_by_key(|(name, part)| (std::cmp::Reverse(part.size), name.as_str()));
        for (name, part) in parts {
            part.print(out, name, depth + 1, least, whole);
        }
    }
}
