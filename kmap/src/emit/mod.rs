//! Writers, one a format.

mod bkeymap;

pub use bkeymap::{Endian, bkeymap};
