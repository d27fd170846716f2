//! What was worked out for earlier images, so that an image of which little has changed is made in milliseconds: compressed
//! segments, decompressed modules, which modules there are, the hashes of files that have not changed, and what is needed of a
//! kernel's package.
//!
//! One file each, named by a BLAKE3 hash of all that it follows from: `HASH.segment` of what was compressed and how,
//! `HASH.module` of the module's file, `HASH.modules` of the kernel's files and the request, `HASH.hashes` of what is known of
//! files without a look into them, `HASH.package` of the same of a package, and the request. It holds a checksum of the bytes
//! that are kept (XXH3, 16 bytes) and these bytes. A file that does not fit its checksum counts as absent, so the folder may be
//! deleted, copied, shared between machines and used by many runs at once: a file appears whole, by being renamed. What was not
//! used for longest goes when the folder grows beyond its limit. A cache that cannot be written costs time, and nothing else.

pub(crate) mod fingerprint;
mod hashes;

use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use xxhash_rust::xxh3::xxh3_128;

use crate::compression::Compression;
use crate::cpio::{Archive, Piece};
use crate::plan::Data;

/// The limit of a cache, in bytes, where none is given: four hundred small images, or the kernels of eighty packages.
pub const DEFAULT_LIMIT: u64 = 1 << 30;

/// A use is not noted again so soon: the disk would have more to write at each rebuild.
const RECENTLY: Duration = Duration::from_secs(60);

/// Bytes of a checksum.
const SUM: usize = size_of::<u128>();

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A compressed archive.
    Segment,
    /// A module's file, decompressed.
    Module,
    /// Which modules an image has.
    Modules,
    /// What the contents of files hash to.
    Hashes,
    /// What an image needs of a kernel's package.
    Package,
}

impl Kind {
    const SUFFIXES: [&str; 5] = ["segment", "module", "modules", "hashes", "package"];

    /// What its files end with.
    fn suffix(self) -> &'static str {
        Self::SUFFIXES[self as usize]
    }
}

/// All that something follows from, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    kind: Kind,
    hash: blake3::Hash,
}

impl Key {
    /// The key of what follows from these bytes.
    pub(crate) fn new(kind: Kind, from: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for bytes in from {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
        Self {
            kind,
            hash: hasher.finalize(),
        }
    }
}

/// The key of an archive, compressed so: of files' data the hash counts. The compressors' own revision is part of it, since another
/// one may give other bytes.
pub fn key(archive: &Archive<&Data>, compression: Compression) -> Key {
    let mut hasher = blake3::Hasher::new();
    let how = format!(
        "{:?} {:?} {}\n",
        compression.format,
        compression.level,
        codec::REVISION
    );
    hasher.update(how.as_bytes());
    for piece in archive.parts() {
        let (kind, length, bytes) = match piece {
            Piece::Headers(headers) => (b"h", headers.len(), headers),
            Piece::Data(data) => (b"d", data.len(), &data.hash().as_bytes()[..]),
        };
        hasher.update(kind);
        hasher.update(&(length as u64).to_le_bytes());
        hasher.update(bytes);
    }
    Key {
        kind: Kind::Segment,
        hash: hasher.finalize(),
    }
}

/// A folder of what is kept.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
    /// Whether there is more in it than before.
    grown: Arc<AtomicBool>,
}

