//! The writer: the same bytes on every machine.

use super::{HEADER, Kind, NAME_MAX, TRAILER, sum};

/// What an entry of an archive is, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// What it is.
    pub kind: Kind,
    /// The lower 12 mode bits.
    pub permissions: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Attributes {
    /// An entry of user 0 and group 0.
    pub fn of_root(kind: Kind, permissions: u32) -> Self {
        Self {
            kind,
            permissions,
            uid: 0,
            gid: 0,
        }
    }
}

/// How an archive is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The modification time of every entry, in seconds since 1970.
    pub mtime: u32,
    /// File data begins at a multiple of this many bytes: 4, or a larger power of two, up to 4096, for file systems that
    /// share blocks between files (`cp --reflink`). The kernel takes such names since 2.6.
    pub alignment: u32,
    /// Whether each file carries the sum of its bytes (magic `070702`), which the kernel checks.
    pub checksums: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mtime: 0,
            alignment: 4,
            checksums: false,
        }
    }
}

/// Writes an archive into memory.
///
/// ```
/// use packager::cpio::{Attributes, Kind, Options, Writer};
///
/// let mut archive = Writer::new(Options::default());
/// archive.entry(b"bin", Attributes::of_root(Kind::Directory, 0o755), b"")?;
/// archive.entry(b"bin/sh", Attributes::of_root(Kind::Symlink, 0o777), b"busybox")?;
/// let bytes = archive.finish();
/// assert!(bytes.starts_with(b"070701"));
/// assert_eq!(bytes.len() % 512, 0);
/// # Ok::<(), packager::cpio::WriteError>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    options: Options,
    inode: u32,
    /// Data of at least this length is not copied.
    apart_from: usize,
    /// Where in `bytes` such data belongs.
    gaps: Vec<usize>,
    /// The length of all data that was not copied.
    apart: usize,
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

/// The fields of a header that differ between entries.
#[derive(Default)]
struct Header {
    inode: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    mtime: u32,
    length: u32,
    device: (u32, u32),
    sum: u32,
}

impl Writer {
    /// An empty archive.
    pub fn new(options: Options) -> Self {
        Self {
            bytes: Vec::new(),
            options,
            inode: 0,
            apart_from: usize::MAX,
            gaps: Vec::new(),
            apart: 0,
        }
    }

    /// An empty archive without the data of entries that have at least `length` bytes.
    pub(super) fn leaving_out(options: Options, length: usize) -> Self {
        Self {
            apart_from: length,
            ..Self::new(options)
        }
    }

    /// The length of the archive so far.
    fn position(&self) -> usize {
        self.bytes.len() + self.apart
    }

    /// Appends an entry. `name` is relative to the root, without a leading `/`; `data` is a file's contents or a symbolic
    /// link's target, and empty for everything else.
    ///
    /// The kernel silently drops an entry whose parent directory has not come before it.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn entry(
        &mut self,
        name: &[u8],
        attributes: Attributes,
        data: &[u8],
    ) -> Result<(), WriteError> {
        let links = if attributes.kind == Kind::Directory {
            2
        } else {
            1
        };
        self.inode += 1;
        self.append(name, attributes, self.inode, links, data)
    }

    /// Appends one file under several names: hard links. As GNU cpio has it, the last one carries the contents.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn hard_links(
        &mut self,
        names: &[&[u8]],
        attributes: Attributes,
        data: &[u8],
    ) -> Result<(), WriteError> {
        self.inode += 1;
        for (number, name) in names.iter().enumerate() {
            let is_last = number + 1 == names.len();
            let data = if is_last { data } else { b"" };
            self.append(name, attributes, self.inode, names.len() as u32, data)?;
        }
        Ok(())
    }

    /// Ends the archive. The result is padded to 512 bytes, as the tools that read tapes' blocks expect.
    pub fn finish(mut self) -> Vec<u8> {
        self.end();
        self.bytes
    }

    /// As [`finish`](Self::finish); also where the data that was left out belongs.
    pub(super) fn finish_with_gaps(mut self) -> (Vec<u8>, Vec<usize>) {
        self.end();
        (self.bytes, self.gaps)
    }

    fn end(&mut self) {
        self.header(
            TRAILER,
            TRAILER.len() + 1,
            &Header {
                links: 1,
                ..Header::default()
            },
        );
        self.pad(512);
    }

    fn append(
        &mut self,
        name: &[u8],
        attributes: Attributes,
        inode: u32,
        links: u32,
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
        let is_file = attributes.kind == Kind::File;
        let sum = if self.options.checksums && is_file {
            sum(data)
        } else {
            0
        };
        let header = Header {
            inode,
            mode: attributes.kind.bits() | attributes.permissions & 0o7777,
            uid: attributes.uid,
            gid: attributes.gid,
            links,
            mtime: self.options.mtime,
            length,
            device: attributes.kind.device(),
            sum,
        };
        let name_length = if is_file && !data.is_empty() {
            self.aligned_name_length(name)
        } else {
            name.len() + 1
        };
        self.header(name, name_length, &header);
        if data.len() >= self.apart_from {
            self.gaps.push(self.bytes.len());
            self.apart += data.len();
        } else {
            self.bytes.extend_from_slice(data);
        }
        self.pad(4);
        Ok(())
    }

    /// The length of the name with so many NULs that the data behind it is aligned; as it is where that would be too long.
    fn aligned_name_length(&self, name: &[u8]) -> usize {
        let least = name.len() + 1;
        let start = self.position() + HEADER;
        let aligned = (start + least).next_multiple_of(self.options.alignment as usize) - start;
        if aligned <= NAME_MAX { aligned } else { least }
    }

    fn header(&mut self, name: &[u8], name_length: usize, header: &Header) {
        let fields = [
            header.inode,
            header.mode,
            header.uid,
            header.gid,
            header.links,
            header.mtime,
            header.length,
            0,
            0,
            header.device.0,
            header.device.1,
            name_length as u32,
            header.sum,
        ];
        let magic = if self.options.checksums {
            b"070702"
        } else {
            b"070701"
        };
        self.bytes.extend_from_slice(magic);
        for field in fields {
            for shift in (0..8).rev() {
                let digit = (field >> (shift * 4)) & 0xf;
                self.bytes.push(b"0123456789abcdef"[digit as usize]);
            }
        }
        self.bytes.extend_from_slice(name);
        self.bytes
            .resize(self.bytes.len() + name_length - name.len(), 0);
        self.pad(4);
    }

    fn pad(&mut self, alignment: usize) {
        let missing = self.position().next_multiple_of(alignment) - self.position();
        self.bytes.resize(self.bytes.len() + missing, 0);
    }
}
