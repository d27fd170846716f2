//! What depmod takes from a module, and nothing else: a few fields, the symbols, as compact as they come.
//!
//! depmod goes on where a module is damaged: it lists the module, with what could be read of it. So each part is read by
//! itself here, and what was wrong with it is kept beside. A section that lies outside the file counts as missing, as in
//! kmod (`libkmod-elf.c`).

use object::Endianness;
use object::elf;
use object::read::ReadRef;
use object::read::elf::{FileHeader, SectionHeader as _, Sym as _};

use super::ElfError;
use super::image::{CRC, Image, until_nul};
use super::names::{Imports, Names};
use crate::fast_hash::FastSet;

/// What depmod's files say about a module comes from this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// The values of `alias` in `.modinfo`, in the order of the section.
    pub(crate) aliases: Names<'a>,
    /// Those of `softdep`.
    pub(crate) softdeps: Names<'a>,
    /// Those of `weakdep`.
    pub(crate) weakdeps: Names<'a>,
    /// The undefined symbols of `.symtab` in its order, then those of `__versions` that are not among them.
    pub(crate) imports: Imports<'a>,
    /// The exported symbols, in the order of the file.
    pub(crate) exports: Names<'a>,
    /// Whether each import is weak, and checksums: only where they are wanted.
    pub(crate) checks: Option<Checks>,
}

/// What `depmod -e` compares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    /// For each import: its checksum in `__versions` (0 where it has none), and whether it is a weak symbol.
    pub(crate) imports: Vec<(u64, bool)>,
    /// For each export: its checksum.
    pub(crate) exports: Vec<u64>,
}

/// A part of a module that could not be read, in kmod's order.
pub(crate) type Faults = Vec<ElfError>;

