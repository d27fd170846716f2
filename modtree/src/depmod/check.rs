//! What `depmod -e` and `-w` warn of.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use codec::file::read;

use super::{DepmodError, DepmodOptions, KernelSymbols, LISTING_LIMIT};
use crate::alias::normalize;
use crate::index::set::{Item, Set};

/// Symbols that the linker or the loader makes, which are nobody's.
const FAKE: [&str; 3] = ["__this_module", "_GLOBAL_OFFSET_TABLE_", "TOC."];

/// The kernel's symbols, with their checksums where they are known.
type Known = HashMap<Vec<u8>, Option<u64>>;

/// Warns of symbols that neither the kernel nor a module has, and of checksums that differ.
pub(super) fn symbols(
    set: &Set<'_>,
    options: &DepmodOptions,
    warnings: &mut Vec<String>,
) -> Result<(), DepmodError> {
    let mut known = match &options.kernel_symbols {
        None => Known::new(),
        Some(KernelSymbols::Symvers(path)) => symvers(path)?,
        Some(KernelSymbols::SystemMap(path)) => system_map(path)?,
    };
    let checksums = matches!(options.kernel_symbols, Some(KernelSymbols::Symvers(_)));
    for name in FAKE {
        known.insert(name.as_bytes().to_vec(), None);
    }
    let exported = exports(set.items);
    for item in set.items {
        let checks = item.record.checks.as_ref();
        for (at, name) in item.record.imports.names().enumerate() {
            let (crc, weak) = checks
                .and_then(|checks| checks.imports.get(at))
                .copied()
                .unwrap_or_default();
            let found = exported
                .get(name)
                .copied()
                .or_else(|| known.get(name).copied());
            let place = item.place.escape_ascii();
            let symbol = name.escape_ascii();
            match found {
                None if set.owner(name).is_some() => {}
                None if options.unresolved && !weak => {
                    warnings.push(format!("{place} needs unknown symbol {symbol}"));
                }
                Some(Some(expected)) if checksums && crc != 0 && expected != crc => {
                    warnings.push(format!(
                        "{place} disagrees about version of symbol {symbol}"
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn exports<'a>(items: &'a [Item<'_>]) -> HashMap<&'a [u8], Option<u64>> {
    let of_one = |item: &'a Item<'_>| {
        let checks = item.record.checks.as_ref();
        let names = item.record.exports.iter().enumerate();
        names.map(move |(at, name)| {
            let crc = checks.and_then(|checks| checks.exports.get(at));
            (name, crc.copied().filter(|&crc| crc != 0))
        })
    };
    items.iter().flat_map(of_one).collect()
}

/// Lines `0x12345678 symbol vmlinux EXPORT_SYMBOL`; what modules export is known from the modules.
fn symvers(path: &Path) -> Result<Known, DepmodError> {
    let text = read(path, LISTING_LIMIT)?;
    let line = |line: &[u8]| {
        let mut words = line
            .split(|byte| b" \t".contains(byte))
            .filter(|word| !word.is_empty());
        let crc = std::str::from_utf8(words.next()?).ok()?;
        let crc = u64::from_str_radix(crc.trim_start_matches("0x"), 16).ok()?;
        let name = words.next()?.to_vec();
        (words.next()? == b"vmlinux").then_some((name, Some(crc)))
    };
    Ok(text.split(|&byte| byte == b'\n').filter_map(line).collect())
}

/// Lines `ffffffff81000000 T __ksymtab_symbol`.
fn system_map(path: &Path) -> Result<Known, DepmodError> {
    let text = read(path, LISTING_LIMIT)?;
    let line = |line: &[u8]| {
        let name = line.split(|&byte| byte == b' ').nth(2)?;
        let name = name.strip_prefix(b"__ksymtab_")?;
        Some((name.to_vec(), None))
    };
    Ok(text.split(|&byte| byte == b'\n').filter_map(line).collect())
}

/// Warns of aliases that one module declares twice.
pub(super) fn duplicates(set: &Set<'_>, warnings: &mut Vec<String>) {
    for item in set.items {
        let mut seen = HashSet::new();
        for alias in item.record.aliases.iter().filter_map(normalize) {
            let text = format!(
                "duplicate module alias: {} {}",
                alias.escape_ascii(),
                item.name.escape_ascii()
            );
            if !seen.insert(alias) {
                warnings.push(text);
            }
        }
    }
}
