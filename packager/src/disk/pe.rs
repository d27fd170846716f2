//! PE, the format of EFI programs: reading its headers, and adding sections to a program.
//!
//! Specified by Microsoft's "PE Format". An MS-DOS header points to the signature `PE\0\0`; behind it come the COFF header
//! (20 bytes), the optional header with the data directories, and a table of sections (40 bytes each). A section has a
//! place in the file and a place in memory.

mod signature;

use std::borrow::Cow;
use std::ops::Range;

/// Offsets from the signature, and in the optional header, which begins 24 bytes behind it.
mod field {
    pub(super) const MACHINE: usize = 4;
    pub(super) const SECTIONS: usize = 6;
    pub(super) const TIME: usize = 8;
    pub(super) const SYMBOLS: usize = 12;
    pub(super) const OPTIONAL_SIZE: usize = 20;
    pub(super) const OPTIONAL: usize = 24;
    pub(super) const MAGIC: usize = OPTIONAL;
    pub(super) const SECTION_ALIGNMENT: usize = OPTIONAL + 32;
    pub(super) const FILE_ALIGNMENT: usize = OPTIONAL + 36;
    pub(super) const IMAGE_SIZE: usize = OPTIONAL + 56;
    pub(super) const HEADERS_SIZE: usize = OPTIONAL + 60;
    pub(super) const CHECKSUM: usize = OPTIONAL + 64;
    /// The directory of signatures, by its place in the file; and its size.
    pub(super) const CERTIFICATES: usize = OPTIONAL + 112 + 4 * 8;
}

/// Where an MS-DOS header says where the signature is.
const SIGNATURE_POINTER: usize = 0x3c;

/// The optional header of 64-bit programs.
const MAGIC_64: u16 = 0x20b;

/// Bytes of a section's header.
const SECTION: usize = 40;

/// The section has bytes in the file, and may be read.
const READ_ONLY_DATA: u32 = 0x4000_0040;

/// Sections in memory begin at least at multiples of a page.
const PAGE: u64 = 4096;

/// The largest alignment that the format allows in a file, and larger than any in memory.
const ALIGNMENT_MAX: u64 = 64 << 10;

/// Whose instructions a program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine(pub u16);

impl Machine {
    /// x86-64.
    pub const X86_64: Self = Self(0x8664);
    /// 64-bit ARM.
    pub const AARCH64: Self = Self(0xaa64);
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::X86_64 => f.write_str("x86-64"),
            Self::AARCH64 => f.write_str("arm64"),
            Self(other) => write!(f, "machine 0x{other:04x}"),
        }
    }
}

/// Why bytes are not a program that sections can be added to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeError {
    /// No `MZ`, or no signature where it points to.
    #[error("it is not an EFI program (PE): the signature is missing")]
    NotPe,
    /// A program of 32 bits.
    #[error("it is not a 64-bit EFI program (PE32+)")]
    Not64Bit,
    /// A header or a section leads out of the file.
    #[error("it is a damaged EFI program: {0} leads out of the file")]
    Outside(&'static str),
    /// Two sections share bytes of the file or of memory, or do not go upwards.
    #[error("it is a damaged EFI program: the sections {0} and {1} overlap")]
    Overlap(String, String),
    /// The table of sections has no room.
    #[error("its header has room for {room} more sections, and {wanted} are to be added")]
    NoRoom {
        /// How many fit.
        room: usize,
        /// How many are to be added.
        wanted: usize,
    },
    /// An alignment that would fill a file with nothing.
    #[error(
        "it is a damaged EFI program: it aligns its sections to more than {ALIGNMENT_MAX} bytes"
    )]
    Alignment,
    /// The program would have more bytes than 32-bit offsets can say.
    #[error("with its sections it would be larger than 4 GiB")]
    TooLarge,
}

