//! What tells that a file or a directory is the one that was looked at in an earlier run.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, statat};

use super::cache::take;

/// Two seconds, in ns: the coarsest clock of a file system (FAT).
const TICK: i64 = 2_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) device: u64,
    inode: u64,
    size: u64,
    modified: i64,
    changed: i64,
}

impl Stamp {
    /// The stamp of a file or a directory, symbolic links followed; none where it cannot be looked at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        Self::at(CWD, path.as_os_str().as_bytes())
    }

    /// The same of a place below an open directory: the fewer names to follow, the faster.
    pub(super) fn at(dir: BorrowedFd<'_>, place: &[u8]) -> Option<Self> {
        let found = statat(dir, OsStr::from_bytes(place), AtFlags::empty()).ok()?;
        let time = |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
        // The types differ between architectures.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        Some(Self {
            device: found.st_dev as u64,
            inode: found.st_ino as u64,
            size: found.st_size as u64,
            modified: time(i64::from(found.st_mtime), found.st_mtime_nsec as i64)?,
            changed: time(i64::from(found.st_ctime), found.st_ctime_nsec as i64)?,
        })
    }

    /// Whether it was certainly complete at a time: what changes within one tick of the clock may change again without a
    /// new time.
    pub(super) fn settled(&self, time: i64) -> bool {
        self.changed < time.saturating_sub(TICK)
    }

    pub(super) fn parse(rest: &mut &[u8]) -> Option<Self> {
        Some(Self {
            device: u64::from_le_bytes(take(rest)?),
            inode: u64::from_le_bytes(take(rest)?),
            size: u64::from_le_bytes(take(rest)?),
            modified: i64::from_le_bytes(take(rest)?),
            changed: i64::from_le_bytes(take(rest)?),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for number in [self.device, self.inode, self.size] {
            out.extend(number.to_le_bytes());
        }
        for time in [self.modified, self.changed] {
            out.extend(time.to_le_bytes());
        }
    }
}

/// The time now, in ns since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0))
}
