//! Encoding for the kernel: what `lib/decompress_*.c` reads, and the same bytes on every machine.

use std::io::{self, Write};

use crate::{Format, lz4};

/// Changes when [`encode`] gives other bytes than before, as a new version of a compressor may: who keeps encoded bytes keeps
/// this beside them. A test compares what is encoded with what this revision gave.
pub const REVISION: u32 = 1;

/// Why something could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The level is not one of the format's.
    #[error("{format} has levels {lowest} to {highest}, not {level}")]
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
    /// This format is only decoded: the kernel cannot read it.
    #[error(
        "writing {0} is not supported: the kernel reads only the legacy container (lz4-legacy)"
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

/// The level used where none is given, and the range that is accepted.
fn levels(format: Format) -> (i32, std::ops::RangeInclusive<i32>) {
    match format {
        Format::Gzip | Format::Xz => (6, 0..=9),
        // From 20 on, the window outgrows the 8 MiB that every kernel's zstd decoder accepts.
        Format::Zstd => (3, 1..=19),
        Format::Bzip2 => (9, 1..=9),
        Format::Lz4Frame | Format::Lz4Legacy => (1, 1..=1),
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
    let (default, range) = levels(format);
    let level = level.unwrap_or(default);
    if !range.contains(&level) {
        return Err(EncodeError::Level {
            format,
            level,
            lowest: *range.start(),
            highest: *range.end(),
        });
    }
    match format {
        Format::Gzip => gzip(bytes, level),
        Format::Xz => xz(bytes, level),
        Format::Zstd => zstd(bytes, level),
        Format::Bzip2 => bzip2(bytes, level),
        Format::Lz4Legacy => Ok(lz4::encode_legacy(bytes)),
        Format::Lz4Frame => return Err(EncodeError::Unsupported(format)),
    }
    .map_err(|source| EncodeError::Encoder { format, source })
}

fn gzip(bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let level = flate2::Compression::new(level.unsigned_abs());
    let mut encoder = flate2::GzBuilder::new().mtime(0).write(Vec::new(), level);
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn xz(bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let stream =
        xz2::stream::Stream::new_easy_encoder(level.unsigned_abs(), xz2::stream::Check::Crc32)?;
    let mut encoder = xz2::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn zstd(bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn bzip2(bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let level = bzip2::Compression::new(level.unsigned_abs());
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes)?;
    encoder.finish()
}
