//! `packager extract`: an image's files on disk.

use std::path::PathBuf;

use clap::Args;
use cli::Failure;
use packager::inspect::{ExtractError, extract};
use packager::names::shown;

use crate::{input, pool};

#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// The image; - is standard input
    image: PathBuf,

    /// The folder to make, or an empty one
    folder: PathBuf,

    #[command(flatten)]
    quiet: cli::Quiet,
}

pub(crate) fn run(args: &ExtractArgs) -> Result<(), Failure> {
    args.quiet.heed();
    pool::share();
    input::with_files(&args.image, |segments, files| {
        let done = extract(files, &args.folder).map_err(|error| match error {
            ExtractError::NotEmpty(_) => Failure::input(error),
            ExtractError::Io { .. } => Failure::machine(error),
        })?;
        if done.devices_skipped > 0 {
            cli::note!(
                "{} device nodes are left out; only root may make them",
                done.devices_skipped
            );
        }
        if done.links_skipped > 0 {
            cli::note!(
                "{} symbolic links without a target are left out; only the kernel makes them",
                done.links_skipped
            );
        }
        if done.owners_skipped > 0 {
            cli::note!(
                "{} files do not have the owner that the image names, which this user namespace does not have",
                done.owners_skipped
            );
        }
        let left_out = |names: &[String], why: &str| {
            for name in names {
                match &*shown(name) {
                    "" => cli::note!(
                        "an entry without a name, or with one that is too long, is left out, as the kernel does"
                    ),
                    name => cli::note!("/{name} is left out, as the kernel does: {why}"),
                }
            }
        };
        left_out(&files.orphans, "its folder is not in the image before it");
        left_out(&files.blocked, "a folder that is not empty is there");
        left_out(
            &files.impossible,
            "no file can have such a name, such a type, such a target or such data, or it is a second name in place of the first",
        );
        if segments.last().is_some_and(|last| !last.has_trailer()) {
            input::tell_no_trailer(&args.image);
        }
        match &*files.unsound {
            [] => Ok(()),
            names => {
                let names: Vec<_> = names
                    .iter()
                    .map(|name| format!("/{}", shown(name)))
                    .collect();
                Err(Failure::input(format_args!(
                    "`{}`: these files do not have the checksum that the image promises: {}; they are extracted as they are, but the kernel stops there",
                    args.image.display(),
                    names.join(", ")
                )))
            }
        }
    })
}
