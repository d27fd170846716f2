//! The entries of an image in one pass, without what the files hold: memory does not grow with the image.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;

use ControlFlow::{Break, Continue};
use codec::{DecodeError, Member};

use super::{DECODED_LIMIT, InspectError, MOST_SEGMENTS, skip_zeros};
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

/// Where an archive has been gone past: its length, and whether it has a trailer.
struct Past {
    length: usize,
    has_trailer: bool,
}

/// Shows `see` every entry of an image, with the length of its data, in the image's order, up to the first damage, or until it breaks. A symbolic
/// link has its target as its data, of which the first 4096 bytes are kept; of a file's data nothing is, where it is compressed.
///
/// # Errors
/// As [`segments`](super::segments); [`InspectError::Archive`].
pub fn skim(
    image: &[u8],
    see: impl FnMut(&Entry<'_>, usize) -> ControlFlow<()>,
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
    see: impl FnMut(&Entry<'_>, usize) -> ControlFlow<()>,
) -> Result<End, InspectError> {
    skim_either(image, Some(file), see)
}

fn skim_either(
    image: &[u8],
    file: Option<&File>,
    mut see: impl FnMut(&Entry<'_>, usize) -> ControlFlow<()>,
) -> Result<End, InspectError> {
    let mut room = DECODED_LIMIT;
    let mut offset = skip_zeros(image, 0);
    if offset == image.len() {
        return Err(InspectError::Unknown { offset: 0 });
    }
    let mut segments = 0..MOST_SEGMENTS;
    let mut end = End::Bytes;
    while offset < image.len() {
        if segments.next().is_none() {
            return Err(InspectError::Many { offset });
        }
        let rest = &image[offset..];
        let skimmed = match (rest.starts_with(b"07070"), file) {
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
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
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
            Err(Stop::Source(error)) => {
                return Err(failed(DecodeError::from_io(format, &error)));
            }
        }
        if stream.offset() as u64 > *room {
            let limit = DECODED_LIMIT;
            return Err(failed(DecodeError::TooLarge { format, limit }));
        }
    }
    *room = room.saturating_sub(stream.offset() as u64);
    let has_trailer = stream.has_trailer();
    let rest = stream.into_source().into_inner().rest();
    Ok(Continue(Past {
        length: bytes.len() - rest.len(),
        has_trailer,
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use codec::Format;
    use proptest::prelude::*;

    use super::*;
    use crate::cpio::{Attributes, Kind, Options, Writer};
    use crate::inspect::readable_segments;

    /// An entry as `list` shows it.
    type Line = (Vec<u8>, u32, usize, Vec<u8>);

    fn line(entry: &Entry<'_>, length: usize) -> Line {
        let target = match entry.kind {
            Kind::Symlink => entry.data.to_vec(),
            _ => Vec::new(),
        };
        (entry.name.to_vec(), entry.permissions, length, target)
    }

    fn skimmed(image: &[u8]) -> (Vec<Line>, Option<String>) {
        let mut lines = Vec::new();
        let end = skim(image, |entry, length| {
            lines.push(line(entry, length));
            Continue(())
        });
        (lines, end.err().map(|error| error.to_string()))
    }

    /// The same from a file.
    fn skimmed_from_file(image: &[u8]) -> (Vec<Line>, Option<String>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(image).unwrap();
        let mut lines = Vec::new();
        let end = skim_file(&file, image, |entry, length| {
            lines.push(line(entry, length));
            Continue(())
        });
        (lines, end.err().map(|error| error.to_string()))
    }

    /// The same by way of segments in memory.
    fn read(image: &[u8]) -> (Vec<Line>, Option<String>) {
        let (segments, end) = readable_segments(image);
        let mut lines = Vec::new();
        for segment in &segments {
            for entry in segment.entries() {
                match entry {
                    Ok(entry) => lines.push(line(&entry, entry.data.len())),
                    Err(error) => return (lines, Some(error.to_string())),
                }
            }
        }
        (lines, end.map(|error| error.to_string()))
    }

    fn archive(lengths: &[usize]) -> Vec<u8> {
        let mut writer = Writer::new(Options::default());
        for (number, length) in lengths.iter().enumerate() {
            let kind = [Kind::File, Kind::Symlink][number % 2];
            let name = format!("entry-{number}");
            let data = vec![b'x'; *length];
            let attributes = Attributes::of_root(kind, 0o755);
            writer.entry(name.as_bytes(), attributes, &data).unwrap();
        }
        writer.finish()
    }

    proptest! {
        #[test]
        fn it_sees_what_is_read_in_memory(
            lengths in proptest::collection::vec(0usize..3000, 1..6),
            formats in proptest::collection::vec(0usize..4, 1..4),
            zeros in 0usize..9,
            damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut two = archive(&lengths);
            two.extend(vec![0; zeros]);
            two.extend(archive(&lengths[1..]));
            if let Some((place, byte)) = damage {
                let at = place.index(two.len());
                two[at] = byte;
            }
            let mut image = Vec::new();
            for format in formats {
                match [Some(Format::Gzip), Some(Format::Zstd), Some(Format::Lz4Legacy), None][format] {
                    Some(format) => image.extend(codec::encode(&two, format, None).unwrap()),
                    None => image.extend_from_slice(&two),
                }
                image.extend([0; 8]);
            }
            prop_assert_eq!(skimmed(&image), read(&image));
            prop_assert_eq!(skimmed_from_file(&image), skimmed(&image));
        }
    }

    #[test]
    fn what_ends_between_two_entries_is_known_from_what_ends_with_a_trailer() {
        let whole = archive(&[8, 3]);
        // Headers of 110 bytes, names of 8 with their NULs, padding.
        let first = (110 + 8_usize).next_multiple_of(4) + 8;
        let cut = &whole[..first];
        for (image, expected) in [
            (whole.clone(), End::Trailer),
            (cut.to_vec(), End::Bytes),
            ([cut, &[0; 64]].concat(), End::Bytes),
            ([cut, &whole].concat(), End::Trailer),
            ([&whole, cut].concat(), End::Bytes),
            (codec::encode(cut, Format::Zstd, None).unwrap(), End::Bytes),
            (
                codec::encode(&whole, Format::Zstd, None).unwrap(),
                End::Trailer,
            ),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&image).unwrap();
            assert_eq!(skim(&image, |_, _| Continue(())).unwrap(), expected);
            let end = skim_file(&file, &image, |_, _| Continue(())).unwrap();
            assert_eq!(end, expected);
            let segments = crate::inspect::segments(&image).unwrap();
            let has_trailer = segments.last().unwrap().has_trailer();
            assert_eq!(has_trailer, expected == End::Trailer);
        }
    }

    #[test]
    fn who_has_seen_enough_sees_no_more() {
        let image = archive(&[9000, 5, 70_000]);
        for image in [
            image.repeat(2),
            codec::encode(&image, Format::Zstd, None).unwrap(),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&image).unwrap();
            for from_file in [false, true] {
                let mut seen = 0;
                let see = |_: &Entry<'_>, _| {
                    seen += 1;
                    if seen < 2 { Continue(()) } else { Break(()) }
                };
                let end = match from_file {
                    true => skim_file(&file, &image, see).unwrap(),
                    false => skim(&image, see).unwrap(),
                };
                assert_eq!((seen, end), (2, End::Stopped));
            }
        }
    }

    #[test]
    fn a_file_is_read_no_further_than_it_is_there() {
        let image = archive(&[9000, 5, 70_000, 1, 1024, 3]);
        assert_eq!(skimmed_from_file(&image).0.len(), 6);
        for length in (0..image.len()).step_by(5) {
            let cut = &image[..length];
            assert_eq!(skimmed_from_file(cut), skimmed(cut), "{length}");
        }
        // It has become shorter since it was opened.
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&image[..5000]).unwrap();
        let shorter = skim_file(&file, &image, |_, _| Continue(())).unwrap_err();
        assert!(
            shorter.to_string().contains("the archive ends within it"),
            "{shorter}"
        );
        let unreadable = File::options().write(true).open("/dev/null").unwrap();
        let error = skim_file(&unreadable, &image, |_, _| Continue(())).unwrap_err();
        assert!(matches!(error, InspectError::Read { offset: 0, .. }));
    }

    #[test]
    fn what_is_cut_shows_its_entries_up_to_there() {
        let image = codec::encode(&archive(&[70_000, 5, 70_000]), Format::Gzip, None).unwrap();
        for length in (0..image.len()).step_by(7) {
            let (lines, error) = skimmed(&image[..length]);
            assert!(lines.len() < 3 || error.is_some());
            assert!(error.is_some(), "{length}");
        }
        assert_eq!(skimmed(&image).0.len(), 3);
        assert_eq!(skimmed(b""), read(b""));
        assert_eq!(skimmed(&[0; 9]), read(&[0; 9]));
        assert_eq!(skimmed(b"junk"), read(b"junk"));
    }
}
