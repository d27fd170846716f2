//! Decoding, one member at a time, never more than the caller allows.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read};
use std::num::NonZero;

use crate::{Format, detect, lz4, lzo};

/// The decoder of xz and lzma may use this much memory: enough for the largest preset (-9 needs 65 MiB) and for the 128 MiB
/// dictionaries that the kernel accepts, and a bound for a header that asks for 4 GiB.
const XZ_MEMORY_LIMIT: u64 = 160 << 20;

/// Several cores may use so much: each holds a block, and what it decodes to, which are 40 MiB in Debian's packages.
const XZ_PARALLEL_LIMIT: u64 = 512 << 20;

/// Why a stream could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The stream ends before its format says that it is complete.
    #[error("the {format} stream is truncated")]
    Truncated {
        /// The format that the magic bytes announced.
        format: Format,
    },
    /// The stream breaks the rules of its format, or a checksum is wrong.
    #[error("the {format} stream is corrupt: {reason}")]
    Corrupt {
        /// The format that the magic bytes announced.
        format: Format,
        /// What the decoder says about it.
        reason: String,
    },
    /// More bytes came out than the caller allows.
    #[error("the {format} stream decodes to more than {limit} bytes")]
    TooLarge {
        /// The format that the magic bytes announced.
        format: Format,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Something that is neither padding nor another member of the same format follows the stream.
    #[error("{length} bytes that are not {format} follow the {format} stream at offset {offset}")]
    TrailingBytes {
        /// The format of what stands before.
        format: Format,
        /// Where the foreign bytes begin.
        offset: usize,
        /// How many there are.
        length: usize,
    },
}

impl DecodeError {
    /// What an error of [`Member`]'s `read` means.
    pub fn from_io(format: Format, error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => DecodeError::Truncated { format },
            _ => DecodeError::Corrupt {
                format,
                reason: error.to_string(),
            },
        }
    }
}

/// One member of a compressed stream: reads as the decoded bytes.
///
/// ```
/// use std::io::Read;
/// use codec::{Format, Member};
///
/// let mut bytes = codec::encode(b"first", Format::Zstd, None)?;
/// bytes.extend_from_slice(b"and then something else");
/// let mut member = Member::new(&bytes).expect("zstd's magic bytes");
/// let mut text = String::new();
/// member.read_to_string(&mut text)?;
/// assert_eq!(text, "first");
/// assert_eq!(member.rest(), b"and then something else");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Member<'a> {
    format: Format,
    inner: Inner<'a>,
}

