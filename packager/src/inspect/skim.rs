//! The entries of an image in one pass, without what the files hold: memory does not grow with the image.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;

use ControlFlow::{Break, Continue};
use codec::{DecodeError, Format, Member};

use super::{DECODED_LIMIT, InspectError, MOST_SEGMENTS, skip_zeros, without_configuration};
use crate::cpio::{self, Entry, Source, Stop, Stream};

/// Decoded at a time: as much as stays in the processor's second cache.
const CHUNK: usize = 128 << 10;

/// How an image ended that has been gone past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the trailer of its last archive, as all programs write it.
    Trailer,
    /// With its bytes. The kernel takes that; but what was cut off between two entries looks the same.
    Bytes,
    /// Before its end: who was shown the entries had seen enough.
    Stopped,
}

/// The segment that an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number, from 0.
    pub segment: usize,
    /// Where it begins in the image.
    pub offset: usize,
    /// How it is compressed.
    pub format: Option<Format>,
}

/// Where an archive has been gone past: its length, and whether it has a trailer.
struct Past {
    length: usize,
    has_trailer: bool,
}

/// Shows `see` every entry of an image, with the length of its data and its place, in the image's order, up to the first damage, or until it breaks. A symbolic
/// link has its target as its data, of which the first 4096 bytes are kept; of a file's data nothing is, where it is compressed.
///
/// # Errors
/// As [`segments`](super::segments); [`InspectError::Archive`].
pub fn skim(
    image: &[u8],
    see: impl FnMut(&Entry<'_>, usize, Place) -> ControlFlow<()>,
) -> Result<End, InspectError> {
    skim_either(image, None, see)
}

/// As [`skim`], of an image that maps `file`. What is not compressed is read from there, header by header, and a file's data is not
/// shown: the system maps sixteen pages for one header that is looked at, and unmaps them again.
///
/// # Errors
/// As [`skim`]; [`InspectError::Read`].
pub fn skim_file(
    file: &File,
    image: &[u8],
    see: impl FnMut(&Entry<'_>, usize, Place) -> ControlFlow<()>,
) -> Result<End, InspectError> {
    skim_either(image, Some(file), see)
}

fn skim_either(
    image: &[u8],
    file: Option<&File>,
    mut see: impl FnMut(&Entry<'_>, usize, Place) -> ControlFlow<()>,
) -> Result<End, InspectError> {
    let image = without_configuration(image);
    let mut room = DECODED_LIMIT;
    let mut offset = skip_zeros(image, 0);
    if offset == image.len() {
        return Err(InspectError::Unknown { offset: 0 });
    }
    let mut segments = 0..MOST_SEGMENTS;
    let mut end = End::Bytes;
    while offset < image.len() {
        let Some(segment) = segments.next() else {
            return Err(InspectError::Many { offset });
        };
        let rest = &image[offset..];
        let is_plain = rest.starts_with(b"07070");
        let format = codec::detect(rest).filter(|_| !is_plain);
        if format.is_none() && !is_plain {
            let offset = if segment == 0 { 0 } else { offset };
            return Err(InspectError::Unknown { offset });
        }
        let place = Place {
            segment,
            offset,
            format,
        };
        let mut see = |entry: &Entry<'_>, length| see(entry, length, place);
        let skimmed = match (is_plain, file) {
            (true, Some(file)) => skim_headers(file, offset, image.len(), &mut see)?,
            (true, None) => skim_plain(rest, offset, &mut see)?,
            (false, _) => skim_member(rest, offset, &mut room, &mut see)?,
        };
        let Continue(past) = skimmed else {
            return Ok(End::Stopped);
        };
        end = match past.has_trailer {
            true => End::Trailer,
            false => End::Bytes,
        };
        offset = skip_zeros(image, offset + past.length);
    }
    Ok(end)
}

/// Goes past an archive in memory.
fn skim_plain(
    bytes: &[u8],
    offset: usize,
    see: &mut impl FnMut(&Entry<'_>, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<(), Past>, InspectError> {
    let mut entries = cpio::entries(bytes);
    for entry in entries.by_ref() {
        let entry = entry.map_err(|source| InspectError::Archive { offset, source })?;
        if see(&entry, entry.data.len()).is_break() {
            return Ok(Break(()));
        }
    }
    Ok(Continue(Past {
        length: entries.consumed(),
        has_trailer: entries.has_trailer(),
    }))
}

/// Goes past an archive, which begins at `offset` of the file.
fn skim_headers(
    file: &File,
    offset: usize,
    end: usize,
    see: &mut impl FnMut(&Entry<'_>, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<(), Past>, InspectError> {
    let mut stream = Stream::new(Headers::new(file, offset, end));
    loop {
        match stream.next_of_archive() {
            Ok(Some((entry, length))) => {
                if see(&entry, length).is_break() {
                    return Ok(Break(()));
                }
            }
            Ok(None) => {
                return Ok(Continue(Past {
                    length: stream.offset(),
                    has_trailer: stream.has_trailer(),
                }));
            }
            Err(Stop::Damage(source)) => return Err(InspectError::Archive { offset, source }),
            Err(Stop::Source(source)) => return Err(InspectError::Read { offset, source }),
        }
    }
}

/// A file, of which what is gone past is not read.
struct Headers<'f> {
    file: &'f File,
    /// From where to read on.
    position: usize,
    end: usize,
    buffer: Vec<u8>,
    /// What is in the buffer and has not been taken.
    ready: Range<usize>,
}

impl<'f> Headers<'f> {
    /// Bytes that are read at a time: a header with its name and those of some links behind it.
    const LENGTH: usize = 1024;

    fn new(file: &'f File, position: usize, end: usize) -> Self {
        Self {
            file,
            position,
            end,
            buffer: vec![0; Self::LENGTH],
            ready: 0..0,
        }
    }
}

impl Read for Headers<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Headers<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ready.is_empty() {
            let most = (self.end - self.position).min(Self::LENGTH);
            let room = &mut self.buffer[..most];
            let length = loop {
                match self.file.read_at(room, self.position as u64) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
            self.position += length;
            self.ready = 0..length;
        }
        Ok(&self.buffer[self.ready.clone()])
    }

    fn consume(&mut self, length: usize) {
        self.ready.start += length;
    }
}

impl Source for Headers<'_> {
    fn leap(&mut self, length: usize) -> io::Result<usize> {
        let from_buffer = self.ready.len().min(length);
        self.ready.start += from_buffer;
        let rest = (length - from_buffer).min(self.end - self.position);
        self.position += rest;
        Ok(from_buffer + rest)
    }
}

/// What comes out of a decoder, up to a limit.
struct Limited<'a> {
    member: Member<'a>,
    left: u64,
}

impl Read for Limited<'_> {
    /// # Errors
    /// The decoder's; [`ErrorKind::FileTooLarge`] where more than the limit comes out.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.member.read(buffer)?;
        let left = self.left.checked_sub(length as u64);
        self.left = left.ok_or(ErrorKind::FileTooLarge)?;
        Ok(length)
    }
}

