//! `packager list`: the entries of an image, like `ls -l`.

use std::io::{self, IsTerminal};
use std::ops::{ControlFlow, Range};

use cli::Failure;
use packager::cpio::{Entry, Kind};
use packager::inspect::{self, End, Place};
use packager::names::text;
use serde_json::json;

use crate::args::ListArgs;
use crate::input::Image;
use crate::{input, report};

/// Printed at a time, in bytes: an image may have more names than there is memory for.
const PORTION: usize = 64 << 10;

pub(crate) fn run(args: &ListArgs) -> Result<(), Failure> {
    args.quiet.heed();
    let image = Image::open(&args.image)?;
    let mut out = Printer::new(args);
    let result = image.skim(|entry, length, place| {
        out.entry(entry, length, place);
        out.print_portion()
    });
    let is_read = match &result {
        Ok(_) => true,
        Err(error) => error.is_junk(),
    };
    // What has been read of a damaged image is printed, and is no JSON then: its list has no end.
    if args.json && is_read {
        let end = if out.is_first { "[]\n" } else { "\n]\n" };
        out.text.extend_from_slice(end.as_bytes());
    }
    if let Some(error) = out.failed {
        return Err(error);
    }
    cli::print(&out.text)?;
    if let passed_over @ 1.. = out.passed_over {
        cli::note!(
            "entries without a name, with one that is too long, or of a type that Linux does not know, which the kernel leaves out: {passed_over}"
        );
    }
    if let Some(Range { start, end }) = inspect::boot_configuration(&image) {
        let length = end - start;
        cli::note!("the kernel's boot configuration (bootconfig), {length} bytes, is at {start}");
    }
    match result {
        Err(junk) if junk.is_junk() => input::tell_junk(&args.image, &junk),
        Err(error) => return Err(input::at_fault(&args.image, error)),
        Ok(End::Bytes) => input::tell_no_trailer(&args.image),
        Ok(End::Trailer | End::Stopped) => {}
    }
    Ok(())
}

/// How an entry is shown.
#[derive(Clone, Copy)]
enum Form {
    /// The name as it is.
    Name,
    /// The name, which cannot drive the terminal.
    ShownName,
    Line,
    Json,
}

/// Prints a portion at a time.
struct Printer {
    form: Form,
    text: Vec<u8>,
    is_first: bool,
    /// The number of the last entry's segment.
    segment: usize,
    /// How many entries the kernel makes nothing of.
    passed_over: usize,
    failed: Option<Failure>,
}

impl Printer {
    fn new(args: &ListArgs) -> Self {
        let form = match (args.names, args.json) {
            (true, _) if io::stdout().is_terminal() => Form::ShownName,
            (true, _) => Form::Name,
            (_, true) => Form::Json,
            _ => Form::Line,
        };
        Self {
            form,
            text: Vec::new(),
            is_first: true,
            segment: 0,
            passed_over: 0,
            failed: None,
        }
    }

    fn entry(&mut self, entry: &Entry<'_>, length: usize, place: Place) {
        self.passed_over += usize::from(is_passed_over(entry));
        let is_first = std::mem::take(&mut self.is_first);
        let before = std::mem::replace(&mut self.segment, place.segment);
        match self.form {
            Form::Name => self.line(entry.name),
            Form::ShownName => self.line(report::escaped(entry.name).as_bytes()),
            Form::Json => {
                let separator = if is_first { "[\n" } else { ",\n" };
                self.text.extend_from_slice(separator.as_bytes());
                let object = object(entry, length, place);
                self.text.extend_from_slice(object.as_bytes());
            }
            Form::Line => {
                if before != place.segment {
                    let format = report::format_name(place.format);
                    let heading = format!("segment at {}: {format}", place.offset);
                    self.line(heading.as_bytes());
                }
                self.line(line(entry, length).as_bytes());
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
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
