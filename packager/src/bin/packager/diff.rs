//! `packager diff`: what differs between two images.

use std::path::PathBuf;

use clap::Args;
use cli::{Failure, Fault};
use packager::cpio::Kind;
use packager::inspect::{Difference, File, diff};

use crate::{input, report};

/// Show what differs between two images: + only in the second, - only in the first, ~ in both
///
/// Exit code 0: no difference; 1: differences, or an image is wrong.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The first image
    old: PathBuf,

    /// The second image
    new: PathBuf,
}

pub(crate) fn run(args: &DiffArgs) -> Result<(), Failure> {
    input::with_files(&args.old, |_, old| {
        input::with_files(&args.new, |_, new| {
            let differences = diff(old, new);
            let text: String = differences.iter().map(line).collect();
            cli::print(text.as_bytes())?;
            if differences.is_empty() {
                Ok(())
            } else {
                Err(Failure::reported(Fault::Input))
            }
        })
    })
}

fn line(difference: &Difference<'_>) -> String {
    match difference {
        Difference::Added(path, file) => format!("+ {}\n", entry(path, file)),
        Difference::Removed(path, file) => format!("- {}\n", entry(path, file)),
        Difference::Changed(path, old, new) => {
            format!("~ /{path}: {}\n", changes(old, new).join(", "))
        }
    }
}

fn entry(path: &str, file: &File<'_>) -> String {
    let name = report::name(
        format!("/{path}").as_bytes(),
        file.attributes.kind,
        file.data,
    );
    match file.attributes.kind {
        Kind::File => format!("{name} ({} bytes)", file.data.len()),
        _ => name,
    }
}

fn changes(old: &File<'_>, new: &File<'_>) -> Vec<String> {
    let mut changes = Vec::new();
    let (before, after) = (old.attributes, new.attributes);
    if before.kind != after.kind {
        changes.push(format!(
            "{} -> {}",
            report::type_name(before.kind),
            report::type_name(after.kind)
        ));
    }
    if before.permissions != after.permissions {
        changes.push(format!(
            "mode {:04o} -> {:04o}",
            before.permissions, after.permissions
        ));
    }
    if (before.uid, before.gid) != (after.uid, after.gid) {
        changes.push(format!(
            "owner {}:{} -> {}:{}",
            before.uid, before.gid, after.uid, after.gid
        ));
    }
    if old.data != new.data {
        changes.push(match (before.kind, after.kind) {
            (Kind::Symlink, Kind::Symlink) => {
                format!(
                    "{} -> {}",
                    String::from_utf8_lossy(old.data),
                    String::from_utf8_lossy(new.data)
                )
            }
            _ if old.data.len() == new.data.len() => {
                format!("other contents, {} bytes as before", new.data.len())
            }
            _ => format!("{} -> {} bytes", old.data.len(), new.data.len()),
        });
    }
    changes
}
