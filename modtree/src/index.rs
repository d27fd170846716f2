//! The files which depmod writes, for a part of a tree: what an initramfs needs so that no depmod runs at boot.
//!
//! The text files are the same bytes that kmod's depmod writes for the same files: the order of a line's dependencies, the
//! order of lines, and for `modules.symbols` the order of kmod's hash table (`tools/depmod.c`, `shared/hash.c`). busybox's
//! modprobe reads them; kmod's reads binary forms of them.

mod dep;
mod hash;

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Closure, ModInfo, ModuleName, Planned, Symbols, Tree, TreeError};

/// Why no index can be written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A module cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The modules use each other's symbols in a circle, although their `depends=` fields do not say so.
    #[error("the symbols of these modules form a dependency cycle: {}", .0.join(", "))]
    Cycle(Vec<String>),
}

/// A module as the index sees it.
struct Indexed {
    name: ModuleName,
    /// Its file below the modules directory of the image.
    place: PathBuf,
    info: Arc<ModInfo>,
    symbols: Arc<Symbols>,
}

/// Writes the text indexes for the modules of a closure. `place` tells where each module's file will be, below the
/// image's modules directory ([`Planned::plain_relative`] keeps the place and drops a compression suffix).
///
/// Gives file names with their contents: `modules.order`, `modules.dep`, `modules.alias`, `modules.softdep`,
/// `modules.symbols`, and where they would not be empty `modules.weakdep`, `modules.devname`, `modules.builtin` and
/// `modules.builtin.modinfo`.
///
/// # Errors
/// See [`IndexError`].
pub fn text(
    tree: &Tree,
    closure: &Closure,
    place: impl Fn(&Planned) -> PathBuf,
) -> Result<Vec<(&'static str, Vec<u8>)>, IndexError> {
    let modules = indexed(tree, closure, place)?;
    let symbols = Owners::new(&modules);
    let builtins = tree.builtins()?;
    let files = [
        ("modules.order", order(&modules), true),
        ("modules.dep", dep::file(&modules, &symbols)?, true),
        (
            "modules.alias",
            fields(
                &modules,
                "alias",
                "# Aliases extracted from modules themselves.\n",
                alias_line,
            ),
            true,
        ),
        (
            "modules.softdep",
            fields(
                &modules,
                "softdep",
                "# Soft dependencies extracted from modules themselves.\n",
                softdep_line,
            ),
            true,
        ),
        ("modules.weakdep", weakdeps(&modules), false),
        ("modules.symbols", symbols.file(&modules), true),
        ("modules.devname", devnames(&modules), false),
        ("modules.builtin", builtins.listing().to_vec(), false),
        (
            "modules.builtin.modinfo",
            builtins.modinfo().to_vec(),
            false,
        ),
    ];
    let wanted = files
        .into_iter()
        .filter(|(_, bytes, always)| *always || !bytes.is_empty());
    Ok(wanted.map(|(name, bytes, _)| (name, bytes)).collect())
}

impl Planned {
    /// The module's place in its tree, with a suffix such as `.xz` dropped: where an image holds it decompressed.
    pub fn plain_relative(&self) -> PathBuf {
        match self.relative.extension().map(OsStrExt::as_bytes) {
            Some(b"ko") | None => self.relative.clone(),
            Some(_) => self.relative.with_extension(""),
        }
    }
}

/// The modules in depmod's order, which is the order of `modules.order`.
fn indexed(
    tree: &Tree,
    closure: &Closure,
    place: impl Fn(&Planned) -> PathBuf,
) -> Result<Vec<Indexed>, TreeError> {
    let names = tree.modules()?.iter().enumerate();
    let positions: HashMap<&ModuleName, usize> =
        names.map(|(at, entry)| (&entry.name, at)).collect();
    let mut planned: Vec<&Planned> = closure.modules.iter().collect();
    planned.sort_by_key(|module| positions.get(&module.name).copied().unwrap_or(usize::MAX));
    let indexed = planned.into_iter().map(|module| {
        Ok(Indexed {
            name: module.name.clone(),
            place: place(module),
            info: Arc::clone(&module.info),
            symbols: tree.symbols(&module.entry())?,
        })
    });
    indexed.collect()
}

/// The exported symbols, each with the module (by its number) that a symbol's users depend on.
struct Owners<'a> {
    owners: HashMap<&'a str, usize>,
}

