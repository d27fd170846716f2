//! Which initramfs images the entries of a configuration load, without a look at them.

use super::{DEPTH_MAX, ENTRIES_MAX, first, folder_of, is_kernel, mark, read, resolve, words};
use crate::disk::check::Report;
use crate::disk::check::files::Files;
use crate::disk::check::initramfs::{Found, Source};
use crate::disk::fat::read::FatError;
use crate::disk::syslinux::config::{Config, Entry, Kind};

/// What each entry loads, the default entry first: of the first configuration that is at one of the places, and of those that it leads to.
pub(in crate::disk::check) fn sources(
    files: &Files<'_>,
    places: &[String],
) -> Result<Vec<Found>, FatError> {
    let mut search = Search {
        files,
        left: ENTRIES_MAX,
        out: Vec::new(),
    };
    if let Some((place, bytes)) = first(files, places, &mut Report::default())? {
        files.is_checked(mark(place));
        search.configuration(folder_of(place), &bytes, 0, true)?;
    }
    Ok(search.out)
}

struct Search<'a> {
    files: &'a Files<'a>,
    /// How many entries may still be looked at, of all configurations.
    left: usize,
    out: Vec<Found>,
}

impl Search<'_> {
    /// `is_default` is whether the default entries of others have led here.
    fn configuration(
        &mut self,
        folder: &str,
        bytes: &[u8],
        depth: usize,
        is_default: bool,
    ) -> Result<(), FatError> {
        let mut unseen = Report::default();
        let config = read(self.files, folder, bytes, &mut unseen)?;
        let chosen = chosen(&config);
        let is_chosen = |entry: &&Entry| entry.label.eq_ignore_ascii_case(chosen);
        let mut entries: Vec<&Entry> = config.entries.iter().collect();
        if !chosen.is_empty() && is_kernel(chosen) && !entries.iter().any(is_chosen) {
            // It is a kernel with its words.
            let append = format!("{} {}", config.append, words(&config.default).1);
            self.add(folder, &Config::initramfs_of(&append), is_default);
        }
        entries.sort_by_key(|entry| !is_chosen(entry));
        for entry in entries {
            let Some(left) = self.left.checked_sub(1) else {
                break;
            };
            self.left = left;
            let is_default = is_default && is_chosen(&entry);
            match entry.kind {
                Kind::ByName if !is_kernel(&entry.kernel) => {}
                Kind::Linux | Kind::ByName => self.add(folder, &entry.initramfs, is_default),
                Kind::Config => {
                    let place = resolve(folder, &entry.kernel);
                    if depth == DEPTH_MAX || self.files.is_checked(mark(&place)) {
                        continue;
                    }
                    if let Some(bytes) = self.files.file(&place, &mut unseen)?.bytes() {
                        let folder = resolve(folder, words(&entry.append).0);
                        self.configuration(&folder, &bytes, depth + 1, is_default)?;
                    }
                }
                Kind::Other | Kind::Local => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, folder: &str, parts: &[String], is_default: bool) {
        if !parts.is_empty() {
            let paths = parts.iter().map(|part| resolve(folder, part)).collect();
            self.out.push(Found {
                source: Source::Files(paths),
                is_default,
            });
        }
    }
}

/// The label of the entry that is booted when nobody chooses, or else what `DEFAULT` starts. A menu marks its first entry where the
/// configuration names none.
fn chosen(config: &Config) -> &str {
    let command = words(&config.default).0;
    let is_there = |label: &str| {
        let mut labels = config.entries.iter().map(|entry| &entry.label);
        labels.any(|it| it.eq_ignore_ascii_case(label))
    };
    // Other modules than `menu.c32` and `vesamenu.c32` do not look at the entries.
    let is_menu = !config.ui.is_empty() || command.to_lowercase().ends_with("menu.c32");
    match config.entries.first() {
        Some(first) if is_menu && !is_there(command) => match config.menu_default.as_str() {
            "" => &first.label,
            marked => marked,
        },
        _ => command,
    }
}
