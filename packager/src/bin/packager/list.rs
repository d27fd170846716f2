//! `packager list`: the entries of an image, like `ls -l`.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;

use cli::Failure;
use packager::cpio::{Entry, Kind};
use packager::inspect::{self, End, Place};
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
    let mut segment = 0;
    let mut passed_over = 0;
    let is_shown = io::stdout().is_terminal();
    let result = inspect::skim_file(&file, &image, |entry, length, place| {
        passed_over += usize::from(is_passed_over(entry));
        if args.names && is_shown {
            out.line(&report::escaped(entry.name));
        } else if args.names {
            out.text.extend_from_slice(entry.name);
            out.text.push(b'\n');
        } else if args.json {
            out.text.extend_from_slice(separator.as_bytes());
            let object = object(entry, length, place);
            out.text.extend_from_slice(object.as_bytes());
            separator = ",\n";
        } else {
            if std::mem::replace(&mut segment, place.segment) != place.segment {
                let format = report::format_name(place.format);
                out.line(&format!("segment at {}: {format}", place.offset));
            }
            out.line(&line(entry, length));
        }
        out.print_portion()
    });
    let junk = result.as_ref().err().filter(|error| error.is_junk());
    // What has been read of a damaged image is printed, and is no JSON then: its list has no end.
    if args.json && (result.is_ok() || junk.is_some()) {
        let end = if separator == "[\n" { "[]\n" } else { "\n]\n" };
        out.text.extend_from_slice(end.as_bytes());
    }
    if let Some(error) = out.failed {
        return Err(error);
    }
    cli::print(&out.text)?;
    if passed_over > 0 {
        cli::tell!(
            "note: entries without a name, with one that is too long, or of a type that Linux does not know, which the kernel leaves out: {passed_over}"
        );
    }
    if let Some(place) = inspect::boot_configuration(&image) {
        cli::tell!(
            "note: the kernel's boot configuration (bootconfig), {} bytes, is at {}",
            place.len(),
            place.start
        );
    }
    if let Some(junk) = junk {
        input::tell_junk(&args.image, junk);
        return Ok(());
    }
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
    fn line(&mut self, line: &str) {
        self.text.extend_from_slice(line.as_bytes());
        self.text.push(b'\n');
    }

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

/// Whether the kernel makes nothing of an entry, and goes on behind it.
fn is_passed_over(entry: &Entry<'_>) -> bool {
    entry.name.is_empty() || matches!(entry.kind, Kind::Unknown(_))
}

fn object(entry: &Entry<'_>, length: usize, place: Place) -> String {
    json!({
        "path": text(entry.name),
        "type": report::type_name(entry.kind),
        "mode": format!("{:04o}", entry.permissions),
        "uid": entry.uid,
        "gid": entry.gid,
        "size": length,
        "target": (entry.kind == Kind::Symlink).then(|| text(entry.data)),
        "device": report::device(entry.kind),
        "mtime": entry.mtime,
        "inode": entry.inode,
        "links": entry.links,
        "segment": place.segment,
    })
    .to_string()
}

fn line(entry: &Entry<'_>, length: usize) -> String {
    format!(
        "{} {:>2} {:>4} {:>4} {:>9} {}",
        report::permissions(entry.kind, entry.permissions),
        entry.links,
        entry.uid,
        entry.gid,
        report::extent(entry.kind, length),
        report::name(entry.name, entry.kind, entry.data),
    )
}
