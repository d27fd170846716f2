//! The text files, and what goes into the binary ones.

use std::borrow::Cow;

use super::graft::graft;
use super::set::{Item, Lines, Set};
use super::sort::Entries;
use super::trie::{Layout, write};
use crate::alias::normalize_into;
use crate::name::{stem, underscore};

/// kmod keeps an alias in a buffer of this size; longer ones are cut.
const LONGEST_ALIAS: usize = 4095;

/// `modules.dep.bin`: the lines of `modules.dep` by module name.
pub(crate) fn dep_bin(
    items: &[Item<'_>],
    lines: &Lines,
    layout: Layout,
) -> Result<Vec<u8>, BadKey> {
    let mut entries = Entries::default();
    for (priority, (item, line)) in (0..).zip(items.iter().zip(lines.iter())) {
        entries.push(&[&item.name], line, priority);
    }
    trie(entries, layout)
}

/// `modules.alias`.
pub(crate) fn alias<'a>(items: impl IntoIterator<Item = &'a Item<'a>> + Clone) -> Vec<u8> {
    let names = items.clone().into_iter();
    let names = names.map(|item| item.record.aliases.as_bytes().len());
    let mut file = Vec::with_capacity(2 * names.sum::<usize>());
    file.extend(b"# Aliases extracted from modules themselves.\n");
    alias_lines(items, &mut file);
    file
}

/// `modules.alias` where items came behind all that are in the file.
pub(crate) fn alias_added<'a>(
    old: &[u8],
    added: impl IntoIterator<Item = &'a Item<'a>>,
) -> Vec<u8> {
    let mut file = old.to_vec();
    alias_lines(added, &mut file);
    file
}

fn alias_lines<'a>(items: impl IntoIterator<Item = &'a Item<'a>>, file: &mut Vec<u8>) {
    for item in items {
        for value in item.record.aliases.iter() {
            line(file, &[b"alias ", value, b" ", &item.name]);
        }
    }
}

/// A binary index, and the aliases which are not well formed: kmod warns of them and leaves them out.
pub(crate) type Aliases = (Result<Vec<u8>, BadKey>, Vec<Vec<u8>>);

/// `modules.alias.bin`.
pub(crate) fn alias_bin(items: &[Item<'_>], layout: Layout) -> Aliases {
    let (entries, bad) = alias_entries((0..).zip(items));
    (trie(entries, layout), bad)
}

/// The same where items with these numbers came to those in the file. `None` where `old` is no such file of
/// [`Layout::PreOrder`].
pub(crate) fn alias_bin_added<'a>(
    old: &[u8],
    added: impl Iterator<Item = (u32, &'a Item<'a>)> + Clone,
) -> Option<Aliases> {
    let (entries, bad) = alias_entries(added);
    let made = match ascii(&entries) {
        Ok(()) => Ok(graft(old, entries)?),
        Err(error) => Err(error),
    };
    Some((made, bad))
}

fn alias_entries<'a>(
    items: impl Iterator<Item = (u32, &'a Item<'a>)> + Clone,
) -> (Entries<'a>, Vec<Vec<u8>>) {
    let names = items
        .clone()
        .map(|(_, item)| item.record.aliases.as_bytes());
    let sizes = names.map(|names| (names.len(), memchr::memchr_iter(0, names).count()));
    let (size, count) = sizes.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let mut entries = Entries::with_capacity(count, size);
    let mut bad = Vec::new();
    for (priority, item) in items {
        for value in item.record.aliases.iter() {
            let cut = &value[..value.len().min(LONGEST_ALIAS)];
            let added = entries.push_written(&item.name, priority, |key| normalize_into(cut, key));
            if added.is_none() {
                bad.push(value.to_vec());
            }
        }
    }
    (entries, bad)
}

