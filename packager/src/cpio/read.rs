//! The reader: what anybody wrote, up to the first damage.

use std::fmt;

use super::{FIRST, HEADER, Kind, NAME_MAX, TRAILER, sum};

/// One entry of an archive that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name as it stands in the archive, without the NULs behind it. The kernel goes past an entry without one, or with one
    /// that is too long for it, of which nothing is here.
    pub name: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// The lower 12 mode bits.
    pub permissions: u32,
    /// The inode number; entries of one archive that share it, the device and the kind are one file, if they have several names.
    pub inode: u32,
    /// The numbers, major and minor, of the device that the file was on.
    pub device: (u32, u32),
    /// How many names the file has.
    pub links: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// A file's bytes, or a symbolic link's target up to its first NUL, as the kernel takes it.
    pub data: &'a [u8],
    /// The sum of the bytes that the header promises, where it is of the kind that does (`070702`).
    pub sum: Option<u32>,
}

impl Entry<'_> {
    /// Whether a file's bytes have the sum that its header promises. Names of a hard link that carry no bytes promise nothing.
    pub fn is_sound(&self) -> bool {
        let promised = self
            .sum
            .filter(|_| self.kind == Kind::File && !self.data.is_empty());
        promised.is_none_or(|promised| promised == sum(self.data))
    }
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
    /// The name has no NUL at its end.
    Name,
    /// Zeros stand before it, and it does not begin at a multiple of 4 bytes.
    Padding,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpio entry at offset {}: ", self.offset)?;
        match self.problem {
            Problem::Magic => f.write_str("the magic 070701 was expected"),
            Problem::Field => f.write_str("a header field is not a hexadecimal number"),
            Problem::Truncated => f.write_str("the archive ends within it"),
            Problem::Name => f.write_str("the name is without its NUL"),
            Problem::Padding => {
                f.write_str("the zeros before it do not end at a multiple of 4 bytes")
            }
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
        has_trailer: false,
    }
}

/// Iterator over an archive's entries; it ends after the first error.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    offset: usize,
    done: bool,
    has_trailer: bool,
}

impl<'a> Entries<'a> {
    /// How many bytes of the archive have been read: after the end, the offset behind the trailer.
    pub fn consumed(&self) -> usize {
        self.offset
    }

    /// Whether the end of the archive was its trailer and not the end of the bytes.
    pub fn has_trailer(&self) -> bool {
        self.has_trailer
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

    /// Skips zeros between two entries, as the kernel does (`do_reset` in `init/initramfs.c`).
    fn skip_zeros(&mut self) {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
        if self.offset > 0 && rest.get(zeros).is_some_and(|&byte| byte == FIRST) {
            self.offset += zeros;
        }
    }

    /// Whether an archive without a trailer ends here: with its bytes, or with what can be no header, but may be a compressed
    /// archive.
    fn is_over(&self) -> bool {
        self.offset > 0 && self.bytes.get(self.offset) != Some(&FIRST)
    }

    fn read(&mut self) -> Result<Option<Entry<'a>>, Problem> {
        // Names and data are padded: only zeros lead to such a place.
        if !self.offset.is_multiple_of(4) {
            return Err(Problem::Padding);
        }
        let header = Header::parse(self.take(HEADER)?)?;
        let padded = self.take(header.name_length)?;
        self.align();
        let name = match header.has_name() {
            true => name(padded)?,
            false => Some(&b""[..]),
        };
        let Some(name) = name else {
            self.has_trailer = true;
            return Ok(None);
        };
        let data = self.take(header.length)?;
        self.align();
        Ok(Some(header.entry(name, data)))
    }
}

/// What an entry begins with.
pub(super) struct Header {
    fields: [u32; 13],
    has_sum: bool,
    /// The length of the name with its NULs.
    pub(super) name_length: usize,
    /// The length of the data.
    pub(super) length: usize,
}

impl Header {
    /// Reads the [`HEADER`] bytes of a header.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let has_sum = bytes.starts_with(b"070702");
        if !has_sum && !bytes.starts_with(b"070701") {
            return Err(Problem::Magic);
        }
        let mut fields = [0; 13];
        for (field, digits) in fields.iter_mut().zip(bytes[6..].chunks_exact(8)) {
            *field = hexadecimal(digits).ok_or(Problem::Field)?;
        }
        Ok(Self {
            fields,
            has_sum,
            name_length: fields[11] as usize,
            length: fields[6] as usize,
        })
    }

    /// Whether the kernel reads the name, and not only goes past the entry (`do_header` in `init/initramfs.c`).
    pub(super) fn has_name(&self) -> bool {
        (1..=NAME_MAX).contains(&self.name_length)
    }

    pub(super) fn is_symlink(&self) -> bool {
        Kind::from_mode(self.fields[1], 0, 0) == Kind::Symlink
    }

    pub(super) fn entry<'a>(&self, name: &'a [u8], data: &'a [u8]) -> Entry<'a> {
        let [
            inode,
            mode,
            uid,
            gid,
            links,
            mtime,
            _,
            device_major,
            device_minor,
            major,
            minor,
            _,
            sum,
        ] = self.fields;
        let kind = Kind::from_mode(mode, major, minor);
        let data = match kind {
            Kind::Symlink => &data[..memchr::memchr(0, data).unwrap_or(data.len())],
            _ => data,
        };
        Entry {
            name,
            kind,
            permissions: mode & 0o7777,
            inode,
            device: (device_major, device_minor),
            links,
            uid,
            gid,
            mtime,
            data,
            sum: self.has_sum.then_some(sum),
        }
    }
}

/// A name without its NULs, of which there may be more than one, so that the data begins at a page; `None` for the trailer's.
pub(super) fn name(padded: &[u8]) -> Result<Option<&[u8]>, Problem> {
    let end = padded.iter().position(|&byte| byte == 0);
    match &padded[..end.ok_or(Problem::Name)?] {
        TRAILER => Ok(None),
        name => Ok(Some(name)),
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        self.skip_zeros();
        let offset = self.offset;
        let result = match self.is_over() {
            true => Ok(None),
            false => self.read(),
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