enum Inner<'a> {
    Gzip(flate2::bufread::GzDecoder<&'a [u8]>),
    Xz(xz2::bufread::XzDecoder<&'a [u8]>),
    Zstd(zstd::stream::read::Decoder<'static, &'a [u8]>),
    Bzip2(bzip2::bufread::BzDecoder<&'a [u8]>),
    Lz4Frame(Box<lz4_flex::frame::FrameDecoder<&'a [u8]>>),
    Lz4Legacy(lz4::LegacyDecoder<'a>),
    Lzo(lzo::LzopDecoder<'a>),
    /// The decoder could not even be set up; reading gives the error.
    Failed(&'a [u8], Option<io::Error>),
}

impl<'a> Member<'a> {
    /// Begins to read the member that `bytes` start with, or gives `None` where no known magic bytes stand there.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        Self::with_xz(bytes, || {
            xz2::stream::Stream::new_stream_decoder(XZ_MEMORY_LIMIT, 0)
        })
    }

    /// As [`new`](Self::new), for large members: the blocks of an xz stream, if it has several and says how long they are, are
    /// decoded at the same time, on as many cores as 512 MiB are enough for.
    pub fn in_parallel(bytes: &'a [u8]) -> Option<Self> {
        Self::with_xz(bytes, || {
            let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
            xz2::stream::MtStreamBuilder::new()
                .threads(u32::try_from(cores).unwrap_or(1))
                .memlimit_threading(XZ_PARALLEL_LIMIT)
                .memlimit_stop(XZ_PARALLEL_LIMIT)
                .decoder()
        })
    }

    fn with_xz(
        bytes: &'a [u8],
        stream: impl FnOnce() -> Result<xz2::stream::Stream, xz2::stream::Error>,
    ) -> Option<Self> {
        let format = detect(bytes)?;
        let inner_xz = |stream| match stream {
            Ok(stream) => Inner::Xz(xz2::bufread::XzDecoder::new_stream(bytes, stream)),
            Err(error) => Inner::Failed(bytes, Some(io::Error::from(error))),
        };
        let inner = match format {
            Format::Gzip => Inner::Gzip(flate2::bufread::GzDecoder::new(bytes)),
            Format::Xz => inner_xz(stream()),
            Format::Lzma => inner_xz(xz2::stream::Stream::new_lzma_decoder(XZ_MEMORY_LIMIT)),
            Format::Zstd => match zstd::stream::read::Decoder::with_buffer(bytes) {
                Ok(decoder) => Inner::Zstd(decoder.single_frame()),
                Err(error) => Inner::Failed(bytes, Some(error)),
            },
            Format::Bzip2 => Inner::Bzip2(bzip2::bufread::BzDecoder::new(bytes)),
            Format::Lz4Frame => {
                Inner::Lz4Frame(Box::new(lz4_flex::frame::FrameDecoder::new(bytes)))
            }
            Format::Lz4Legacy => Inner::Lz4Legacy(lz4::LegacyDecoder::new(bytes)),
            Format::Lzo => Inner::Lzo(lzo::LzopDecoder::new(bytes)),
        };
        Some(Self { format, inner })
    }

    /// The format of this member.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What follows the part that has been read so far; after the end of the member: what follows the member.
    pub fn rest(&self) -> &'a [u8] {
        match &self.inner {
            Inner::Gzip(decoder) => decoder.get_ref(),
            Inner::Xz(decoder) => decoder.get_ref(),
            Inner::Zstd(decoder) => decoder.get_ref(),
            Inner::Bzip2(decoder) => decoder.get_ref(),
            Inner::Lz4Frame(decoder) => decoder.get_ref(),
            Inner::Lz4Legacy(decoder) => decoder.rest(),
            Inner::Lzo(decoder) => decoder.rest(),
            Inner::Failed(bytes, _) => bytes,
        }
    }

    /// Decodes the whole member behind what `out` holds already. Returns what follows the member.
    ///
    /// # Errors
    /// See [`DecodeError`]; `limit` bounds the length of `out`, which is then of no use.
    pub fn read_into(self, out: &mut Vec<u8>, limit: u64) -> Result<&'a [u8], DecodeError> {
        let length = out.len();
        let (length, rest) = self.fill(out, length, limit)?;
        out.truncate(length);
        Ok(rest)
    }

    /// Decodes the member into `buffer` behind the first `length` bytes. Returns the new length, and what follows the member.
    fn fill(
        mut self,
        buffer: &mut Vec<u8>,
        mut length: usize,
        limit: u64,
    ) -> Result<(usize, &'a [u8]), DecodeError> {
        let format = self.format;
        loop {
            if length == buffer.len() {
                grow(buffer, self.rest(), limit);
            }
            match self.read(&mut buffer[length..]) {
                Ok(0) => return Ok((length, self.rest())),
                Ok(read) => length += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(DecodeError::from_io(format, &error)),
            }
            if length as u64 > limit {
                return Err(DecodeError::TooLarge { format, limit });
            }
        }
    }
}

/// The first room is not larger: a system may refuse to promise more memory than it has.
const MOST_AT_FIRST: usize = 256 << 20;

/// Makes room for what a stream may decode to: at first what zstd's frame says, or 16 times as much as the stream has, then half
/// as much again as there was, and one byte more than `limit` at most, by which it shows that the limit is passed.
///
/// zstd decodes what fits in one step, without a window of its own and a copy from there.
///
/// New memory is zero already and costs nothing before it is written to; a buffer that grows is cleared and copied. Modules
/// become 6 times as long by xz's decoder, tables of zeros more.
fn grow(buffer: &mut Vec<u8>, rest: &[u8], limit: u64) {
    let most = usize::try_from(limit).map_or(usize::MAX, |limit| limit.saturating_add(1));
    if buffer.is_empty() {
        let said = zstd::zstd_safe::get_frame_content_size(rest).ok().flatten();
        let said = said.and_then(|size| usize::try_from(size).ok());
        // One byte more, so that the end is seen without growing.
        let room = match said.filter(|_| detect(rest) == Some(Format::Zstd)) {
            Some(size) => size.saturating_add(1),
            None => rest.len().saturating_mul(16).max(1 << 12),
        };
        *buffer = vec![0; room.min(most).clamp(1, MOST_AT_FIRST)];
        return;
    }
    let room = rest.len().saturating_mul(4).max(buffer.len() / 2);
    let wanted = buffer.len().saturating_add(room).min(most);
    // At the limit already, and at the end of the member perhaps: one byte tells.
    buffer.resize(wanted.max(buffer.len() + 1), 0);
}

impl Read for Member<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Gzip(decoder) => decoder.read(buffer),
            Inner::Xz(decoder) => decoder.read(buffer),
            Inner::Zstd(decoder) => decoder.read(buffer),
            Inner::Bzip2(decoder) => decoder.read(buffer),
            Inner::Lz4Frame(decoder) => decoder.read(buffer),
            Inner::Lz4Legacy(decoder) => decoder.read(buffer),
            Inner::Lzo(decoder) => decoder.read(buffer),
            Inner::Failed(_, error) => Err(error
                .take()
                .unwrap_or_else(|| ErrorKind::InvalidData.into())),
        }
    }
}

