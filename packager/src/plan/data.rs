//! What a file of the image holds: bytes in memory, or a file of this machine, mapped.
//!
//! A module of a ready tree goes from the page cache into the image without a copy between.

use std::fmt;
use std::fs::Metadata;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use codec::Mapped;
use codec::file::ReadError;

/// The contents of an [`Item`](super::Item); copies share them.
#[derive(Clone)]
pub struct Data {
    bytes: Bytes,
    /// Of the contents, once somebody has asked.
    hash: OnceLock<blake3::Hash>,
}

#[derive(Clone)]
enum Bytes {
    Owned(Arc<Vec<u8>>),
    /// A file, from this byte on.
    Mapped(Arc<Mapped>, usize),
}

impl Data {
    /// The contents of a regular file, as they are. See [`codec::map()`] for what must not happen to the file meanwhile.
    ///
    /// # Errors
    /// As [`codec::map()`].
    pub fn read(path: &Path, limit: u64) -> Result<Self, ReadError> {
        Ok(Arc::new(codec::map(path, limit)?).into())
    }

    /// As [`read`](Self::read), decompressed where the first bytes say that the file is compressed. `limit` bounds both the file
    /// and what comes out of it.
    ///
    /// # Errors
    /// As [`codec::map()`]; [`ReadError::Decode`].
    pub fn read_decoded(path: &Path, limit: u64) -> Result<Self, ReadError> {
        Self::read(path, limit)?.decoded(path, limit)
    }

    /// Makes ready to be written; see [`Mapped::populate`].
    pub(crate) fn populate(&self) {
        if let Bytes::Mapped(file, _) = &self.bytes {
            file.populate();
        }
    }

    /// These contents without the first bytes.
    pub(crate) fn behind(self, bytes: usize) -> Self {
        match self.bytes {
            Bytes::Mapped(file, from) => Bytes::Mapped(file, from + bytes).into(),
            Bytes::Owned(all) => all.get(bytes..).unwrap_or_default().to_vec().into(),
        }
    }

    /// The hash of the contents, which is worked out once.
    pub(crate) fn hash(&self) -> &blake3::Hash {
        self.hash.get_or_init(|| blake3::hash(self))
    }

    /// As [`hash`](Self::hash), if it is known already.
    pub(crate) fn known_hash(&self) -> Option<&blake3::Hash> {
        self.hash.get()
    }

    /// Tells the hash of the contents, to save the work.
    pub(crate) fn set_hash(&self, hash: blake3::Hash) {
        // Where it is known already, it is the same.
        let _ = self.hash.set(hash);
    }

    /// What was known of the file when it was opened, if these are the contents of a whole file.
    pub(crate) fn file(&self) -> Option<&Metadata> {
        match &self.bytes {
            Bytes::Mapped(file, 0) => Some(file.metadata()),
            _ => None,
        }
    }

    /// These contents of the file `path`, decompressed where they are compressed.
    ///
    /// # Errors
    /// [`ReadError::Decode`].
    pub(super) fn decoded(&self, path: &Path, limit: u64) -> Result<Self, ReadError> {
        if codec::detect(self).is_none() {
            return Ok(self.clone());
        }
        match codec::decode(self, limit) {
            Ok(bytes) => Ok(bytes.into_owned().into()),
            Err(source) => Err(ReadError::Decode {
                path: path.to_path_buf(),
                source,
            }),
        }
    }
}

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Self {
        let hash = OnceLock::new();
        Self { bytes, hash }
    }
}

impl From<Vec<u8>> for Data {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::Owned(Arc::new(bytes)).into()
    }
}

impl From<Arc<Mapped>> for Data {
    fn from(file: Arc<Mapped>) -> Self {
        Bytes::Mapped(file, 0).into()
    }
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Owned(bytes) => bytes,
            Bytes::Mapped(file, from) => file.get(*from..).unwrap_or_default(),
        }
    }
}

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Data {}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
