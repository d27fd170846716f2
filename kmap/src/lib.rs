//! Compiles Linux console keymaps into the binary tables that `loadkmap` of busybox reads.
//!
//! ```
//! use kmap::Endian;
//!
//! let keymap = kmap::compile(b"keycode 30 = a\nshift keycode 2 = exclam\n")?;
//! let bytes = keymap.to_bkeymap(Endian::Little);
//! assert!(bytes.starts_with(b"bkeymap"));
//! # Ok::<(), kmap::Report>(())
//! ```
//!
//! A keymap by name, as `loadkeys es` finds it:
//!
//! ```no_run
//! use kmap::{Mode, SearchPath};
//!
//! let compiled = kmap::compile_named("es".as_ref(), &SearchPath::standard(), Mode::Automatic)?;
//! println!("{} files read", compiled.inputs.len());
//! # Ok::<(), kmap::Report>(())
//! ```
//!
//! The language is the one that `loadkeys` of kbd reads (keymaps(5)), and the bytes are those of `loadkeys -b` and
//! `loadkeys -u -b` for everything that they accept. An error says where it is and what to do:
//!
//! ```
//! let report = kmap::compile(b"keycode 1 = Escpae\n").unwrap_err();
//! assert_eq!(report.to_string(), "\
//! unknown keysym `Escpae`
//!  --> text:1:13
//!   |
//! 1 | keycode 1 = Escpae
//!   |             ^^^^^^
//!   |
//!   = help: did you mean `Escape`?");
//! ```
//!
//! Phases, each in its module: `source` finds and reads files; `lexer` and `parser` make statements of bytes; `keysym` resolves names;
//! `compile` applies the statements; `emit` writes the result.
#![forbid(unsafe_code)]

mod apply;
mod compile;
mod diagnostic;
mod difference;
pub mod emit;
mod keymap;
mod keysym;
pub mod layout;
mod lexer;
mod lint;
mod meant;
mod names;
mod owners;
mod parser;
mod press;
mod reach;
mod render;
mod route;
mod source;
mod stroke;
mod syntax;
mod tables;
mod texts;
mod typing;
mod usual;
mod warnings;
pub mod xkb;

pub use compile::{
    Compiled, Mode, Options, compile, compile_bytes, compile_named, compile_text, compile_texts,
    compile_with,
};
pub use diagnostic::{Diagnostic, DiagnosticKind, Place, Report, Severity};
pub use difference::KeyDifference;
pub use emit::{BkeymapError, Endian};
pub use keymap::{ComposeRule, KEYS, Keymap, MAPS, NR_KEYS, Table};
pub use keysym::{Keysym, keysym_names};
pub use render::path as shown_path;
pub use route::{Lock, Route, Step};
pub use source::{FileSource, NoFiles, SearchPath, Source, SourceError, SourceText};
pub use stroke::Stroke;
pub use typing::{Press, Typing, Way};
