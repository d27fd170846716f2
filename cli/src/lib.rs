//! What the three commands share: how a run ends, and how its output reaches the disk.
//!
//! A command's `main` is `cli::finish(run())`. `run` returns a [`Failure`], which carries the text
//! that stands after `error: ` and the exit code:
//!
//! | code | meaning | made by |
//! | --- | --- | --- |
//! | 0 | done | `Ok(())` |
//! | 1 | the input is at fault | [`Failure::input`] |
//! | 2 | the command line is at fault | [`Failure::usage`] |
//! | 3 | the machine is at fault: a missing tool, a full disk, an I/O error | [`Failure::machine`] |
//!
//! Before its arguments are looked at, [`describe`] answers shells that complete a line, and writes the manual pages.
//!
//! What people read goes to standard error by [`tell!`], which does not panic where nobody listens any more; what they need not know,
//! by [`note!`] and [`warning!`], which heed [`Quiet`].
#![forbid(unsafe_code)]

mod bash;
pub mod complete;
mod depfile;
mod describe;
mod failure;
mod manual;
mod output;
mod quiet;
mod tell;

pub use depfile::make_rule;
pub use describe::describe;
pub use failure::{Failure, Fault, compared, finish};
pub use output::{
    Room, Staged, Staging, commit, directory, input_at, is_same_file, print, print_part,
    write_atomically, write_atomically_with,
};
pub use quiet::{Quiet, is_talkative};
pub use tell::to_stderr;
