//! Who has the symbols that modules use.

use std::collections::HashMap;

use super::{CheckOptions, FindingKind, Found, Summary};
use crate::depmod::Known;
use crate::tree::{Tree, TreeError};
use crate::{KernelSymbols, ModuleName};

/// So many symbols of one module are named.
const NAMED: usize = 3;

/// The kernel's own symbols, where they are listed; a note where they are not.
pub(super) fn of_kernel(
    tree: &Tree,
    options: &CheckOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Known>, TreeError> {
    let known = match &options.kernel_symbols {
        Some(list) => Some((list.path().to_path_buf(), list.read()?)),
        None => {
            let found = tree.boot_files("System.map").into_iter();
            let mut found = found.filter(|path| path.is_file());
            let list = found.next().map(KernelSymbols::SystemMap);
            list.map(|list| list.read().map(|known| (list.path().to_path_buf(), known)))
                .transpose()?
        }
    };
    let why = match known {
        Some((_, known)) if !known.is_empty() => return Ok(Some(known)),
        Some((path, _)) => format!("`{}` has none", tree.shown(&path).display()),
        None => format!("there is no boot/System.map-{}", tree.version()),
    };
    notes.push(format!(
        "the symbols that the kernel exports are not known ({why}): unknown symbols are not looked for, only versions \
         among modules; --symvers and --system-map name a list"
    ));
    Ok(None)
}

/// Compares what modules import with what modules and the kernel export.
pub(super) fn compare(
    tree: &Tree,
    modules: &[Summary],
    kernel: Option<&Known>,
    found: &mut Vec<Found>,
) -> Result<(), TreeError> {
    let mut exports: HashMap<&str, (&ModuleName, u64)> = HashMap::new();
    for module in modules {
        let names = module.exports.iter();
        exports.extend(names.map(|(symbol, crc)| (symbol.as_str(), (&module.entry.name, *crc))));
    }
    for module in modules {
        let name = &module.entry.name;
        let mut add = |kind, text| found.push((kind, name.to_string(), text));
        let mut unknown = Vec::new();
        let mut users: Vec<(&ModuleName, &str)> = Vec::new();
        for (symbol, crc, is_weak) in &module.imports {
            let symbol = symbol.strip_prefix('.').unwrap_or(symbol);
            let of_kernel = || kernel.and_then(|kernel| kernel.get(symbol.as_bytes()));
            let (owner, expected) = match exports.get(symbol) {
                Some((owner, expected)) => (Some(*owner), *expected),
                None => match of_kernel() {
                    Some(expected) => (None, expected),
                    None => {
                        if !is_weak {
                            unknown.push(symbol);
                        }
                        continue;
                    }
                },
            };
            if *crc != 0 && expected != 0 && *crc != expected {
                let owner = owner.map_or("the kernel", ModuleName::as_str);
                let text = format!(
                    "was built for {symbol} with checksum {crc:#010x}, and {owner} has {expected:#010x}"
                );
                add(FindingKind::Checksum, text);
            }
            if let Some(owner) = owner.filter(|&owner| owner != name) {
                let is_new = users.iter().all(|(known, _)| *known != owner);
                if is_new && !module.depends.contains(owner) {
                    users.push((owner, symbol));
                }
            }
        }
        for (owner, symbol) in users {
            let text = format!("uses {symbol} of {owner}, which its depends= does not name");
            add(FindingKind::Undeclared, text);
        }
        if kernel.is_some() && !unknown.is_empty() {
            add(FindingKind::Unresolved, uses(&unknown));
        }
        for needed in &module.depends {
            if tree.find(needed)?.is_some() || tree.builtins()?.contains(needed) {
                continue;
            }
            match tree.lacks_no_symbol(&module.entry, &*tree.modinfo(&module.entry)?)? {
                true => add(
                    FindingKind::Undeclared,
                    format!(
                        "names {needed} in its depends=, which is not there and of which it uses no symbol"
                    ),
                ),
                false => add(
                    FindingKind::MissingDependency,
                    format!("needs {needed}, which is not there"),
                ),
            }
        }
    }
    Ok(())
}

fn uses(unknown: &[&str]) -> String {
    let more = match unknown.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = unknown.get(..NAMED).unwrap_or(unknown).join(", ");
    format!("uses {named}{more}, which neither the kernel nor a module exports")
}
