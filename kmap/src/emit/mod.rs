//! Writers, one a format.

mod bkeymap;
mod c_source;
mod companion;
mod text;

pub use bkeymap::{BkeymapError, Endian, bkeymap, is_bkeymap};
pub use c_source::c_source;
pub use companion::companion;
pub use text::{Unwritable, named_mode, text};

pub(crate) use bkeymap::read_bkeymap;
