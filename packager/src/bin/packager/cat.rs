//! `packager cat`: a file of an image.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use cli::Failure;
use packager::cpio::Kind;
use packager::inspect::Files;
use packager::names::{near_paths, shown, text};

use crate::{complete, input};

#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// The image; - is standard input
    image: PathBuf,

    /// The file's path in it; links are followed
    #[arg(add = complete::paths())]
    path: OsString,

    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn run(args: &CatArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let wanted = text(args.path.as_bytes());
    input::with_files(&args.image, |_, files| match files.follow(&wanted) {
        Some((_, file)) if file.attributes.kind == Kind::File => cli::print(file.data),
        Some((path, _)) => Err(Failure::input(format_args!(
            "`/{}` is no regular file",
            shown(&path)
        ))),
        None if files.get(&wanted).is_some() => Err(Failure::input(leads_nowhere(&wanted, files))),
        None => Err(Failure::input(format_args!(
            "there is no `{}` in `{}`{}",
            shown(&wanted),
            args.image.display(),
            suggested(&wanted, files)
        ))),
    })
}

/// What is wrong with a link that does not lead to a file.
fn leads_nowhere(link: &str, files: &Files<'_>) -> String {
    let link_shown = shown(link);
    match files.leads_to(link) {
        Some(target) => format!(
            "`{link_shown}` is a link that leads to `/{}`, which is not in the image",
            shown(&target)
        ),
        None => format!("`{link_shown}` is a link that leads in a circle"),
    }
}

/// What stands behind the error.
fn suggested(wanted: &str, files: &Files<'_>) -> String {
    let paths: Vec<&str> = files.iter().map(|(path, _)| path).collect();
    let near = near_paths(wanted, paths.iter().copied());
    match near.as_slice() {
        [] => "; `packager list` shows what there is".to_owned(),
        near => suggest::question(&near.iter().map(|path| shown(path)).collect::<Vec<_>>()),
    }
}