/// `modules.softdep`.
pub(crate) fn softdep(items: &[Item<'_>]) -> Vec<u8> {
    let mut file = b"# Soft dependencies extracted from modules themselves.\n".to_vec();
    for item in items {
        let values = item.record.softdeps.iter();
        values.for_each(|value| line(&mut file, &[b"softdep ", &item.name, b" ", value]));
    }
    file
}

/// `modules.weakdep`, which kmod has since version 33.
pub(crate) fn weakdep(items: &[Item<'_>]) -> Vec<u8> {
    let mut file = b"# Weak dependencies extracted from modules themselves.\n".to_vec();
    for item in items {
        let values = item.record.weakdeps.iter();
        values.for_each(|value| line(&mut file, &[b"weakdep ", &item.name, b" ", value]));
    }
    file
}

fn line(file: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| file.extend_from_slice(part));
    file.push(b'\n');
}

/// `modules.symbols`.
pub(crate) fn symbols(set: &Set<'_>) -> Vec<u8> {
    let mut file = Vec::with_capacity(64 * set.symbols().len());
    file.extend(b"# Aliases for symbols, used by symbol_request().\n");
    for &(symbol, owner) in set.symbols() {
        let owner = &set.items[owner as usize].name;
        line(&mut file, &[b"alias symbol:", symbol, b" ", owner]);
    }
    file
}

/// `modules.symbols.bin`.
pub(crate) fn symbols_bin(set: &Set<'_>, layout: Layout) -> Result<Vec<u8>, BadKey> {
    let mut entries = Entries::with_capacity(set.symbols().len(), 32 * set.symbols().len());
    for &(symbol, owner) in set.symbols() {
        let value = &set.items[owner as usize].name;
        entries.push(&[b"symbol:", symbol], value, owner);
    }
    trie(entries, layout)
}

/// `modules.builtin.bin`, from the text of `modules.builtin`; a line that does not begin with a letter is left out.
pub(crate) fn builtin_bin(listing: &[u8], layout: Layout) -> Result<Vec<u8>, BadKey> {
    let lines = listing.split_inclusive(|&byte| byte == b'\n');
    let mut entries = Entries::default();
    for line in lines.filter(|line| is_builtin(line)) {
        entries.push(&[&module_name(line)], b"", 0);
    }
    trie(entries, layout)
}

fn is_builtin(line: &[u8]) -> bool {
    line.first().is_some_and(u8::is_ascii_alphabetic)
}

/// The lines of `modules.builtin` that are left out.
pub(crate) fn bad_builtins(listing: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = listing.strip_suffix(b"\n").unwrap_or(listing);
    let lines = (!lines.is_empty()).then(|| lines.split(|&byte| byte == b'\n'));
    lines.into_iter().flatten().filter(|line| !is_builtin(line))
}

/// `modules.builtin.alias.bin`, from `modules.builtin.modinfo`: records `module.alias=pattern`, each ended by NUL.
pub(crate) fn builtin_alias_bin(modinfo: &[u8], layout: Layout) -> Result<Vec<u8>, BadKey> {
    let mut entries = Entries::default();
    for record in modinfo.split(|&byte| byte == 0) {
        let Some(dot) = record.iter().position(|&byte| byte == b'.') else {
            continue;
        };
        let (module, field) = record.split_at(dot);
        if let Some(alias) = field.strip_prefix(b".alias=")
            && !alias.is_empty()
        {
            let cut = &alias[..alias.len().min(LONGEST_ALIAS)];
            entries.push_written(module, 0, |key| normalize_into(cut, key));
        }
    }
    trie(entries, layout)
}

/// A module and the device name that it has without numbers.
pub(crate) type Incomplete = (Vec<u8>, Vec<u8>);

/// `modules.devname`: the device nodes whose opening loads a module, by an alias `devname:NAME` beside `char-major-10-200`.
/// Also gives the modules that have a name and no numbers.
pub(crate) fn devname(items: &[Item<'_>]) -> (Vec<u8>, Vec<Incomplete>) {
    let mut file = Vec::new();
    let mut incomplete = Vec::new();
    for item in items {
        let mut name: Option<&[u8]> = None;
        let mut number = None;
        for alias in item.record.aliases.iter() {
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
            (Some(name), None) => incomplete.push((item.name.to_vec(), name.to_vec())),
            _ => {}
        }
    }
    (file, incomplete)
}

/// The numbers of `char-major-%u-%u` or `block-major-%u-%u`, as sscanf(3) reads them; more may follow them.
fn device_number(alias: &[u8]) -> Option<(char, u32, u32)> {
    let (kind, rest) = match alias.strip_prefix(b"char-major-") {
        Some(rest) => ('c', rest),
        None => ('b', alias.strip_prefix(b"block-major-")?),
    };
    let (major, rest) = number(rest)?;
    let (minor, _) = number(rest.strip_prefix(b"-")?)?;
    Some((kind, major, minor))
}

/// What `%u` takes: blanks, a sign, digits. As in strtoul(3), a number that is too large for 64 bits is the largest one, and of
/// any the lower 32 bits are kept.
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !blank(byte))?;
    let text = text.get(start..)?;
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        text => (false, text),
    };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let number = match (std::str::from_utf8(number).ok()?.parse::<u64>(), digits) {
        (_, 0) => return None,
        (Ok(number), _) if is_negative => number.wrapping_neg(),
        (Ok(number), _) => number,
        (Err(_), _) => u64::MAX,
    };
    Some((number as u32, rest))
}

/// The name of the module in a file: the last component up to its first dot, dashes as underscores.
pub(crate) fn module_name(path: &[u8]) -> Cow<'_, [u8]> {
    let start = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
    let name = stem(&path[start..]);
    if memchr::memchr(b'-', name).is_none() {
        return name.into();
    }
    name.iter().map(|&byte| underscore(byte)).collect()
}

/// A key that no index can hold: its reader has room for 7-bit characters only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` (of {}) has a byte above 0x7f, and depmod's binary indexes hold ASCII only", .key.escape_ascii(), .value.escape_ascii())]
pub struct BadKey {
    key: Vec<u8>,
    value: Vec<u8>,
}

fn trie(entries: Entries<'_>, layout: Layout) -> Result<Vec<u8>, BadKey> {
    ascii(&entries)?;
    Ok(write(entries, layout))
}

fn ascii(entries: &Entries<'_>) -> Result<(), BadKey> {
    match entries.first_not_ascii() {
        Some((key, value)) => Err(BadKey {
            key: key.to_vec(),
            value: value.to_vec(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::device_number;

    #[test]
    fn device_numbers_are_read_as_sscanf_reads_them() {
        for (alias, expected) in [
            ("char-major-10-200", Some(('c', 10, 200))),
            ("block-major-8-0x", Some(('b', 8, 0))),
            ("char-major- +10- 7", Some(('c', 10, 7))),
            ("char-major--1-4294967297", Some(('c', u32::MAX, 1))),
            (
                "char-major-99999999999999999999-1",
                Some(('c', u32::MAX, 1)),
            ),
            ("char-major-10--", None),
            ("char-major-10 -1", None),
            ("char-major-10-*", None),
            ("char-major-10-", None),
            ("net-pf-10-1", None),
        ] {
            assert_eq!(device_number(alias.as_bytes()), expected, "{alias}");
        }
    }
}
