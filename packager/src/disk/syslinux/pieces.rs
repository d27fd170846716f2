//! Where syslinux's binaries are found.
//!
//! Distributions ship `mbr.bin` as a file. The boot record, `ldlinux.sys` and the `ldlinux.c32` of the same build are inside
//! the program `syslinux`, one behind the other, and are found there by what they begin with.

use std::ops::Range;
use std::path::{Path, PathBuf};

use codec::file::ReadError;
use memchr::memmem;

use crate::disk::bytes::u32_at;
use crate::disk::mbr::CODE_SIZE;
use crate::disk::places::places;

/// Larger than any of the files.
const LIMIT: u64 = 16 << 20;

/// Where distributions put the program, and the boot code.
const PROGRAMS: [&str; 2] = ["/usr/bin", "/usr/local/bin"];
const BOOT_CODE: [&str; 5] = [
    "/usr/lib/SYSLINUX",
    "/usr/lib/syslinux/mbr",
    "/usr/lib/syslinux/bios",
    "/usr/share/syslinux",
    "/usr/lib/syslinux",
];

/// What the boot record begins with: a jump over FAT32's parameters, and the name.
const BOOT_RECORD: &[u8] = b"\xeb\x58\x90SYSLINUX";

/// What `ldlinux.sys` begins with, and the number that its patch area begins with, at this offset.
const LOADER: &[u8] = b"\r\nSYSLINUX ";
pub(super) const MAGIC: u32 = 0x3eb2_02fe;
const MAGIC_OFFSET: usize = 24;

/// What the boot code says when it fails: that for an MBR's table, and that for a GUID partition table.
pub(in crate::disk) const MBR_CODE: &[u8] = b"Missing operating system";
pub(in crate::disk) const GPT_CODE: &[u8] = b"Missing OS";

const CODE_TOO_LONG: usize = CODE_SIZE + 1;

const SECTOR: usize = 512;

/// The binaries, all of one build.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// The boot record of a volume.
    pub boot_record: [u8; SECTOR],
    /// `ldlinux.sys`, not yet fitted to a volume.
    pub loader: Vec<u8>,
    /// `ldlinux.c32`.
    pub core_module: Vec<u8>,
    /// The boot code of a disk with an MBR's partition table.
    pub mbr: Vec<u8>,
    /// The boot code of a disk with a GUID partition table, where it was found.
    pub gpt_mbr: Option<Vec<u8>>,
    /// The files that they are from.
    pub files: Vec<PathBuf>,
}

/// Why there is no syslinux to install.
#[derive(Debug, thiserror::Error)]
pub enum PiecesError {
    /// The program or a file is not there.
    #[error(
        "{what} of syslinux was not found (looked in {places}); install the packages syslinux and syslinux-common, name a directory that has it with --syslinux, or make an image for UEFI only with --firmware uefi"
    )]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Where.
        places: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is not what its name says.
    #[error("`{}` is damaged, or of a kind of syslinux that is not known here: {reason}; install the packages syslinux and syslinux-common anew, or name another directory with --syslinux", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is missing in it.
        reason: &'static str,
    },
}

impl Pieces {
    /// Finds the installed ones, or those in a directory: the program `syslinux`, or `ldlinux.bss`, `ldlinux.sys` and
    /// `ldlinux.c32`; and `mbr.bin`. The directory may be the root of another system.
    ///
    /// # Errors
    /// See [`PiecesError`].
    pub fn find(directory: Option<&Path>) -> Result<Self, PiecesError> {
        match directory {
            Some(directory) if directory.join("ldlinux.sys").is_file() => {
                Self::from_files(directory)
            }
            _ => {
                let programs = places(directory, &PROGRAMS).into_iter();
                let programs: Vec<_> = programs.map(|place| place.join("syslinux")).collect();
                Self::from_program(&programs, &places(directory, &BOOT_CODE))
            }
        }
    }

    fn from_program(programs: &[PathBuf], folders: &[PathBuf]) -> Result<Self, PiecesError> {
        let program = first(programs, "the program")?;
        let bytes = codec::file::read(program, LIMIT)?;
        let damaged = |reason| PiecesError::Damaged {
            path: program.clone(),
            reason,
        };
        let boot_record = find_boot_record(&bytes).ok_or(damaged("it holds no boot record"))?;
        let (loader, behind) = find_loader(&bytes)
            .ok_or(damaged("it holds no ldlinux.sys in front of ldlinux.c32"))?;
        let files = vec![program.clone()];
        Self::new(boot_record, loader, behind, folders, files)
    }

