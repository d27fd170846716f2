//! What an ELF executable or shared library says about the files that it needs.
//!
//! Everything comes from the program headers, which the kernel and the dynamic loader use; a stripped file has nothing else.
//! Sources: the ELF specification (gABI), chapter 5; ld.so(8); for `dlopen` notes the UAPI Group's "ELF dlopen metadata".

use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, elf};

/// The note's type ("FDO" is the owner) in which a program names the libraries that it opens while running.
const NOTE_DLOPEN: u32 = 0x407c_0c0a;

/// What the headers of a program or a library say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    /// `e_machine`, for example 62 for x86-64.
    pub machine: u16,
    /// Whether addresses have 64 bits.
    pub is_64: bool,
    /// The dynamic loader that the kernel starts (`PT_INTERP`), for example `/lib64/ld-linux-x86-64.so.2`.
    pub interpreter: Option<String>,
    /// The libraries that the loader must find (`DT_NEEDED`), for example `libc.so.6`.
    pub needed: Vec<String>,
    /// Directories to search first, also for the libraries' own needs (`DT_RPATH`).
    pub rpath: Vec<String>,
    /// Directories to search before the standard ones (`DT_RUNPATH`).
    pub runpath: Vec<String>,
    /// Libraries that may be opened while running.
    pub dlopen: Vec<DlopenNote>,
}

/// One entry of a `dlopen` note.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct DlopenNote {
    /// What the library is for.
    pub feature: String,
    /// `required`, `recommended` (the default) or `suggested`.
    pub priority: Option<String>,
    /// Names of the library; the first one that is found will do.
    pub soname: Vec<String>,
}

impl Elf {
    /// Reads the headers.
    ///
    /// # Errors
    /// What is wrong with them, as a lower-case fragment; also that the file is no executable or shared library.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        match object::FileKind::parse(bytes).map_err(|error| error.to_string())? {
            object::FileKind::Elf32 => parse_as::<elf::FileHeader32<Endianness>>(bytes),
            object::FileKind::Elf64 => parse_as::<elf::FileHeader64<Endianness>>(bytes),
            other => Err(format!("it is a {other:?} file")),
        }
    }
}

/// What a program has in memory and does not execute: constants, among other things. Empty for what is no program.
pub(crate) fn data(bytes: &[u8]) -> Vec<&[u8]> {
    fn of<Header: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<Vec<&[u8]>> {
        let header = Header::parse(bytes).ok()?;
        let endian = header.endian().ok()?;
        let segments = header.program_headers(endian, bytes).ok()?.iter();
        let segments = segments
            .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
            .filter(|segment| !segment.p_flags(endian).contains(elf::PF_X));
        Some(
            segments
                .filter_map(|segment| segment.data(endian, bytes).ok())
                .collect(),
        )
    }
    match object::FileKind::parse(bytes) {
        Ok(object::FileKind::Elf32) => of::<elf::FileHeader32<Endianness>>(bytes),
        Ok(object::FileKind::Elf64) => of::<elf::FileHeader64<Endianness>>(bytes),
        _ => None,
    }
    .unwrap_or_default()
}

/// `e_machine` of any ELF file, a module's too: 62 for x86-64, for example.
pub fn machine(bytes: &[u8]) -> Option<u16> {
    fn of<Header: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<u16> {
        let header = Header::parse(bytes).ok()?;
        Some(header.e_machine(header.endian().ok()?).0)
    }
    match object::FileKind::parse(bytes).ok()? {
        object::FileKind::Elf32 => of::<elf::FileHeader32<Endianness>>(bytes),
        object::FileKind::Elf64 => of::<elf::FileHeader64<Endianness>>(bytes),
        _ => None,
    }
}

/// Whether `e_machine` is of a processor of PCs.
pub(crate) fn is_x86(machine: u16) -> bool {
    matches!(elf::Machine(machine), elf::EM_386 | elf::EM_X86_64)
}

/// The architecture, as people know it; the number where it is not among the usual ones.
pub fn machine_name(machine: u16) -> String {
    let name = match elf::Machine(machine) {
        elf::EM_386 => "i386",
        elf::EM_X86_64 => "x86-64",
        elf::EM_ARM => "arm",
        elf::EM_AARCH64 => "arm64",
        elf::EM_RISCV => "riscv",
        elf::EM_PPC64 => "ppc64",
        elf::EM_S390 => "s390x",
        elf::EM_MIPS => "mips",
        elf::EM_LOONGARCH => "loongarch",
        _ => return format!("machine {machine}"),
    };
    name.to_owned()
}

