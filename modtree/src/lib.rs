//! Under construction.
#![forbid(unsafe_code)]
pub mod alias;
mod builtin;
mod closure;
mod config;
mod elf;
mod graph;
pub mod index;
mod modinfo;
mod name;
mod request;
mod tree;
pub use builtin::Builtins;
pub use closure::{Closure, ClosureError, ClosureOptions, Planned, PlannedBuiltin, SoftdepLines, closure};
pub use config::KernelConfig;
pub use elf::{ElfError, Module, Symbols};
pub use graph::{Graph, Reason, ReasonKind, RuleReason};
pub use modinfo::{ModInfo, When};
pub use name::ModuleName;
pub use request::{Addition, Requests, Rule, Rules, RulesError, Selector, Traces};
pub use tree::{Entry, Resolution, Tree, TreeError};
