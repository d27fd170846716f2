//! Whether files are older than an index of depmod's, by their change time.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use memchr::memrchr;
use rayon::prelude::*;
use rustix::fs::{AtFlags, statat};

use crate::fast_hash::FastSet;

/// How many directories are looked at in a row: 0.2 ms of work, which is worth waking another thread for.
const PORTION: usize = 100;

/// A time: seconds and nanoseconds since 1970.
pub(super) type Time = (i64, i64);

/// When the oldest of some files was written; `None` where one is missing.
pub(super) fn oldest<const N: usize>(files: [&Path; N]) -> Option<Time> {
    let written = files.into_iter().map(|file| {
        let found = std::fs::metadata(file).ok()?;
        Some((found.mtime(), found.mtime_nsec()))
    });
    written.min().flatten()
}

/// Whether a file has certainly not changed since then. What happened within one tick of the file system's clock counts as a
/// change.
pub(super) fn changed_before(found: &Metadata, since: Time) -> bool {
    (found.ctime(), found.ctime_nsec()) < since
}

/// Whether no directory that holds one of the files at `paths`, or that is above such a one, has changed since then: no name
/// in it has come, gone, or got another file.
///
/// The modules directory itself does not count: it changes with every index that is written. The files in it do.
pub(super) fn unchanged_since<'a>(
    dir: &Path,
    paths: impl Iterator<Item = &'a [u8]>,
    since: Time,
) -> bool {
    let Ok(root) = File::open(dir) else {
        return false;
    };
    let unchanged = |path: &&[u8]| {
        statat(&root, *path, AtFlags::empty()).is_ok_and(|found| {
            // The types differ between architectures.
            #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
            let changed = (i64::from(found.st_ctime), found.st_ctime_nsec as i64);
            changed < since
        })
    };
    directories(paths)
        .par_chunks(PORTION)
        .all(|some| some.iter().all(unchanged))
}

/// The directories above some paths, each once; instead of the empty path, the files that are there. Neighbours stay together, so that the system's caches
/// have what leads to them.
fn directories<'a>(paths: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
    let mut known = FastSet::default();
    let mut all = Vec::new();
    let mut last: &[u8] = b"";
    for path in paths {
        let mut above = parent(path);
        if above.is_empty() {
            all.push(path);
            continue;
        }
        if std::mem::replace(&mut last, above) == above {
            continue;
        }
        // One that is known has brought those above it.
        while !above.is_empty() && known.insert(above) {
            all.push(above);
            above = parent(above);
        }
    }
    all
}

fn parent(path: &[u8]) -> &[u8] {
    &path[..memrchr(b'/', path).unwrap_or(0)]
}
