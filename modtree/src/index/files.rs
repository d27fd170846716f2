//! The text files, and what goes into the binary ones.

use super::set::{Item, Set};
use super::trie::{Entry, Layout, write};
use crate::alias::normalize;

/// kmod keeps an alias in a buffer of this size; longer ones are cut.
const LONGEST_ALIAS: usize = 4095;

/// `modules.dep`.
pub(crate) fn dep(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines {
        file.extend_from_slice(line);
        file.push(b'\n');
    }
    file
}

/// `modules.dep.bin`: the same lines by module name.
pub(crate) fn dep_bin(
    items: &[Item],
    lines: &[Vec<u8>],
    layout: Layout,
) -> Result<Vec<u8>, BadKey> {
    let entries = (0..).zip(items.iter().zip(lines));
    let entries = entries.map(|(priority, (item, line))| Entry {
        key: item.name.as_slice().into(),
        value: line,
        priority,
    });
    trie(entries.collect(), layout)
}

/// `modules.alias`.
pub(crate) fn alias(items: &[Item]) -> Vec<u8> {
    let mut file = b"# Aliases extracted from modules themselves.\n".to_vec();
    for item in items {
        for value in item.record.info.raw("alias") {
            for part in [b"alias ", value, b" ", &item.name, b"\n"] {
                file.extend_from_slice(part);
            }
        }
    }
    file
}

/// `modules.alias.bin`, and the aliases which are not well formed: kmod warns of them and leaves them out.
pub(crate) fn alias_bin(items: &[Item], layout: Layout) -> (Result<Vec<u8>, BadKey>, Vec<Vec<u8>>) {
    let mut bad = Vec::new();
    let mut entries = Vec::new();
    for (priority, item) in (0..).zip(items) {
        for value in item.record.info.raw("alias") {
            match normalize(&value[..value.len().min(LONGEST_ALIAS)]) {
                Some(key) => entries.push(Entry {
                    key: key.into(),
                    value: &item.name,
                    priority,
                }),
                None => bad.push(value.to_vec()),
            }
        }
    }
    (trie(entries, layout), bad)
}

/// `modules.softdep` and `modules.weakdep`: a line for each value that the modules have for `key`.
pub(crate) fn lines_of(items: &[Item], key: &str, header: &str) -> Vec<u8> {
    let mut file = header.as_bytes().to_vec();
    for item in items {
        for value in item.record.info.raw(key) {
            for part in [key.as_bytes(), b" ", &item.name, b" ", value, b"\n"] {
                file.extend_from_slice(part);
            }
        }
    }
    file
}

/// `modules.softdep`.
pub(crate) fn softdep(items: &[Item]) -> Vec<u8> {
    lines_of(
        items,
        "softdep",
        "# Soft dependencies extracted from modules themselves.\n",
    )
}

/// `modules.weakdep`, which kmod has since version 33.
pub(crate) fn weakdep(items: &[Item]) -> Vec<u8> {
    lines_of(
        items,
        "weakdep",
        "# Weak dependencies extracted from modules themselves.\n",
    )
}

/// `modules.symbols`.
pub(crate) fn symbols(set: &Set<'_>) -> Vec<u8> {
    let mut file = b"# Aliases for symbols, used by symbol_request().\n".to_vec();
    for &(symbol, owner) in &set.symbols {
        let owner = &set.items[owner as usize].name;
        for part in [b"alias symbol:", symbol, b" ", owner, b"\n"] {
            file.extend_from_slice(part);
        }
    }
    file
}

/// `modules.symbols.bin`.
pub(crate) fn symbols_bin(set: &Set<'_>, layout: Layout) -> Result<Vec<u8>, BadKey> {
    let entries = set.symbols.iter().map(|&(symbol, owner)| Entry {
        key: [b"symbol:", symbol].concat().into(),
        value: &set.items[owner as usize].name,
        priority: owner,
    });
    trie(entries.collect(), layout)
}