/// A section, as its header has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Up to eight bytes, for example `.text`.
    pub name: String,
    /// Where it is in memory, from the program's begin.
    pub address: u32,
    /// Bytes in memory.
    pub size: u32,
    /// Where it is in the file.
    pub offset: u32,
    /// Bytes in the file.
    pub stored: u32,
}

impl Section {
    fn end_in_memory(&self) -> u64 {
        u64::from(self.address) + u64::from(self.size.max(self.stored))
    }

    fn end_in_file(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.stored)
    }
}

/// A program whose headers have been checked.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    bytes: &'a [u8],
    signature: usize,
    table: usize,
    /// Whose instructions it has.
    pub machine: Machine,
    /// Its sections, in the order of the file's table.
    pub sections: Vec<Section>,
}

impl<'a> Program<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`PeError`], but for `NoRoom`, `Alignment` and `TooLarge`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PeError> {
        if !bytes.starts_with(b"MZ") {
            return Err(PeError::NotPe);
        }
        let signature = u32_at(bytes, SIGNATURE_POINTER).ok_or(PeError::NotPe)? as usize;
        let header = bytes.get(signature..).ok_or(PeError::NotPe)?;
        if !header.starts_with(b"PE\0\0") {
            return Err(PeError::NotPe);
        }
        let outside = || PeError::Outside("its header");
        if u16_at(header, field::MAGIC).ok_or_else(outside)? != MAGIC_64 {
            return Err(PeError::Not64Bit);
        }
        let machine = Machine(u16_at(header, field::MACHINE).ok_or_else(outside)?);
        let count = u16_at(header, field::SECTIONS).ok_or_else(outside)?;
        let optional = u16_at(header, field::OPTIONAL_SIZE).ok_or_else(outside)?;
        // What is written when sections are added must be there, and in front of the table.
        if usize::from(optional) < field::CERTIFICATES + 8 - field::OPTIONAL {
            return Err(outside());
        }
        let table = signature + field::OPTIONAL + usize::from(optional);
        let headers = bytes
            .get(table..)
            .and_then(|rest| rest.get(..usize::from(count) * SECTION))
            .ok_or(PeError::Outside("its table of sections"))?;
        let sections: Vec<_> = headers.chunks_exact(SECTION).map(section).collect();
        for section in &sections {
            if section.end_in_file() > bytes.len() as u64 {
                return Err(PeError::Outside("a section"));
            }
        }
        check_order(&sections)?;
        Ok(Self {
            bytes,
            signature,
            table,
            machine,
            sections,
        })
    }

    /// The bytes of a section, without what fills up its last block; `None` where there is none of that name.
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        self.bytes.get(self.section_place(name)?)
    }

    /// Where in the file those bytes are.
    pub fn section_place(&self, name: &str) -> Option<Range<usize>> {
        let section = self.sections.iter().find(|section| section.name == name)?;
        let (start, length) = (section.offset, section.size.min(section.stored));
        Some(start as usize..start.checked_add(length)? as usize)
    }

    /// The program with more sections behind its own. Symbols, signatures, the time stamp and the check sum are left out: the
    /// first two do not hold for the new program, the others would tell when and where it was made.
    ///
    /// # Errors
    /// [`PeError::NoRoom`], [`PeError::Alignment`], [`PeError::TooLarge`].
    pub fn with_sections(&self, added: &[(&str, Cow<'_, [u8]>)]) -> Result<Vec<u8>, PeError> {
        let header = &self.bytes[self.signature..];
        let alignment = |at: usize| u64::from(u32_at(header, at).unwrap_or(0));
        let in_memory = alignment(field::SECTION_ALIGNMENT).max(PAGE);
        let in_file = alignment(field::FILE_ALIGNMENT).max(512);
        if in_memory > ALIGNMENT_MAX || in_file > ALIGNMENT_MAX {
            return Err(PeError::Alignment);
        }
        let headers = self.check_room(added.len())?;
        let ends = self
            .sections
            .iter()
            .map(|section| section.end_in_file() as usize);
        let end = ends.chain([headers]).max();
        let mut address = self.sections.iter().map(Section::end_in_memory).max();
        let mut out = self.bytes[..end.unwrap_or(headers)].to_vec();
        let size: usize = added
            .iter()
            .map(|(_, data)| data.len() + in_file as usize)
            .sum();
        out.reserve_exact(size + in_file as usize);
        for (index, (name, data)) in added.iter().enumerate() {
            let offset = (out.len() as u64).next_multiple_of(in_file);
            let start = address.unwrap_or(0).next_multiple_of(in_memory);
            let stored = (data.len() as u64).next_multiple_of(in_file);
            let fields = [data.len() as u64, start, stored, offset];
            let at = self.table + (self.sections.len() + index) * SECTION;
            write_section(&mut out[at..at + SECTION], name, fields)?;
            out.resize(offset as usize, 0);
            out.extend_from_slice(data);
            out.resize((offset + stored) as usize, 0);
            address = Some(start + data.len() as u64);
        }
        let image = address.unwrap_or(0).next_multiple_of(in_memory);
        let image = u32::try_from(image).map_err(|_| PeError::TooLarge)?;
        let count = (self.sections.len() + added.len()) as u16;
        let mut put = |at: usize, bytes: &[u8]| {
            out[self.signature + at..][..bytes.len()].copy_from_slice(bytes);
        };
        put(field::SECTIONS, &count.to_le_bytes());
        put(field::TIME, &[0; 4]);
        put(field::SYMBOLS, &[0; 8]);
        put(field::IMAGE_SIZE, &image.to_le_bytes());
        put(field::CHECKSUM, &[0; 4]);
        put(field::CERTIFICATES, &[0; 8]);
        Ok(out)
    }

    /// The table may grow as far as the headers' end, which is where the first section's bytes begin; gives that end.
    fn check_room(&self, wanted: usize) -> Result<usize, PeError> {
        let end = self.table + self.sections.len() * SECTION;
        let headers = u32_at(&self.bytes[self.signature..], field::HEADERS_SIZE).unwrap_or(0);
        let stored = self.sections.iter().filter(|section| section.stored > 0);
        let first = stored
            .map(|section| section.offset)
            .min()
            .unwrap_or(headers);
        let headers = (headers.min(first) as usize).min(self.bytes.len());
        let room = headers.saturating_sub(end) / SECTION;
        if wanted > room {
            return Err(PeError::NoRoom { room, wanted });
        }
        Ok(headers.max(end))
    }
}

fn section(header: &[u8]) -> Section {
    let name = header[..8].split(|byte| *byte == 0).next().unwrap_or(b"");
    let field = |at| u32_at(header, at).unwrap_or(0);
    Section {
        name: String::from_utf8_lossy(name).into_owned(),
        size: field(8),
        address: field(12),
        stored: field(16),
        offset: field(20),
    }
}

/// `fields`: size and address in memory, size and offset in the file.
fn write_section(header: &mut [u8], name: &str, fields: [u64; 4]) -> Result<(), PeError> {
    header.fill(0);
    let name = &name.as_bytes()[..name.len().min(8)];
    header[..name.len()].copy_from_slice(name);
    for (place, value) in [8, 12, 16, 20].into_iter().zip(fields) {
        let value = u32::try_from(value).map_err(|_| PeError::TooLarge)?;
        header[place..place + 4].copy_from_slice(&value.to_le_bytes());
    }
    header[36..].copy_from_slice(&READ_ONLY_DATA.to_le_bytes());
    Ok(())
}

fn check_order(sections: &[Section]) -> Result<(), PeError> {
    let overlap =
        |one: &Section, two: &Section| Err(PeError::Overlap(one.name.clone(), two.name.clone()));
    for pair in sections.windows(2) {
        let [one, two] = pair else { continue };
        // Not the stored size: the last block of a section may reach into the next one's page.
        if u64::from(one.address) + u64::from(one.size) > two.address.into() {
            return overlap(one, two);
        }
    }
    let mut stored: Vec<_> = sections
        .iter()
        .filter(|section| section.stored > 0)
        .collect();
    stored.sort_by_key(|section| section.offset);
    for pair in stored.windows(2) {
        let [one, two] = pair else { continue };
        if one.end_in_file() > two.offset.into() {
            return overlap(one, two);
        }
    }
    Ok(())
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let chunk = bytes.get(offset..)?.first_chunk()?;
    Some(u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let chunk = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes(*chunk))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The same with another section.
    pub(crate) fn program_with(name: &str, bytes: &[u8]) -> Vec<u8> {
        let program = program();
        let program = Program::parse(&program).unwrap();
        program.with_sections(&[(name, bytes.into())]).unwrap()
    }

    /// A program with one section.
    pub(crate) fn program() -> Vec<u8> {
        let mut bytes = vec![0; 0x600];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[SIGNATURE_POINTER] = 0x80;
        let signature = 0x80;
        let mut put = |at: usize, value: &[u8]| {
            bytes[signature + at..][..value.len()].copy_from_slice(value);
        };
        put(0, b"PE\0\0");
        put(field::MACHINE, &Machine::X86_64.0.to_le_bytes());
        put(field::SECTIONS, &[1]);
        put(field::TIME, &[1; 4]);
        put(field::OPTIONAL_SIZE, &240_u16.to_le_bytes());
        put(field::MAGIC, &MAGIC_64.to_le_bytes());
        put(field::SECTION_ALIGNMENT, &4096_u32.to_le_bytes());
        put(field::FILE_ALIGNMENT, &512_u32.to_le_bytes());
        put(field::HEADERS_SIZE, &0x400_u32.to_le_bytes());
        let table = field::OPTIONAL + 240;
        put(table, b".text");
        for (place, value) in [(8, 300_u32), (12, 0x1000), (16, 512), (20, 0x400)] {
            put(table + place, &value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn sections_are_added_behind() {
        let bytes = program();
        let program = Program::parse(&bytes).unwrap();
        let added = [(".uname", b"6.1".into()), (".linux", vec![7; 5000].into())];
        let out = program.with_sections(&added).unwrap();
        let again = Program::parse(&out).unwrap();
        assert_eq!(again.section(".uname"), Some(&b"6.1"[..]));
        assert_eq!(again.section(".linux"), Some(&[7; 5000][..]));
        assert_eq!(again.section(".none"), None);
        assert_eq!(again.sections[1].address, 0x2000);
        assert_eq!(again.sections[2].address, 0x3000);
        assert_eq!(u32_at(&out, 0x80 + field::IMAGE_SIZE), Some(0x5000));
        assert_eq!(u32_at(&out, 0x80 + field::TIME), Some(0));
        assert_eq!(out.len() % 512, 0);
    }

    #[test]
    fn damage_is_named() {
        let good = program();
        let error = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            Program::parse(&bytes).unwrap_err()
        };
        assert_eq!(error(&|b| b.clear()), PeError::NotPe);
        assert_eq!(error(&|b| b.truncate(0x90)), PeError::Outside("its header"));
        assert_eq!(error(&|b| b.truncate(0x500)), PeError::Outside("a section"));
        assert_eq!(error(&|b| b[0x80 + field::MAGIC] = 0), PeError::Not64Bit);
        assert_eq!(
            error(&|b| b[0x80 + field::SECTIONS] = 0xff),
            PeError::Outside("its table of sections")
        );
        let program = Program::parse(&good).unwrap();
        let many = vec![(".a", Cow::from(&b"x"[..])); 15];
        let error = PeError::NoRoom {
            room: 14,
            wanted: 15,
        };
        assert_eq!(program.with_sections(&many), Err(error));
    }
}
