//! The plan's reasons, kept in the image as a small JSON file, so that the image can answer "why is this here?" by itself.
//!
//! `{"kernel": VERSION, "files": {PATH: {"reason": TEXT, "because": [PATH, …]}, …}}`. Links to busybox are left out: there are
//! hundreds, for one reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::Plan;
use crate::cpio::Kind;

/// Where it is in the image, without a leading `/`.
pub const RECORD: &str = "etc/packager/plan.json";

/// What the image knows of its plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// The kernel's version.
    pub kernel: String,
    /// The files, by path without a leading `/`.
    pub files: BTreeMap<String, Recorded>,
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
}

struct Files<'plan>(&'plan Plan);

#[derive(Serialize)]
struct File<'plan> {
    reason: &'plan str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    because: &'plan [String],
}

impl<'plan> Written<'plan> {
    fn of(plan: &'plan Plan) -> Self {
        let (kernel, files) = (&plan.version, Files(plan));
        Self { kernel, files }
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
    pub(super) fn add_record(&mut self) {
        // It tells of itself, too.
        let reason = "packager why reads it";
        self.file(RECORD, 0o644, Vec::new(), reason);
        // Strings and lists of strings: nothing that JSON cannot hold.
        let json = serde_json::to_vec(&Written::of(self)).unwrap_or_default();
        self.file(RECORD, 0o644, json, reason);
    }
}