    fn from_files(directory: &Path) -> Result<Self, PiecesError> {
        let read = |name: &str| codec::file::read(&directory.join(name), LIMIT);
        let damaged = |name: &str, reason| PiecesError::Damaged {
            path: directory.join(name),
            reason,
        };
        let record = read("ldlinux.bss")?;
        let boot_record = find_boot_record(&record)
            .ok_or_else(|| damaged("ldlinux.bss", "it is not a boot record of 512 bytes"))?;
        let loader = read("ldlinux.sys")?;
        if !is_loader(&loader) {
            return Err(damaged("ldlinux.sys", "it does not begin as one"));
        }
        let module = read("ldlinux.c32")?;
        if module_problem(&module).is_some() {
            return Err(damaged(
                "ldlinux.c32",
                "it is not a whole ELF file for i386",
            ));
        }
        let folders = [directory.to_path_buf()];
        let files = ["ldlinux.bss", "ldlinux.sys", "ldlinux.c32"];
        let files = files.map(|name| directory.join(name)).to_vec();
        Self::new(boot_record, &loader, &module, &folders, files)
    }

    fn new(
        boot_record: [u8; SECTOR],
        loader: &[u8],
        core_module: &[u8],
        folders: &[PathBuf],
        mut files: Vec<PathBuf>,
    ) -> Result<Self, PiecesError> {
        let places = |name: &str| folders.iter().map(|dir| dir.join(name)).collect::<Vec<_>>();
        let mbr_path = places("mbr.bin");
        let mbr_path = first(&mbr_path, "the boot code mbr.bin")?;
        let mbr = codec::file::read(mbr_path, LIMIT)?;
        check_boot_code(
            mbr_path,
            &mbr,
            MBR_CODE,
            "it is not syslinux's boot code for an MBR",
        )?;
        files.push(mbr_path.clone());
        let gpt_path = places("gptmbr.bin").into_iter().find(|path| path.is_file());
        files.extend(gpt_path.clone());
        let gpt_mbr = gpt_path.map(|path| -> Result<_, PiecesError> {
            let code = codec::file::read(&path, LIMIT)?;
            let other = "it is not syslinux's boot code for a GUID partition table";
            check_boot_code(&path, &code, GPT_CODE, other)?;
            Ok(code)
        });
        let gpt_mbr = gpt_mbr.transpose()?;
        Ok(Self {
            boot_record,
            loader: loader.to_vec(),
            core_module: core_module.to_vec(),
            mbr,
            gpt_mbr,
            files,
        })
    }
}

/// Boot code is known by what it says where it fails.
fn check_boot_code(
    path: &Path,
    code: &[u8],
    says: &[u8],
    other: &'static str,
) -> Result<(), PiecesError> {
    let reason = match code.len() {
        0 | CODE_TOO_LONG.. => "boot code has 1 to 440 bytes",
        _ if memmem::find(code, says).is_none() => other,
        _ => return Ok(()),
    };
    let path = path.to_path_buf();
    Err(PiecesError::Damaged { path, reason })
}

fn first<'a>(paths: &'a [PathBuf], what: &'static str) -> Result<&'a PathBuf, PiecesError> {
    let found = paths.iter().find(|path| path.is_file());
    found.ok_or_else(|| {
        let places: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        PiecesError::NotFound {
            what,
            places: places.join(", "),
        }
    })
}

fn find_boot_record(bytes: &[u8]) -> Option<[u8; SECTOR]> {
    memmem::find_iter(bytes, BOOT_RECORD)
        .filter_map(|at| bytes.get(at..)?.first_chunk::<SECTOR>())
        .find(|record| record.ends_with(&[0x55, 0xaa]))
        .copied()
}

/// `ldlinux.sys`, which goes as far as `ldlinux.c32` behind it, and that one.
fn find_loader(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = memmem::find_iter(bytes, LOADER).find(|at| is_loader(&bytes[*at..]))?;
    let rest = &bytes[start..];
    let mut modules = memmem::find_iter(rest, b"\x7fELF");
    let (length, size) = modules.find_map(|at| Some((at, module_size(&rest[at..])?)))?;
    // It is built in whole sectors; what the linker put behind it to align what follows is not part of it.
    let (loader, padding) = rest.split_at(length - length % SECTOR);
    let padding = &padding[..length % SECTOR];
    let plausible = padding.iter().all(|byte| *byte == 0) && loader.len() > 2 * SECTOR;
    plausible.then_some((loader, &rest[length..length + size]))
}

fn is_loader(bytes: &[u8]) -> bool {
    let magic = bytes
        .get(MAGIC_OFFSET..)
        .and_then(|rest| rest.first_chunk());
    bytes.starts_with(LOADER) && magic == Some(&MAGIC.to_le_bytes())
}

/// The size of `ldlinux.c32` (an ELF file of 32 bits, for i386, a shared object), by its header: it ends with its section headers.
fn module_size(bytes: &[u8]) -> Option<usize> {
    let header = Header::of(bytes)?;
    let end = header.sections.end;
    (header.sections.start > 0 && end <= bytes.len()).then_some(end)
}

/// What is wrong with a file that should be `ldlinux.c32`.
pub(in crate::disk) fn module_problem(bytes: &[u8]) -> Option<&'static str> {
    if !bytes.starts_with(b"\x7fELF") {
        return Some("is not an ELF file");
    }
    let Some(header) = Header::of(bytes) else {
        return Some("is not a module for a BIOS (ELF, 32 bits, i386)");
    };
    let is_inside = |table: &Range<usize>| table.end <= bytes.len();
    let parts = header.parts(bytes);
    let parts = parts.into_iter().all(|part| is_inside(&part));
    let is_whole = is_inside(&header.sections) && is_inside(&header.segments) && parts;
    match (is_whole, memmem::find(bytes, b"ldlinux.e32")) {
        (false, _) => Some("is cut off"),
        (true, Some(_)) => Some("is ldlinux.e32, which is for UEFI"),
        (true, None) => None,
    }
}

