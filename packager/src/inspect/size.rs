//! Where an image's bytes go: the share that each file has of its compressed segment.
//!
//! Nothing is compressed anew. The decoder is asked for a few bytes at a time, and what it reads of the segment meanwhile is
//! the share of the files to which these bytes belong. gzip and xz read as they go, so that this is exact to a step
//! (`STEP`). zstd, lzo, bzip2 and lz4 read whole blocks (128 and 256 KiB, up to 900 kB, 8 MiB of what comes out); what one step
//! or block takes is divided among its files by what each part takes when lz4 compresses it alone. All shares of a segment, and
//! that of its trailer and padding, add up to its length, to the byte. A file that repeats an earlier one costs little, and that is the truth about this image; in
//! another order, the other file would.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

use codec::{Format, Member};

use super::{InspectError, Segment};
use crate::cpio::Kind;

/// How much is decoded at a time, in bytes: no more than the smallest modules have.
const STEP: usize = 4096;

/// What a file, or a folder with all that it holds, takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of contents, unpacked.
    pub unpacked: u64,
    /// Bytes of the image: the compressed share of contents, header and padding.
    pub packed: u64,
}

/// Folders and files with their sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// What it takes, with all parts.
    pub size: Size,
    /// What its own entries take: a file with its contents, a folder without what it holds.
    pub own: Size,
    /// How many entries are its own: none of a folder that the image does not say anything of, several where one replaces another.
    pub entries: usize,
    /// What it holds, by name.
    pub parts: BTreeMap<String, Tree>,
}

/// What a file is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// A kernel module.
    Module,
    /// Firmware, and what processors and firmware read early.
    Firmware,
    /// A shared library.
    Library,
    /// A program or a script.
    Program,
    /// Everything else.
    Other,
}

impl Use {
    /// Every one of them.
    pub const ALL: [Use; 5] = [
        Use::Module,
        Use::Firmware,
        Use::Library,
        Use::Program,
        Use::Other,
    ];

    /// In words, for many files.
    pub fn name(self) -> &'static str {
        match self {
            Use::Module => "modules",
            Use::Firmware => "firmware",
            Use::Library => "libraries",
            Use::Program => "programs",
            Use::Other => "other",
        }
    }

    /// Judged by a path without a leading `/`.
    pub fn of(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        let in_folder = |folder: &str| {
            let below = path.strip_prefix("usr/").unwrap_or(path);
            below.starts_with(folder)
        };
        if name.ends_with(".ko") || name.contains(".ko.") {
            Use::Module
        } else if in_folder("lib/firmware/") || path.starts_with("kernel/") {
            Use::Firmware
        } else if name.ends_with(".so") || name.contains(".so.") {
            Use::Library
        } else if path == "init" || in_folder("bin/") || in_folder("sbin/") {
            Use::Program
        } else {
            Use::Other
        }
    }
}

/// The sizes of all that an image holds. Bytes that belong to no entry, trailers and padding, count for the whole only.
///
/// `image` is what `segments` were read from.
///
/// # Errors
/// An archive is damaged.
pub fn sizes(image: &[u8], segments: &[Segment<'_>]) -> Result<Tree, InspectError> {
    let mut tree = Tree::default();
    for segment in segments {
        let entries: Vec<_> = segment.placed_entries().collect::<Result<_, _>>()?;
        let places: Vec<_> = entries.iter().map(|(place, _)| place.clone()).collect();
        let bytes = &image[segment.offset..segment.offset + segment.length];
        let costs = costs(bytes, segment, &places);
        for ((_, entry), &packed) in entries.iter().zip(&costs) {
            let is_file = entry.kind == Kind::File;
            let unpacked = if is_file { entry.data.len() } else { 0 };
            let name = crate::names::text(entry.name);
            tree.add(&name, unpacked as u64, packed);
        }
    }
    tree.size.packed = image.len() as u64;
    Ok(tree)
}

impl Tree {
    fn add(&mut self, path: &str, unpacked: u64, packed: u64) {
        let mut here = self;
        here.size.add(unpacked, packed);
        for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
            here = here.parts.entry(part.to_owned()).or_default();
            here.size.add(unpacked, packed);
        }
        here.own.add(unpacked, packed);
        here.entries += 1;
    }

    /// All that has entries, files and folders, with the paths and with what it takes itself.
    pub fn entries(&self) -> Vec<(String, &Size)> {
        let mut entries = Vec::new();
        self.collect("", &mut entries);
        entries
    }

    fn collect<'a>(&'a self, path: &str, entries: &mut Vec<(String, &'a Size)>) {
        if self.entries > 0 {
            entries.push((path.to_owned(), &self.own));
        }
        for (name, part) in &self.parts {
            let path = match path {
                "" => name.clone(),
                folder => format!("{folder}/{name}"),
            };
            part.collect(&path, entries);
        }
    }

    /// Bytes of the image that belong to no entry: trailers, padding, what the kernel does not read.
    pub fn overhead(&self) -> u64 {
        let entries = self.entries();
        let packed = entries.iter().map(|(_, own)| own.packed);
        self.size.packed.saturating_sub(packed.sum())
    }
}

