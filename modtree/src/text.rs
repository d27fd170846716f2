//! The bytes of a text that is searched: in a file, mapped, or in memory.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use codec::file::{ReadError, read};
use codec::{Mapped, map};

/// A text; copies share it.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Owned(Arc<Vec<u8>>),
    Mapped(Arc<Mapped>),
}

impl Text {
    /// A regular file of at most `limit` bytes: mapped, where its file system has that (the kernel's own, in `/proc`, do not).
    pub(crate) fn open(path: &Path, limit: u64) -> Result<Self, ReadError> {
        match map(path, limit) {
            Ok(file) if !file.is_empty() => Ok(Text::Mapped(Arc::new(file))),
            // One that seems empty may be the kernel's, too.
            Ok(_) | Err(ReadError::Io { .. }) => Ok(read(path, limit)?.into()),
            Err(error) => Err(error),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Text::Owned(Arc::new(bytes))
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Text::Owned(bytes) => bytes,
            Text::Mapped(file) => file,
        }
    }
}
