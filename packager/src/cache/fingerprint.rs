//! What tells that files are those of an earlier run, without a look into them: device, inode, size, times.
//!
//! The change time cannot be set, unlike the modification time, which a package manager sets back; but file systems that are
//! made as a whole (squashfs, ISO 9660) or know no change time (FAT) show the modification time in its place, in whole seconds.
//! Such files are not vouched for.
//!
//! A directory's own change time tells whether names have come, gone or got another file. So of a tree it is enough to look at
//! the directories, and at those files that an earlier run has looked at: one that was overwritten in place is not seen
//! otherwise.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use rustix::fs::{AtFlags, Stat, stat, statat};

/// In ns.
const SECOND: i128 = 1_000_000_000;

/// The coarsest clock of a file system, FAT's, in ns.
const TICK: i128 = 2 * SECOND;

/// How many files are looked at in a row: 0.2 ms of work, which is worth waking another thread for.
const PORTION: usize = 100;

/// A hash over what is known of files, and their last change in ns since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) hash: blake3::Hash,
    changed: i128,
    /// Whether one of the times is of whole seconds.
    is_coarse: bool,
}

impl Fingerprint {
    /// Of some files, symbolic links followed.
    pub(crate) fn of_files<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Option<Self> {
        let mut stamps = Stamps::default();
        for path in paths {
            stamps.add(&stat(path).ok()?);
        }
        Some(stamps.finish())
    }

    /// Of files that are open.
    pub(crate) fn of_open<'a>(files: impl IntoIterator<Item = &'a Metadata>) -> Self {
        let mut stamps = Stamps::default();
        files.into_iter().for_each(|found| stamps.add_open(found));
        stamps.finish()
    }

    /// Of what is `listed` below the directory `root`. `None` where not all of it can be looked at.
    pub(crate) fn of_listing(root: &Path, listed: &Listing) -> Option<Self> {
        let root = File::open(root).ok()?;
        let paths: Vec<_> = listed.paths().collect();
        let stamps = paths.par_chunks(PORTION).map(|paths| {
            let mut stamps = Stamps::default();
            for path in paths {
                stamps.add(&statat(&root, *path, AtFlags::empty()).ok()?);
            }
            Some(stamps)
        });
        let joined = stamps.try_reduce(Stamps::default, |some, more| Some(some.and(more)));
        Some(joined?.finish())
    }

    /// Whether the last change was so long before `time` that a change after it has another one.
    pub(crate) fn is_settled_at(&self, time: SystemTime) -> bool {
        let time = time.duration_since(UNIX_EPOCH);
        !self.is_coarse && time.is_ok_and(|time| self.changed + TICK < time.as_nanos() as i128)
    }
}

/// A time in ns.
fn time(seconds: i64, rest: i64) -> i128 {
    i128::from(seconds) * SECOND + i128::from(rest)
}

/// What is known of files, one behind the other.
#[derive(Default)]
struct Stamps {
    bytes: Vec<u8>,
    changed: i128,
    is_coarse: bool,
}

impl Stamps {
    // The types differ between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    fn add(&mut self, found: &Stat) {
        let modified = time(found.st_mtime.into(), found.st_mtime_nsec as i64);
        let changed = time(found.st_ctime.into(), found.st_ctime_nsec as i64);
        let (mode, device) = (found.st_mode.into(), found.st_dev.into());
        let numbers = [mode, device, found.st_ino.into(), found.st_size as u64];
        self.put(numbers, [modified, changed]);
    }

    fn add_open(&mut self, found: &Metadata) {
        let modified = time(found.mtime(), found.mtime_nsec());
        let changed = time(found.ctime(), found.ctime_nsec());
        let mode = found.mode().into();
        let numbers = [mode, found.dev(), found.ino(), found.len()];
        self.put(numbers, [modified, changed]);
    }

    fn put(&mut self, numbers: [u64; 4], [modified, changed]: [i128; 2]) {
        for number in numbers {
            self.bytes.extend(number.to_le_bytes());
        }
        self.bytes.extend(modified.to_le_bytes());
        self.bytes.extend(changed.to_le_bytes());
        self.changed = self.changed.max(changed);
        self.is_coarse |= changed % SECOND == 0;
    }

    fn and(mut self, more: Self) -> Self {
        self.bytes.extend(more.bytes);
        self.changed = self.changed.max(more.changed);
        self.is_coarse |= more.is_coarse;
        self
    }

    fn finish(self) -> Fingerprint {
        Fingerprint {
            hash: blake3::hash(&self.bytes),
            changed: self.changed,
            is_coarse: self.is_coarse,
        }
    }
}

/// Paths below a directory, with NUL between: the directories, itself among them as `.`, the files that it holds itself, and
/// others that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing(pub(crate) Vec<u8>);

