//! Reading keymaps and what they include.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use codec::DecodeError;
use codec::file::{ReadError, read_decoded};

use super::search::SearchPath;
use super::{Source, SourceError, SourceText, TEXT_LIMIT};

/// Reads keymaps from files.
#[derive(Clone, Debug)]
pub struct FileSource {
    search: SearchPath,
    /// What was included before, with the file that included it; shared by clones.
    cache: Option<Arc<Mutex<Cache>>>,
    /// How many bytes may still be read.
    left: u64,
    /// Something could not be read for that reason.
    is_short: bool,
}

/// The included files by what was asked for: the name, and the directory of the file that asks, which decides where it is
/// looked for. A file that is a symbolic link is not in here, because its target counts too.
type Cache = HashMap<(Vec<u8>, PathBuf), SourceText>;

/// The cache grows no further, so that many keymaps cannot fill the memory.
const CACHE_LIMIT: usize = 256;
/// Nor does it keep larger texts.
const LARGEST_CACHED: usize = 64 << 10;

impl FileSource {
    /// Files on this search path, and those named by their path.
    pub fn new(search: SearchPath) -> Self {
        Self {
            search,
            cache: None,
            left: u64::MAX,
            is_short: false,
        }
    }

    /// Where it looks.
    pub fn search(&self) -> &SearchPath {
        &self.search
    }

    /// Keeps what is included, up to 256 small files, for this source and its clones: for many keymaps that share includes. A file
    /// that changes meanwhile may then be seen as it was before.
    #[must_use]
    pub fn with_cache(mut self) -> Self {
        self.cache = Some(Arc::default());
        self
    }

    /// Reads so many bytes at most, all files together, decompressed: for many keymaps at the same time. Where that is too little, an
    /// error comes of it, and [`is_short`](Self::is_short) says so.
    #[must_use]
    pub fn within(mut self, bytes: u64) -> Self {
        self.left = bytes;
        self
    }

    /// Whether something was not read only because of [`within`](Self::within).
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    /// The cache's key for an include, where it may be cached.
    fn key(&self, name: &[u8], from: &Path) -> Option<(Vec<u8>, PathBuf)> {
        self.cache.as_ref()?;
        let is_link = fs::symlink_metadata(from).is_ok_and(|found| found.is_symlink());
        let directory = from.parent().unwrap_or(Path::new(""));
        (!is_link).then(|| (name.to_vec(), directory.to_owned()))
    }

    fn read(&mut self, path: PathBuf) -> Result<SourceText, SourceError> {
        let bytes = read_decoded(&path, self.left.min(TEXT_LIMIT)).inspect_err(|error| {
            self.is_short |= self.left < TEXT_LIMIT && is_too_large(error);
        })?;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(SourceText { path, bytes })
    }

    fn remember(&self, key: Option<(Vec<u8>, PathBuf)>, text: &SourceText) {
        let (Some(cache), Some(key)) = (&self.cache, key) else {
            return;
        };
        if text.bytes.len() <= LARGEST_CACHED
            && let Ok(mut cache) = cache.lock()
            && cache.len() < CACHE_LIMIT
        {
            cache.insert(key, text.clone());
        }
    }
}

impl Source for FileSource {
    fn open(&mut self, name: &Path) -> Result<SourceText, SourceError> {
        match self.search.find_keymap(name) {
            Some(path) => self.read(path),
            // What is there but no regular file gets the error that says so.
            None if name.exists() => self.read(name.to_path_buf()),
            None => Err(self.search.not_found(name)),
        }
    }

    fn include(&mut self, name: &[u8], from: &Path) -> Result<SourceText, SourceError> {
        let key = self.key(name, from);
        if let (Some(cache), Some(key)) = (&self.cache, &key)
            && let Some(text) = cache.lock().ok().and_then(|cache| cache.get(key).cloned())
        {
            return Ok(text);
        }
        let text = self.read(self.search.find_include(name, from)?)?;
        self.remember(key, &text);
        Ok(text)
    }
}

fn is_too_large(error: &ReadError) -> bool {
    match error {
        ReadError::TooLarge { .. } => true,
        ReadError::Decode { source, .. } => matches!(source, DecodeError::TooLarge { .. }),
        _ => false,
    }
}
