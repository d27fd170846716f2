//! Where texts come from: the [`Source`] trait, what it gives, and why it may fail. [`FileSource`] reads files.

mod files;
mod search;

use std::fmt;
use std::path::{Path, PathBuf};

use codec::file::ReadError;

use crate::render;

pub use files::FileSource;
pub use search::SearchPath;

/// The most that a keymap may hold, in bytes, decompressed. The largest known one has 60 kB.
pub(crate) const TEXT_LIMIT: u64 = 16 << 20;

/// A text and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The name for messages, and the path that includes in this text are relative to.
    pub path: PathBuf,
    /// The keymap, decompressed.
    pub bytes: Vec<u8>,
}

/// Gives the compiler its texts. [`FileSource`] reads files; another implementation may hold them in memory.
///
/// ```
/// use std::path::Path;
/// use kmap::{Mode, Source, SourceError, SourceText};
///
/// struct Builtin;
/// impl Source for Builtin {
///     fn open(&mut self, name: &Path) -> Result<SourceText, SourceError> {
///         Ok(SourceText { path: name.into(), bytes: b"include \"common\"\n".to_vec() })
///     }
///     fn include(&mut self, name: &[u8], _from: &Path) -> Result<SourceText, SourceError> {
///         assert_eq!(name, b"common");
///         Ok(SourceText { path: "common".into(), bytes: b"keycode 1 = Escape\n".to_vec() })
///     }
/// }
/// let compiled = kmap::compile_with(&mut Builtin, "mine".as_ref(), Mode::Automatic)?;
/// assert_eq!(compiled.inputs, [Path::new("mine"), Path::new("common")]);
/// # Ok::<(), kmap::Report>(())
/// ```
pub trait Source {
    /// The keymap that `name` stands for.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn open(&mut self, name: &Path) -> Result<SourceText, SourceError>;

    /// The text that `include "name"` stands for in the text with the path `from`. The name is not empty and holds
    /// neither `"` nor a line feed.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn include(&mut self, name: &[u8], from: &Path) -> Result<SourceText, SourceError>;
}

/// Why a text cannot be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such keymap.
    NotFound {
        /// What was asked for.
        name: String,
        /// Whether an `include` asked for it.
        included: bool,
        /// The directories that were searched.
        searched: Vec<PathBuf>,
        /// A keymap there with nearly the same name.
        suggestion: Option<String>,
        /// Whether any keymaps are there at all.
        installed: bool,
    },
    /// The file was found but cannot be read or decompressed.
    Read(ReadError),
    /// What is no file cannot be read.
    Stream {
        /// What it is called in a message.
        name: String,
        /// Why.
        error: std::io::Error,
    },
    /// This text was compiled without access to other files.
    NoFiles {
        /// What was asked for.
        name: String,
    },
}

impl SourceError {
    /// Whether reading failed for a reason that is not in the input: an I/O error, a lack of permission.
    pub fn is_machine_fault(&self) -> bool {
        match self {
            SourceError::Read(error @ ReadError::Io { .. }) => !error.is_not_found(),
            SourceError::Stream { error, .. } => error.kind() != std::io::ErrorKind::InvalidData,
            _ => false,
        }
    }

    pub(crate) fn help(&self) -> Option<String> {
        match self {
            SourceError::NotFound {
                suggestion: Some(name),
                ..
            } => Some(format!("did you mean `{name}`?")),
            // It says itself where it was looked for.
            SourceError::NotFound { name, .. } if name.starts_with('/') => None,
            SourceError::NotFound {
                installed: false, ..
            } => Some(
                "no keymaps are installed here; on Debian and Ubuntu they are in the package console-data, elsewhere in kbd"
                    .to_owned(),
            ),
            SourceError::NotFound { searched, .. } if !searched.is_empty() => {
                let list: Vec<String> = searched.iter().map(|path| render::path(path)).collect();
                Some(format!("searched in {}", list.join(", ")))
            }
            _ => None,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::NotFound {
                name,
                included: true,
                ..
            } => write!(f, "cannot find the included file `{name}`"),
            SourceError::NotFound { name, .. } => write!(f, "cannot find a keymap `{name}`"),
            // The path in it may hold anything.
            SourceError::Read(error) => f.write_str(&render::text(error.to_string().as_bytes())),
            SourceError::Stream { name, error } => write!(f, "cannot read {name}: {error}"),
            SourceError::NoFiles { name } => {
                write!(f, "cannot include `{name}`: only this one text is at hand")
            }
        }
    }
}

impl std::error::Error for SourceError {}

impl From<ReadError> for SourceError {
    fn from(error: ReadError) -> Self {
        SourceError::Read(error)
    }
}

/// A source of nothing: every `include` is an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Source for NoFiles {
    fn open(&mut self, name: &Path) -> Result<SourceText, SourceError> {
        Err(SourceError::NoFiles {
            name: render::path(name),
        })
    }

    fn include(&mut self, name: &[u8], _from: &Path) -> Result<SourceText, SourceError> {
        Err(SourceError::NoFiles {
            name: render::word(name),
        })
    }
}
