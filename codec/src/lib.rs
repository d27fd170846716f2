//! Compressed streams, told apart by their first bytes, never by a file name.
//!
//! ```
//! use codec::Format;
//!
//! let stream = codec::encode(b"keycode 1 = Escape\n", Format::Gzip, None)?;
//! assert_eq!(codec::detect(&stream), Some(Format::Gzip));
//! assert_eq!(&*codec::decode(&stream, 1 << 20)?, b"keycode 1 = Escape\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`decode`] takes a whole stream (or bytes that are not compressed at all) and a limit for what comes out of it.
//! * [`Member`] reads one member (a gzip member, an xz stream, a zstd frame) and tells where it ended, which is what a
//!   reader of an initramfs needs: that is a sequence of archives, each compressed in its own way.
//! * [`encode`] gives the same bytes for the same input on every machine.
//! * [`mod@file`] reads regular files, and only those, up to a limit; [`map()`] maps them into memory; [`names`] are theirs as text.

mod decode;
mod encode;
pub mod file;
mod format;
mod lz4;
mod lzo;
mod map;
pub mod names;
mod stream;

pub use decode::{DecodeError, Member, decode, decode_into, decodes_to};
pub use encode::{EncodeError, REVISION, check_level, encode, encode_parts};
pub use format::{Format, detect};
pub use map::{Mapped, map, map_file};
pub use stream::open_or_collect;
