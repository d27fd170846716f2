//! Whether files are older than an index of depmod's, by their change time.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use memchr::{memchr2, memrchr};
use rayon::prelude::*;
use rustix::fs::{AtFlags, statat};

use super::listed::{lines, path};
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

/// Whether no directory that holds a file with which a line of `dep` (`modules.dep`) begins, or that is above such a one, has
/// changed since then: no name in it has come, gone, or got another file.
///
/// The modules directory itself does not count: it changes with every index that is written. The files in it do.
pub(super) fn unchanged_since(dir: &Path, dep: &[u8], since: Time) -> bool {
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
    directories(dep)
        .par_chunks(PORTION)
        .all(|some| some.iter().all(unchanged))
}

/// The directories above the files with which lines begin, each once; instead of the empty path, the files that are there.
/// Neighbours stay together, so that the system's caches have what leads to them.
fn directories(dep: &[u8]) -> Vec<&[u8]> {
    let mut known = FastSet::default();
    let mut all = Vec::new();
    let mut last: &[u8] = b"";
    for line in lines(dep) {
        // Most files are in the directory of the one before.
        if !last.is_empty() && is_right_below(line, last) {
            continue;
        }
        let Some(path) = path(line) else {
            continue;
        };
        let mut above = parent(path);
        if above.is_empty() {
            all.push(path);
            continue;
        }
        last = above;
        // One that is known has brought those above it.
        while !above.is_empty() && known.insert(above) {
            all.push(above);
            above = parent(above);
        }
    }
    all
}

/// Whether a line begins with a file of this directory.
fn is_right_below(line: &[u8], directory: &[u8]) -> bool {
    let rest = line.strip_prefix(directory);
    rest.and_then(|rest| rest.strip_prefix(b"/"))
        .is_some_and(|name| memchr2(b'/', b':', name).is_some_and(|end| name[end] == b':'))
}

fn parent(path: &[u8]) -> &[u8] {
    &path[..memrchr(b'/', path).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::directories;

    #[test]
    fn directories_are_those_above_files_and_come_once() {
        let dep = b"kernel/fs/a.ko: kernel/lib/z.ko\nkernel/fs/b.ko:\nkernel/fs/x/c.ko:\nno colon\n\
            kernel/fs/d.ko:\nkernel/fs:\nkernel/fsx/e.ko:\nkernel/fs/x/no\nf.ko:\nkernel/fs/x/g.ko:\n";
        let found: Vec<_> = directories(dep)
            .into_iter()
            .map(String::from_utf8_lossy)
            .collect();
        assert_eq!(
            found,
            ["kernel/fs", "kernel", "kernel/fs/x", "kernel/fsx", "f.ko"]
        );
    }
}
