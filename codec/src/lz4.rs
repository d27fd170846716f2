//! The legacy lz4 container, which is the only lz4 that the kernel reads (`lib/decompress_unlz4.c`).
//!
//! `02 21 4c 18`, then blocks: a little-endian `u32` length and that many bytes of one lz4 block, which decodes to at
//! most 8 MiB; every block but the last decodes to exactly 8 MiB. There is no end mark and no checksum: the stream ends
//! with the file. (`lz4_Frame_format.md`, "Legacy frame", of the lz4 project.) Where the bytes behind a block are the magic
//! of another frame, or zero padding, the container ends there.

use std::io::{self, ErrorKind, Read};

use crate::Format;
use crate::encode::in_blocks;

/// What a block decodes to at most.
const BLOCK: usize = 8 << 20;

/// A block of 8 MiB that does not compress grows by 1/255 and 16 bytes; a larger length is no block.
const LARGEST_BLOCK: usize = BLOCK + BLOCK / 255 + 16;

/// Encodes the parts, in a row, as one legacy container.
pub(crate) fn encode_legacy(parts: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut out = Format::Lz4Legacy.magic().to_vec();
    in_blocks(parts, BLOCK, |block| {
        append_block(&mut out, block);
        Ok(())
    })?;
    Ok(out)
}

fn append_block(out: &mut Vec<u8>, block: &[u8]) {
    let start = out.len();
    let room = lz4_flex::block::get_maximum_output_size(block.len());
    out.resize(start + 4 + room, 0);
    // The room is the documented maximum, so compression cannot fail; a length of 0 would show up in every test.
    let length = lz4_flex::block::compress_into(block, &mut out[start + 4..]).unwrap_or(0);
    out[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
    out.truncate(start + 4 + length);
}

/// Reads a legacy container block by block.
pub(crate) struct LegacyDecoder<'a> {
    rest: &'a [u8],
    block: Vec<u8>,
    /// How much of `block` has been handed out.
    position: usize,
    /// A block shorter than 8 MiB was the last one.
    ended: bool,
}

impl<'a> LegacyDecoder<'a> {
    /// `bytes` begin with the magic.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: &bytes[Format::Lz4Legacy.magic().len()..],
            block: Vec::new(),
            position: 0,
            ended: false,
        }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Decodes the next block into `self.block`; leaves it empty at the end of the container.
    fn next_block(&mut self) -> io::Result<()> {
        self.block.clear();
        self.position = 0;
        if self.ended || self.rest.is_empty() || self.rest.iter().take(4).all(|&byte| byte == 0) {
            return Ok(());
        }
        let (length, rest) = self
            .rest
            .split_first_chunk::<4>()
            .ok_or(ErrorKind::UnexpectedEof)?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > LARGEST_BLOCK {
            // Not a block: the magic of another frame, or of something else, which is for the caller to judge.
            return match crate::detect(self.rest) {
                Some(_) => Ok(()),
                None => Err(io::Error::new(
                    ErrorKind::InvalidData,
                    format!("a block of {length} bytes"),
                )),
            };
        }
        let block = rest.get(..length).ok_or(ErrorKind::UnexpectedEof)?;
        self.block.resize(BLOCK, 0);
        let decoded = lz4_flex::block::decompress_into(block, &mut self.block)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        self.block.truncate(decoded);
        self.ended = decoded < BLOCK;
        self.rest = &rest[length..];
        Ok(())
    }
}

impl Read for LegacyDecoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.block.len() {
            self.next_block()?;
        }
        let mut left = &self.block[self.position..];
        let read = left.read(buffer)?;
        self.position += read;
        Ok(read)
    }
}
