//! Why there is no plan.

use std::path::PathBuf;

use codec::file::ReadError;
use modtree::index::IndexError;
use modtree::{ClosureError, ElfError};

use crate::busybox::BusyboxError;
use crate::kernel::KernelError;
use crate::libraries::LibraryError;

/// Why no plan could be made of a recipe.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is no kernel to use.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The modules cannot be found, or a module file is damaged.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// The indexes for modprobe cannot be made.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A module file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A module file is damaged.
    #[error("`{}` is damaged: {source}", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ElfError,
    },
    /// There is no busybox to use.
    #[error(transparent)]
    Busybox(#[from] BusyboxError),
    /// The keymap cannot be compiled.
    #[error(transparent)]
    Keymap(#[from] kmap::Report),
    /// A module was built for another kernel, and would be refused.
    #[error("the module `{}` was built for kernel {built_for}, not for {version}: take it from the kernel's own package", path.display())]
    Vermagic {
        /// The module's file.
        path: PathBuf,
        /// The release in its vermagic.
        built_for: String,
        /// The version of the modules directory.
        version: String,
    },
    /// A program, or a library that it needs, cannot be taken along.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// An entry of the recipe cannot be made.
    #[error("cannot make `{path}` in the image: {reason}")]
    Entry {
        /// The path in the image.
        path: String,
        /// Why not, and what would do.
        reason: String,
    },
    /// The kernel cannot unpack an archive that is compressed so.
    #[error(
        "kernel {version} cannot unpack this image: its configuration does not set {option}; choose another --compress"
    )]
    Compression {
        /// The kernel's version.
        version: String,
        /// The option that is not set.
        option: &'static str,
    },
}
