//! `packager list`: the entries of an image, like `ls -l`.

use std::ops::ControlFlow;

use cli::Failure;
use packager::cpio::{Entry, Kind};
use packager::inspect::{self, End};
use packager::names::text;
use serde_json::json;

use crate::args::ListArgs;
use crate::{input, report};

/// Printed at a time, in bytes: an image may have more names than there is memory for.
const PORTION: usize = 64 << 10;

pub(crate) fn run(args: &ListArgs) -> Result<(), Failure> {
    let (file, image) = input::open(&args.image)?;
    let mut out = Printer::default();
    let mut separator = "[\n";
    let result = inspect::skim_file(&file, &image, |entry, length| {
        if args.names {
            out.text.extend_from_slice(entry.name);
            out.text.push(b'\n');
        } else if args.json {
            out.text.extend_from_slice(separator.as_bytes());
            out.text.extend_from_slice(object(entry, length).as_bytes());
            separator = ",\n";
        } else {
            out.text.extend_from_slice(line(entry, length).as_bytes());
            out.text.push(b'\n');
        }
        out.print_portion()
    });
    // What has been read of a damaged image is printed, and is no JSON then: its list has no end.
    if args.json && result.is_ok() {
        let end = if separator == "[\n" { "[]\n" } else { "\n]\n" };
        out.text.extend_from_slice(end.as_bytes());
    }
    if let Some(error) = out.failed {
        return Err(error);
    }
    cli::print(&out.text)?;
    match result.map_err(|error| input::at_fault(&args.image, error))? {
        End::Bytes => input::tell_no_trailer(&args.image),
        End::Trailer | End::Stopped => {}
    }
    Ok(())
}

/// Prints a portion at a time.
#[derive(Default)]
struct Printer {
    text: Vec<u8>,
    failed: Option<Failure>,
}

impl Printer {
    /// Breaks where nobody listens any more.
    fn print_portion(&mut self) -> ControlFlow<()> {
        if self.text.len() < PORTION {
            return ControlFlow::Continue(());
        }
        match cli::print_part(&self.text) {
            Ok(ControlFlow::Continue(())) => {
                self.text.clear();
                ControlFlow::Continue(())
            }
            Ok(stop) => stop,
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

fn object(entry: &Entry<'_>, length: usize) -> String {
    let device = match entry.kind {
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            Some([major, minor])
        }
        _ => None,
    };
    json!({
        "path": text(entry.name),
        "type": report::type_name(entry.kind),
        "mode": format!("{:04o}", entry.permissions),
        "uid": entry.uid,
        "gid": entry.gid,
        "size": length,
        "target": (entry.kind == Kind::Symlink).then(|| text(entry.data)),
        "device": device,
    })
    .to_string()
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
