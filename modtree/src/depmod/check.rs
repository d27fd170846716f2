//! What `depmod -e` and `-w` warn of.

use std::collections::{HashMap, HashSet};

use super::kernel::Known;
use super::{DepmodError, DepmodOptions};
use crate::alias::normalize;
use crate::index::set::{Item, Set};

/// Warns of symbols that neither the kernel nor a module has, and of checksums that differ. A module without checksums differs from
/// all that have one; weak symbols need not be there.
pub(super) fn symbols(
    set: &Set<'_>,
    options: &DepmodOptions,
    warnings: &mut Vec<String>,
) -> Result<(), DepmodError> {
    let known = match &options.kernel_symbols {
        None => Known::default(),
        Some(list) => list.read()?,
    };
    let exported = exports(set.items);
    for item in set.items {
        let checks = item.record.checks.as_ref();
        for (at, name) in item.record.imports.names().enumerate() {
            let crc = checks.and_then(|checks| checks.imports.get(at));
            let (crc, is_weak) = crc.copied().unwrap_or_default();
            if is_weak {
                continue;
            }
            let place = item.place.escape_ascii();
            let symbol = name.escape_ascii();
            match exported.get(name).copied().or_else(|| known.get(name)) {
                None if set.owner(name).is_none() && options.unresolved => {
                    warnings.push(format!("{place} needs unknown symbol {symbol}"));
                }
                Some(expected) if known.has_checksums && expected != crc => {
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

fn exports<'a>(items: &'a [Item<'_>]) -> HashMap<&'a [u8], u64> {
    let of_one = |item: &'a Item<'_>| {
        let checks = item.record.checks.as_ref();
        let names = item.record.exports.iter().enumerate();
        names.map(move |(at, name)| {
            let crc = checks.and_then(|checks| checks.exports.get(at));
            (name, crc.copied().unwrap_or_default())
        })
    };
    items.iter().flat_map(of_one).collect()
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
