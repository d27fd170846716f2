//! What holds for any bytes: shared by the fuzz targets and the ordinary tests which replay their corpora.

use std::path::Path;

use packager::Recipe;
use packager::cpio::{Attributes, Options, Writer, entries};
use packager::inspect::check::{Booted, check};
use packager::inspect::size::sizes;
use packager::inspect::{self, Files, Image, compare, readable_segments, treemap};

/// An archive: reading ends within the bytes, and what was read is read again after it has been written.
pub fn cpio(bytes: &[u8]) {
    let mut archive = entries(bytes);
    let read: Vec<_> = archive.by_ref().map_while(Result::ok).collect();
    assert!(archive.consumed() <= bytes.len());
    let mut writer = Writer::new(Options::default());
    for entry in &read {
        let attributes = Attributes {
            kind: entry.kind,
            permissions: entry.permissions,
            uid: entry.uid,
            gid: entry.gid,
        };
        writer
            .entry(entry.name, attributes, entry.data)
            .expect("what fitted once fits again");
    }
    let written = writer.finish();
    let again: Vec<_> = entries(&written)
        .map(|entry| entry.expect("it was written so"))
        .collect();
    assert_eq!(again.len(), read.len());
    for (before, after) in read.iter().zip(&again) {
        assert_eq!(
            (before.name, before.kind, before.data),
            (after.name, after.kind, after.data)
        );
        assert_eq!(before.permissions, after.permissions);
    }
}

/// An image: the segments lie in it one behind the other; check, size and diff end, and say the same of the same.
pub fn segments(image: &[u8]) {
    let (found, error) = readable_segments(image);
    let mut end = 0;
    for segment in &found {
        assert!(segment.offset >= end && segment.length > 0);
        end = segment.offset + segment.length;
    }
    assert!(end <= image.len());
    assert_eq!(error.is_some(), inspect::segments(image).is_err());
    let report = check(image, Booted::default());
    assert!(error.is_none() || !report.findings.is_empty());
    let Ok(files) = Files::new(&found) else {
        assert!(!report.passes());
        return;
    };
    let tree = sizes(image, &found).expect("every entry has been read before");
    assert_eq!(tree.size.packed, image.len() as u64);
    assert!(treemap::svg(&tree, "image").ends_with("</svg>\n"));
    let image = Image {
        segments: &found,
        files: &files,
    };
    assert!(compare(image, image).is_empty());
}

/// A recipe: it is one, or the error says where it is not.
pub fn recipe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = Recipe::from_toml(text, Path::new("folder")) {
        assert!(!error.to_string().is_empty());
    }
}
