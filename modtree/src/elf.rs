//! One module's bytes: an ELF relocatable object of either class and either byte order.
//!
//! The format is the System V gABI; what stands in a module's sections is the kernel's own affair:
//!
//! * `.modinfo`: see [`ModInfo`].
//! * imports: the undefined symbols of `.symtab`, in its order.
//! * exports: with `MODVERSIONS`, the names behind `__crc_` in `.symtab`; without, the strings of `__ksymtab_strings`. The
//!   latter also holds the names of symbol namespaces, which is why it is the second choice (kmod does the same).
//! * a signature is not ELF at all: it follows the object, and the file ends with a fixed text (`scripts/sign-file.c`).
//!
//! Everything here is generic over [`ReadRef`]: the same code reads a slice, and a file of which only the needed sections
//! are fetched. Every bound is checked before use; an error names the section, its offset and the file's length.

mod image;
mod names;
mod record;
mod sparse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use object::Endianness;
use object::elf;
use object::read::ReadRef;

use crate::ModInfo;
use image::Image;
pub(crate) use names::{Imports, Names, ended};
pub(crate) use record::{Faults, Record};
pub(crate) use sparse::Pieces;

/// The text with which a signed module's file ends.
pub(crate) const SIGNED: &[u8] = b"~Module signature appended~\n";

/// What one module's file says: parsed from its bytes, decompressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// The fields of `.modinfo`.
    pub info: ModInfo,
    /// The symbols that the module uses and the kernel or another module defines, in the order of `.symtab`.
    pub imports: Vec<String>,
    /// The symbols that the module offers to others, in the order of the file.
    pub exports: Vec<String>,
    /// Whether a signature is appended. It is not checked.
    pub signed: bool,
}

/// The symbols by which a module hangs together with others, in little memory: to look some up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    imports: Names<'static>,
    exports: Names<'static>,
}

impl Symbols {
    /// Whether it is one of [`Module::imports`].
    pub fn is_import(&self, symbol: &str) -> bool {
        self.imports.contains(symbol.as_bytes())
    }

    /// Whether it is one of [`Module::exports`].
    pub fn is_export(&self, symbol: &str) -> bool {
        self.exports.contains(symbol.as_bytes())
    }

    /// See [`Module::imports`].
    pub fn imports(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.imports.iter().map(String::from_utf8_lossy)
    }

    /// See [`Module::exports`].
    pub fn exports(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.exports.iter().map(String::from_utf8_lossy)
    }
}

fn begins(found: &[u8]) -> String {
    match found {
        [] => "it is empty".to_owned(),
        found => format!("it begins with {found:02x?}"),
    }
}

/// Why bytes are not a readable module. Offsets and sizes are bytes from the beginning of the (decompressed) file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Not even the magic bytes are there.
    #[error("not an ELF file: {}, and ELF begins with [7f, 45, 4c, 46]", begins(.found))]
    Magic {
        /// The first bytes, at most four.
        found: Vec<u8>,
    },
    /// The file ends within the ELF header.
    #[error(
        "truncated: the file ends at {length:#x}, within the ELF header, which ends at {needed:#x}"
    )]
    Header {
        /// The file's length.
        length: u64,
        /// Where the header should end.
        needed: u64,
    },
    /// The class is neither 32 nor 64 bits, or the byte order neither little nor big.
    #[error("the ELF header has {what} {value:#x} at offset {offset:#x}, which is not known")]
    Unknown {
        /// `class`, `byte order` or `version`.
        what: &'static str,
        /// What stands there.
        value: u32,
        /// Where.
        offset: u64,
    },
    /// An executable or a shared object: modules are relocatable objects.
    #[error(
        "not a kernel module: ELF type {found} at offset 0x10, and a module has type 1 (relocatable)"
    )]
    NotRelocatable {
        /// The type that stands in the header.
        found: u16,
    },
    /// There are no sections, so there is no `.modinfo` either.
    #[error("not a kernel module: the ELF file has no sections")]
    NoSections,
    /// Section headers have a size of their own.
    #[error("corrupt: section headers of {found} bytes, and this class has headers of {expected}")]
    EntrySize {
        /// What the header says.
        found: u16,
        /// What it must be.
        expected: u16,
    },
    /// The section headers stand at the end of a module, so this is what a truncated file shows first.
    #[error(
        "truncated: the file ends at {length:#x}, and its {count} section headers at offset {offset:#x} end at {end:#x}"
    )]
    SectionTable {
        /// The file's length.
        length: u64,
        /// Where the table begins.
        offset: u64,
        /// Where it should end.
        end: u64,
        /// The number of sections.
        count: u32,
    },
    /// The section that holds the section names is not one.
    #[error("corrupt: the section names are in section {index}, and there are {count} sections")]
    NameSection {
        /// The index in the header.
        index: u32,
        /// The number of sections.
        count: usize,
    },
    /// The section that holds the section names has none itself: it is not what the header says.
    #[error(
        "corrupt: section {index}, which holds the section names, has its own at {name:#x}, and they end at {size:#x}"
    )]
    NameOfNames {
        /// The section's index.
        index: u32,
        /// The offset of its name.
        name: u32,
        /// The size of the section.
        size: usize,
    },
    /// A needed section reaches beyond the file.
    #[error(
        "truncated or corrupt: section {section} at offset {offset:#x} is {size:#x} bytes long, and the file ends at {length:#x}"
    )]
    Bounds {
        /// The section's name.
        section: String,
        /// Where it begins.
        offset: u64,
        /// Its length.
        size: u64,
        /// The file's length.
        length: u64,
    },
    /// A needed section occupies no space in the file.
    #[error("corrupt: section {section} has no contents in the file (NOBITS)")]
    NoBits {
        /// The section's name.
        section: String,
    },
    /// The object is not a module.
    #[error("not a kernel module: no .modinfo section")]
    NoModinfo,
    /// The symbol table is not a sequence of symbols.
    #[error("corrupt: section .symtab at offset {offset:#x}: {reason}")]
    SymbolTable {
        /// Where the section begins.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A symbol's name is not in the string table.
    #[error(
        "corrupt: symbol {index} in .symtab has its name at {name:#x} in .strtab, which is {size:#x} bytes long or does not end the name"
    )]
    SymbolName {
        /// The symbol's index.
        index: usize,
        /// The name's offset in `.strtab`.
        name: u64,
        /// The length of `.strtab`.
        size: u64,
    },
    /// A string section's last string has no end.
    #[error("corrupt: section {section} at offset {offset:#x} does not end with a NUL byte")]
    Unterminated {
        /// The section's name.
        section: String,
        /// Where it begins.
        offset: u64,
    },
    /// The file could not be read at a place that lies within it.
    #[error("reading at offset {offset:#x} failed")]
    Read {
        /// Where.
        offset: u64,
    },
}

