//! Images that anybody made: their segments, and the entries of each.
//!
//! An initramfs is a sequence of segments, each a cpio archive as it is or a compressed stream that holds archives, with NUL
//! bytes between them (`init/initramfs.c`, `unpack_to_rootfs`, in the kernel's source).

mod bootconfig;
pub mod check;
mod diff;
mod extract;
mod files;
mod modules;
pub mod size;
mod skim;
pub mod treemap;

use std::borrow::Cow;
use std::ops::Range;

use codec::{DecodeError, Format, Member};

use crate::cpio::{self, Entry};
use bootconfig::without_configuration;

pub use bootconfig::boot_configuration;
pub use diff::{
    Comparison, Difference, Image, KeymapDifference, Line, ModuleDifference, ModuleState,
    TextDifference, compare, diff,
};
pub use extract::{ExtractError, Extracted, extract};
pub use files::{File, Files};
pub use modules::{ModuleFile, kernel_version};
pub use skim::{End, Place, skim, skim_file};

/// The most that one image may decode to.
const DECODED_LIMIT: u64 = 4 << 30;

/// The most segments that an image may have: each takes time even where nothing is in it, and a real one has a dozen.
const MOST_SEGMENTS: usize = 4096;

/// One archive, or one compressed stream, of an image.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// Where it begins in the image.
    pub offset: usize,
    /// How many bytes of the image it takes.
    pub length: usize,
    /// How it is compressed.
    pub format: Option<Format>,
    /// The archive, or archives, uncompressed.
    pub archive: Cow<'a, [u8]>,
}

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// What stands at this offset is neither an archive nor a known compressed stream. At 0, it is no image; the kernel takes what
    /// stands in front of another offset, and says that there is more.
    #[error("{}neither a cpio archive nor a known compressed stream begins at offset {offset}",
        if *offset == 0 { "not an initramfs: " } else { "" })]
    Unknown {
        /// Offset in the image, in bytes.
        offset: usize,
    },
    /// More segments than any real image has.
    #[error(
        "it has more than {MOST_SEGMENTS} segments: what follows at offset {offset} is not read"
    )]
    Many {
        /// Offset in the image, in bytes.
        offset: usize,
    },
    /// A compressed stream is damaged.
    #[error("the segment at offset {offset} cannot be read: {source}")]
    Decode {
        /// Offset in the image, in bytes.
        offset: usize,
        /// What is wrong.
        source: DecodeError,
    },
    /// The file cannot be read.
    #[error("the segment at offset {offset} cannot be read: {source}")]
    Read {
        /// Offset of the segment in the image, in bytes.
        offset: usize,
        /// What the system says.
        source: std::io::Error,
    },
    /// An archive is damaged.
    #[error("the segment at offset {offset} cannot be read: {source}")]
    Archive {
        /// Offset of the segment in the image, in bytes.
        offset: usize,
        /// What is wrong, with the offset in the uncompressed archive.
        source: cpio::ReadError,
    },
}

impl InspectError {
    /// Whether it is about bytes behind the image's archives, which the kernel does not read.
    pub fn is_junk(&self) -> bool {
        matches!(self, Self::Unknown { offset: 1.. })
    }
}

/// The segments of an image, decoded.
///
/// # Errors
/// [`InspectError::Unknown`], [`InspectError::Decode`], [`InspectError::Many`]; an archive's own damage shows up in [`Segment::entries`].
pub fn segments(image: &[u8]) -> Result<Vec<Segment<'_>>, InspectError> {
    match readable_segments(image) {
        (segments, None) => Ok(segments),
        (_, Some(error)) => Err(error),
    }
}

/// The segments of an image up to the first that cannot be read, and why it cannot.
pub fn readable_segments(image: &[u8]) -> (Vec<Segment<'_>>, Option<InspectError>) {
    let image = without_configuration(image);
    let mut segments = Vec::new();
    let mut room = DECODED_LIMIT;
    let mut offset = skip_zeros(image, 0);
    while offset < image.len() {
        if segments.len() == MOST_SEGMENTS {
            return (segments, Some(InspectError::Many { offset }));
        }
        match segment(image, offset, room) {
            Ok(segment) => {
                room = room.saturating_sub(segment.archive.len() as u64);
                offset = skip_zeros(image, offset + segment.length);
                segments.push(segment);
            }
            Err(InspectError::Unknown { .. }) if segments.is_empty() => break,
            Err(error) => return (segments, Some(error)),
        }
    }
    let error = segments
        .is_empty()
        .then_some(InspectError::Unknown { offset: 0 });
    (segments, error)
}

fn segment(image: &[u8], offset: usize, room: u64) -> Result<Segment<'_>, InspectError> {
    let rest = &image[offset..];
    if rest.starts_with(b"07070") {
        let mut entries = cpio::entries(rest);
        let damaged = entries.by_ref().any(|entry| entry.is_err());
        // A damaged archive is handed out whole, so that what is readable can be shown before the error.
        let length = if damaged {
            rest.len()
        } else {
            entries.consumed()
        };
        return Ok(Segment {
            offset,
            length,
            format: None,
            archive: Cow::Borrowed(&rest[..length]),
        });
    }
    let member = Member::new(rest).ok_or(InspectError::Unknown { offset })?;
    let format = member.format();
    let mut archive = Vec::new();
    let behind = member
        .read_into(&mut archive, room)
        .map_err(|source| InspectError::Decode { offset, source })?;
    Ok(Segment {
        offset,
        length: rest.len() - behind.len(),
        format: Some(format),
        archive: Cow::Owned(archive),
    })
}

