//! The container of `lzop`, which the kernel reads as an initramfs (`lib/decompress_unlzo.c`), with blocks of LZO1X.
//!
//! Numbers are big-endian. A header: 9 bytes of magic, the versions of the program, its library and the one that is needed
//! (`u16` each), method and level (`u8`), flags, mode and two halves of the time (`u32` each), a name behind its length (`u8`),
//! a checksum (`u32`). Then blocks: the length of what comes out, 0 at the end, and of what is stored (`u32` each), the
//! checksums that the flags announce, and the bytes, which are not compressed where both lengths are the same.
//!
//! The stream within a block is described in the kernel's `Documentation/staging/lzo.rst`.

use std::io::{self, ErrorKind, Read};

use crate::Format;

/// What a block decodes to at most, as the kernel has it, and `lzop` writes it.
const LARGEST_BLOCK: usize = 256 << 10;

/// A block has an Adler-32 of what comes out.
const ADLER32: u32 = 1;
/// It has an Adler-32 of what is stored.
const ADLER32_STORED: u32 = 2;
/// It has a CRC-32 of what comes out.
const CRC32: u32 = 0x100;
/// It has a CRC-32 of what is stored.
const CRC32_STORED: u32 = 0x200;
/// The header names a filter.
const FILTER: u32 = 0x800;

/// Before this version, a header has neither the needed version nor a level, and half a time.
const FULL_HEADER: u16 = 0x0940;

/// Reads a container block by block.
pub(crate) struct LzopDecoder<'a> {
    rest: &'a [u8],
    /// `None` before the header has been read.
    flags: Option<u32>,
    block: Vec<u8>,
    /// How much of `block` has been handed out.
    position: usize,
    ended: bool,
}

impl<'a> LzopDecoder<'a> {
    /// `bytes` begin with the magic.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: &bytes[Format::Lzo.magic().len()..],
            flags: None,
            block: Vec::new(),
            position: 0,
            ended: false,
        }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn header(&mut self) -> io::Result<u32> {
        let version = u16::from_be_bytes(self.array()?);
        let _library: [u8; 2] = self.array()?;
        let is_full = version >= FULL_HEADER;
        if is_full {
            self.take(2)?;
        }
        let [method] = self.array()?;
        if !(1..=3).contains(&method) {
            return Err(invalid(format!("the method {method}, which is not LZO1X")));
        }
        if is_full {
            self.take(1)?;
        }
        let flags = self.number()?;
        if flags & FILTER != 0 {
            return Err(invalid("a filter, which the kernel does not know"));
        }
        // The mode, and the time.
        self.take(if is_full { 12 } else { 8 })?;
        let [name] = self.array()?;
        self.take(usize::from(name) + 4)?;
        Ok(flags)
    }

    /// Decodes the next block into `self.block`; leaves it empty at the end of the container.
    fn next_block(&mut self) -> io::Result<()> {
        self.block.clear();
        self.position = 0;
        if self.ended {
            return Ok(());
        }
        let flags = match self.flags {
            Some(flags) => flags,
            None => self.header()?,
        };
        self.flags = Some(flags);
        let length = self.number()? as usize;
        if length == 0 {
            self.ended = true;
            return Ok(());
        }
        let stored = self.number()? as usize;
        if length > LARGEST_BLOCK || stored > length {
            return Err(invalid(format!("a block of {stored} bytes for {length}")));
        }
        let sum = match flags & ADLER32 {
            0 => None,
            _ => Some(self.number()?),
        };
        let is_compressed = stored < length;
        for (flag, is_there) in [
            (CRC32, true),
            (ADLER32_STORED, is_compressed),
            (CRC32_STORED, is_compressed),
        ] {
            if flags & flag != 0 && is_there {
                self.take(4)?;
            }
        }
        let bytes = self.take(stored)?;
        match is_compressed {
            true => decompress(bytes, length, &mut self.block)
                .ok_or_else(|| invalid("a damaged block"))?,
            false => self.block.extend_from_slice(bytes),
        }
        match sum.is_none_or(|sum| sum == adler32(&self.block)) {
            true => Ok(()),
            false => Err(invalid("a block with another checksum")),
        }
    }

    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (part, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(ErrorKind::UnexpectedEof)?;
        self.rest = rest;
        Ok(part)
    }

    fn array<const LENGTH: usize>(&mut self) -> io::Result<[u8; LENGTH]> {
        let part = self.take(LENGTH)?.first_chunk().copied();
        Ok(part.ok_or(ErrorKind::UnexpectedEof)?)
    }

    fn number(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_be_bytes)
    }
}