/// What is read first: as much as a 64-bit ELF header, so that a cached reader reads it once.
pub(crate) const FIRST_READ: u64 = size_of::<elf::FileHeader64<Endianness>>() as u64;

/// What becomes of a part that is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Reading {
    #[default]
    No,
    /// It is read, and not kept: what is wrong with it is an error.
    Check,
    Keep,
}

/// Which parts of a module to read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) modinfo: bool,
    pub(crate) symbols: Reading,
    /// A whole string to find in the data.
    pub(crate) string: Option<&'a str>,
    /// What depmod takes from a module; with checksums where this is true.
    pub(crate) record: Option<bool>,
}

/// What has been read.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) modinfo: ModInfo,
    pub(crate) symbols: Symbols,
    /// The section that holds the wanted string, and the string's offset in it.
    pub(crate) string: Option<(String, usize)>,
    pub(crate) record: Record<'static>,
    /// What could not be read for `record`.
    pub(crate) faults: Faults,
}

impl Module {
    /// Parses a module from the bytes of its file. They must not be compressed: see `codec::decode`.
    ///
    /// # Errors
    /// See [`ElfError`]. No bytes make it panic.
    pub fn parse(bytes: &[u8]) -> Result<Self, ElfError> {
        let wanted = Wanted {
            modinfo: true,
            symbols: Reading::Keep,
            ..Wanted::default()
        };
        let parts = read(bytes, wanted)?;
        Ok(Self {
            info: parts.modinfo,
            imports: parts.symbols.imports().map(Cow::into_owned).collect(),
            exports: parts.symbols.exports().map(Cow::into_owned).collect(),
            signed: bytes.ends_with(SIGNED),
        })
    }

    /// The fields of a module. Whatever [`parse`](Self::parse) says is wrong with its bytes is an error here, too, and nothing
    /// else is kept.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn checked_info(bytes: &[u8]) -> Result<ModInfo, ElfError> {
        let wanted = Wanted {
            modinfo: true,
            symbols: Reading::Check,
            ..Wanted::default()
        };
        Ok(read(bytes, wanted)?.modinfo)
    }
}

/// Reads the wanted parts of a module. Nothing else of `data` is touched.
pub(crate) fn read<'data, R: ReadRef<'data>>(
    data: R,
    wanted: Wanted<'_>,
) -> Result<Parts, ElfError> {
    let length = data.len().map_err(|()| ElfError::Read { offset: 0 })?;
    let ident = data
        .read_bytes_at(0, length.min(FIRST_READ))
        .map_err(|()| ElfError::Read { offset: 0 })?;
    if ident.get(..4) != Some(&elf::ELFMAG) {
        return Err(ElfError::Magic {
            found: ident.iter().take(4).copied().collect(),
        });
    }
    let unknown = |what, offset: usize| ElfError::Unknown {
        what,
        value: ident.get(offset).copied().unwrap_or(0).into(),
        offset: offset as u64,
    };
    match ident.get(4).copied() {
        Some(class) if class == elf::ELFCLASS64.0 => {
            Image::<elf::FileHeader64<Endianness>, R>::open(data, length)?.parts(wanted)
        }
        Some(class) if class == elf::ELFCLASS32.0 => {
            Image::<elf::FileHeader32<Endianness>, R>::open(data, length)?.parts(wanted)
        }
        Some(_) => Err(unknown("class", 4)),
        None => Err(ElfError::Header { length, needed: 52 }),
    }
}
