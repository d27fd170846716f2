//! Why there is no plan.

use std::path::PathBuf;

use codec::file::ReadError;
use modtree::goal::GoalError;
use modtree::index::IndexError;
use modtree::{ClosureError, ElfError};

use crate::busybox::BusyboxError;
use crate::elf::machine_name;
use crate::kernel::KernelError;
use crate::libraries::LibraryError;
use crate::microcode::MicrocodeError;

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
    /// A module's file cannot be stored in the form that the recipe wants.
    #[error("`{}`: {reason}", path.display())]
    ModuleForm {
        /// The file.
        path: PathBuf,
        /// Why not, and what would do.
        reason: String,
    },
    /// A goal is not known, or its parameter is wrong.
    #[error(transparent)]
    Goal(#[from] GoalError),
    /// There is no microcode to take along.
    #[error(transparent)]
    Microcode(#[from] MicrocodeError),
    /// Microcode is asked for, and the kernel is for other processors.
    #[error("microcode is for x86 processors, and the module `{}` is for {}", module.display(), machine_name(*machine))]
    MicrocodeMachine {
        /// A module.
        module: PathBuf,
        /// Its `e_machine`.
        machine: u16,
    },
    /// Busybox is for another machine than the modules.
    #[error("busybox `{}` is for {}, and the module `{}` is for {}: name a busybox for that machine with --busybox", path.display(), machine_name(*machine), module.display(), machine_name(*modules))]
    Machine {
        /// The busybox.
        path: PathBuf,
        /// Its `e_machine`.
        machine: u16,
        /// A module.
        module: PathBuf,
        /// Its `e_machine`.
        modules: u16,
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
    /// A file of the recipe's own cannot be read.
    #[error("cannot make `{path}` in the image: {source}")]
    Source {
        /// The path in the image.
        path: String,
        /// What is wrong with the file that it is a copy of.
        source: ReadError,
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
