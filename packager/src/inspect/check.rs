//! Will the kernel and `/init` get along with this initramfs? Whatever made it; nothing is run.
//!
//! The kernel hides several faults: it drops entries, ignores archives, or stops unpacking without a word. Each finding names
//! what was seen. The rules were found by booting such images (Linux 6.1).

pub mod codes;
mod frames;
mod keymaps;
mod modules;
mod programs;
mod scripts;

use modtree::KernelConfig;

use super::{Files, InspectError, Segment};
use crate::Plan;
use crate::compression::Compression;
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
    let (segments, end) = super::readable_segments(image);
    check_segments(image, &segments, end, kernel)
}

/// Checks the files of a plan, whatever becomes of them in an archive.
pub(crate) fn check_plan(plan: &Plan, kernel: Booted<'_>) -> Report {
    let mut report = Report::default();
    check_files(&Files::of_plan(plan), kernel, &mut report);
    report
}

/// As [`check`], for an image whose segments [have been read](super::readable_segments); `end` is what stands behind the last
/// readable one.
pub fn check_segments(
    image: &[u8],
    segments: &[Segment<'_>],
    end: Option<InspectError>,
    kernel: Booted<'_>,
) -> Report {
    let mut report = Report::default();
    for (number, segment) in segments.iter().enumerate() {
        let next = segments.get(number + 1);
        check_segment(image, segment, next, kernel, &mut report);
        if !check_entries(segment, next, &mut report) {
            return report;
        }
    }
    if let Some(error) = end
        && !check_end(image, error, segments, &mut report)
    {
        return report;
    }
    match Files::new(segments) {
        Ok(files) => check_files(&files, kernel, &mut report),
        Err(error) => report.find(&codes::DAMAGED, error),
    }
    report
}

fn check_segment(
    image: &[u8],
    segment: &Segment<'_>,
    next: Option<&Segment<'_>>,
    kernel: Booted<'_>,
    report: &mut Report,
) {
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
    frames::check(&image[offset..], segment, next, kernel.config, report);
    let compression = Compression {
        format: segment.format,
        level: None,
    };
    let lacking = compression.lacking(kernel.config);
    if let Some(option) = lacking.filter(|_| segment.format.is_some()) {
        report.find(
            &codes::COMPRESSOR,
            format_args!("the archive at offset {offset} is {format}, and {option} is not set"),
        );
    }
}

/// Whether the archives of a segment can be read; `next` is the segment behind it.
fn check_entries(segment: &Segment<'_>, next: Option<&Segment<'_>>, report: &mut Report) -> bool {
    let offset = segment.offset;
    let mut archive = 0;
    for entry in segment.numbered_entries() {
        match entry {
            Ok((number, place, entry)) => {
                let is_first = std::mem::replace(&mut archive, number) != number;
                if is_first && place.start % 4 != 0 {
                    report.find(
                        &codes::UNALIGNED,
                        format_args!("byte {} of the archive at offset {offset}", place.start),
                    );
                }
                if !entry.is_sound() {
                    let name = crate::names::text(entry.name);
                    report.find(&codes::CHECKSUM, format_args!("/{name}"));
                }
            }
            Err(error) => {
                let goes_on = next.is_some_and(|next| next.format.is_some());
                let code = if goes_on {
                    &codes::SPLIT
                } else {
                    &codes::DAMAGED
                };
                report.find(code, error);
                return false;
            }
        }
    }
    if !segment.has_trailer() {
        report.find(
            &codes::NO_TRAILER,
            format_args!("the archive at offset {offset}"),
        );
    }
    true
}

/// What stands behind the last segment that can be read. False where nothing more is to be said of the image.
fn check_end(
    image: &[u8],
    error: InspectError,
    segments: &[Segment<'_>],
    report: &mut Report,
) -> bool {
    match error {
        InspectError::Unknown { offset } if !segments.is_empty() => {
            let length = image.len() - offset;
            report.find(
                &codes::JUNK,
                format_args!(
                    "{length} bytes at offset {offset} are neither an archive nor compressed"
                ),
            );
            true
        }
        // A decoder may refuse a window before it has read a byte.
        InspectError::Decode { offset, .. }
            if frames::check_window(&image[offset..], offset, report) =>
        {
            false
        }
        error => {
            report.find(&codes::DAMAGED, error);
            false
        }
    }
}

/// What the kernel must have been built with, whatever is in the image.
fn check_options(files: &Files<'_>, kernel: Booted<'_>, report: &mut Report) {
    let Some(config) = kernel.config else { return };
    let init = files.follow("init");
    let is_script = init.is_some_and(|(_, init)| init.data.starts_with(b"#!"));
    let needed = [
        ("CONFIG_BLK_DEV_INITRD", true),
        ("CONFIG_BINFMT_ELF", true),
        ("CONFIG_BINFMT_SCRIPT", is_script),
    ];
    for (option, is_needed) in needed {
        if is_needed && config.get(option) != Some("y") {
            report.find(&codes::OPTION, format_args!("{option} is not set"));
        }
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
    for name in &files.blocked {
        report.find(&codes::BLOCKED, format_args!("/{name}"));
    }
    for name in &files.impossible {
        match &**name {
            "" => report.find(&codes::NAMELESS, "it is gone past"),
            name => report.find(&codes::IMPOSSIBLE, format_args!("/{name}")),
        }
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
        Some((_, init)) if !programs::is_program(init) => report.find(
            &codes::NO_INIT,
            "/init is neither a program nor a script that begins with `#!`",
        ),
        Some(_) => {}
    }
    check_options(files, kernel, report);
    programs::check(files, kernel, report);
    scripts::check(files, kernel.config, report);
    modules::check(files, kernel, report);
    keymaps::check(files, report);
}
