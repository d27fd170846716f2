//! The newc cpio archive: what the kernel unpacks into its first file system.
//!
//! Specified by `Documentation/driver-api/early-userspace/buffer-format.rst` and `init/initramfs.c` in the kernel's source.
//! An entry is a header of 110 bytes (`070701` and thirteen fields of eight hexadecimal digits), the name with a NUL, and
//! the file's bytes; name and bytes are each padded with NULs so that the next part begins at a multiple of 4. The entry
//! named `TRAILER!!!` ends an archive.
//!
//! The [`Writer`] writes what is the same on every machine: inode numbers from 1, owner 0:0, one time for everything, no
//! device numbers but those of device nodes. The [`entries`] reader takes what anybody wrote, in any of the three formats
//! that the kernel or GNU cpio call newc or crc.

mod pieces;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use pieces::write_all;
pub use pieces::{Archive, Piece, PieceWriter};
pub use read::{Entries, Entry, Problem, ReadError, entries};
pub(crate) use stream::{Source, Stop, Stream};
pub use write::{Attributes, Options, WriteError, Writer};

/// The name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// The first byte of every header, by which the kernel knows one.
const FIRST: u8 = b'0';

/// Bytes of a header: the magic and thirteen fields.
const HEADER: usize = 110;

/// The kernel's limit for a name with its NUL (`PATH_MAX`, `linux/limits.h`).
pub const NAME_MAX: usize = 4096;

/// File type bits of `st_mode` (`linux/stat.h`).
mod kind {
    pub(super) const MASK: u32 = 0o170_000;
    pub(super) const FIFO: u32 = 0o010_000;
    pub(super) const CHARACTER: u32 = 0o020_000;
    pub(super) const DIRECTORY: u32 = 0o040_000;
    pub(super) const BLOCK: u32 = 0o060_000;
    pub(super) const FILE: u32 = 0o100_000;
    pub(super) const SYMLINK: u32 = 0o120_000;
    pub(super) const SOCKET: u32 = 0o140_000;
}

/// What an entry of an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link; the entry's data is its target.
    Symlink,
    /// A character device.
    CharacterDevice {
        /// The driver's number.
        major: u32,
        /// The device's number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The driver's number.
        major: u32,
        /// The device's number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// None that Linux knows, by its type bits: the kernel makes nothing of it.
    Unknown(u32),
}

impl Kind {
    /// The type bits of `st_mode` (`linux/stat.h`).
    pub(crate) fn bits(self) -> u32 {
        match self {
            Kind::Directory => kind::DIRECTORY,
            Kind::File => kind::FILE,
            Kind::Symlink => kind::SYMLINK,
            Kind::CharacterDevice { .. } => kind::CHARACTER,
            Kind::BlockDevice { .. } => kind::BLOCK,
            Kind::Fifo => kind::FIFO,
            Kind::Socket => kind::SOCKET,
            Kind::Unknown(bits) => bits,
        }
    }

    fn device(self) -> (u32, u32) {
        match self {
            Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                (major, minor)
            }
            _ => (0, 0),
        }
    }

    fn from_mode(mode: u32, major: u32, minor: u32) -> Self {
        match mode & kind::MASK {
            kind::DIRECTORY => Kind::Directory,
            kind::FILE => Kind::File,
            kind::SYMLINK => Kind::Symlink,
            kind::CHARACTER => Kind::CharacterDevice { major, minor },
            kind::BLOCK => Kind::BlockDevice { major, minor },
            kind::FIFO => Kind::Fifo,
            kind::SOCKET => Kind::Socket,
            bits => Kind::Unknown(bits),
        }
    }

    /// The letter that `ls -l` shows for it.
    pub fn letter(self) -> char {
        match self {
            Kind::Directory => 'd',
            Kind::File => '-',
            Kind::Symlink => 'l',
            Kind::CharacterDevice { .. } => 'c',
            Kind::BlockDevice { .. } => 'b',
            Kind::Fifo => 'p',
            Kind::Socket => 's',
            Kind::Unknown(_) => '?',
        }
    }
}

/// The checksum of `070702`: the sum of all bytes, modulo 2^32.
fn sum(data: &[u8]) -> u32 {
    data.iter()
        .fold(0, |sum: u32, &byte| sum.wrapping_add(u32::from(byte)))
}
