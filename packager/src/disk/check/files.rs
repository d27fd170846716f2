//! The files that boot loaders read: of a FAT file system, or of a CD.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::{Report, codes, is_end};
use crate::disk::fat::read::{FatError, Medium, Reader};

/// Where files are found by their paths, in whatever letters, without a leading `/`.
pub(super) trait Tree {
    /// A file's size in bytes; `None` where there is no file.
    fn size(&self, path: &str) -> Result<Option<u64>, FatError>;
    /// A file's bytes; none where there is no file.
    fn contents(&self, path: &str) -> Result<Vec<u8>, FatError>;
    /// The names of the files in a directory; none where there is no directory.
    fn names(&self, folder: &str) -> Result<Vec<String>, FatError>;
}

impl<M: Medium + ?Sized> Tree for Reader<'_, M> {
    fn size(&self, path: &str) -> Result<Option<u64>, FatError> {
        let entry = self.find(path)?.filter(|entry| !entry.is_directory());
        Ok(entry.map(|entry| entry.size.into()))
    }

    fn contents(&self, path: &str) -> Result<Vec<u8>, FatError> {
        match self.find(path)? {
            Some(entry) => Reader::contents(self, &entry),
            None => Ok(Vec::new()),
        }
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, FatError> {
        let entries = self.list(folder)?.unwrap_or_default().into_iter();
        let files = entries.filter(|entry| !entry.is_directory());
        Ok(files.map(|entry| entry.name).collect())
    }
}

/// How often all of an image is read at most.
const READINGS: u64 = 16;

/// What a configuration may have meant.
pub(super) enum File {
    Bytes(Vec<u8>),
    Missing,
    /// A finding says why.
    Unreadable,
}

impl File {
    pub(super) fn bytes(self) -> Option<Vec<u8>> {
        match self {
            File::Bytes(bytes) => Some(bytes),
            File::Missing | File::Unreadable => None,
        }
    }
}

/// The files, with what the checks have read of them.
pub(super) struct Files<'a> {
    pub(super) tree: &'a dyn Tree,
    /// The bytes that may still be read: a volume can name one file under many names.
    left: Cell<u64>,
    /// What has been checked: kernels and initramfs images that several entries name.
    checked: RefCell<BTreeSet<String>>,
}

impl<'a> Files<'a> {
    /// The files of an image of which `length` bytes are kept.
    pub(super) fn new(tree: &'a dyn Tree, length: u64) -> Self {
        Self {
            tree,
            left: Cell::new(length.saturating_mul(READINGS)),
            checked: RefCell::default(),
        }
    }

    /// Takes so many bytes from those that may still be read; gives whether there were as many.
    pub(super) fn spend(&self, size: u64) -> bool {
        let left = self.left.get().checked_sub(size);
        self.left.set(left.unwrap_or_else(|| self.left.get()));
        left.is_some()
    }

    /// Notes that something is checked; tells whether it was before.
    pub(super) fn is_checked(&self, what: String) -> bool {
        !self.checked.borrow_mut().insert(what)
    }

    /// Whether there is a file of this name.
    pub(super) fn is_there(&self, path: &str) -> bool {
        self.size(path).is_some()
    }

    /// The bytes of a file of this name, where there is one and its directory can be read.
    pub(super) fn size(&self, path: &str) -> Option<u64> {
        self.tree.size(path).ok().flatten()
    }

    /// The names of the files in a directory, where it can be read.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        self.tree.names(folder).unwrap_or_default()
    }

    /// A file's bytes. A broken chain is a finding.
    pub(super) fn file(&self, path: &str, report: &mut Report) -> Result<File, FatError> {
        let result = self.tree.size(path).and_then(|size| {
            let Some(size) = size else {
                return Ok(Some(File::Missing));
            };
            if !self.spend(size) {
                return Ok(None);
            }
            self.tree.contents(path).map(|it| Some(File::Bytes(it)))
        });
        let reason = match result {
            Ok(Some(file)) => return Ok(file),
            Ok(None) => "the files named so far are many times what the image can hold".to_owned(),
            Err(error @ FatError::Io { .. }) if !is_end(&error) => return Err(error),
            Err(error) => error.to_string(),
        };
        report.find_once(&codes::FILE_UNREADABLE, format!("`{path}`: {reason}"));
        Ok(File::Unreadable)
    }

    /// The bytes of a file that a configuration names; a finding where there is none, the first time.
    pub(super) fn named(
        &self,
        named_in: &str,
        path: &str,
        report: &mut Report,
    ) -> Result<Option<Vec<u8>>, FatError> {
        let file = self.file(path, report)?;
        if matches!(file, File::Missing) && !self.is_checked(format!("missing {path}")) {
            let seen = format!("`{named_in}` names `{path}`, which is not there");
            report.find(&codes::MISSING_FILE, seen);
        }
        Ok(file.bytes())
    }

    /// As [`named`](Self::named), where the bytes do not matter.
    pub(super) fn require(&self, named_in: &str, path: &str, report: &mut Report) {
        if !self.is_there(path) && !self.is_checked(format!("missing {path}")) {
            let seen = format!("`{named_in}` names `{path}`, which is not there");
            report.find(&codes::MISSING_FILE, seen);
        }
    }
}
