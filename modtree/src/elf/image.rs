//! The sections of one ELF file of a known class, found by their names.

use object::Endianness;
use object::elf;
use object::read::ReadRef;
use object::read::elf::{FileHeader, SectionHeader as _, Sym as _};

use super::names::find_whole;
use super::{ElfError, Parts, Reading, Symbols, Wanted};
use crate::ModInfo;

/// `STT_REGISTER`: SPARC's declaration of a global register, which is undefined but imports nothing.
const STT_SPARC_REGISTER: u8 = 13;

/// The longest symbol name that is believed. The kernel's own limit is 512 (`KSYM_NAME_LEN`); a table whose symbols all
/// point at one huge string must not make us copy it a million times.
const LONGEST_NAME: usize = 4096;

/// With this begins the name of a symbol whose value is the checksum of an exported one.
pub(super) const CRC: &[u8] = b"__crc_";

/// What a symbol is to other modules.
enum Role {
    Import,
    Export,
}

/// An ELF file of a known class, its header and section headers checked.
pub(super) struct Image<'data, Elf: FileHeader, R> {
    pub(super) data: R,
    pub(super) length: u64,
    pub(super) endian: Endianness,
    machine: elf::Machine,
    kind: u16,
    pub(super) sections: &'data [Elf::SectionHeader],
    pub(super) names: &'data [u8],
}

