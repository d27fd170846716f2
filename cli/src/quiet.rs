//! `--quiet` of the commands whose result is something else than what they note on the way.
//!
//! What is noted is known deep inside a command, and whether it is wanted is known once for the whole run.

use std::sync::atomic::{AtomicBool, Ordering};

static IS_QUIET: AtomicBool = AtomicBool::new(false);

// The option, to be flattened into the arguments of a command.
#[allow(
    missing_docs,
    reason = "clap would take the text for that of the whole command"
)]
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Quiet {
    /// Print the result and errors only, no notes and warnings
    #[arg(short, long)]
    quiet: bool,
}

impl Quiet {
    /// Ends [`note!`](crate::note) and [`warning!`](crate::warning) for the rest of the run, where that is wanted.
    pub fn heed(self) {
        if self.quiet {
            IS_QUIET.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether somebody wants to know more than the result.
pub fn is_talkative() -> bool {
    !IS_QUIET.load(Ordering::Relaxed)
}

/// What somebody should know, as [`tell!`](crate::tell) says it, behind `note: `; nothing with `--quiet`.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => {
        if $crate::is_talkative() {
            $crate::tell!("note: {}", format_args!($($text)*));
        }
    };
}

/// As [`note!`](crate::note), behind `warning: `.
#[macro_export]
macro_rules! warning {
    ($($text:tt)*) => {
        if $crate::is_talkative() {
            $crate::tell!("warning: {}", format_args!($($text)*));
        }
    };
}
