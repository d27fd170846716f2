//! From a kernel, busybox and a keymap to an initramfs that boots, and the proof of it in an emulator.
//!
//! ```no_run
//! use packager::timing::Timings;
//! use packager::{Initramfs, Plan, Recipe};
//!
//! // This machine's kernel, with what reads a FAT-formatted USB stick, and a Spanish keyboard.
//! let recipe = Recipe { keymaps: vec!["es".into()], ..Recipe::default() };
//! let plan = Plan::new(&recipe)?;
//! for (path, item) in plan.items() {
//!     println!("/{path}: {}", item.reason);
//! }
//! let image = Initramfs::new(&plan, &recipe, &mut Timings::default())?;
//! image.write_to(std::fs::File::create("simple.igz")?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The phases, in order: [`Recipe`] says what is wanted, [`kernel`] finds the kernel, [`plan`] lays every file of the image
//! out with its reason, [`cpio`], [`compression`] and [`initramfs`] make bytes of it, [`inspect`] reads images, [`qemu`] boots them.
#![forbid(unsafe_code)]

pub mod busybox;
pub mod cache;
pub mod compression;
pub mod cpio;
pub mod disk;
pub mod elf;
pub mod finding;
pub mod initramfs;
pub mod inspect;
pub mod kernel;
pub mod libraries;
pub mod microcode;
pub mod names;
mod paths;
pub mod plan;
pub mod qemu;
pub mod recipe;
pub mod strip;
pub mod timing;

pub use initramfs::{Initramfs, InitramfsError};
pub use plan::{Plan, PlanError};
pub use recipe::Recipe;