impl Size {
    fn add(&mut self, unpacked: u64, packed: u64) {
        self.unpacked += unpacked;
        self.packed += packed;
    }
}

/// A number of bytes for people, in units of 1000.
pub fn readable(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// What each of `places`, parts of a segment's archive in their order, costs. `bytes` are the segment's.
fn costs(bytes: &[u8], segment: &Segment<'_>, places: &[Range<usize>]) -> Vec<u64> {
    if segment.format.is_none() {
        return places.iter().map(|place| place.len() as u64).collect();
    }
    let mut costs = vec![0; places.len()];
    let mut first = 0;
    for (step, cost) in steps(bytes, segment.archive.len()) {
        while places
            .get(first)
            .is_some_and(|place| place.end <= step.start)
        {
            first += 1;
        }
        let inside = places[first..]
            .iter()
            .take_while(|place| place.start < step.end);
        let parts: Vec<_> = inside
            .map(|place| place.start.max(step.start)..place.end.min(step.end))
            .collect();
        for (total, share) in costs[first..]
            .iter_mut()
            .zip(shares(cost, &parts, &segment.archive))
        {
            *total += share;
        }
    }
    costs
}

/// Divides a cost by what the parts take alone.
fn shares(cost: u64, parts: &[Range<usize>], archive: &[u8]) -> Vec<u64> {
    let weights: Vec<u64> = match parts {
        [_] => vec![1],
        _ => parts
            .iter()
            .map(|part| alone(&archive[part.clone()]))
            .collect(),
    };
    let whole: u64 = weights.iter().sum();
    let (mut weighed, mut divided) = (0, 0);
    let share = |weight: u64| {
        weighed += weight;
        let so_far = u128::from(cost) * u128::from(weighed) / u128::from(whole.max(1));
        let share = so_far as u64 - divided;
        divided += share;
        share
    };
    weights.into_iter().map(share).collect()
}

/// What bytes take when lz4 compresses them alone; it is the fastest, and near enough to divide a block by.
fn alone(bytes: &[u8]) -> u64 {
    // lz4 has no levels and cannot fail on what is in memory.
    codec::encode(bytes, Format::Lz4Legacy, None).map_or(bytes.len(), |packed| packed.len()) as u64
}

/// The archive in steps, with what the decoder reads of the segment for each.
fn steps(bytes: &[u8], length: usize) -> Vec<(Range<usize>, u64)> {
    let Some(mut member) = Member::new(bytes) else {
        return Vec::new();
    };
    let mut starts = Vec::new();
    let (mut out, mut left) = (0, bytes.len());
    let mut buffer = [0; STEP];
    // The segment has been decoded before, so that an error cannot come.
    while let Ok(read @ 1..) = member.read(&mut buffer) {
        let taken = left - member.rest().len();
        left -= taken;
        // What comes without reading belongs to the block that was read before.
        if taken > 0 {
            starts.push((out, taken as u64));
        }
        out += read;
    }
    let ends = starts.iter().skip(1).map(|start| start.0).chain([length]);
    let ends: Vec<_> = ends.collect();
    let ranges = starts.into_iter().zip(ends);
    ranges
        .map(|((start, cost), end)| (start..end, cost))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpio::{Attributes, Options, Writer};
    use crate::inspect::segments;

    /// Bytes that no compressor makes smaller (a linear congruential generator, Knuth's constants).
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    fn image(format: Option<Format>) -> Vec<u8> {
        let mut writer = Writer::new(Options::default());
        let mut put = |name: &str, data: &[u8]| {
            let attributes = Attributes::of_root(Kind::File, 0o644);
            writer.entry(name.as_bytes(), attributes, data).unwrap();
        };
        put("dense", &noise(50_000));
        put("empty", b"");
        put("sparse", &[0; 50_000]);
        put(
            "text",
            "the same words again and again\n".repeat(1000).as_bytes(),
        );
        let archive = writer.finish();
        match format {
            Some(format) => codec::encode(&archive, format, None).unwrap(),
            None => archive,
        }
    }

    #[test]
    fn shares_add_up_and_are_where_the_bytes_are() {
        let is_written =
            |format: &Format| !matches!(format, Format::Lz4Frame | Format::Lzma | Format::Lzo);
        let formats = Format::ALL.into_iter().filter(is_written);
        for format in formats.map(Some).chain([None]) {
            let image = image(format);
            let segments = segments(&image).unwrap();
            let tree = sizes(&image, &segments).unwrap();
            assert_eq!(tree.size.packed, image.len() as u64, "{format:?}");
            let packed = |name: &str| tree.parts[name].size.packed;
            let files: u64 = tree.parts.values().map(|part| part.size.packed).sum();
            // A header of 110 bytes with its name, and padding to 512 bytes, or what these become.
            let overhead = tree.size.packed - files;
            assert!((0..636).contains(&overhead), "{format:?}: {overhead}");
            assert_eq!(tree.overhead(), overhead, "{format:?}");
            assert!(packed("dense") >= 49_000, "{format:?}: {}", packed("dense"));
            if format.is_some() {
                assert!(packed("sparse") < 2000, "{format:?}: {}", packed("sparse"));
                assert!(packed("text") < 2000, "{format:?}: {}", packed("text"));
            }
            assert_eq!(tree.parts["sparse"].size.unpacked, 50_000);
        }
    }

    #[test]
    fn folders_and_what_is_replaced_have_their_own_share() {
        let mut writer = Writer::new(Options::default());
        let entries: [(&str, Kind, &[u8]); 5] = [
            (".", Kind::Directory, b""),
            ("x", Kind::File, b"four"),
            ("x", Kind::Directory, b""),
            ("x/y", Kind::File, b"12345678"),
            ("no/folder", Kind::File, b""),
        ];
        for (name, kind, data) in entries {
            let attributes = Attributes::of_root(kind, 0o755);
            writer.entry(name.as_bytes(), attributes, data).unwrap();
        }
        let image = writer.finish();
        let tree = sizes(&image, &segments(&image).unwrap()).unwrap();
        let size = |unpacked, packed| Size { unpacked, packed };
        // A header and a name are 112 bytes, up to a name of one byte, or 116 and 120.
        let found = tree
            .entries()
            .into_iter()
            .map(|(path, own)| (path, own.clone()));
        let expected = [
            ("", size(0, 112)),
            ("no/folder", size(0, 120)),
            ("x", size(4, 112 + 4 + 112)),
            ("x/y", size(8, 116 + 8)),
        ];
        assert!(
            found.eq(expected.map(|(path, own)| (path.to_owned(), own))),
            "{tree:?}"
        );
        assert_eq!(tree.overhead(), image.len() as u64 - 112 - 120 - 228 - 124);
        assert_eq!(tree.parts["x"].size, size(12, 228 + 124));
    }

    #[test]
    fn a_cost_is_divided_without_a_rest() {
        let archive = [noise(300), vec![0; 300], noise(100)].concat();
        let shares = shares(101, &[0..300, 300..600, 600..700], &archive);
        assert_eq!(shares.iter().sum::<u64>(), 101);
        assert!(shares[0] > shares[2] && shares[2] > shares[1], "{shares:?}");
    }

    #[test]
    fn a_path_tells_what_a_file_is_for() {
        let of = |path| Use::of(path).name();
        assert_eq!(of("usr/lib/modules/6.1/kernel/fs/fat/fat.ko.xz"), "modules");
        assert_eq!(of("lib/firmware/a.bin"), "firmware");
        assert_eq!(of("kernel/x86/microcode/GenuineIntel.bin"), "firmware");
        assert_eq!(of("usr/lib/x86_64-linux-gnu/libc.so.6"), "libraries");
        assert_eq!(of("usr/sbin/busybox"), "programs");
        assert_eq!(of("etc/passwd"), "other");
    }
}