impl<'data, Elf, R> Image<'data, Elf, R>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    /// Reads what depmod wants. `checks` asks for checksums too.
    pub(super) fn record(&self, checks: bool) -> (Record<'static>, Faults) {
        let mut record = Record::default();
        let mut faults = Faults::new();
        let mut keep = |result: Result<(), ElfError>| faults.extend(result.err());
        if checks {
            record.checks = Some(Checks::default());
        }
        keep(self.record_info(&mut record));
        keep(self.record_symbols(&mut record));
        (record, faults)
    }

    fn record_info(&self, record: &mut Record<'_>) -> Result<(), ElfError> {
        let Some(section) = self.sound(".modinfo")? else {
            return Err(ElfError::NoModinfo);
        };
        for field in section.split(|&byte| byte == 0) {
            let equals = memchr::memchr(b'=', field);
            // A key alone has an empty value.
            let (key, value) = match equals {
                Some(at) => (&field[..at], &field[at + 1..]),
                None => (field, &b""[..]),
            };
            match key {
                b"alias" => record.aliases.push(value),
                b"softdep" => record.softdeps.push(value),
                b"weakdep" => record.weakdeps.push(value),
                _ => {}
            }
        }
        Ok(())
    }

    fn record_symbols(&self, record: &mut Record<'_>) -> Result<(), ElfError> {
        let strings = self.sound("__ksymtab_strings")?;
        let names = self.symbol_names()?;
        let table = self.section_in_bounds(".symtab");
        let mut read = Ok(());
        if let (Some(names), Some(table)) = (names, table) {
            // Exports are local symbols, and two of three symbols are local: a module without any is read from its first
            // global symbol on.
            let exporter = strings.is_some() || memchr::memmem::find(names.bytes, CRC).is_some();
            let first = if exporter {
                1
            } else {
                self.first_global(table)
            };
            read = self.record_table(record, names, table, first);
        }
        if record.exports.is_empty()
            && let Some(strings) = strings
        {
            return read.and(self.record_strings(record, strings));
        }
        read
    }

    /// The strings of `__ksymtab_strings`, all or, as in kmod 34, none: they must end in NUL.
    fn record_strings(&self, record: &mut Record<'_>, strings: &[u8]) -> Result<(), ElfError> {
        const NAME: &str = "__ksymtab_strings";
        let Some(names) = strings.strip_suffix(b"\0") else {
            return match self.section_in_bounds(NAME) {
                Some(section) if !strings.is_empty() => Err(ElfError::Unterminated {
                    section: NAME.to_owned(),
                    offset: section.sh_offset(self.endian).into(),
                }),
                _ => Ok(()),
            };
        };
        for name in names.split(|&byte| byte == 0) {
            if !name.is_empty() {
                record.exports.push(name);
                if let Some(checks) = &mut record.checks {
                    checks.exports.push(0);
                }
            }
        }
        Ok(())
    }

    /// `.strtab`, with the end of its last string where that is behind the section.
    fn symbol_names(&self) -> Result<Option<SymbolNames<'data>>, ElfError> {
        let Some(bytes) = self.sound(".strtab")? else {
            return Ok(None);
        };
        let size = bytes.len();
        let whole = SymbolNames { bytes, size };
        let (Some(section), Some(1..)) = (self.section_in_bounds(".strtab"), bytes.last()) else {
            return Ok(Some(whole));
        };
        let offset: u64 = section.sh_offset(self.endian).into();
        let rest = self.length.saturating_sub(offset);
        let rest = self.data.read_bytes_at(offset, rest);
        let rest = rest.map_err(|()| ElfError::Read { offset })?;
        let end = memchr::memchr(0, &rest[size..]).map(|end| size + end + 1);
        let bytes = end.map_or(bytes, |end| &rest[..end]);
        Ok(Some(SymbolNames { bytes, size }))
    }

    /// kmod reads exports and imports one after the other: a symbol without a name ends the former, and the latter too if
    /// it is an undefined one. What has ended has given nothing.
    fn record_table(
        &self,
        record: &mut Record<'_>,
        names: SymbolNames<'data>,
        table: &'data Elf::SectionHeader,
        first: u32,
    ) -> Result<(), ElfError> {
        let versions = self.versions()?;
        let mut imported: FastSet<&[u8]> = FastSet::default();
        imported.reserve(versions.len());
        let mut fault = None;
        let mut complete = true;
        for (index, symbol) in self.symbols_from(table, first)? {
            let undefined = symbol.st_shndx(self.endian) == elf::SHN_UNDEF;
            if undefined && self.is_register(symbol) {
                continue;
            }
            let start = symbol.st_name(self.endian);
            if !undefined && names.is_of_no_concern(start as usize) {
                continue;
            }
            let Some(name) = names.get(start as usize) else {
                complete &= !undefined;
                fault.get_or_insert(ElfError::SymbolName {
                    index,
                    name: start.into(),
                    size: names.size as u64,
                });
                continue;
            };
            if let Some(export) = name.strip_prefix(CRC) {
                record.exports.push(export);
                if let Some(checks) = &mut record.checks {
                    checks.exports.push(self.crc_of(symbol)?);
                }
            }
            if !undefined || name.is_empty() {
                continue;
            }
            record.imports.push(name);
            if !versions.is_empty() {
                imported.insert(name);
            }
            if let Some(checks) = &mut record.checks {
                let weak = symbol.st_bind() == elf::STB_WEAK;
                let crc = versions.iter().find(|(_, known)| *known == name);
                checks.imports.push((crc.map_or(0, |&(crc, _)| crc), weak));
            }
        }
        match complete {
            true => record.only_versions(&versions, &imported),
            false => record.forget_imports(),
        }
        fault.map_or(Ok(()), |fault| {
            record.forget_exports();
            Err(fault)
        })
    }

    /// The entries of `__versions`: a checksum as wide as the class, then the name, 64 bytes together.
    fn versions(&self) -> Result<Vec<(u64, &'data [u8])>, ElfError> {
        let bytes = self.sound("__versions")?.unwrap_or_default();
        let width = if self.is_64() { 8 } else { 4 };
        let entries = bytes.chunks_exact(64).map(|entry| {
            let (crc, name) = entry.split_at(width);
            let end = name.iter().position(|&byte| byte == 0);
            (self.number(crc), &name[..end.unwrap_or(name.len())])
        });
        Ok(entries.collect())
    }

    /// An unsigned number of four or eight bytes, in the file's byte order.
    fn number(&self, bytes: &[u8]) -> u64 {
        let digit = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        match self.endian {
            Endianness::Big => bytes.iter().fold(0, digit),
            Endianness::Little => bytes.iter().rev().fold(0, digit),
        }
    }

    /// The checksum behind a `__crc_` symbol: its value, or where it lies in a section, the four bytes there.
    fn crc_of(&self, symbol: &Elf::Sym) -> Result<u64, ElfError> {
        let value: u64 = symbol.st_value(self.endian).into();
        let index = symbol.st_shndx(self.endian);
        let section = self.sections.get(usize::from(index.0));
        let (false, Some(section)) = (index == elf::SHN_UNDEF, section) else {
            return Ok(value);
        };
        let offset: u64 = section.sh_offset(self.endian).into();
        let offset = offset.saturating_add(value);
        if offset.checked_add(4).is_none_or(|end| end > self.length) {
            return Ok(value);
        }
        let bytes = self.data.read_bytes_at(offset, 4);
        bytes
            .map(|bytes| self.number(bytes))
            .map_err(|()| ElfError::Read { offset })
    }

    /// The first section of this name that lies within the file. One at offset 0 would hold the ELF header; to kmod 34 that
    /// offset means that there is no such section.
    fn section_in_bounds(&self, name: &str) -> Option<&'data Elf::SectionHeader> {
        let name = name.as_bytes();
        // The header at index 0 is reserved, whatever it says.
        self.sections.iter().skip(1).find(|section| {
            if !self.is_named(section, name) {
                return false;
            }
            let offset: u64 = section.sh_offset(self.endian).into();
            let size: u64 = section.sh_size(self.endian).into();
            let end = offset.checked_add(size);
            offset != 0 && end.is_some_and(|end| end <= self.length)
        })
    }

    fn sound(&self, name: &str) -> Result<Option<&'data [u8]>, ElfError> {
        let Some(section) = self.section_in_bounds(name) else {
            return Ok(None);
        };
        let offset: u64 = section.sh_offset(self.endian).into();
        let size: u64 = section.sh_size(self.endian).into();
        let bytes = self.data.read_bytes_at(offset, size);
        bytes.map(Some).map_err(|()| ElfError::Read { offset })
    }

    /// The number of the first symbol that is not local; 1 where the section header has nonsense.
    fn first_global(&self, table: &Elf::SectionHeader) -> u32 {
        let size: u64 = table.sh_size(self.endian).into();
        let count = size / size_of::<Elf::Sym>() as u64;
        let first = table.sh_info(self.endian).max(1);
        if u64::from(first) <= count { first } else { 1 }
    }
}

