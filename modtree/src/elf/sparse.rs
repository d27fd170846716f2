//! The parts of a plain module file that depmod wants, fetched with few system calls into a buffer that is used again.
//!
//! A module ends with `.symtab`, `.strtab`, `.shstrtab` and the section headers (only a signature follows), so one read
//! mostly brings all four. This is an optimisation and nothing more: [`Image`](super::image::Image) reads through
//! [`Sparse`] as it would read the file, and where something was not fetched, the caller reads the file in the plain way.

use std::io;

use object::Endianness;
use object::elf::{FileHeader32, FileHeader64, SHN_XINDEX};
use object::read::ReadRef;
use object::read::elf::{FileHeader, SectionHeader as _};

use super::image::until_nul;

/// How much is read in front of the section headers. Of Debian's 6.1 modules, three of four have all their symbols there;
/// 8 KiB and 32 KiB are both slower.
const TAIL: u64 = 16 << 10;

/// More than this is not fetched: the plain way has its own bounds.
const MOST: u64 = 64 << 20;

/// Pieces of a file, one after the other in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    buffer: Vec<u8>,
    /// The part of the buffer that is in use.
    used: usize,
    /// Offset in the file, place in the buffer, length.
    pieces: Vec<(u64, usize, usize)>,
    length: u64,
    decoded: (Vec<u8>, Vec<u8>),
}

/// A file of which only some pieces can be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sparse<'a> {
    pieces: &'a Pieces,
}

impl Pieces {
    /// Forgets the last file, and fetches what depmod wants of the next one, which has `length` bytes. `read` fills a
    /// slice from an offset of the file. Gives `None` where the file is not as expected; `Some` promises nothing either.
    ///
    /// # Errors
    /// What `read` says.
    pub(crate) fn fetch(
        &mut self,
        length: u64,
        read: &mut dyn FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<Option<Sparse<'_>>> {
        self.used = 0;
        self.pieces.clear();
        self.length = length;
        let first = length.min(super::FIRST_READ);
        self.add(0, first, read)?;
        let class = self.buffer.get(4).copied().filter(|_| self.used > 4);
        let fetched = match class {
            Some(1) => self.sections::<FileHeader32<Endianness>>(read)?,
            Some(2) => self.sections::<FileHeader64<Endianness>>(read)?,
            _ => None,
        };
        Ok(fetched.map(|()| Sparse { pieces: self }))
    }

    /// The bytes with which the file begins, as far as they have been fetched.
    pub(crate) fn beginning(&self) -> &[u8] {
        &self.buffer[..self.used.min(super::FIRST_READ as usize)]
    }

    /// Two buffers for a compressed file: what comes out, and the stream.
    pub(crate) fn decoded(&mut self) -> &mut (Vec<u8>, Vec<u8>) {
        &mut self.decoded
    }

    fn add(
        &mut self,
        offset: u64,
        size: u64,
        read: &mut dyn FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<Option<()>> {
        let inside = offset
            .checked_add(size)
            .is_some_and(|end| end <= self.length);
        if !inside || size > MOST {
            return Ok(None);
        }
        if (Sparse { pieces: self })
            .read_bytes_at(offset, size)
            .is_ok()
        {
            return Ok(Some(()));
        }
        let (start, size) = (self.used, size as usize);
        if self.buffer.len() < start + size {
            self.buffer.resize((start + size).next_power_of_two(), 0);
        }
        read(offset, &mut self.buffer[start..start + size])?;
        self.used += size;
        self.pieces.push((offset, start, size));
        Ok(Some(()))
    }

    fn sections<Elf: FileHeader<Endian = Endianness>>(
        &mut self,
        read: &mut dyn FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<Option<()>> {
        let Ok(header) = Sparse { pieces: self }.read_at::<Elf>(0).copied() else {
            return Ok(None);
        };
        let Ok(endian) = header.endian() else {
            return Ok(None);
        };
        let count = header.e_shnum(endian);
        let names = header.e_shstrndx(endian);
        if count == 0 || names == SHN_XINDEX {
            return Ok(None);
        }
        let table: u64 = header.e_shoff(endian).into();
        let size = u64::from(count) * size_of::<Elf::SectionHeader>() as u64;
        let start = table.saturating_sub(TAIL);
        let Some(length) = (table - start).checked_add(size) else {
            return Ok(None);
        };
        if self.add(start, length, read)?.is_none() {
            return Ok(None);
        }
        let headers = Sparse { pieces: self }
            .read_slice_at::<Elf::SectionHeader>(table, count.into())
            .map(<[_]>::to_vec);
        let Ok(headers) = headers else {
            return Ok(None);
        };
        let place = |section: &Elf::SectionHeader| -> (u64, u64) {
            (
                section.sh_offset(endian).into(),
                section.sh_size(endian).into(),
            )
        };
        let Some((offset, size)) = headers.get(usize::from(names.0)).map(place) else {
            return Ok(None);
        };
        if self.add(offset, size, read)?.is_none() {
            return Ok(None);
        }
        let mut wanted = Vec::with_capacity(5);
        {
            let Ok(names) = (Sparse { pieces: self }).read_bytes_at(offset, size) else {
                return Ok(None);
            };
            let name = |section: &Elf::SectionHeader| {
                until_nul(names, section.sh_name(endian) as usize).unwrap_or_default()
            };
            let exporter = headers
                .iter()
                .any(|section| name(section) == b"__ksymtab_strings");
            for section in &headers {
                let (offset, size) = place(section);
                match name(section) {
                    b".modinfo" | b".strtab" | b"__ksymtab_strings" | b"__versions" => {
                        wanted.push((offset, size));
                    }
                    b".symtab" => {
                        let first = u64::from(section.sh_info(endian));
                        let locals = if exporter { 0 } else { first };
                        let skipped = locals
                            .saturating_mul(size_of::<Elf::Sym>() as u64)
                            .min(size);
                        wanted.push((offset.saturating_add(skipped), size - skipped));
                    }
                    _ => {}
                }
            }
        }
        for (offset, size) in wanted {
            self.add(offset, size, read)?;
        }
        Ok(Some(()))
    }
}

impl<'a> ReadRef<'a> for Sparse<'a> {
    fn len(self) -> Result<u64, ()> {
        Ok(self.pieces.length)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        let size = usize::try_from(size).map_err(|_| ())?;
        // The last piece is the one that is asked for most often.
        for &(from, start, length) in self.pieces.pieces.iter().rev() {
            let Some(skipped) = offset.checked_sub(from) else {
                continue;
            };
            if let Ok(skipped) = usize::try_from(skipped)
                && skipped.checked_add(size).is_some_and(|end| end <= length)
            {
                return Ok(&self.pieces.buffer[start + skipped..start + skipped + size]);
            }
        }
        if size == 0 { Ok(&[]) } else { Err(()) }
    }

    fn read_bytes_at_until(
        self,
        range: std::ops::Range<u64>,
        delimiter: u8,
    ) -> Result<&'a [u8], ()> {
        let size = range.end.checked_sub(range.start).ok_or(())?;
        let bytes = self.read_bytes_at(range.start, size)?;
        let end = bytes.iter().position(|&byte| byte == delimiter).ok_or(())?;
        Ok(&bytes[..end])
    }
}