fn skip_zeros(image: &[u8], offset: usize) -> usize {
    image[offset..]
        .iter()
        .position(|&byte| byte != 0)
        .map_or(image.len(), |zeros| offset + zeros)
}

impl Segment<'_> {
    /// Whether the segment's last archive ends with its trailer. What is damaged has another fault.
    pub fn has_trailer(&self) -> bool {
        let mut start = 0;
        loop {
            let mut archive = cpio::entries(&self.archive[start..]);
            if archive.by_ref().any(|entry| entry.is_err()) {
                return true;
            }
            start = skip_zeros(&self.archive, start + archive.consumed());
            if start == self.archive.len() {
                return archive.has_trailer();
            }
        }
    }

    /// The entries of the segment's archives, one after another. It ends after the first error.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry<'_>, InspectError>> {
        self.placed_entries()
            .map(|placed| placed.map(|(_, entry)| entry))
    }

    /// The entries with their places, header to padding, in [`archive`](Self::archive).
    pub fn placed_entries(
        &self,
    ) -> impl Iterator<Item = Result<(Range<usize>, Entry<'_>), InspectError>> {
        self.numbered_entries()
            .map(|entry| entry.map(|(_, place, entry)| (place, entry)))
    }

    /// The entries with the numbers of their archives, and their places.
    pub fn numbered_entries(
        &self,
    ) -> impl Iterator<Item = Result<(usize, Range<usize>, Entry<'_>), InspectError>> {
        let mut archive = cpio::entries(&self.archive);
        let mut start = 0;
        let mut number = 0;
        let mut failed = false;
        std::iter::from_fn(move || {
            loop {
                if failed {
                    return None;
                }
                let before = start + archive.consumed();
                if let Some(entry) = archive.next() {
                    failed = entry.is_err();
                    let place = before..start + archive.consumed();
                    let entry = entry.map(|entry| (number, place, entry));
                    return Some(entry.map_err(|mut source| {
                        source.offset += start;
                        InspectError::Archive {
                            offset: self.offset,
                            source,
                        }
                    }));
                }
                start = skip_zeros(&self.archive, start + archive.consumed());
                if start == self.archive.len() {
                    return None;
                }
                archive = cpio::entries(&self.archive[start..]);
                number += 1;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpio::{Attributes, Kind, Options, Writer};

    fn archive(name: &str) -> Vec<u8> {
        let mut writer = Writer::new(Options::default());
        let attributes = Attributes::of_root(Kind::File, 0o644);
        writer.entry(name.as_bytes(), attributes, b"x").unwrap();
        writer.finish()
    }

    #[test]
    fn a_heap_of_empty_segments_is_refused() {
        let empty = codec::encode(b"", Format::Zstd, None).unwrap();
        let image = [archive("a"), empty.repeat(MOST_SEGMENTS)].concat();
        let (found, error) = readable_segments(&image);
        assert_eq!(found.len(), MOST_SEGMENTS);
        assert!(
            matches!(error, Some(InspectError::Many { .. })),
            "{error:?}"
        );
        assert!(matches!(
            skim(&image, |_, _, _| std::ops::ControlFlow::Continue(())),
            Err(InspectError::Archive { .. } | InspectError::Many { .. })
        ));
    }

    fn names(image: &[u8]) -> Vec<String> {
        segments(image)
            .unwrap()
            .iter()
            .flat_map(|segment| {
                segment
                    .entries()
                    .map(|entry| String::from_utf8_lossy(entry.unwrap().name).into_owned())
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn an_early_archive_and_two_compressed_ones_are_read() {
        let mut image = archive("early");
        image.extend(codec::encode(&archive("gz"), Format::Gzip, None).unwrap());
        image.extend([0; 7]);
        let two = [archive("one"), archive("two")].concat();
        image.extend(codec::encode(&two, Format::Zstd, None).unwrap());
        assert_eq!(names(&image), ["early", "gz", "one", "two"]);
    }

    #[test]
    fn every_writable_format_is_read_back() {
        for format in [
            Format::Gzip,
            Format::Xz,
            Format::Zstd,
            Format::Bzip2,
            Format::Lz4Legacy,
        ] {
            let image = codec::encode(&archive("file"), format, None).unwrap();
            assert_eq!(names(&image), ["file"], "{format}");
        }
    }

    #[test]
    fn what_is_no_image_says_where() {
        assert!(matches!(
            segments(b""),
            Err(InspectError::Unknown { offset: 0 })
        ));
        let mut image = archive("file");
        image.extend(b"junk");
        assert!(matches!(
            segments(&image),
            Err(InspectError::Unknown { offset: 512 })
        ));
    }

    #[test]
    fn a_truncated_image_gives_its_entries_and_then_an_error() {
        let image = archive("file");
        let cut = &image[..200];
        let segments = segments(cut).unwrap();
        let entries: Vec<_> = segments[0].entries().collect();
        assert!(entries[0].is_ok());
        assert!(entries[1].is_err());
        assert_eq!(entries.len(), 2);
    }
}