/// The names of symbols. As in kmod, a name begins within the section and ends with the next NUL, wherever that is.
#[derive(Clone, Copy)]
struct SymbolNames<'data> {
    bytes: &'data [u8],
    /// The section's.
    size: usize,
}

impl<'data> SymbolNames<'data> {
    /// Whether this is certainly a name, and one of a symbol that tells nothing about an export: so are most of a module that
    /// exports some.
    fn is_of_no_concern(&self, start: usize) -> bool {
        let is_ended = start < self.size && self.bytes.last() == Some(&0);
        is_ended
            && self
                .bytes
                .get(start..)
                .is_some_and(|name| !name.starts_with(CRC))
    }

    fn get(&self, start: usize) -> Option<&'data [u8]> {
        (start < self.size)
            .then(|| until_nul(self.bytes, start))
            .flatten()
    }
}

impl Record<'_> {
    /// Adds the imports that only `__versions` has.
    fn only_versions(&mut self, versions: &[(u64, &[u8])], imported: &FastSet<&[u8]>) {
        for (crc, name) in versions {
            if !imported.contains(name) {
                self.imports.push(name);
                if let Some(checks) = &mut self.checks {
                    checks.imports.push((*crc, false));
                }
            }
        }
    }

    fn forget_imports(&mut self) {
        self.imports = Imports::default();
        if let Some(checks) = &mut self.checks {
            checks.imports.clear();
        }
    }

    fn forget_exports(&mut self) {
        self.exports = Names::default();
        if let Some(checks) = &mut self.checks {
            checks.exports.clear();
        }
    }
}