impl<'a> Owners<'a> {
    /// Where two modules export one symbol, the later one has it, as in depmod.
    fn new(modules: &'a [Indexed]) -> Self {
        let all = modules.iter().enumerate();
        let owners = all.flat_map(|(at, module)| {
            module
                .symbols
                .exports
                .iter()
                .map(move |symbol| (symbol.as_str(), at))
        });
        Self {
            owners: owners.collect(),
        }
    }

    /// The module that exports a symbol. 64-bit PowerPC puts a dot in front of functions.
    fn of(&self, symbol: &str) -> Option<usize> {
        let symbol = symbol.strip_prefix('.').unwrap_or(symbol);
        self.owners.get(symbol).copied()
    }

    /// `modules.symbols`, in the order of kmod's hash table of 2,048 buckets.
    fn file(&self, modules: &[Indexed]) -> Vec<u8> {
        let mut buckets: BTreeMap<(u32, &str), usize> = BTreeMap::new();
        for (symbol, owner) in &self.owners {
            buckets.insert((hash::superfast(symbol.as_bytes()) & 2047, symbol), *owner);
        }
        let mut file = b"# Aliases for symbols, used by symbol_request().\n".to_vec();
        for ((_, symbol), owner) in buckets {
            file.extend(format!("alias symbol:{symbol} {}\n", modules[owner].name).bytes());
        }
        file
    }
}

fn order(modules: &[Indexed]) -> Vec<u8> {
    let mut file = Vec::new();
    for module in modules {
        let place = module.place.as_os_str().as_bytes();
        // modules.order speaks of plain files, however they are compressed.
        let plain = [".gz", ".xz", ".zst"]
            .iter()
            .find_map(|suffix| place.strip_suffix(suffix.as_bytes()));
        file.extend_from_slice(plain.unwrap_or(place));
        file.push(b'\n');
    }
    file
}

/// A line for each value that the modules have for `key`, as they wrote it.
fn fields(
    modules: &[Indexed],
    key: &str,
    header: &str,
    line: fn(&ModuleName, &[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let mut file = header.as_bytes().to_vec();
    for module in modules {
        for value in module.info.raw(key) {
            file.extend(line(&module.name, value));
        }
    }
    file
}

fn alias_line(name: &ModuleName, value: &[u8]) -> Vec<u8> {
    [b"alias ", value, b" ", name.as_str().as_bytes(), b"\n"].concat()
}

fn softdep_line(name: &ModuleName, value: &[u8]) -> Vec<u8> {
    [b"softdep ", name.as_str().as_bytes(), b" ", value, b"\n"].concat()
}

/// Since kmod 33; older ones do not know the file, so it is only there when it says something.
fn weakdeps(modules: &[Indexed]) -> Vec<u8> {
    if modules
        .iter()
        .all(|module| module.info.raw("weakdep").next().is_none())
    {
        return Vec::new();
    }
    let line = |name: &ModuleName, value: &[u8]| {
        [b"weakdep ", name.as_str().as_bytes(), b" ", value, b"\n"].concat()
    };
    fields(
        modules,
        "weakdep",
        "# Weak dependencies extracted from modules themselves.\n",
        line,
    )
}

/// The device nodes whose opening loads a module: an alias `devname:NAME` beside `char-major-10-200`.
fn devnames(modules: &[Indexed]) -> Vec<u8> {
    let mut lines = String::new();
    for module in modules {
        let mut name = None;
        let mut number = None;
        for alias in module.info.all("alias") {
            if let Some(device) = alias.strip_prefix("devname:") {
                name = Some(device.to_owned());
            } else if let Some(found) = device_number(&alias) {
                number = Some(found);
            }
            if let (Some(name), Some((kind, major, minor))) = (&name, number) {
                lines.push_str(&format!("{} {name} {kind}{major}:{minor}\n", module.name));
                break;
            }
        }
    }
    if lines.is_empty() {
        return Vec::new();
    }
    format!("# Device nodes to trigger on-demand module loading.\n{lines}").into_bytes()
}

fn device_number(alias: &str) -> Option<(char, u32, u32)> {
    let (kind, rest) = match (
        alias.strip_prefix("char-major-"),
        alias.strip_prefix("block-major-"),
    ) {
        (Some(rest), _) => ('c', rest),
        (_, Some(rest)) => ('b', rest),
        _ => return None,
    };
    let (major, minor) = rest.split_once('-')?;
    Some((kind, major.parse().ok()?, minor.parse().ok()?))
}
