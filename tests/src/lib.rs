//! What the tests in `tests/tests` and the demo share.
//!
//! Each test file holds one command, or one part of it, against its oracle: the tool that everybody uses for the job, run at
//! test time on real input. A missing oracle, or a missing corpus, skips a test at a desk and fails it where
//! `REQUIRE_ORACLES=1` is set, which `cargo xtask test` does.
#![forbid(unsafe_code)]

pub mod broken;
pub mod disks;
pub mod environment;
pub mod foreign;
pub mod guest;
pub mod keymaps;
pub mod modules;
pub mod mtools;
pub mod root;
pub mod schema;
pub mod small;
pub mod sound;
pub mod stick;
