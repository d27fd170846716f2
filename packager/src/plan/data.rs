//! What a file of the image holds: bytes in memory, or a file of this machine, mapped.
//!
//! A module of a ready tree goes from the page cache into the image without a copy between.

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use codec::Mapped;
use codec::file::ReadError;

/// The contents of an [`Item`](super::Item); copies share them.
#[derive(Clone)]
pub struct Data(Bytes);

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

    /// These contents without the first bytes.
    pub(crate) fn behind(self, bytes: usize) -> Self {
        match self.0 {
            Bytes::Mapped(file, from) => Self(Bytes::Mapped(file, from + bytes)),
            Bytes::Owned(all) => all.get(bytes..).unwrap_or_default().to_vec().into(),
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

impl From<Vec<u8>> for Data {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::Owned(Arc::new(bytes)))
    }
}

impl From<Arc<Mapped>> for Data {
    fn from(file: Arc<Mapped>) -> Self {
        Self(Bytes::Mapped(file, 0))
    }
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
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
