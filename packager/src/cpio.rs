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

use std::fmt;

/// The name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Kind {
    fn bits(self) -> u32 {
        match self {
            Kind::Directory => kind::DIRECTORY,
            Kind::File => kind::FILE,
            Kind::Symlink => kind::SYMLINK,
            Kind::CharacterDevice { .. } => kind::CHARACTER,
            Kind::BlockDevice { .. } => kind::BLOCK,
            Kind::Fifo => kind::FIFO,
            Kind::Socket => kind::SOCKET,
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

    fn from_mode(mode: u32, major: u32, minor: u32) -> Option<Self> {
        Some(match mode & kind::MASK {
            kind::DIRECTORY => Kind::Directory,
            kind::FILE => Kind::File,
            kind::SYMLINK => Kind::Symlink,
            kind::CHARACTER => Kind::CharacterDevice { major, minor },
            kind::BLOCK => Kind::BlockDevice { major, minor },
            kind::FIFO => Kind::Fifo,
            kind::SOCKET => Kind::Socket,
            _ => return None,
        })
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
        }
    }
}

/// Writes an archive into memory.
///
/// ```
/// use packager::cpio::{Kind, Writer};
///
/// let mut archive = Writer::new(0);
/// archive.entry(b"bin", Kind::Directory, 0o755, b"")?;
/// archive.entry(b"bin/sh", Kind::Symlink, 0o777, b"busybox")?;
/// let bytes = archive.finish();
/// assert!(bytes.starts_with(b"070701"));
/// assert_eq!(bytes.len() % 512, 0);
/// # Ok::<(), packager::cpio::WriteError>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    mtime: u32,
    inode: u32,
}

/// What the format cannot hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WriteError {
    /// The file is longer than the header's 32-bit field can say.
    #[error("`{name}` has {length} bytes, and a newc archive holds files of at most 4294967295")]
    FileTooLarge {
        /// The entry.
        name: String,
        /// Its length in bytes.
        length: usize,
    },
    /// The kernel skips an entry with such a name.
    #[error("the name `{name}` is too long: the kernel takes names of at most 4095 bytes")]
    NameTooLong {
        /// The entry.
        name: String,
    },
}

impl Writer {
    /// An empty archive, whose entries all get the modification time `mtime`, in seconds since 1970.
    pub fn new(mtime: u32) -> Self {
        Self {
            bytes: Vec::new(),
            mtime,
            inode: 0,
        }
    }

    /// Appends an entry. `name` is relative to the root, without a leading `/`; `permissions` are the lower 12 mode bits;
    /// `data` is a file's contents or a symbolic link's target, and empty for everything else.
    ///
    /// The kernel silently drops an entry whose parent directory has not come before it.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn entry(
        &mut self,
        name: &[u8],
        kind: Kind,
        permissions: u32,
        data: &[u8],
    ) -> Result<(), WriteError> {
        let text = || String::from_utf8_lossy(name).into_owned();
        let length = u32::try_from(data.len()).map_err(|_| WriteError::FileTooLarge {
            name: text(),
            length: data.len(),
        })?;
        if name.len() >= NAME_MAX {
            return Err(WriteError::NameTooLong { name: text() });
        }
        self.inode += 1;
        let links = if kind == Kind::Directory { 2 } else { 1 };
        let mode = kind.bits() | permissions & 0o7777;
        self.header(
            name,
            [self.inode, mode, links, self.mtime, length],
            kind.device(),
        );
        self.bytes.extend_from_slice(data);
        self.pad(4);
        Ok(())
    }

    /// Ends the archive. The result is padded to 512 bytes, as the tools that read tapes' blocks expect.
    pub fn finish(mut self) -> Vec<u8> {
        self.header(TRAILER, [0, 0, 1, 0, 0], (0, 0));
        self.pad(512);
        self.bytes
    }

    fn header(
        &mut self,
        name: &[u8],
        [inode, mode, links, mtime, length]: [u32; 5],
        (major, minor): (u32, u32),
    ) {
        let fields = [
            inode,
            mode,
            0,
            0,
            links,
            mtime,
            length,
            0,
            0,
            major,
            minor,
            name.len() as u32 + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            for shift in (0..8).rev() {
                let digit = (field >> (shift * 4)) & 0xf;
                self.bytes.push(b"0123456789abcdef"[digit as usize]);
            }
        }
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.pad(4);
    }

    fn pad(&mut self, alignment: usize) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(alignment), 0);
    }
}

/// One entry of an archive that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name as it stands in the archive, without the NULs behind it.
    pub name: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// The lower 12 mode bits.
    pub permissions: u32,
    /// The inode number; entries of one archive that share it are one file.
    pub inode: u32,
    /// How many names the file has.
    pub links: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// A file's bytes, or a symbolic link's target.
    pub data: &'a [u8],
}

/// Where and how an archive breaks the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The offset of the entry, in bytes from the start of the archive.
    pub offset: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Neither `070701` nor `070702` stands there.
    Magic,
    /// A header field is not a hexadecimal number.
    Field,
    /// The archive ends within the entry.
    Truncated,
    /// The type bits of the mode are none that Linux knows; the mode is given.
    Mode(u32),
    /// The name is empty, too long, or has no NUL at its end.
    Name,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpio entry at offset {}: ", self.offset)?;
        match self.problem {
            Problem::Magic => f.write_str("the magic 070701 was expected"),
            Problem::Field => f.write_str("a header field is not a hexadecimal number"),
            Problem::Truncated => f.write_str("the archive ends within it"),
            Problem::Mode(mode) => write!(f, "mode {mode:o} is no file type of Linux"),
            Problem::Name => f.write_str("the name is empty, too long or without its NUL"),
        }
    }
}

