//! `packager cat`: a file of an image.

use std::path::PathBuf;

use clap::Args;
use cli::Failure;
use packager::cpio::Kind;

use crate::input;

#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// The image
    image: PathBuf,

    /// The file's path in it; links are followed
    path: String,
}

pub(crate) fn run(args: &CatArgs) -> Result<(), Failure> {
    input::with_files(&args.image, |_, files| match files.follow(&args.path) {
        Some((_, file)) if file.attributes.kind == Kind::File => cli::print(file.data),
        Some((path, _)) => Err(Failure::input(format_args!("`/{path}` is no regular file"))),
        None => Err(Failure::input(format_args!(
            "there is no `{}` in `{}`; `packager list` shows what there is",
            args.path,
            args.image.display()
        ))),
    })
}
