//! Will the kernel and `/init` get along with this initramfs? Whatever made it; nothing is run.
//!
//! The kernel hides several faults: it drops entries, ignores archives, or stops unpacking without a word. Each finding names
//! what was seen. The rules were found by booting such images (Linux 6.1).

pub mod codes;
mod frames;
mod modules;
mod programs;

use modtree::KernelConfig;

use super::{Files, Segment};
use crate::compression::Compression;
use crate::cpio::Kind;
use crate::finding::Report;

/// What is known of the kernel that is to boot with the image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Booted<'a> {
    /// Its version (`uname -r`).
    pub version: Option<&'a str>,
    /// Its configuration.
    pub config: Option<&'a KernelConfig>,
}

/// Checks an image.
pub fn check(image: &[u8], kernel: Booted<'_>) -> Report {
    match super::segments(image) {
        Ok(segments) => check_segments(image, &segments, kernel),
        Err(error) => {
            let mut report = Report::default();
            report.find(&codes::DAMAGED, error);
            report
        }
    }
}

/// As [`check`], for an image whose segments have been read.
pub(crate) fn check_segments(image: &[u8], segments: &[Segment<'_>], kernel: Booted<'_>) -> Report {
    let mut report = Report::default();
    for (number, segment) in segments.iter().enumerate() {
        check_segment(image, segment, kernel, &mut report);
        let Some(error) = segment.entries().find_map(Result::err) else {
            continue;
        };
        let goes_on = segments
            .get(number + 1)
            .is_some_and(|next| next.format.is_some());
        let code = if goes_on {
            &codes::SPLIT
        } else {
            &codes::DAMAGED
        };
        report.find(code, error);
        return report;
    }
    match Files::new(segments) {
        Ok(files) => check_files(&files, kernel, &mut report),
        Err(error) => report.find(&codes::DAMAGED, error),
    }
    report
}

fn check_segment(image: &[u8], segment: &Segment<'_>, kernel: Booted<'_>, report: &mut Report) {
    let format = segment
        .format
        .map_or("not compressed".to_owned(), |format| format.to_string());
    let (offset, length) = (segment.offset, segment.length);
    report.facts.push(format!(
        "archive at offset {offset}, {length} bytes, {format}"
    ));
    if segment.format.is_none() && offset % 4 != 0 {
        report.find(
            &codes::UNALIGNED,
            format_args!("an uncompressed archive begins at offset {offset}"),
        );
    }
    frames::check(&image[offset..], segment, report);
    let compression = Compression {
        format: segment.format,
        level: None,
    };
    if let Some(option) = compression.lacking(kernel.config) {
        report.find(
            &codes::COMPRESSOR,
            format_args!("the archive at offset {offset} is {format}, and {option} is not set"),
        );
    }
}

fn check_files(files: &Files<'_>, kernel: Booted<'_>, report: &mut Report) {
    report.facts.push(format!("{} files", files.iter().count()));
    // What the kernel looks for before it has a file system (microcode, ACPI tables) needs no folders: it scans for the name
    // (`lib/earlycpio.c`).
    let early = |name: &&String| name.starts_with("kernel/");
    for orphan in files.orphans.iter().filter(|name| !early(name)) {
        report.find(&codes::ORPHAN, format_args!("/{orphan}"));
    }
    match files.follow("init") {
        None => report.find(&codes::NO_INIT, "there is no /init"),
        Some((_, init)) if init.attributes.permissions & 0o111 == 0 => {
            let mode = init.attributes.permissions;
            report.find(
                &codes::INIT_MODE,
                format_args!("/init has the mode {mode:04o}"),
            );
        }
        Some(_) => {}
    }
    programs::check(files, report);
    modules::check(files, kernel, report);
    check_keymaps(files, report);
}

/// `bkeymap`, 256 flags, and a table of 128 16-bit codes for each flag that is set.
fn check_keymaps(files: &Files<'_>, report: &mut Report) {
    for (path, file) in files.iter() {
        if !path.ends_with(".bmap") || file.attributes.kind != Kind::File {
            continue;
        }
        let flags = file
            .data
            .strip_prefix(b"bkeymap")
            .and_then(|rest| rest.get(..256));
        let tables = flags.map(|flags| flags.iter().filter(|flag| **flag == 1).count());
        let expected = tables.map(|tables| 7 + 256 + tables * 256);
        if expected != Some(file.data.len()) {
            report.find(&codes::KEYMAP, format_args!("/{path}"));
        }
    }
}
