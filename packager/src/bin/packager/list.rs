//! `packager list`: the entries of an image, like `ls -l`.

use cli::Failure;
use packager::inspect::{self, Segment};

use crate::args::ListArgs;
use crate::{input, report};

pub(crate) fn run(args: &ListArgs) -> Result<(), Failure> {
    let image = input::read(&args.image)?;
    let at_fault = |error| input::at_fault(&args.image, error);
    let (segments, end) = inspect::readable_segments(&image);
    let mut out = Vec::new();
    let mut result = end.map_or(Ok(()), |error| Err(at_fault(error)));
    for segment in &segments {
        let listed = list(segment, args.names, &mut out).map_err(at_fault);
        if listed.is_err() {
            result = listed;
            break;
        }
    }
    cli::print(&out)?;
    result
}

fn list(
    segment: &Segment<'_>,
    names: bool,
    out: &mut Vec<u8>,
) -> Result<(), inspect::InspectError> {
    for entry in segment.entries() {
        let entry = entry?;
        if names {
            out.extend_from_slice(entry.name);
        } else {
            let line = format!(
                "{} {:>4} {:>4} {:>9} {}",
                report::permissions(entry.kind, entry.permissions),
                entry.uid,
                entry.gid,
                report::extent(entry.kind, entry.data.len()),
                report::name(entry.name, entry.kind, entry.data),
            );
            out.extend_from_slice(line.as_bytes());
        }
        out.push(b'\n');
    }
    Ok(())
}
