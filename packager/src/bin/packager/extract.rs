//! `packager extract`: an image's files on disk.

use std::path::PathBuf;

use clap::Args;
use cli::Failure;
use packager::inspect::{ExtractError, extract};

use crate::input;

#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// The image
    image: PathBuf,

    /// The folder to make, or an empty one
    folder: PathBuf,
}

pub(crate) fn run(args: &ExtractArgs) -> Result<(), Failure> {
    input::with_files(&args.image, |_, files| {
        let done = extract(files, &args.folder).map_err(|error| match error {
            ExtractError::NotEmpty(_) => Failure::input(error),
            ExtractError::Io { .. } => Failure::machine(error),
        })?;
        if done.devices_skipped > 0 {
            cli::tell!(
                "note: {} device nodes are left out; only root may make them",
                done.devices_skipped
            );
        }
        for orphan in &files.orphans {
            cli::tell!(
                "note: /{orphan} is left out, as the kernel does: its folder is not in the image before it"
            );
        }
        for name in &files.blocked {
            cli::tell!(
                "note: /{name} is left out, as the kernel does: a folder that is not empty is there"
            );
        }
        Ok(())
    })
}