impl std::error::Error for ReadError {}

/// Reads the entries of one archive, up to its trailer. See [`Entries::consumed`] for what follows it.
pub fn entries(bytes: &[u8]) -> Entries<'_> {
    Entries {
        bytes,
        offset: 0,
        done: false,
    }
}

/// Iterator over an archive's entries; it ends after the first error.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    offset: usize,
    done: bool,
}

impl<'a> Entries<'a> {
    /// How many bytes of the archive have been read: after the end, the offset behind the trailer.
    pub fn consumed(&self) -> usize {
        self.offset
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let end = self.offset.checked_add(length).ok_or(Problem::Truncated)?;
        let part = self.bytes.get(self.offset..end).ok_or(Problem::Truncated)?;
        self.offset = end;
        Ok(part)
    }

    /// Skips to the next multiple of 4; the end of the bytes is as good.
    fn align(&mut self) {
        self.offset = self.offset.next_multiple_of(4).min(self.bytes.len());
    }

    fn read(&mut self) -> Result<Option<Entry<'a>>, Problem> {
        let header = self.take(HEADER)?;
        if !header.starts_with(b"070701") && !header.starts_with(b"070702") {
            return Err(Problem::Magic);
        }
        let mut fields = [0; 13];
        for (field, digits) in fields.iter_mut().zip(header[6..].chunks_exact(8)) {
            *field = hexadecimal(digits).ok_or(Problem::Field)?;
        }
        let [
            inode,
            mode,
            uid,
            gid,
            links,
            mtime,
            length,
            _,
            _,
            major,
            minor,
            name_length,
            _,
        ] = fields;
        let name_length = name_length as usize;
        if name_length == 0 || name_length > NAME_MAX {
            return Err(Problem::Name);
        }
        let padded = self.take(name_length)?;
        self.align();
        // Names may be padded with further NULs, so that the data begins at a page.
        let end = padded
            .iter()
            .position(|&byte| byte == 0)
            .ok_or(Problem::Name)?;
        let name = &padded[..end];
        if name == TRAILER {
            return Ok(None);
        }
        if name.is_empty() {
            return Err(Problem::Name);
        }
        let data = self.take(length as usize)?;
        self.align();
        Ok(Some(Entry {
            name,
            kind: Kind::from_mode(mode, major, minor).ok_or(Problem::Mode(mode))?,
            permissions: mode & 0o7777,
            inode,
            links,
            uid,
            gid,
            mtime,
            data,
        }))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let offset = self.offset;
        // An archive without a trailer ends with its bytes; the kernel takes it, too.
        let result = if offset > 0 && offset == self.bytes.len() {
            Ok(None)
        } else {
            self.read()
        };
        self.done = !matches!(result, Ok(Some(_)));
        result
            .map_err(|problem| ReadError { offset, problem })
            .transpose()
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(value << 4 | digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut writer = Writer::new(7);
        writer.entry(b"dev", Kind::Directory, 0o755, b"").unwrap();
        let console = Kind::CharacterDevice { major: 5, minor: 1 };
        writer.entry(b"dev/console", console, 0o600, b"").unwrap();
        writer.entry(b"hi", Kind::File, 0o644, b"hello").unwrap();
        writer.finish()
    }

    #[test]
    fn reads_what_it_wrote() {
        let bytes = archive();
        let read: Vec<_> = entries(&bytes).map(Result::unwrap).collect();
        let names: Vec<_> = read.iter().map(|entry| entry.name).collect();
        assert_eq!(names, [b"dev".as_slice(), b"dev/console", b"hi"]);
        assert_eq!(read[0].links, 2);
        assert_eq!(read[1].kind, Kind::CharacterDevice { major: 5, minor: 1 });
        assert_eq!(read[2].data, b"hello");
        assert_eq!(read[2].mtime, 7);
        assert_eq!(read.iter().map(|e| e.inode).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn the_header_is_what_the_format_says() {
        let bytes = archive();
        let expected = "07070100000001000041ed0000000000000000000000020000000700000000000000000000000000000000000000000000000400000000dev\0";
        assert_eq!(&bytes[..expected.len()], expected.as_bytes());
    }

    #[test]
    fn truncation_anywhere_is_an_error_or_a_missing_trailer() {
        let bytes = archive();
        let whole = entries(&bytes).count();
        for length in 1..bytes.len() {
            let read: Vec<_> = entries(&bytes[..length]).collect();
            assert!(read.len() <= whole + 1);
            let complete = read.iter().filter(|entry| entry.is_ok()).count();
            assert!(complete <= whole, "length {length}");
        }
    }

    #[test]
    fn an_archive_without_a_trailer_is_read() {
        let bytes = archive();
        let trailer = bytes.len() - 512
            + bytes[bytes.len() - 512..]
                .windows(10)
                .position(|w| w == TRAILER)
                .unwrap()
            - HEADER;
        assert_eq!(entries(&bytes[..trailer]).filter(Result::is_ok).count(), 3);
        assert!(entries(&bytes[..trailer]).all(|entry| entry.is_ok()));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let mut input = b"070701".to_vec();
            input.extend(bytes);
            for entry in entries(&input) {
                if entry.is_err() { break }
            }
        }
    }
}
