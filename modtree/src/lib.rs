//! Kernel modules: what each one needs, in load order, with the reason.
//!
//! What has to be loaded for a USB stick with a FAT file system, on a kernel that depmod has never seen:
//!
//! ```
//! use modtree::{ClosureOptions, Tree, closure};
//!
//! # let temporary = tempfile::tempdir()?;
//! # let root = temporary.path();
//! # let dir = root.join("lib/modules/6.1.0/kernel");
//! # std::fs::create_dir_all(&dir)?;
//! # for (name, depends) in [("usb-storage", "usbcore"), ("usbcore", ""), ("vfat", "fat"), ("fat", "")] {
//! #     use object::{Architecture::X86_64, BinaryFormat::Elf, Endianness::Little, SectionKind};
//! #     let mut object = object::write::Object::new(Elf, X86_64, Little);
//! #     let section = object.add_section(Vec::new(), b".modinfo".to_vec(), SectionKind::ReadOnlyData);
//! #     object.append_section_data(section, format!("depends={depends}\0").as_bytes(), 1);
//! #     std::fs::write(dir.join(name).with_extension("ko"), object.write()?)?;
//! # }
//! // The root of a machine, of an unpacked kernel package, of a mounted disk: where `lib/modules` is.
//! let tree = Tree::select(root, None)?;
//! let options = ClosureOptions { runtime: true, ..ClosureOptions::default() };
//! let closure = closure(&tree, &["usb_storage", "vfat"], &options)?;
//! for module in &closure.modules {
//!     println!("{}: {}", module.path.display(), module.reasons[0]);
//! }
//! let names: Vec<_> = closure.modules.iter().map(|module| module.name.as_str()).collect();
//! assert_eq!(names, ["usbcore", "usb_storage", "fat", "vfat"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The phases, in their order:
//!
//! 1. [`Module::parse`]: one module's bytes, an ELF object, become its fields and symbols.
//! 2. [`Tree`]: a modules directory, read lazily; names and aliases are looked up as modprobe does.
//! 3. [`Rules`]: what modules ask for while running, by traces in ELF files and in the kernel's configuration.
//! 4. [`closure()`]: from names to a [`Graph`] with a reason on each edge, and to a load order.
//! 5. [`goal`]: names for what modules are for, as roots of a closure.
//! 6. [`index`]: the files that depmod writes, for what goes into an image.
//!
//! # Errors and notes
//! An error is what keeps the result from being right: a root that does not exist, a damaged module that is needed. What
//! is merely worth knowing (a softdep that is not there) is a note in the result. Each error type tells by `is_input`
//! whether the input is at fault or the machine.
#![forbid(unsafe_code)]

pub mod alias;
mod builtin;
mod calls;
mod closure;
mod config;
mod depmod;
pub mod drawing;
mod elf;
mod fast_hash;
pub mod goal;
mod graph;
pub mod host;
pub mod index;
mod modinfo;
mod name;
mod package;
mod probe;
mod questions;
mod request;
mod sections;
mod signature;
#[cfg(test)]
mod testing;
mod text;
mod tree;
mod vermagic;

pub use builtin::Builtins;
pub use calls::{CallSite, call_sites};
pub use closure::{
    Closure, ClosureError, ClosureOptions, Detail, Excluded, Necessity, Planned, PlannedBuiltin,
    SoftdepLines, UnknownName, closure,
};
pub use config::KernelConfig;
pub use depmod::{
    Compat, Depmod, DepmodConfig, DepmodError, DepmodOptions, KernelSymbols, depmod, is_up_to_date,
};
pub use elf::{ElfError, Module, Symbols};
pub use graph::{Graph, Reason, ReasonKind, RuleReason};
pub use index::{BadKey, FormatError, Index, IndexError, Layout, Value};
pub use modinfo::{ModInfo, When};
pub use name::ModuleName;
pub use package::{Package, PackageError};
pub use probe::{Action, Indexes, IndexesError};
pub use questions::{
    CheckOptions, Checked, Difference, Finding, FindingKind, check, diff, providers, users,
};
pub use request::{
    Addition, Possible, Requests, Rule, Rules, RulesError, Selector, Traces, is_rare_request,
};
pub use sections::{Section, sections};
pub use signature::Signature;
pub use tree::{Entry, ReadModInfo, Resolution, Tree, TreeError};
pub use vermagic::{Vermagic, VermagicMismatch};
