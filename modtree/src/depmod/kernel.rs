//! The symbols that the kernel itself exports, from the lists that its build leaves.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use codec::file::{ReadError, read};

use super::LISTING_LIMIT;

/// Symbols that the linker or the loader makes, which are nobody's.
const FAKE: [&str; 3] = ["__this_module", "_GLOBAL_OFFSET_TABLE_", "TOC."];

/// Where the kernel's own symbols are listed.
#[derive(Clone, Debug)]
pub enum KernelSymbols {
    /// `Module.symvers`: with checksums (`depmod -E`).
    Symvers(PathBuf),
    /// `System.map` (`depmod -F`).
    SystemMap(PathBuf),
}

/// The kernel's symbols.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// With their checksums, or 0.
    all: HashMap<Vec<u8>, u64>,
    /// Whether the checksums are known.
    pub(crate) has_checksums: bool,
}

impl KernelSymbols {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            KernelSymbols::Symvers(path) | KernelSymbols::SystemMap(path) => path,
        }
    }

    /// Reads the list.
    pub(crate) fn read(&self) -> Result<Known, ReadError> {
        let text = read(self.path(), LISTING_LIMIT)?;
        let lines = text.split(|&byte| byte == b'\n');
        Ok(match self {
            KernelSymbols::Symvers(_) => Known {
                all: lines.filter_map(symvers).collect(),
                has_checksums: true,
            },
            KernelSymbols::SystemMap(_) => Known {
                all: lines.filter_map(system_map).collect(),
                has_checksums: false,
            },
        })
    }
}

impl Known {
    /// Whether no symbol is listed: distributions leave a `System.map` that only says where the real one is.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The checksum of a symbol that the kernel has, 0 where it is not known.
    pub(crate) fn get(&self, symbol: &[u8]) -> Option<u64> {
        match FAKE.iter().any(|fake| fake.as_bytes() == symbol) {
            true => Some(0),
            false => self.all.get(symbol).copied(),
        }
    }
}

/// A line `0x12345678 symbol vmlinux EXPORT_SYMBOL`; what modules export is known from the modules.
fn symvers(line: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut words = line
        .split(|byte| b" \t".contains(byte))
        .filter(|word| !word.is_empty());
    let crc = std::str::from_utf8(words.next()?).ok()?;
    let crc = u64::from_str_radix(crc.trim_start_matches("0x"), 16).ok()?;
    let name = words.next()?.to_vec();
    (words.next()? == b"vmlinux").then_some((name, crc))
}

/// A line `ffffffff81000000 T __ksymtab_symbol`.
fn system_map(line: &[u8]) -> Option<(Vec<u8>, u64)> {
    let name = line.split(|&byte| byte == b' ').nth(2)?;
    Some((name.strip_prefix(b"__ksymtab_")?.to_vec(), 0))
}
