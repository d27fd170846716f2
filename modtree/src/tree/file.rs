//! One module's file: plain ones by section, compressed ones as a whole.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use codec::Mapped;
use codec::file::{ReadError, open_within, read_decoded};
use object::read::{ReadCache, ReadCacheOps, ReadRef};

use super::TreeError;
use crate::Module;
use crate::elf::{self, ElfError, Parts, Pieces, Reading, Record, Wanted};

/// The largest module of a distribution's kernel has 7 MB, with debugging information some 100 MB.
const LIMIT: u64 = 512 << 20;

pub(super) const MODINFO: Wanted<'static> = Wanted {
    modinfo: true,
    symbols: Reading::No,
    string: None,
    record: None,
};

pub(super) const SYMBOLS: Wanted<'static> = Wanted {
    modinfo: false,
    symbols: Reading::Keep,
    string: None,
    record: None,
};

/// What depmod wants.
pub(super) const RECORD: Wanted<'static> = Wanted {
    modinfo: false,
    symbols: Reading::No,
    string: None,
    record: Some(false),
};

/// Reads the wanted parts of the module at `path`.
pub(crate) fn parts(path: &Path, wanted: Wanted<'_>) -> Result<Parts, TreeError> {
    let (file, length) = open_sized(path)?;
    let pages = Positioned {
        length,
        file,
        position: Cell::new(0),
        error: Cell::new(None),
    };
    let cache = ReadCache::new(&pages);
    let first = (&cache).read_bytes_at(0, pages.length.min(elf::FIRST_READ));
    if first.is_ok_and(|bytes| codec::detect(bytes).is_some()) {
        return compressed(path, wanted);
    }
    let parts = elf::read(&cache, wanted);
    match pages.error.take() {
        Some(error) => Err(ReadError::io(path)(error).into()),
        None => parts.map_err(|source| elf_error(path, source)),
    }
}

/// Maps the module at `path`, whole, if it is not compressed, whatever its name says.
pub(super) fn map_plain(path: &Path) -> Option<Mapped> {
    let file = codec::map(path, LIMIT).ok()?;
    // Parsing touches a good part of it, and who wants the file, all.
    file.populate();
    codec::detect(&file).is_none().then_some(file)
}

/// The wanted parts of the module whose bytes these are.
pub(super) fn parts_of(path: &Path, bytes: &[u8], wanted: Wanted<'_>) -> Result<Parts, TreeError> {
    elf::read(bytes, wanted).map_err(|source| elf_error(path, source))
}

/// Reads what depmod wants of the module at `path`, by way of a buffer that is used again for other modules.
pub(crate) fn record(path: &Path, checks: bool, pieces: &mut Pieces) -> Result<Parts, TreeError> {
    let wanted = Wanted {
        record: Some(checks),
        ..Wanted::default()
    };
    let (file, length) = open_sized(path)?;
    let fetched = pieces
        .fetch(length, &mut |offset, buffer| {
            file.read_exact_at(buffer, offset)
        })
        .map_err(ReadError::io(path))?;
    if let Some(sparse) = fetched {
        match elf::read(sparse, wanted) {
            // What was not fetched is no fault of the file's.
            Err(ElfError::Read { .. }) => {}
            Ok(parts)
                if parts
                    .faults
                    .iter()
                    .any(|fault| matches!(fault, ElfError::Read { .. })) => {}
            result => return result.map_err(|source| elf_error(path, source)),
        }
    }
    if codec::detect(pieces.beginning()).is_none() {
        return parts(path, wanted);
    }
    let (decoded, stream) = pieces.decoded();
    let size = length as usize;
    if stream.len() < size {
        stream.resize(size, 0);
    }
    file.read_exact_at(&mut stream[..size], 0)
        .map_err(ReadError::io(path))?;
    let size = codec::decode_into(&stream[..size], decoded, LIMIT).map_err(|source| {
        let path = path.to_path_buf();
        ReadError::Decode { path, source }
    })?;
    elf::read(&decoded[..size], wanted).map_err(|source| elf_error(path, source))
}

fn compressed(path: &Path, wanted: Wanted<'_>) -> Result<Parts, TreeError> {
    parts_of(path, &read_decoded(path, LIMIT)?, wanted)
}

/// Opens a regular file of a size that is believed, and gives its size.
fn open_sized(path: &Path) -> Result<(File, u64), TreeError> {
    let (file, found) = open_within(path, LIMIT)?;
    Ok((file, found.len()))
}

/// Reads the module at `path` from its first byte to its last.
pub(super) fn whole(path: &Path) -> Result<Module, TreeError> {
    let bytes = read_decoded(path, LIMIT)?;
    Module::parse(&bytes).map_err(|source| elf_error(path, source))
}

/// The bytes of the file at `path`, decompressed.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, TreeError> {
    Ok(read_decoded(path, LIMIT)?)
}

/// Reads the module at `path` as a whole, with what `depmod -e` compares.
pub(super) fn with_checks(path: &Path) -> Result<(Module, Record<'static>), TreeError> {
    let bytes = read_decoded(path, LIMIT)?;
    let failed = |source| elf_error(path, source);
    let module = Module::parse(&bytes).map_err(failed)?;
    let wanted = Wanted {
        record: Some(true),
        ..Wanted::default()
    };
    let parts = elf::read(bytes.as_slice(), wanted).map_err(failed)?;
    Ok((module, parts.record))
}

fn elf_error(path: &Path, source: ElfError) -> TreeError {
    TreeError::Elf {
        path: path.to_path_buf(),
        source,
    }
}

/// A file which is read at positions, without moving the descriptor's offset: half the system calls of seek and read.
struct Positioned {
    file: File,
    length: u64,
    position: Cell<u64>,
    /// `object` knows only that a read failed; this is why.
    error: Cell<Option<io::Error>>,
}

impl Positioned {
    fn keep<T>(&self, result: io::Result<T>) -> Result<T, ()> {
        result.map_err(|error| self.error.set(Some(error)))
    }
}

impl ReadCacheOps for &Positioned {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.length)
    }

    fn seek(&mut self, position: u64) -> Result<u64, ()> {
        self.position.set(position);
        Ok(position)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
        let read = self.keep(self.file.read_at(buffer, self.position.get()))?;
        self.position
            .set(self.position.get().saturating_add(read as u64));
        Ok(read)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ()> {
        self.keep(self.file.read_exact_at(buffer, self.position.get()))?;
        self.position
            .set(self.position.get().saturating_add(buffer.len() as u64));
        Ok(())
    }
}
