//! The plan's reasons, kept in the image as a small JSON file, so that the image can answer "why is this here?" by itself.
//!
//! `{"kernel": VERSION, "files": {PATH: {"reason": TEXT, "because": [PATH, …]}, …}}`. Links to busybox are left out: there are
//! hundreds, for one reason. Where archives stand before or behind the image's own, there are also `"before"` and `"behind"`, lists of
//! `{"name": TEXT, "size": BYTES}`.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use super::Plan;
use crate::cpio::Kind;
use crate::initramfs::start_behind;
use crate::recipe::Recipe;

/// Where it is in the image, without a leading `/`.
pub const RECORD: &str = "etc/packager/plan.json";

/// What the image knows of its plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// The kernel's version.
    pub kernel: String,
    /// The files, by path without a leading `/`.
    pub files: BTreeMap<String, Recorded>,
    /// The archives before the image's own, in their order.
    #[serde(default)]
    pub before: Vec<Given>,
    /// The archives behind the image's own, in their order.
    #[serde(default)]
    pub behind: Vec<Given>,
}

/// An archive that is in the image as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// What its file was called, without its folder; of the microcode, which has none, what it is.
    pub name: String,
    /// In bytes.
    pub size: u64,
}

impl Record {
    /// The given archive in which this byte of an image of `length` bytes is, where that stands (`before` or `behind` the image's own), and
    /// where it begins. All this is true of the image as it was made: who looks at one that may have been changed since must see that an
    /// archive begins there.
    pub fn archive_at(&self, offset: u64, length: u64) -> Option<(&Given, &'static str, u64)> {
        let mut end = 0;
        let before = self.before.iter().map(|given| {
            let start = end;
            end = start_behind(start, given.size)?;
            Some((given, "before", start..start.checked_add(given.size)?))
        });
        // The last one ends with the image, and each begins where the one before it lets it.
        let mut next = None;
        let behind = self.behind.iter().rev().map(|given| {
            let start = match next {
                None => length.checked_sub(given.size)?,
                Some(next) => {
                    start_behind(0, given.size).and_then(|it| u64::checked_sub(next, it))?
                }
            };
            next = Some(start);
            Some((given, "behind", start..start.checked_add(given.size)?))
        });
        let places: Vec<(&Given, &str, Range<u64>)> = before.chain(behind).flatten().collect();
        let mut places = places.into_iter();
        let (given, place, range) = places.find(|(.., range)| range.contains(&offset))?;
        Some((given, place, range.start))
    }
}

/// What is known of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Recorded {
    /// Why it is there, for people.
    pub reason: String,
    /// The paths of those because of which it is there.
    #[serde(default)]
    pub because: Vec<String>,
}

/// A [`Record`] of what is still in the plan.
#[derive(Serialize)]
struct Written<'plan> {
    kernel: &'plan str,
    files: Files<'plan>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before: Vec<Given>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    behind: Vec<Given>,
}

struct Files<'plan>(&'plan Plan);

#[derive(Serialize)]
struct File<'plan> {
    reason: &'plan str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    because: &'plan [String],
}

impl<'plan> Written<'plan> {
    fn of(plan: &'plan Plan, recipe: &Recipe) -> Self {
        let early = plan.early.iter().map(|early| Given {
            name: "the processors' microcode".to_owned(),
            size: early.len() as u64,
        });
        let given = |path: &PathBuf| Given {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            // What cannot be looked at is told when it is read.
            size: fs::metadata(path).map_or(0, |found| found.len()),
        };
        Self {
            kernel: &plan.version,
            files: Files(plan),
            before: early.chain(recipe.prepend.iter().map(given)).collect(),
            behind: recipe.append.iter().map(given).collect(),
        }
    }
}

impl Serialize for Files<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_applet = |kind: Kind, data: &[u8]| kind == Kind::Symlink && data == b"busybox";
        let files = self.0.items();
        let files = files.filter(|(_, item)| !is_applet(item.kind(), &item.data));
        serializer.collect_map(files.map(|(path, item)| {
            let (reason, because) = (&*item.reason, &*item.because);
            (path, File { reason, because })
        }))
    }
}

impl Plan {
    /// Adds the record of all that is there so far.
    pub(super) fn add_record(&mut self, recipe: &Recipe) {
        // It tells of itself, too.
        let reason = "packager why reads it";
        self.file(RECORD, 0o644, Vec::new(), reason);
        // Strings and lists of strings: nothing that JSON cannot hold.
        let json = serde_json::to_vec(&Written::of(self, recipe)).unwrap_or_default();
        self.file(RECORD, 0o644, json, reason);
    }
}
