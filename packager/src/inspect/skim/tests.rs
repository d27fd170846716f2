//! What is gone past, against what is read in memory.

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
    let end = skim(image, |entry, length, _| {
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
    let end = skim_file(&file, image, |entry, length, _| {
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
        assert_eq!(skim(&image, |_, _, _| Continue(())).unwrap(), expected);
        let end = skim_file(&file, &image, |_, _, _| Continue(())).unwrap();
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
            let see = |_: &Entry<'_>, _, _: Place| {
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
    let shorter = skim_file(&file, &image, |_, _, _| Continue(())).unwrap_err();
    assert!(
        shorter.to_string().contains("the archive ends within it"),
        "{shorter}"
    );
    let unreadable = File::options().write(true).open("/dev/null").unwrap();
    let error = skim_file(&unreadable, &image, |_, _, _| Continue(())).unwrap_err();
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