/// Goes past a compressed stream.
fn skim_member(
    bytes: &[u8],
    offset: usize,
    room: &mut u64,
    see: &mut impl FnMut(&Entry<'_>, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<(), Past>, InspectError> {
    let member = Member::new(bytes).ok_or(InspectError::Unknown { offset })?;
    let format = member.format();
    let failed = |source| InspectError::Decode { offset, source };
    let limit = DECODED_LIMIT;
    let member = Limited {
        member,
        left: *room,
    };
    let mut stream = Stream::new(BufReader::with_capacity(CHUNK, member));
    loop {
        match stream.next() {
            Ok(Some((entry, length))) => {
                if see(&entry, length).is_break() {
                    return Ok(Break(()));
                }
            }
            Ok(None) => break,
            Err(Stop::Damage(source)) => return Err(InspectError::Archive { offset, source }),
            Err(Stop::Source(error)) if error.kind() == ErrorKind::FileTooLarge => {
                return Err(failed(DecodeError::TooLarge { format, limit }));
            }
            Err(Stop::Source(error)) => {
                return Err(failed(DecodeError::from_io(format, &error)));
            }
        }
    }
    *room = room.saturating_sub(stream.offset() as u64);
    let has_trailer = stream.has_trailer();
    let rest = stream.into_source().into_inner().member.rest();
    Ok(Continue(Past {
        length: bytes.len() - rest.len(),
        has_trailer,
    }))
}

#[cfg(test)]
mod tests;
