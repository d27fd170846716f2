//! `packager diff`: what differs between two images.

mod json;
mod text;

use std::path::{Path, PathBuf};

use clap::Args;
use cli::Failure;
use packager::inspect::{Image, compare};

use crate::input;

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The first image; - is standard input
    old: PathBuf,

    /// The second image; - is standard input, where the first is not
    new: PathBuf,

    /// Show so many lines of each keymap and each text; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 20)]
    lines: usize,

    /// Print the differences as JSON, all of them
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn run(args: &DiffArgs) -> Result<(), Failure> {
    args.quiet.heed();
    if [&args.old, &args.new]
        .iter()
        .all(|path| *path == Path::new("-"))
    {
        return Err(Failure::usage(
            "standard input is one image, and two are compared; name the other one",
        ));
    }
    let differ = input::with_files(&args.old, |segments, files| {
        let old = Image { segments, files };
        input::with_files(&args.new, |segments, files| {
            let comparison = compare(old, Image { segments, files });
            let text = if args.json {
                json::text(&comparison)
            } else {
                text::text(&comparison, args.lines)
            };
            cli::print(text.as_bytes())?;
            Ok(!comparison.is_empty())
        })
    });
    cli::compared(differ)
}
