//! Which initramfs images the entries of a configuration load, without a look at them.

use super::{DEPTH_MAX, ENTRIES_MAX, first, folder_of, mark, read, resolve, words};
use crate::disk::check::Report;
use crate::disk::check::files::Files;
use crate::disk::fat::read::FatError;
use crate::disk::syslinux::config::{Config, Entry, Kind};

/// The paths of the parts of each entry's initramfs, those of the default entry first: of the first configuration that is at one of the places,
/// and of those that it leads to.
pub(in crate::disk::check) fn sources(
    files: &Files<'_>,
    places: &[String],
) -> Result<Vec<Vec<String>>, FatError> {
    let mut out = Vec::new();
    if let Some((place, bytes)) = first(files, places, &mut Report::default())? {
        files.is_checked(mark(place));
        collect(files, folder_of(place), &bytes, 0, &mut out)?;
    }
    Ok(out)
}

fn collect(
    files: &Files<'_>,
    folder: &str,
    bytes: &[u8],
    depth: usize,
    out: &mut Vec<Vec<String>>,
) -> Result<(), FatError> {
    let mut unseen = Report::default();
    let config = read(files, folder, bytes, &mut unseen)?;
    let (default, append) = words(&config.default);
    let is_default = |entry: &&Entry| entry.label.eq_ignore_ascii_case(default);
    let mut entries: Vec<&Entry> = config.entries.iter().take(ENTRIES_MAX).collect();
    let resolved = |parts: &[String]| -> Option<Vec<String>> {
        let paths = parts.iter().map(|part| resolve(folder, part)).collect();
        (!parts.is_empty()).then_some(paths)
    };
    if !default.is_empty() && !entries.iter().any(is_default) {
        // It is a kernel with its words.
        let append = format!("{} {append}", config.append);
        out.extend(resolved(&Config::initramfs_of(&append)));
    }
    entries.sort_by_key(|entry| !is_default(entry));
    for entry in entries {
        match entry.kind {
            Kind::Linux | Kind::ByName => out.extend(resolved(&entry.initramfs)),
            Kind::Config => {
                let place = resolve(folder, &entry.kernel);
                if depth == DEPTH_MAX || files.is_checked(mark(&place)) {
                    continue;
                }
                if let Some(bytes) = files.file(&place, &mut unseen)?.bytes() {
                    let folder = resolve(folder, words(&entry.append).0);
                    collect(files, &folder, &bytes, depth + 1, out)?;
                }
            }
            Kind::Other | Kind::Local => {}
        }
    }
    Ok(())
}