impl<'data, Elf, R> Image<'data, Elf, R>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    /// Checks the header, and finds the section headers and their names.
    pub(super) fn open(data: R, length: u64) -> Result<Self, ElfError> {
        let header: &Elf = data.read_at(0).map_err(|()| ElfError::Header {
            length,
            needed: size_of::<Elf>() as u64,
        })?;
        let endian = header
            .endian()
            .ok()
            .filter(|_| header.is_little_endian() || header.is_big_endian());
        let endian = endian.ok_or_else(|| ElfError::Unknown {
            what: "byte order",
            value: header.e_ident().data.0.into(),
            offset: 5,
        })?;
        let sections = section_headers(header, endian, data, length)?;
        let mut image = Self {
            data,
            length,
            endian,
            machine: header.e_machine(endian),
            kind: header.e_type(endian).0,
            sections,
            names: &[],
        };
        let count = sections.len();
        let index = header.shstrndx(endian, data).unwrap_or(0);
        let table = sections
            .get(index as usize)
            .filter(|_| index != 0)
            .ok_or(ElfError::NameSection { index, count })?;
        image.names = image.bytes(".shstrtab", table)?;
        let (name, size) = (table.sh_name(endian), image.names.len());
        if name as usize >= size {
            return Err(ElfError::NameOfNames { index, name, size });
        }
        if image.names.last() != Some(&0) {
            return Err(ElfError::Unterminated {
                section: ".shstrtab".to_owned(),
                offset: table.sh_offset(endian).into(),
            });
        }
        Ok(image)
    }

    /// Reads the wanted parts, and only their sections.
    pub(super) fn parts(&self, wanted: Wanted<'_>) -> Result<Parts, ElfError> {
        let mut parts = Parts::default();
        if let Some(checks) = wanted.record {
            // depmod does not ask for the type.
            (parts.record, parts.faults) = self.record(checks);
            return Ok(parts);
        }
        if self.kind != elf::ET_REL.0 {
            return Err(ElfError::NotRelocatable { found: self.kind });
        }
        if wanted.modinfo {
            let section = self.named(".modinfo")?.ok_or(ElfError::NoModinfo)?;
            parts.modinfo = ModInfo::new(section);
        }
        match wanted.symbols {
            Reading::No => {}
            Reading::Check => self.symbols(|_, _| {})?,
            Reading::Keep => {
                let Symbols { imports, exports } = &mut parts.symbols;
                self.symbols(|role, name| match role {
                    Role::Import => imports.push(name),
                    Role::Export => exports.push(name),
                })?;
            }
        }
        if let Some(text) = wanted.string {
            parts.string = self.find_string(text)?;
        }
        Ok(parts)
    }

    /// The first section of this name, as kmod chooses it too.
    fn section(&self, name: &str) -> Option<&'data Elf::SectionHeader> {
        // The header at index 0 is reserved, whatever it says.
        let mut sections = self.sections.iter().skip(1);
        sections.find(|section| self.is_named(section, name.as_bytes()))
    }

    /// Whether a section has this name. As many bytes are compared as it has, and the end of others is not looked for. A name
    /// that lies outside the table of names equals nothing.
    pub(super) fn is_named(&self, section: &Elf::SectionHeader, name: &[u8]) -> bool {
        let found = self.name_onwards(section);
        found.starts_with(name) && found.get(name.len()) == Some(&0)
    }

    /// The table of names from a section's name on.
    fn name_onwards(&self, section: &Elf::SectionHeader) -> &'data [u8] {
        let start = section.sh_name(self.endian) as usize;
        self.names.get(start..).unwrap_or_default()
    }

    /// Whether this is a 64-bit file.
    pub(super) fn is_64(&self) -> bool {
        size_of::<Elf::Sym>() == size_of::<elf::Sym64<Endianness>>()
    }

    fn named(&self, name: &str) -> Result<Option<&'data [u8]>, ElfError> {
        self.section(name)
            .map(|section| self.bytes(name, section))
            .transpose()
    }

    /// A section's bytes.
    fn bytes(&self, name: &str, section: &Elf::SectionHeader) -> Result<&'data [u8], ElfError> {
        if section.sh_type(self.endian) == elf::SHT_NOBITS {
            return Err(ElfError::NoBits {
                section: name.to_owned(),
            });
        }
        let offset: u64 = section.sh_offset(self.endian).into();
        let size: u64 = section.sh_size(self.endian).into();
        if offset.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(ElfError::Bounds {
                section: name.to_owned(),
                offset,
                size,
                length: self.length,
            });
        }
        self.data
            .read_bytes_at(offset, size)
            .map_err(|()| ElfError::Read { offset })
    }

    /// Reads the symbols by which modules hang together, each with its name.
    fn symbols(&self, mut found: impl FnMut(Role, &[u8])) -> Result<(), ElfError> {
        let strings = self.section("__ksymtab_strings");
        let exports = self.symbol_table(strings.is_some(), &mut found)?;
        match strings {
            Some(strings) if !exports => {
                let strings = self.ksymtab_strings(strings)?;
                strings.for_each(|name| found(Role::Export, name));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The imports, and the names behind `__crc_`; says whether there are any of the latter.
    ///
    /// `__crc_` symbols are local, undefined symbols never are, and two of three symbols are local: a module that exports
    /// nothing is read from its first global symbol on (`sh_info`).
    fn symbol_table(
        &self,
        exporter: bool,
        mut found: impl FnMut(Role, &[u8]),
    ) -> Result<bool, ElfError> {
        let Some(section) = self.section(".symtab") else {
            return Ok(false);
        };
        let names = self.named(".strtab")?.unwrap_or_default();
        let first = if exporter {
            1
        } else {
            section.sh_info(self.endian).max(1)
        };
        let are_ended = names.last() == Some(&0);
        let mut exports = false;
        for (index, symbol) in self.symbols_from(section, first)? {
            let undefined = symbol.st_shndx(self.endian) == elf::SHN_UNDEF;
            if !undefined && !exporter || undefined && self.is_register(symbol) {
                continue;
            }
            let start = symbol.st_name(self.endian);
            let rest = names.get(start as usize..).unwrap_or_default();
            // The names of most symbols of a module that exports some are of no concern.
            if !undefined && are_ended && !rest.is_empty() && !rest.starts_with(CRC) {
                continue;
            }
            let name = until_nul(rest, 0).ok_or(ElfError::SymbolName {
                index,
                name: start.into(),
                size: names.len() as u64,
            })?;
            if let Some(export) = name.strip_prefix(CRC) {
                exports = true;
                found(Role::Export, export);
            } else if undefined && !name.is_empty() {
                found(Role::Import, name);
            }
        }
        Ok(exports)
    }

    pub(super) fn is_register(&self, symbol: &Elf::Sym) -> bool {
        let sparc = [elf::EM_SPARC, elf::EM_SPARC32PLUS, elf::EM_SPARCV9].contains(&self.machine);
        sparc && symbol.st_type().0 == STT_SPARC_REGISTER
    }

    /// The symbols of `.symtab` from number `first` on, each with its number.
    pub(super) fn symbols_from(
        &self,
        section: &Elf::SectionHeader,
        first: u32,
    ) -> Result<impl Iterator<Item = (usize, &'data Elf::Sym)>, ElfError> {
        let offset: u64 = section.sh_offset(self.endian).into();
        let size: u64 = section.sh_size(self.endian).into();
        let corrupt = |reason| ElfError::SymbolTable { offset, reason };
        let entry = size_of::<Elf::Sym>() as u64;
        if !size.is_multiple_of(entry) {
            return Err(corrupt("its length is not a multiple of a symbol's"));
        }
        let skipped = u64::from(first).min(size / entry);
        if u64::from(first) > size / entry && size != 0 {
            return Err(corrupt("sh_info is beyond its last symbol"));
        }
        let bounds = || ElfError::Bounds {
            section: ".symtab".to_owned(),
            offset,
            size,
            length: self.length,
        };
        let end = offset.checked_add(size).ok_or_else(bounds)?;
        if end > self.length {
            return Err(bounds());
        }
        let count = usize::try_from(size / entry - skipped).map_err(|_| bounds())?;
        let start = offset + skipped * entry;
        let symbols: &[Elf::Sym] = self
            .data
            .read_slice_at(start, count)
            .map_err(|()| ElfError::Read { offset: start })?;
        Ok((skipped as usize..).zip(symbols))
    }

    /// The strings of `__ksymtab_strings`; the linker may put padding in front of one.
    fn ksymtab_strings(
        &self,
        section: &Elf::SectionHeader,
    ) -> Result<impl Iterator<Item = &'data [u8]> + use<'data, Elf, R>, ElfError> {
        const NAME: &str = "__ksymtab_strings";
        let bytes = self.bytes(NAME, section)?;
        if bytes.last().is_some_and(|&last| last != 0) {
            return Err(ElfError::Unterminated {
                section: NAME.to_owned(),
                offset: section.sh_offset(self.endian).into(),
            });
        }
        let strings = bytes.split(|&byte| byte == 0);
        Ok(strings.filter(|string| !string.is_empty()))
    }

    /// Finds a whole string, NUL at its end and in front of it, in the constants and in the initialised variables (where a
    /// default value such as `static char fat_default_iocharset[]` stands).
    fn find_string(&self, wanted: &str) -> Result<Option<(String, usize)>, ElfError> {
        for section in self.sections {
            let data = self.is_named(section, b".data")
                || self.name_onwards(section).starts_with(b".rodata");
            if !data || section.sh_type(self.endian) == elf::SHT_NOBITS {
                continue;
            }
            let name = until_nul(self.name_onwards(section), 0).unwrap_or_default();
            let name = text(name);
            let bytes = self.bytes(&name, section)?;
            if let Some(offset) = find_whole(bytes, wanted.as_bytes()) {
                return Ok(Some((name, offset)));
            }
        }
        Ok(None)
    }
}

fn section_headers<'data, Elf, R>(
    header: &Elf,
    endian: Endianness,
    data: R,
    length: u64,
) -> Result<&'data [Elf::SectionHeader], ElfError>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let offset: u64 = header.e_shoff(endian).into();
    if offset == 0 {
        return Err(ElfError::NoSections);
    }
    let expected = size_of::<Elf::SectionHeader>() as u16;
    let found = header.e_shentsize(endian);
    if found != expected {
        return Err(ElfError::EntrySize { found, expected });
    }
    // A count of 0 means that the real one is in section 0, which a truncated file may not reach.
    let table = |count: u32| ElfError::SectionTable {
        length,
        offset,
        end: offset.saturating_add(u64::from(count) * u64::from(expected)),
        count,
    };
    let count = header.shnum(endian, data).map_err(|_| table(1))?;
    let end = offset.checked_add(u64::from(count) * u64::from(expected));
    if end.is_none_or(|end| end > length) {
        return Err(table(count));
    }
    let sections: &[Elf::SectionHeader] = data
        .read_slice_at(offset, count as usize)
        .map_err(|()| ElfError::Read { offset })?;
    if sections.is_empty() {
        return Err(ElfError::NoSections);
    }
    Ok(sections)
}

/// The bytes from `start` to the next NUL; `None` where there is no such place, no NUL, or no end within reason.
pub(super) fn until_nul(bytes: &[u8], start: usize) -> Option<&[u8]> {
    let rest = bytes.get(start..)?;
    let within = rest.get(..LONGEST_NAME).unwrap_or(rest);
    let end = memchr::memchr(0, within)?;
    rest.get(..end)
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
