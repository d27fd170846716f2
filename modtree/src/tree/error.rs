//! What can be wrong with a tree.

use std::io;
use std::path::{Path, PathBuf};

use codec::file::ReadError;

use crate::ElfError;

/// Why a tree cannot be opened, or a module in it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The directory cannot be listed.
    #[error("cannot read `{}`: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There are no modules where a kernel keeps them.
    #[error("no kernel modules below `{}`: neither lib/modules nor usr/lib/modules has any", basedir.display())]
    NoKernel {
        /// The directory that was searched.
        basedir: PathBuf,
    },
    /// The wanted version is not there.
    #[error("no modules of kernel {wanted} below `{}`{}", basedir.display(), have(present))]
    NoSuchKernel {
        /// The version that was asked for.
        wanted: String,
        /// The directory that was searched.
        basedir: PathBuf,
        /// The versions which are there.
        present: Vec<String>,
    },
    /// Several versions, none of them the running one, and none was named.
    #[error("several kernels below `{}`: {}; name one with --kernel", basedir.display(), present.join(", "))]
    SeveralKernels {
        /// The directory that was searched.
        basedir: PathBuf,
        /// The versions which are there.
        present: Vec<String>,
    },
    /// A version is one directory name.
    #[error("`{0}` is not a kernel version: it must be the name of a directory in lib/modules")]
    BadVersion(String),
    /// A file cannot be read or decompressed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A module's file is damaged, or no module.
    #[error("module `{}`: {source}", path.display())]
    Elf {
        /// The module's file.
        path: PathBuf,
        /// What is wrong with it.
        source: ElfError,
    },
}

fn have(present: &[String]) -> String {
    match present {
        [] => String::new(),
        versions => format!(" (there are modules of {})", versions.join(", ")),
    }
}

impl TreeError {
    /// The same error with its paths changed.
    #[must_use]
    pub fn renamed(mut self, name: impl Fn(&Path) -> PathBuf) -> Self {
        let path = match &mut self {
            TreeError::Directory { path, .. } | TreeError::Elf { path, .. } => path,
            TreeError::NoKernel { basedir }
            | TreeError::NoSuchKernel { basedir, .. }
            | TreeError::SeveralKernels { basedir, .. } => basedir,
            TreeError::Read(
                ReadError::Io { path, .. }
                | ReadError::NotRegular { path, .. }
                | ReadError::TooLarge { path, .. }
                | ReadError::Decode { path, .. },
            ) => path,
            TreeError::BadVersion(_) => return self,
        };
        *path = name(path);
        self
    }

    /// Whether the input is at fault (a damaged module, a version that is not there) and not the machine (an I/O error).
    pub fn is_input(&self) -> bool {
        match self {
            TreeError::Read(error) => match error {
                ReadError::Io { .. } => error.is_not_found(),
                _ => true,
            },
            TreeError::Elf { source, .. } => !matches!(source, ElfError::Read { .. }),
            TreeError::Directory { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                )
            }
            _ => true,
        }
    }
}
