//! What tells that files are those of an earlier run, without a look into them: device, inode, size, times.
//!
//! The change time cannot be set, unlike the modification time, which a package manager sets back. A directory's own tells
//! whether names have come, gone or changed, so that the names which an earlier run has found need not be looked for.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem;
use rayon::prelude::*;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, openat, stat, statat};

/// The coarsest clock of a file system, FAT's, in ns.
const TICK: i128 = 2_000_000_000;

/// A hash over what is known of files, and their last change in ns since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) hash: blake3::Hash,
    changed: i128,
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

    /// Of the directory `root` with all that is in it, whose names are `listed`. `None` where not all of it can be looked at.
    pub(crate) fn of_listing(root: &Path, listed: &Listing) -> Option<Self> {
        let root = File::open(root).ok()?;
        let folders: Vec<_> = listed.folders().collect();
        let folders = folders.par_iter().map(|folder| of_folder(&root, folder));
        let mut all = Stamps::default();
        for folder in folders.collect::<Option<Vec<_>>>()? {
            all.bytes.extend(folder.hash.as_bytes());
            all.changed = all.changed.max(folder.changed);
        }
        Some(all.finish())
    }

    /// Whether nothing has changed for so long that the next change will have another time.
    pub(crate) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.is_ok_and(|now| self.changed + TICK < now.as_nanos() as i128)
    }
}

/// `folder` is a path and the names in it. Files are looked at from their folder: a long path costs twice as much.
fn of_folder(root: &File, folder: &[u8]) -> Option<Fingerprint> {
    let mut names = folder.split(|&byte| byte == 0);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(root, names.next()?, flags, Mode::empty()).ok()?;
    let mut stamps = Stamps::default();
    stamps.add(&fstat(&opened).ok()?);
    for name in names {
        stamps.add(&statat(opened.as_fd(), name, AtFlags::empty()).ok()?);
    }
    Some(stamps.finish())
}

/// What is known of files, one behind the other.
#[derive(Default)]
struct Stamps {
    bytes: Vec<u8>,
    changed: i128,
}

impl Stamps {
    // The types differ between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    fn add(&mut self, found: &Stat) {
        let time = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let modified = time(found.st_mtime.into(), found.st_mtime_nsec as i64);
        let changed = time(found.st_ctime.into(), found.st_ctime_nsec as i64);
        let mode = u64::from(found.st_mode);
        for number in [
            mode,
            found.st_dev.into(),
            found.st_ino.into(),
            found.st_size as u64,
        ] {
            self.bytes.extend(number.to_le_bytes());
        }
        self.bytes.extend(modified.to_le_bytes());
        self.bytes.extend(changed.to_le_bytes());
        self.changed = self.changed.max(changed);
    }

    fn finish(self) -> Fingerprint {
        Fingerprint {
            hash: blake3::hash(&self.bytes),
            changed: self.changed,
        }
    }
}

/// The names in a directory and in those below it: for each its path below the first one (that is `.`), and what is in it,
/// directories apart; NUL between them, and two behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing(pub(crate) Vec<u8>);

impl Listing {
    /// Reads the names. `None` where a directory cannot be read, or where a link leads nowhere or to another directory; links
    /// to a kernel's source, `build` and `source`, are passed over.
    pub(crate) fn of_tree(root: &Path) -> Option<Self> {
        let mut listing = Self(Vec::new());
        let mut waiting = vec![PathBuf::from(".")];
        while let Some(path) = waiting.pop() {
            listing.read(root, &path, &mut waiting)?;
        }
        Some(listing)
    }

    fn read(&mut self, root: &Path, folder: &Path, below: &mut Vec<PathBuf>) -> Option<()> {
        self.0.extend_from_slice(folder.as_os_str().as_bytes());
        for entry in fs::read_dir(root.join(folder)).ok()? {
            let entry = entry.ok()?;
            let (name, kind) = (entry.file_name(), entry.file_type().ok()?);
            if kind.is_dir() {
                below.push(folder.join(name));
                continue;
            }
            if kind.is_symlink()
                && fs::metadata(entry.path())
                    .ok()
                    .is_none_or(|found| found.is_dir())
            {
                if name == "build" || name == "source" {
                    continue;
                }
                return None;
            }
            self.0.push(0);
            self.0.extend(name.into_vec());
        }
        self.0.extend([0, 0]);
        Some(())
    }

    /// A path and the names in it, with NUL between, for each directory.
    fn folders(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        memmem::find_iter(&self.0, b"\0\0").map(move |end| {
            let folder = &self.0[start..end];
            start = end + 2;
            folder
        })
    }
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
        let listing = Listing::of_tree(root.path()).unwrap();
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
    fn a_listing_has_every_name_once() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("kernel/empty")).unwrap();
        fs::write(root.path().join("kernel/a.ko"), "").unwrap();
        fs::write(root.path().join("b"), "").unwrap();
        let listing = Listing::of_tree(root.path()).unwrap();
        let folders: Vec<_> = listing.folders().collect();
        assert_eq!(
            folders,
            [&b".\0b"[..], b"./kernel\0a.ko", b"./kernel/empty"]
        );
        fs::remove_file(root.path().join("b")).unwrap();
        assert_eq!(Fingerprint::of_listing(root.path(), &listing), None);
    }

    #[test]
    fn what_lies_elsewhere_is_not_vouched_for() {
        let root = tempfile::tempdir().unwrap();
        assert!(Listing::of_tree(&root.path().join("none")).is_none());
        symlink("/", root.path().join("source")).unwrap();
        symlink("nowhere", root.path().join("build")).unwrap();
        assert!(Listing::of_tree(root.path()).is_some());
        for target in ["/", "nowhere"] {
            symlink(target, root.path().join("updates")).unwrap();
            assert!(Listing::of_tree(root.path()).is_none(), "{target}");
            fs::remove_file(root.path().join("updates")).unwrap();
        }
    }

    #[test]
    fn what_has_just_changed_may_change_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let of = |path| Fingerprint::of_files([path]).unwrap();
        assert!(!of(file.path()).is_settled());
        assert!(of(Path::new("/")).is_settled());
    }
}