/// Where the tables of an ELF file are.
struct Header {
    segments: Range<usize>,
    sections: Range<usize>,
    /// Bytes of an entry.
    segment: usize,
    section: usize,
}

impl Header {
    fn of(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk::<52>()?;
        // Class, byte order; type, machine.
        let is_right = header.starts_with(b"\x7fELF\x01\x01") && header[16..20] == [3, 0, 3, 0];
        let short = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let table = |start: usize, size: usize| {
            let start = u32_at(bytes, start) as usize;
            start..start + short(size) * short(size + 2)
        };
        is_right.then(|| Self {
            segments: table(28, 42),
            sections: table(32, 46),
            segment: short(42).max(32),
            section: short(46).max(40),
        })
    }

    /// Where the segments' and sections' bytes are in the file; what needs none there is left out.
    fn parts(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        const NO_BITS: u32 = 8;
        let entries = |table: &Range<usize>, size: usize| {
            let table = bytes.get(table.clone()).unwrap_or_default();
            table.chunks_exact(size).collect::<Vec<_>>()
        };
        let part = |entry: &[u8], offset: usize, size: usize| {
            let start = u32_at(entry, offset) as usize;
            start..start + u32_at(entry, size) as usize
        };
        let segments = entries(&self.segments, self.segment);
        let sections = entries(&self.sections, self.section);
        let sections = sections.iter().filter(|it| u32_at(it, 4) != NO_BITS);
        let sections = sections.map(|it| part(it, 16, 20));
        let segments = segments.iter().map(|it| part(it, 4, 16));
        segments.chain(sections).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> Vec<u8> {
        let mut module = vec![0; 132];
        module[..6].copy_from_slice(b"\x7fELF\x01\x01");
        module[16..20].copy_from_slice(&[3, 0, 3, 0]);
        module[32] = 52;
        module[46] = 40;
        module[48] = 2;
        module
    }

    fn program() -> Vec<u8> {
        let mut program = b"\x7fELF\x02 some program \r\nSYSLINUX %s\n".to_vec();
        let mut record = [0; SECTOR];
        record[..BOOT_RECORD.len()].copy_from_slice(BOOT_RECORD);
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        program.extend(record);
        let mut loader = vec![1; 3 * SECTOR];
        loader[..LOADER.len()].copy_from_slice(LOADER);
        loader[MAGIC_OFFSET..MAGIC_OFFSET + 4].copy_from_slice(&MAGIC.to_le_bytes());
        loader[600..604].copy_from_slice(b"\x7fELF");
        program.extend(loader);
        program.extend([0; 32]);
        program.extend(module());
        program.extend(b"more");
        program
    }

    #[test]
    fn pieces_are_found_by_their_signatures() {
        let program = program();
        assert!(find_boot_record(&program).is_some());
        let (loader, module_found) = find_loader(&program).unwrap();
        assert_eq!(loader.len(), 3 * SECTOR);
        assert_eq!(module_found, module());
    }

    #[test]
    fn a_module_is_whole_or_it_is_said_what_it_is_instead() {
        assert_eq!(module_problem(&module()), None);
        let problem = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut module = module();
            change(&mut module);
            module_problem(&module)
        };
        assert_eq!(problem(&|it| it[0] = 0), Some("is not an ELF file"));
        assert!(problem(&|it| it[4] = 2).unwrap().contains("32 bits"));
        assert_eq!(problem(&|it| it.truncate(100)), Some("is cut off"));
        // The first section's end lies behind the file.
        assert_eq!(problem(&|it| it[52 + 20] = 200), Some("is cut off"));
    }

    #[test]
    fn damage_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("syslinux");
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Pieces::find(Some(folder.path())).unwrap_err().to_string()
        };
        assert!(error(b"").contains("no boot record"));
        let program = program();
        assert!(error(&program[..program.len() - 50]).contains("no ldlinux.sys"));
        assert!(error(&program).contains("mbr.bin"));
        std::fs::write(folder.path().join("mbr.bin"), [0; 441]).unwrap();
        assert!(error(&program).contains("1 to 440 bytes"));
        std::fs::write(folder.path().join("mbr.bin"), GPT_CODE).unwrap();
        assert!(error(&program).contains("not syslinux's boot code for an MBR"));
        std::fs::write(folder.path().join("mbr.bin"), MBR_CODE).unwrap();
        std::fs::write(folder.path().join("gptmbr.bin"), [7; 440]).unwrap();
        assert!(error(&program).contains("for a GUID partition table"));
        std::fs::write(folder.path().join("gptmbr.bin"), GPT_CODE).unwrap();
        assert!(Pieces::find(Some(folder.path())).is_ok());
    }
}