impl Cache {
    /// The cache in this folder, which is made where it does not exist; at most `limit` bytes.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.to_path_buf();
        Ok(Self {
            folder,
            limit,
            // A limit of one's own may be smaller than what is there.
            grown: Arc::new(AtomicBool::new(limit < DEFAULT_LIMIT)),
        })
    }

    /// What is kept under this key, if it is whole.
    pub fn get(&self, key: &Key) -> Option<Data> {
        let path = self.path(key);
        let file = Data::read(&path, self.limit).ok()?;
        let (sum, rest) = file.split_first_chunk::<SUM>()?;
        if xxh3_128(rest) != u128::from_le_bytes(*sum) {
            return None;
        }
        let used = file.file().and_then(|found| found.modified().ok());
        let age = used.and_then(|used| used.elapsed().ok());
        if age.is_none_or(|age| age > RECENTLY) {
            touch(&path);
        }
        Some(file.behind(SUM))
    }

    /// Keeps these bytes until [`tidy`](Self::tidy) lets go of them. It is no fault if it cannot.
    pub fn put(&self, key: &Key, bytes: &[u8]) {
        if bytes.len() as u64 <= self.limit && self.write(key, bytes).is_ok() {
            self.grown.store(true, Ordering::Relaxed);
        }
    }

    /// Lets go of what was not used for longest, where something was put and the folder has grown beyond its limit.
    pub fn tidy(&self) {
        if self.grown.swap(false, Ordering::Relaxed) {
            self.shrink();
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = format!("{}.{}", key.hash.to_hex(), key.kind.suffix());
        self.folder.join(name)
    }

    /// Not synced: what a power cut damages does not fit its hash.
    fn write(&self, key: &Key, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".tmp-")
            .suffix(&format!(".{}", key.kind.suffix()))
            .tempfile_in(&self.folder)?;
        file.write_all(&xxh3_128(bytes).to_le_bytes())?;
        file.write_all(bytes)?;
        file.persist(self.path(key)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes what was not used for longest until the rest is within the limit. Others may do the same at this moment; a
    /// file that has gone already is what was wanted. Temporary files of runs that were killed grow old like all others.
    fn shrink(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut files: Vec<_> = entries
            .flatten()
            .filter(|entry| {
                let path = entry.path();
                let end = path.extension().unwrap_or_default();
                Kind::SUFFIXES.iter().any(|suffix| end == *suffix)
            })
            .filter_map(|entry| {
                let found = entry.metadata().ok()?;
                Some((found.modified().ok()?, found.len(), entry.path()))
            })
            .collect();
        let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
        files.sort();
        for (_, length, path) in files {
            if total <= self.limit {
                return;
            }
            let _gone_already = fs::remove_file(path);
            total -= length;
        }
    }
}

/// Notes the use. Where the file system or its owner does not let us, the file only ages sooner.
fn touch(path: &Path) {
    if let Ok(file) = File::open(path) {
        let _unimportant = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpio::{self, Attributes, Options, PieceWriter};

    fn key(bytes: &[u8], compression: Compression) -> Key {
        let data = Data::from(bytes.repeat(4096));
        let mut writer = PieceWriter::new(Options::default());
        let attributes = Attributes::of_root(cpio::Kind::File, 0o644);
        writer.entry(b"file", attributes, &data).unwrap();
        super::key(&writer.finish(), compression)
    }

    fn small(limit: u64) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("made"), limit).unwrap();
        (folder, cache)
    }

    #[test]
    fn what_was_put_comes_back() {
        let (_folder, cache) = small(1 << 20);
        let key = key(b"archive", Compression::default());
        assert_eq!(cache.get(&key), None);
        cache.put(&key, b"compressed");
        assert_eq!(&*cache.get(&key).unwrap(), b"compressed");
    }

    #[test]
    fn the_key_knows_how_it_was_compressed() {
        let plain = Compression::default();
        let strong = Compression {
            level: Some(9),
            ..plain
        };
        assert_ne!(key(b"archive", plain), key(b"archive", strong));
        assert_ne!(key(b"archive", plain), key(b"other", plain));
    }

    #[test]
    fn damage_counts_as_absence() {
        let (_folder, cache) = small(1 << 20);
        let key = key(b"archive", Compression::default());
        cache.put(&key, b"compressed");
        let path = cache.path(&key);
        let sound = fs::read(&path).unwrap();
        for length in [0, 1, SUM - 1, SUM, sound.len() - 1] {
            fs::write(&path, &sound[..length]).unwrap();
            assert_eq!(cache.get(&key), None, "{length} bytes");
        }
        for index in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[index] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert_eq!(cache.get(&key), None, "byte {index}");
        }
        cache.put(&key, b"compressed");
        assert_eq!(&*cache.get(&key).unwrap(), b"compressed");
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let (_folder, cache) = small(3 * 1100);
        let keys: Vec<_> = (0..4u8)
            .map(|number| key(&[number], Compression::default()))
            .collect();
        for (age, key) in keys[..3].iter().enumerate() {
            cache.put(key, &[0; 1000]);
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(age as u64);
            let file = File::open(cache.path(key)).unwrap();
            file.set_times(FileTimes::new().set_modified(time)).unwrap();
        }
        assert!(cache.get(&keys[0]).is_some());
        cache.put(&keys[3], &[0; 1000]);
        cache.tidy();
        let kept: Vec<_> = keys.iter().map(|key| cache.get(key).is_some()).collect();
        assert_eq!(kept, [true, false, true, true]);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_fault() {
        let (folder, cache) = small(1 << 20);
        fs::remove_dir_all(folder.path().join("made")).unwrap();
        let key = key(b"archive", Compression::default());
        cache.put(&key, b"compressed");
        assert_eq!(cache.get(&key), None);
    }
}
