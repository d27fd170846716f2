//! `packager list`: the entries of an image, like `ls -l`.

use std::ops::ControlFlow;

use cli::Failure;
use packager::cpio::Entry;
use packager::inspect;

use crate::args::ListArgs;
use crate::{input, report};

/// Printed at a time, in bytes: an image may have more names than there is memory for.
const PORTION: usize = 64 << 10;

pub(crate) fn run(args: &ListArgs) -> Result<(), Failure> {
    let (file, image) = input::open(&args.image)?;
    let mut out = Vec::new();
    let mut printed = Ok(());
    let result = inspect::skim_file(&file, &image, |entry, length| {
        if args.names {
            out.extend_from_slice(entry.name);
        } else {
            out.extend_from_slice(line(entry, length).as_bytes());
        }
        out.push(b'\n');
        if out.len() < PORTION {
            return ControlFlow::Continue(());
        }
        match cli::print_part(&out) {
            Ok(ControlFlow::Continue(())) => {
                out.clear();
                ControlFlow::Continue(())
            }
            Ok(stop) => stop,
            Err(error) => {
                printed = Err(error);
                ControlFlow::Break(())
            }
        }
    });
    printed?;
    cli::print(&out)?;
    result.map_err(|error| input::at_fault(&args.image, error))
}

fn line(entry: &Entry<'_>, length: usize) -> String {
    format!(
        "{} {:>4} {:>4} {:>9} {}",
        report::permissions(entry.kind, entry.permissions),
        entry.uid,
        entry.gid,
        report::extent(entry.kind, length),
        report::name(entry.name, entry.kind, entry.data),
    )
}
