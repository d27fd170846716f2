//! What depmod looks at in a directory: subdirectories, module files and symbolic links, as the file system lists them.
//!
//! A walk that lists the 900 directories of a kernel takes 12 ms, and 4 ms with the listings of an earlier run. So a cache
//! keeps them, and one is used again if the directory has the same stamp ([`Stamp`]) as then: every entry that comes or
//! goes gives its directory a new change time. That holds for the file systems in [`TRUTHFUL`]. It does not where a
//! directory is put together from several, as on overlayfs, or where another machine may change it; there, every directory
//! is listed anew.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::FileType;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::cache::{Cache, Looks};
use super::stamp::Stamp;
use crate::fast_hash::FastMap;
use crate::tree::has_suffix;

/// `statfs`'s magic numbers (`include/uapi/linux/magic.h`) of ext2 to ext4, XFS, Btrfs, F2FS, tmpfs and bcachefs.
const TRUTHFUL: [u64; 6] = [
    0xEF53,
    0x5846_5342,
    0x9123_683E,
    0xF2F5_2010,
    0x0102_1994,
    0xCA45_1A4E,
];

/// What an entry is, before a symbolic link is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Directory = b'd',
    Module = b'm',
    Link = b'l',
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Directory, Kind::Module, Kind::Link];

    /// `None` for what depmod passes over.
    pub(super) fn new(kind: FileType, name: &OsStr) -> Option<Self> {
        match () {
            () if kind.is_dir() => Some(Kind::Directory),
            () if kind.is_symlink() => Some(Kind::Link),
            () if kind.is_file() && has_suffix(name) => Some(Kind::Module),
            () => None,
        }
    }
}

/// A directory's entries.
#[derive(Clone, Debug)]
pub(super) struct Listing<'a> {
    /// Of each: the letter of its kind, its name, NUL.
    pub(super) bytes: Cow<'a, [u8]>,
}

impl Listing<'static> {
    fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(kind) = Kind::new(entry.file_type()?, &name) {
                bytes.push(kind as u8);
                bytes.extend_from_slice(name.as_bytes());
                bytes.push(0);
            }
        }
        let bytes = bytes.into();
        Ok(Listing { bytes })
    }
}

impl Listing<'_> {
    pub(super) fn entries(&self) -> impl Iterator<Item = (Kind, &OsStr)> {
        let entries = self.bytes.split(|&byte| byte == 0);
        entries.filter_map(|entry| {
            let (letter, name) = entry.split_first()?;
            // A cache that somebody has made up must not lead elsewhere, or round in circles.
            if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
                return None;
            }
            let kind = Kind::ALL.into_iter().find(|&kind| kind as u8 == *letter)?;
            Some((kind, OsStr::from_bytes(name)))
        })
    }
}

/// Listings of a cache, and those for the next one.
pub(super) struct Listings<'a> {
    cache: &'a Cache<'a>,
    /// What its directories look like.
    looks: &'a Looks,
    /// By device: whether its file system is one of [`TRUTHFUL`].
    truthful: FastMap<u64, bool>,
    pub(super) seen: Vec<Seen<'a>>,
}

/// A directory of which the listing may be kept.
pub(super) struct Seen<'a> {
    /// As `modules.dep` has places.
    pub(super) place: Vec<u8>,
    pub(super) stamp: Stamp,
    pub(super) listing: Listing<'a>,
    /// Whether it comes from the cache.
    pub(super) is_kept: bool,
}

impl<'a> Listings<'a> {
    pub(super) fn new(cache: &'a Cache<'a>, looks: &'a Looks) -> Self {
        Self {
            cache,
            looks,
            truthful: FastMap::default(),
            seen: Vec::new(),
        }
    }

    /// The listing of the directory at `path`, which is known as `place`.
    fn list(&mut self, path: &Path, place: &[u8]) -> io::Result<Listing<'a>> {
        if place.is_empty() {
            // The modules directory itself changes with every index that is written.
            return Listing::read(path);
        }
        let number = self.cache.directory(place);
        let look = number.and_then(|number| *self.looks.get(number)?);
        let stamp = look.or_else(|| Stamp::of(path));
        let stamp = stamp.filter(|stamp| self.is_truthful(stamp.device, path));
        let Some(stamp) = stamp else {
            return Listing::read(path);
        };
        let kept = number.and_then(|number| self.cache.listing(number, &stamp));
        let listing = match kept {
            Some(bytes) => Listing {
                bytes: bytes.into(),
            },
            None => Listing::read(path)?,
        };
        self.seen.push(Seen {
            place: place.to_vec(),
            stamp,
            listing: listing.clone(),
            is_kept: kept.is_some(),
        });
        Ok(listing)
    }

    /// The number in the cache of the module at a place, and its place there.
    pub(super) fn module(&self, place: &[u8]) -> Option<(usize, &'a [u8])> {
        self.cache.module(place)
    }

    /// How many modules there may be.
    pub(super) fn modules(&self) -> usize {
        self.cache.modules()
    }

    fn is_truthful(&mut self, device: u64, path: &Path) -> bool {
        *self.truthful.entry(device).or_insert_with(|| {
            let kind = rustix::fs::statfs(path).map(|found| found.f_type as u64);
            kind.is_ok_and(|kind| TRUTHFUL.contains(&(kind & 0xFFFF_FFFF)))
        })
    }
}

/// The listing of a directory, from a cache where one is given.
pub(super) fn list<'a>(
    path: &Path,
    place: &[u8],
    listings: Option<&mut Listings<'a>>,
) -> io::Result<Listing<'a>> {
    match listings {
        Some(listings) => listings.list(path, place),
        None => Listing::read(path),
    }
}