fn parse_as<Header: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Result<Elf, String> {
    let text = |error: object::Error| error.to_string();
    let header = Header::parse(bytes).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    if !matches!(header.e_type(endian), elf::ET_EXEC | elf::ET_DYN) {
        return Err("it is an object file".to_owned());
    }
    let segments = header.program_headers(endian, bytes).map_err(text)?;
    let mut found = Elf {
        machine: header.e_machine(endian).0,
        is_64: header.is_class_64(),
        ..Elf::default()
    };
    let length = bytes.len() as u64;
    for segment in segments {
        let (start, size) = segment.file_range(endian);
        if segment.p_type(endian) == elf::PT_LOAD && start.saturating_add(size) > length {
            let end = start.saturating_add(size);
            return Err(format!(
                "it is cut off: it has {length} bytes, and its headers say {end}"
            ));
        }
        if let Some(path) = segment.interpreter(endian, bytes).map_err(text)? {
            found.interpreter = Some(lossy(path));
        }
        if let Some(entries) = segment.dynamic(endian, bytes).map_err(text)? {
            let strings = Strings::find::<Header>(endian, bytes, segments, entries)?;
            found.read_dynamic::<Header>(endian, entries, &strings)?;
        }
        found.read_notes::<Header>(endian, bytes, segment);
    }
    Ok(found)
}

impl Elf {
    fn read_dynamic<Header: FileHeader<Endian = Endianness>>(
        &mut self,
        endian: Endianness,
        entries: &[Header::Dyn],
        strings: &Strings<'_>,
    ) -> Result<(), String> {
        for entry in entries {
            let list = match entry.d_tag(endian) {
                elf::DT_NULL => break,
                elf::DT_NEEDED => &mut self.needed,
                elf::DT_RPATH => &mut self.rpath,
                elf::DT_RUNPATH => &mut self.runpath,
                _ => continue,
            };
            let value: u64 = entry.d_val(endian).into();
            let value = strings.get(value)?;
            if entry.d_tag(endian) == elf::DT_NEEDED {
                list.push(value);
            } else {
                list.extend(
                    value
                        .split(':')
                        .filter(|part| !part.is_empty())
                        .map(str::to_owned),
                );
            }
        }
        Ok(())
    }

    /// Notes are advice: a damaged one is passed over.
    fn read_notes<Header: FileHeader<Endian = Endianness>>(
        &mut self,
        endian: Endianness,
        bytes: &[u8],
        segment: &Header::ProgramHeader,
    ) {
        let Ok(Some(mut notes)) = segment.notes(endian, bytes) else {
            return;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == b"FDO" && note.n_type(endian).0 == NOTE_DLOPEN {
                let json = note
                    .desc()
                    .split(|&byte| byte == 0)
                    .next()
                    .unwrap_or_default();
                self.dlopen
                    .extend(serde_json::from_slice::<Vec<DlopenNote>>(json).unwrap_or_default());
            }
        }
    }
}

/// The dynamic string table, found by its address: `DT_STRTAB` is where the loader will see it in memory.
struct Strings<'data>(&'data [u8]);

impl<'data> Strings<'data> {
    fn find<Header: FileHeader<Endian = Endianness>>(
        endian: Endianness,
        bytes: &'data [u8],
        segments: &[Header::ProgramHeader],
        entries: &[Header::Dyn],
    ) -> Result<Self, String> {
        let value = |tag| {
            let entry = entries.iter().find(|entry| entry.d_tag(endian) == tag)?;
            Some(entry.d_val(endian).into())
        };
        let (Some(address), Some(length)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else {
            return Ok(Self(&[]));
        };
        segments
            .iter()
            .find_map(|segment| {
                segment
                    .data_range(endian, bytes, address, length)
                    .ok()
                    .flatten()
            })
            .map(Self)
            .ok_or_else(|| {
                format!("its dynamic string table, at address {address:#x}, is in no segment")
            })
    }

    fn get(&self, offset: u64) -> Result<String, String> {
        usize::try_from(offset)
            .ok()
            .and_then(|offset| self.0.get(offset..))
            .and_then(|rest| rest.split(|&byte| byte == 0).next())
            .map(lossy)
            .ok_or_else(|| format!("offset {offset} is not in its dynamic string table"))
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_dynamic() {
        let bytes = std::fs::read("/bin/sh").unwrap();
        let elf = Elf::parse(&bytes).unwrap();
        assert!(elf.interpreter.is_some_and(|path| path.contains("ld")));
        assert!(
            elf.needed.iter().any(|name| name.starts_with("libc.so")),
            "{:?}",
            elf.needed
        );
    }

    #[test]
    fn other_files_say_what_they_are() {
        assert!(Elf::parse(b"#!/bin/sh\n").is_err());
        assert!(Elf::parse(b"").is_err());
        assert!(Elf::parse(b"\x7fELF").is_err());
    }

    #[test]
    fn a_header_cut_anywhere_never_panics() {
        let bytes = std::fs::read("/bin/sh").unwrap();
        for length in (0..2000).chain((2000..bytes.len()).step_by(9973)) {
            let _ = Elf::parse(&bytes[..length]);
        }
    }
}
