//! `packager cat`: a file of an image.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use cli::Failure;
use packager::cpio::Kind;
use packager::names::{shown, text};

use crate::{complete, input};

#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// The image
    image: PathBuf,

    /// The file's path in it; links are followed
    #[arg(add = complete::paths())]
    path: OsString,
}

pub(crate) fn run(args: &CatArgs) -> Result<(), Failure> {
    let wanted = text(args.path.as_bytes());
    input::with_files(&args.image, |_, files| match files.follow(&wanted) {
        Some((_, file)) if file.attributes.kind == Kind::File => cli::print(file.data),
        Some((path, _)) => Err(Failure::input(format_args!(
            "`/{}` is no regular file",
            shown(&path)
        ))),
        None => Err(Failure::input(format_args!(
            "there is no `{}` in `{}`; `packager list` shows what there is",
            shown(&wanted),
            args.image.display()
        ))),
    })
}