impl Read for LzopDecoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.block.len() {
            self.next_block()?;
        }
        let read = (&self.block[self.position..]).read(buffer)?;
        self.position += read;
        Ok(read)
    }
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.into())
}

/// The checksum of zlib (RFC 1950, 8.2).
fn adler32(bytes: &[u8]) -> u32 {
    const BASE: u32 = 65_521;
    let sums = bytes.iter().fold((1, 0), |(sum, sums), &byte| {
        let sum = (sum + u32::from(byte)) % BASE;
        (sum, (sums + sum) % BASE)
    });
    sums.1 << 16 | sums.0
}

/// What stood before an instruction: so many literals, or a run of them. It says what a byte below 16 means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Literals(usize),
    Run,
}

/// Decodes a block to exactly `length` bytes of `out`, which is empty; `None` where it is damaged.
fn decompress(block: &[u8], length: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut block = Block(block);
    let mut before = Before::Literals(0);
    // The first byte may be a short run.
    if let first @ 18.. = *block.0.first()? {
        block.byte()?;
        let run = usize::from(first) - 17;
        block.literals(run, length, out)?;
        before = match run {
            4.. => Before::Run,
            run => Before::Literals(run),
        };
    }
    loop {
        let code = usize::from(block.byte()?);
        // A match: its length, its distance, and in the low two bits how many literals follow it.
        let (count, distance, literals) = match (code, before) {
            (..16, Before::Literals(0)) => {
                let run = block.count(code, 15)? + 3;
                block.literals(run, length, out)?;
                before = Before::Run;
                continue;
            }
            (..16, Before::Literals(_)) => {
                let high = usize::from(block.byte()?);
                (2, (high << 2) + (code >> 2) + 1, code)
            }
            (..16, Before::Run) => {
                let high = usize::from(block.byte()?);
                (3, (high << 2) + (code >> 2) + 2049, code)
            }
            (..32, _) => {
                let count = block.count(code & 7, 7)? + 2;
                let low = block.pair()?;
                let distance = ((code & 8) << 11) + (low >> 2);
                if distance == 0 {
                    let is_end = count == 3 && block.0.is_empty() && out.len() == length;
                    return is_end.then_some(());
                }
                (count, distance + (16 << 10), low)
            }
            (..64, _) => {
                let count = block.count(code & 31, 31)? + 2;
                let low = block.pair()?;
                (count, (low >> 2) + 1, low)
            }
            _ => {
                let high = usize::from(block.byte()?);
                let count = (code >> 5) + 1;
                (count, (high << 3) + (code >> 2 & 7) + 1, code)
            }
        };
        repeat(count, distance, length, out)?;
        let literals = literals & 3;
        block.literals(literals, length, out)?;
        before = Before::Literals(literals);
    }
}

/// Appends `count` bytes that stand `distance` bytes before the end, which they may reach and pass.
fn repeat(count: usize, distance: usize, length: usize, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len().checked_sub(distance)?;
    if count > length - out.len() {
        return None;
    }
    for place in start..start + count {
        out.push(*out.get(place)?);
    }
    Some(())
}

/// What has not been read of a block.
struct Block<'a>(&'a [u8]);

