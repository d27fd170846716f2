//! What was read of each module, kept for the next run (`--incremental`).
//!
//! One file beside the indexes. A record is used again if the module's file has the same device, inode, size, modification
//! time and change time as when it was read. A file that was changed at about the time of that reading may change again
//! without a new change time (clocks of file systems tick slowly), so it is read again, as git does it. Damaged modules
//! are not kept. The file may be deleted at any time; a corrupt one, or one of another version, counts as missing.
//!
//! ```text
//! "modtree\0"  version u32  time i64      when the files were looked at, in ns
//! per module   stamp (6 × u64)  place  info  imports  exports    each string: length u32, bytes
//! checksum u64                            over everything before it
//! ```
//! Numbers are little-endian.

use std::hash::Hasher;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use codec::file::read;

use crate::ModInfo;
use crate::elf::{Names, Record};
use crate::fast_hash::{FastMap, Folded};

/// The file's name in the output directory.
pub(super) const NAME: &str = "modules.modtree-cache";

const MAGIC: &[u8] = b"modtree\0";
/// To be raised with every change of the layout, and of what a record holds.
const VERSION: u32 = 2;
const LIMIT: u64 = 1 << 30;

/// Two seconds, in ns: the coarsest clock of a file system (FAT).
const TICK: i64 = 2_000_000_000;

/// What tells that a file is the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: i64,
    changed: i64,
}

impl Stamp {
    /// The stamp of a file, symbolic links followed; none where it cannot be looked at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        let time = |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: time(found.mtime(), found.mtime_nsec())?,
            changed: time(found.ctime(), found.ctime_nsec())?,
        })
    }
}

/// The records of an earlier run, by place.
#[derive(Debug, Default)]
pub(super) struct Cache {
    records: FastMap<Vec<u8>, (Stamp, Record)>,
    time: i64,
}

impl Cache {
    /// Reads the cache in a directory; an empty one where there is none that can be believed.
    pub(super) fn open(dir: &Path) -> Self {
        let bytes = read(&dir.join(NAME), LIMIT).ok();
        bytes
            .and_then(|bytes| Self::parse(&bytes))
            .unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk()?;
        if u64::from_le_bytes(*sum) != checksum(body) {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        if u32::from_le_bytes(take(&mut rest)?) != VERSION {
            return None;
        }
        let mut cache = Self {
            time: i64::from_le_bytes(take(&mut rest)?),
            ..Self::default()
        };
        while !rest.is_empty() {
            let stamp = Stamp {
                device: u64::from_le_bytes(take(&mut rest)?),
                inode: u64::from_le_bytes(take(&mut rest)?),
                size: u64::from_le_bytes(take(&mut rest)?),
                modified: i64::from_le_bytes(take(&mut rest)?),
                changed: i64::from_le_bytes(take(&mut rest)?),
            };
            let place = string(&mut rest)?.to_vec();
            let record = Record {
                info: ModInfo::new(string(&mut rest)?),
                imports: Names::from_bytes(string(&mut rest)?),
                exports: Names::from_bytes(string(&mut rest)?),
                checks: None,
            };
            cache.records.insert(place, (stamp, record));
        }
        Some(cache)
    }

    /// The record of a module whose file is certainly the one that was read.
    pub(super) fn get(&self, place: &[u8], stamp: &Stamp) -> Option<&Record> {
        let (known, record) = self.records.get(place)?;
        let settled = stamp.changed < self.time.saturating_sub(TICK);
        (known == stamp && settled).then_some(record)
    }
}

/// A cache in the making.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins one. `time` is from before the files were looked at.
    pub(super) fn new(time: i64) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(time.to_le_bytes());
        Self { bytes }
    }

    pub(super) fn add(&mut self, place: &[u8], stamp: &Stamp, record: &Record) {
        for number in [stamp.device, stamp.inode, stamp.size] {
            self.bytes.extend(number.to_le_bytes());
        }
        for time in [stamp.modified, stamp.changed] {
            self.bytes.extend(time.to_le_bytes());
        }
        let strings = [
            place,
            record.info.as_bytes(),
            record.imports.as_bytes(),
            record.exports.as_bytes(),
        ];
        for string in strings {
            self.bytes.extend((string.len() as u32).to_le_bytes());
            self.bytes.extend_from_slice(string);
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let sum = checksum(&self.bytes);
        self.bytes.extend(sum.to_le_bytes());
        self.bytes
    }
}

/// The time now, in ns since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0))
}

/// Finds damage, not malice: who can write the cache can write the indexes.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = Folded::fixed();
    hasher.write(bytes);
    hasher.finish()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*bytes)
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (string, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(string)
}