impl Listing {
    /// Reads the names of the directories and of the files beside them; `others` are paths below `root`. `None` where a
    /// directory cannot be read, or where a link leads nowhere or to another directory; links to a kernel's source, `build`
    /// and `source`, are passed over.
    pub(crate) fn of_tree(root: &Path, others: impl IntoIterator<Item = PathBuf>) -> Option<Self> {
        let mut paths: BTreeSet<PathBuf> = others.into_iter().collect();
        let mut waiting = vec![PathBuf::from(".")];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(root.join(&folder)).ok()? {
                let entry = entry.ok()?;
                let (name, kind) = (entry.file_name(), entry.file_type().ok()?);
                if kind.is_dir() {
                    waiting.push(folder.join(name));
                } else if kind.is_symlink() && leads_away(&entry.path()) {
                    if name != "build" && name != "source" {
                        return None;
                    }
                } else if folder == Path::new(".") {
                    paths.insert(name.into());
                }
            }
            paths.insert(folder);
        }
        let paths: Vec<_> = paths
            .iter()
            .map(|path| path.as_os_str().as_bytes())
            .collect();
        Some(Self(paths.join(&0)))
    }

    fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == 0)
    }
}

/// Whether a link leads to a directory, or nowhere.
fn leads_away(link: &Path) -> bool {
    fs::metadata(link).map_or(true, |found| found.is_dir())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_change_of_a_tree_shows() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("kernel/fs")).unwrap();
        fs::write(path("kernel/fs/vfat.ko"), "module").unwrap();
        fs::write(path("modules.order"), "kernel/fs/vfat.ko\n").unwrap();
        symlink("/", path("build")).unwrap();
        let used = Path::new("kernel/fs/vfat.ko");
        let listing = Listing::of_tree(root.path(), [used.to_owned()]).unwrap();
        let mut seen = Vec::new();
        let mut look = |what: &str| {
            // By the names of the beginning: a new one shows in its directory.
            let now = Fingerprint::of_listing(root.path(), &listing).map(|now| now.hash);
            assert!(!seen.contains(&now), "{what}");
            let again = Fingerprint::of_listing(root.path(), &listing);
            assert_eq!(again.map(|now| now.hash), now, "{what}");
            seen.push(now);
        };
        look("the beginning");
        fs::write(path("kernel/fs/fat.ko"), "module").unwrap();
        look("a new file");
        fs::rename(path("kernel/fs/fat.ko"), path("kernel/fs/exfat.ko")).unwrap();
        look("another name");
        fs::create_dir(path("updates")).unwrap();
        look("an empty directory");
        fs::remove_file(path("kernel/fs/exfat.ko")).unwrap();
        look("a file less");
        let times = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(1));
        fs::write(path("kernel/fs/vfat.ko"), "moduli").unwrap();
        File::open(path("kernel/fs/vfat.ko"))
            .unwrap()
            .set_times(times)
            .unwrap();
        look("other bytes, as many, and an old time");
        fs::write(path("new"), "moduli").unwrap();
        File::open(path("new")).unwrap().set_times(times).unwrap();
        fs::rename(path("new"), path("kernel/fs/vfat.ko")).unwrap();
        look("a file in its place, with the same size and time");
    }

    #[test]
    fn a_listing_has_directories_and_what_counts() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("kernel/empty")).unwrap();
        for name in ["kernel/a.ko", "kernel/b.ko", "c"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        let used = ["kernel/a.ko", "/", "c"].map(PathBuf::from);
        let listing = Listing::of_tree(root.path(), used).unwrap();
        let paths: Vec<_> = listing.paths().map(String::from_utf8_lossy).collect();
        let expected = [".", "/", "c", "kernel", "kernel/a.ko", "kernel/empty"];
        assert_eq!(paths.len(), expected.len());
        assert!(
            expected
                .iter()
                .all(|path| paths.iter().any(|it| it.trim_start_matches("./") == *path)),
            "{paths:?}"
        );
        fs::remove_file(root.path().join("c")).unwrap();
        assert_eq!(Fingerprint::of_listing(root.path(), &listing), None);
    }

    #[test]
    fn what_lies_elsewhere_is_not_vouched_for() {
        let root = tempfile::tempdir().unwrap();
        assert!(Listing::of_tree(&root.path().join("none"), []).is_none());
        symlink("/", root.path().join("source")).unwrap();
        symlink("nowhere", root.path().join("build")).unwrap();
        assert!(Listing::of_tree(root.path(), []).is_some());
        for target in ["/", "nowhere"] {
            symlink(target, root.path().join("updates")).unwrap();
            assert!(Listing::of_tree(root.path(), []).is_none(), "{target}");
            fs::remove_file(root.path().join("updates")).unwrap();
        }
    }

    #[test]
    fn a_time_of_whole_seconds_may_be_no_change_time() {
        let stamps = |changed: i128| {
            let mut stamps = Stamps::default();
            stamps.put([0; 4], [0, changed]);
            stamps.and(Stamps::default()).finish()
        };
        assert!(stamps(SECOND + 1).is_settled_at(SystemTime::now()));
        assert!(!stamps(SECOND).is_settled_at(SystemTime::now()));
    }

    #[test]
    fn what_has_just_changed_may_change_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let of = |path| Fingerprint::of_files([path]).unwrap();
        assert!(!of(file.path()).is_settled_at(SystemTime::now()));
        assert!(of(Path::new("/")).is_settled_at(SystemTime::now()));
    }
}
