//! Files of archives that are in an image as they were given, or that somebody has put there later.

use std::borrow::Cow;
use std::collections::BTreeSet;

use packager::inspect::{Files, Segment};
use packager::names;
use packager::plan::Record;

/// An image as it is, in which the plan has its place.
pub(super) struct Image<'a> {
    pub(super) segments: &'a [Segment<'a>],
    pub(super) files: &'a Files<'a>,
    /// In bytes.
    pub(super) length: u64,
}

impl Image<'_> {
    /// Why a file is there that the plan does not know, or knows otherwise. `None` where no entry has this path, or where the last one
    /// that has it is the plan's own.
    pub(super) fn reason(&self, record: &Record, path: &str) -> Option<String> {
        let (starts, offset) = self.look_for(path);
        let offset = offset?;
        let is_planned = record.files.contains_key(path);
        let archive = record.archive_at(offset, self.length);
        let reason = match archive.filter(|(.., start)| starts.contains(start)) {
            Some((given, place, _)) => format!(
                "in the archive `{}`, which stands {place} the image's own",
                given.name
            ),
            None if is_planned => return None,
            None => format!(
                "in the archive at offset {offset}, of which the image's plan says nothing: it was added later, or by hand"
            ),
        };
        Some(match is_planned {
            true => format!("{reason}, and replaces the plan's file"),
            false => reason,
        })
    }

    /// Where archives begin in the image, and where the last entry with this path is: of what is compressed, where that begins.
    fn look_for(&self, path: &str) -> (BTreeSet<u64>, Option<u64>) {
        let mut starts = BTreeSet::new();
        let mut found = None;
        for segment in self.segments {
            let offset = |place: usize| match segment.format {
                Some(_) => segment.offset as u64,
                None => (segment.offset + place) as u64,
            };
            let mut archive = None;
            for (number, place, entry) in segment.numbered_entries().filter_map(Result::ok) {
                if archive.replace(number) != Some(number) {
                    starts.insert(offset(place.start));
                }
                if self.is_at(&names::text(entry.name), path) {
                    found = Some(offset(place.start));
                }
            }
        }
        (starts, found)
    }

    fn is_at(&self, name: &str, path: &str) -> bool {
        let name = name.trim_start_matches("./").trim_start_matches('/');
        name == path || last(name) == last(path) && self.place(name) == path
    }

    /// Where a name leads whose folders may be links.
    fn place<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let parts = name.rsplit_once('/');
        let real = parts.and_then(|(folder, last)| {
            let folder = self.files.leads_to(folder)?;
            Some(format!("{folder}/{last}"))
        });
        real.map_or(Cow::Borrowed(name), Cow::Owned)
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
