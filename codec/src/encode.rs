//! Encoding for the kernel: what `lib/decompress_*.c` reads, and the same bytes on every machine.

use std::io::{self, Write};

use crate::{Format, lz4};

/// Changes when [`encode`] gives other bytes than before, as a new version of a compressor may: who keeps encoded bytes keeps
/// this beside them. A test compares what is encoded with what this revision gave.
pub const REVISION: u32 = 2;

/// Why something could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The level is not one of the format's.
    #[error("{format} has {}, not {level}", choice(*lowest, *highest))]
    Level {
        /// The format that was asked for.
        format: Format,
        /// The level that was asked for.
        level: i32,
        /// The format's lowest level.
        lowest: i32,
        /// The format's highest level.
        highest: i32,
    },
    /// This format is only decoded.
    #[error(
        "writing {0} is not supported: {why}", why = instead(*.0)
    )]
    Unsupported(Format),
    /// The encoder failed, which means that memory ran out.
    #[error("the {format} encoder failed")]
    Encoder {
        /// The format that was asked for.
        format: Format,
        /// What the encoder says.
        source: io::Error,
    },
}

fn instead(format: Format) -> &'static str {
    match format {
        Format::Lz4Frame => "the kernel reads only the legacy container (lz4-legacy)",
        _ => "xz is smaller than lzma, and lz4 faster than lzo",
    }
}

fn choice(lowest: i32, highest: i32) -> String {
    match lowest == highest {
        true => format!("no level but {lowest}"),
        false => format!("levels {lowest} to {highest}"),
    }
}

/// The level used where none is given, and the range that is accepted.
fn levels(format: Format) -> (i32, std::ops::RangeInclusive<i32>) {
    match format {
        Format::Gzip | Format::Xz => (6, 0..=9),
        // From 20 on, the window outgrows the 8 MiB that every kernel's zstd decoder accepts.
        Format::Zstd => (3, 1..=19),
        Format::Bzip2 => (9, 1..=9),
        Format::Lz4Frame | Format::Lz4Legacy | Format::Lzma | Format::Lzo => (1, 1..=1),
    }
}

/// Encodes `bytes` as one stream: the same bytes for the same input on every machine and at every time.
///
/// xz streams carry a CRC32, since the kernel's decoder knows no other check; gzip headers carry neither a name nor a time.
/// Levels: gzip and xz 0–9 (default 6), zstd 1–19 (default 3), bzip2 1–9 (default 9); lz4 has one level.
///
/// # Errors
/// See [`EncodeError`].
pub fn encode(bytes: &[u8], format: Format, level: Option<i32>) -> Result<Vec<u8>, EncodeError> {
    encode_parts(&[bytes], format, level)
}

/// The level that is used: the default one, or this one, if the format has it.
///
/// # Errors
/// [`EncodeError::Level`].
pub fn check_level(format: Format, level: Option<i32>) -> Result<i32, EncodeError> {
    let (default, range) = levels(format);
    let level = level.unwrap_or(default);
    match range.contains(&level) {
        true => Ok(level),
        false => Err(EncodeError::Level {
            format,
            level,
            lowest: *range.start(),
            highest: *range.end(),
        }),
    }
}

/// As [`encode`], of bytes that stand in several places: the same stream as of all of them in a row, without a copy of them.
///
/// # Errors
/// See [`EncodeError`].
pub fn encode_parts(
    parts: &[&[u8]],
    format: Format,
    level: Option<i32>,
) -> Result<Vec<u8>, EncodeError> {
    let level = check_level(format, level)?;
    let encoded = match format {
        Format::Gzip => gzip(parts, level),
        Format::Xz => xz(parts, level),
        Format::Zstd => zstd(parts, level),
        Format::Bzip2 => bzip2(parts, level),
        Format::Lz4Legacy => lz4::encode_legacy(parts),
        Format::Lz4Frame | Format::Lzma | Format::Lzo => {
            return Err(EncodeError::Unsupported(format));
        }
    };
    let mut stream = encoded.map_err(|source| EncodeError::Encoder { format, source })?;
    // Room was made for what does not compress, and many streams may be kept.
    stream.shrink_to_fit();
    Ok(stream)
}

/// What the encoder finds depends on how much it is given at a time.
const GZIP_BLOCK: usize = 256 << 10;

fn gzip(parts: &[&[u8]], level: i32) -> io::Result<Vec<u8>> {
    let level = flate2::Compression::new(level.unsigned_abs());
    let mut encoder = flate2::GzBuilder::new().mtime(0).write(Vec::new(), level);
    in_blocks(parts, GZIP_BLOCK, |block| encoder.write_all(block))?;
    encoder.finish()
}

fn xz(parts: &[&[u8]], level: i32) -> io::Result<Vec<u8>> {
    let level = level.unsigned_abs();
    let mut options = xz2::stream::LzmaOptions::new_preset(level)?;
    options.dict_size(xz_dictionary(level, length(parts)));
    let mut filters = xz2::stream::Filters::new();
    filters.lzma2(&options);
    let stream = xz2::stream::Stream::new_stream_encoder(&filters, xz2::stream::Check::Crc32)?;
    let mut encoder = xz2::write::XzEncoder::new_stream(Vec::new(), stream);
    write_parts(&mut encoder, parts)?;
    encoder.finish()
}

/// The preset's dictionary (xz(1)), or as much of it as there are bytes to look back at. The encoder takes eleven times its
/// size, and whoever decodes once.
fn xz_dictionary(level: u32, length: usize) -> u32 {
    const LEAST: u32 = 64 << 10;
    let preset: u32 = match level {
        0 => 256 << 10,
        1 => 1 << 20,
        2 => 2 << 20,
        3 | 4 => 4 << 20,
        5 | 6 => 8 << 20,
        7 => 16 << 20,
        8 => 32 << 20,
        _ => 64 << 20,
    };
    // The format has 2^n and 2^n + 2^(n - 1).
    let sizes = (0..).map(|n| (LEAST << (n / 2)) + (LEAST << (n / 2)) / 2 * (n % 2));
    let mut sizes = sizes.take_while(|size| *size < preset);
    sizes
        .find(|size| *size as usize >= length)
        .unwrap_or(preset)
}

fn zstd(parts: &[&[u8]], level: i32) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(length(parts) as u64))?;
    write_parts(&mut encoder, parts)?;
    encoder.finish()
}

fn bzip2(parts: &[&[u8]], level: i32) -> io::Result<Vec<u8>> {
    let level = bzip2::Compression::new(level.unsigned_abs());
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
    write_parts(&mut encoder, parts)?;
    encoder.finish()
}

/// Hands out the parts in blocks of one size, the last one as long as it is, wherever one part ends and the next begins.
pub(crate) fn in_blocks(
    parts: &[&[u8]],
    size: usize,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut block = Vec::new();
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(size - block.len()));
            rest = tail;
            // What is a block already needs no copy.
            if head.len() == size {
                write(head)?;
                continue;
            }
            block.extend_from_slice(head);
            if block.len() == size {
                write(&block)?;
                block.clear();
            }
        }
    }
    match block.is_empty() {
        true => Ok(()),
        false => write(&block),
    }
}

fn write_parts(encoder: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    parts.iter().try_for_each(|part| encoder.write_all(part))
}

fn length(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}