/// Decodes `bytes`, or gives them back as they are where they are not compressed.
///
/// Several members of one format in a row are one text, as `zcat`, `xzcat` and `zstdcat` have it. Zero bytes after the
/// last member are padding.
///
/// # Errors
/// See [`DecodeError`]. `limit` is the most that may come out, in bytes; it does not concern bytes that are not compressed.
pub fn decode(bytes: &[u8], limit: u64) -> Result<Cow<'_, [u8]>, DecodeError> {
    if detect(bytes).is_none() {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut out = Vec::new();
    let length = decode_into(bytes, &mut out, limit)?;
    out.truncate(length);
    Ok(Cow::Owned(out))
}

/// Decodes compressed bytes as [`decode`] does, into the beginning of a buffer that grows where it must and never shrinks;
/// gives the number of decoded bytes. Bytes that are not compressed decode to nothing.
///
/// For many files in a row: the buffer's room is made once, and a stream that fits is decoded in one step.
///
/// ```
/// let mut buffer = Vec::new();
/// for text in [&b"a longer text"[..], b"a text"] {
///     let stream = codec::encode(text, codec::Format::Gzip, None)?;
///     let length = codec::decode_into(&stream, &mut buffer, 1 << 20)?;
///     assert_eq!(&buffer[..length], text);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`decode`]. What the buffer holds is then of no use.
pub fn decode_into(bytes: &[u8], buffer: &mut Vec<u8>, limit: u64) -> Result<usize, DecodeError> {
    let Some(format) = detect(bytes) else {
        return Ok(0);
    };
    let mut length = 0;
    let mut rest = bytes;
    let mut members = 0..most_members(limit);
    loop {
        match Member::new(rest) {
            Some(member) if member.format() == format => {
                if members.next().is_none() {
                    let reason = format!("it has more than {} members", most_members(limit));
                    return Err(DecodeError::Corrupt { format, reason });
                }
                (length, rest) = member.fill(buffer, length, limit)?;
            }
            _ if rest.iter().all(|&byte| byte == 0) => return Ok(length),
            _ => {
                return Err(DecodeError::TrailingBytes {
                    format,
                    offset: bytes.len() - rest.len(),
                    length: rest.len(),
                });
            }
        }
    }
}

/// How many members a text of `limit` bytes may be in: each takes time even where it is empty. Programs that compress in blocks
/// (bgzip, pzstd) make blocks of 64 KiB and more.
fn most_members(limit: u64) -> u64 {
    1000 + limit / (64 << 10)
}

/// Whether `stream` is one member, with nothing behind it, that decodes to these parts in a row. Needs no room for them.
pub fn decodes_to(stream: &[u8], parts: &[&[u8]]) -> bool {
    let Some(mut member) = Member::new(stream) else {
        return false;
    };
    let mut buffer = vec![0; 64 << 10];
    for part in parts {
        for expected in part.chunks(buffer.len()) {
            let found = &mut buffer[..expected.len()];
            if member.read_exact(found).is_err() || found != expected {
                return false;
            }
        }
    }
    // The end of the member is read as well: its checksum stands there.
    matches!(member.read(&mut buffer), Ok(0)) && member.rest().is_empty()
}