impl Block<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// Two bytes, the low one first.
    fn pair(&mut self) -> Option<usize> {
        Some(usize::from(u16::from_le_bytes([
            self.byte()?,
            self.byte()?,
        ])))
    }

    /// A count: `bits`, or where they are 0, `most` and what follows: 255 for each byte of 0, and the byte behind these.
    fn count(&mut self, bits: usize, most: usize) -> Option<usize> {
        if bits > 0 {
            return Some(bits);
        }
        let mut count = most;
        loop {
            match self.byte()? {
                0 => count += 255,
                last => return Some(count + usize::from(last)),
            }
        }
    }

    fn literals(&mut self, count: usize, length: usize, out: &mut Vec<u8>) -> Option<()> {
        let (literals, rest) = self.0.split_at_checked(count)?;
        if count > length - out.len() {
            return None;
        }
        out.extend_from_slice(literals);
        self.0 = rest;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(block: &[u8], length: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decompress(block, length, &mut out).map(|()| out)
    }

    /// One instruction of each kind, written by hand from the description.
    #[test]
    fn every_instruction_does_what_is_written() {
        const END: &[u8] = &[17, 0, 0];
        let numbers = |count: u8| -> Vec<u8> { (0..count).collect() };
        let first = |text: &[u8]| [&[17 + text.len() as u8], text].concat();
        // A run of 3 and 15 and 78 times 255 and 92 bytes.
        let run = [&[0; 79][..], &[92], &[7; 20_000 - 1], b"z"].concat();
        let ran = [&[7; 20_000 - 1][..], b"z"].concat();
        let cases: [[&[&[u8]]; 2]; 8] = [
            [&[&first(&numbers(238))], &[&numbers(238)]],
            [&[&[1], &numbers(4)], &[&numbers(4)]],
            [&[&run], &[&ran]],
            // 5 bytes from 2 before, which they pass, and 2 literals.
            [
                &[&first(b"abcde"), &[4 << 5 | 1 << 2 | 2, 0], b"xy"],
                &[b"abcde", b"deded", b"xy"],
            ],
            // 5 bytes from 5 before.
            [&[&first(b"abcde"), &[32 | 3, 4 << 2, 0]], &[b"abcdeabcde"]],
            // 31 and 255 and 2 and 2 bytes from 1 before.
            [
                &[&first(b"abcde"), &[32, 0, 2, 0, 0]],
                &[b"abcde", &[b'e'; 290]],
            ],
            // 4 bytes from 16384 and 100 before; behind a run, 3 bytes from 2049 before.
            [
                &[&run, &[2 << 2, 0], &[16 | 2, 144, 1]],
                &[&ran, &[7; 3], &[7; 4]],
            ],
            // Behind a first literal, 2 bytes from 1 before.
            [&[&first(b"a"), &[0, 0]], &[b"aaa"]],
        ];
        for [block, expected] in cases {
            let (block, expected) = ([&block.concat(), END].concat(), expected.concat());
            let length = expected.len();
            assert!(
                decoded(&block, length).as_ref() == Some(&expected),
                "{block:?}"
            );
            // Neither more nor less may come out, or be there.
            assert_eq!(decoded(&block, length - 1), None);
            assert_eq!(decoded(&block, length + 1), None);
            assert_eq!(decoded(&[&block[..], b"x"].concat(), length), None);
            assert_eq!(decoded(&block[..block.len() - 1], length), None);
        }
        // From before the beginning.
        assert_eq!(
            decoded(&[&first(b"abc"), &[64 | 3 << 2, 0][..], END].concat(), 6),
            None
        );
    }

    #[test]
    fn the_checksum_is_zlibs() {
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_blocks_never_panic(
            block in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            length in 0usize..5000,
        ) {
            let mut out = Vec::new();
            let whole = decompress(&block, length, &mut out);
            proptest::prop_assert!(out.len() <= length && (whole.is_none() || out.len() == length));
        }
    }
}