/// `modules.builtin.bin`, from the text of `modules.builtin`; a line that does not begin with a letter is left out.
pub(crate) fn builtin_bin(listing: &[u8], layout: Layout) -> Result<Vec<u8>, BadKey> {
    let lines = listing.split_inclusive(|&byte| byte == b'\n');
    let lines = lines.filter(|line| line.first().is_some_and(u8::is_ascii_alphabetic));
    let entries = lines.map(|line| Entry {
        key: module_name(line).into(),
        value: b"",
        priority: 0,
    });
    trie(entries.collect(), layout)
}

/// `modules.builtin.alias.bin`, from `modules.builtin.modinfo`: records `module.alias=pattern`, each ended by NUL.
pub(crate) fn builtin_alias_bin(modinfo: &[u8], layout: Layout) -> Result<Vec<u8>, BadKey> {
    let mut entries = Vec::new();
    for record in modinfo.split(|&byte| byte == 0) {
        let Some(dot) = record.iter().position(|&byte| byte == b'.') else {
            continue;
        };
        let (module, field) = record.split_at(dot);
        if let Some(alias) = field.strip_prefix(b".alias=")
            && !alias.is_empty()
            && let Some(key) = normalize(&alias[..alias.len().min(LONGEST_ALIAS)])
        {
            entries.push(Entry {
                key: key.into(),
                value: module,
                priority: 0,
            });
        }
    }
    trie(entries, layout)
}

/// A module and the device name that it has without numbers.
type Incomplete = (Vec<u8>, Vec<u8>);

/// `modules.devname`: the device nodes whose opening loads a module, by an alias `devname:NAME` beside `char-major-10-200`.
/// Also gives the modules that have a name and no numbers.
pub(crate) fn devname(items: &[Item]) -> (Vec<u8>, Vec<Incomplete>) {
    let mut file = Vec::new();
    let mut incomplete = Vec::new();
    for item in items {
        let mut name: Option<&[u8]> = None;
        let mut number = None;
        for alias in item.record.info.raw("alias") {
            if let Some(device) = alias.strip_prefix(b"devname:") {
                name = Some(device);
            } else if let Some(found) = device_number(alias) {
                number = Some(found);
            }
            if name.is_some() && number.is_some() {
                break;
            }
        }
        match (name, number) {
            (Some(name), Some((kind, major, minor))) => {
                if file.is_empty() {
                    file.extend(b"# Device nodes to trigger on-demand module loading.\n");
                }
                for part in [&item.name, &b" "[..], name] {
                    file.extend_from_slice(part);
                }
                file.extend(format!(" {kind}{major}:{minor}\n").bytes());
            }
            (Some(name), None) => incomplete.push((item.name.clone(), name.to_vec())),
            _ => {}
        }
    }
    (file, incomplete)
}

/// The numbers of `char-major-%u-%u` or `block-major-%u-%u`; more may follow them.
fn device_number(alias: &[u8]) -> Option<(char, u32, u32)> {
    let (kind, rest) = match alias.strip_prefix(b"char-major-") {
        Some(rest) => ('c', rest),
        None => ('b', alias.strip_prefix(b"block-major-")?),
    };
    let (major, rest) = number(rest)?;
    let (minor, _) = number(rest.strip_prefix(b"-")?)?;
    Some((kind, major, minor))
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// The name of the module in a file: the last component up to its first dot, dashes as underscores.
pub(crate) fn module_name(path: &[u8]) -> Vec<u8> {
    let start = path
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    let name = path[start..].iter().take_while(|&&byte| byte != b'.');
    name.map(|&byte| if byte == b'-' { b'_' } else { byte })
        .collect()
}

/// A key that no index can hold: its reader has room for 7-bit characters only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` (of {}) has a byte above 0x7f, and depmod's binary indexes hold ASCII only", .key.escape_ascii(), .value.escape_ascii())]
pub struct BadKey {
    key: Vec<u8>,
    value: Vec<u8>,
}

fn trie(entries: Vec<Entry<'_>>, layout: Layout) -> Result<Vec<u8>, BadKey> {
    match entries.iter().find(|entry| !entry.key.is_ascii()) {
        Some(entry) => Err(BadKey {
            key: entry.key.to_vec(),
            value: entry.value.to_vec(),
        }),
        None => Ok(write(entries, layout)),
    }
}
