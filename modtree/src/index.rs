//! The files which depmod writes, for a part of a tree: what an initramfs needs so that no depmod runs at boot.
//!
//! The text files are the same bytes that kmod's depmod writes for the same files: the order of a line's dependencies, the
//! order of lines, and for `modules.symbols` the order of kmod's hash table (`tools/depmod.c`, `shared/hash.c`). busybox's
//! modprobe reads them; kmod's reads binary forms of them.

pub(crate) mod files;
mod graft;
pub(crate) mod hash;
mod read;
pub(crate) mod set;
mod sort;
mod trie;

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::{Closure, Planned, Tree, TreeError};
pub use files::BadKey;
pub use read::{FormatError, Index, Value};
use set::{Item, Set};
pub use trie::Layout;

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

/// Writes the text indexes for the modules of a closure. `place` tells where each module's file will be, below the
/// image's modules directory ([`Planned::plain_relative`] keeps the place and drops a compression suffix).
///
/// Gives file names with their contents: `modules.order`, `modules.dep`, `modules.alias`, `modules.softdep`,
/// `modules.symbols`, and where they would not be empty `modules.weakdep`, `modules.devname`, `modules.builtin` and
/// `modules.builtin.modinfo`.
///
/// ```
/// use modtree::{ClosureOptions, Planned, Tree, closure, index};
///
/// # let temporary = tempfile::tempdir()?;
/// # let (root, image) = (temporary.path(), temporary.path());
/// # let dir = root.join("lib/modules/6.1.0/kernel/fs");
/// # std::fs::create_dir_all(&dir)?;
/// # use object::{Architecture::X86_64, BinaryFormat::Elf, Endianness::Little, SectionKind};
/// # let mut object = object::write::Object::new(Elf, X86_64, Little);
/// # let section = object.add_section(Vec::new(), b".modinfo".to_vec(), SectionKind::ReadOnlyData);
/// # object.append_section_data(section, b"alias=fs-vfat\0depends=\0", 1);
/// # std::fs::write(dir.join("vfat.ko"), object.write()?)?;
/// let tree = Tree::select(root, None)?;
/// let closure = closure(&tree, &["vfat"], &ClosureOptions::default())?;
/// for (name, bytes) in index::text(&tree, &closure, Planned::plain_relative)? {
///     std::fs::write(image.join(name), bytes)?;
/// }
/// assert_eq!(std::fs::read(image.join("modules.dep"))?, b"kernel/fs/vfat.ko:\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// See [`IndexError`].
pub fn text(
    tree: &Tree,
    closure: &Closure,
    place: impl Fn(&Planned) -> PathBuf + Sync,
) -> Result<Vec<(&'static str, Vec<u8>)>, IndexError> {
    let modules = closure.modules.iter();
    let mut modules: Vec<&Planned> = modules.collect();
    // depmod's order, which is the order of `modules.order`.
    tree.sort(&mut modules, |module| (&module.name, &module.relative))?;
    let item = |module: &Planned| item(tree, module, place(module));
    // No thread is woken up for what has been read.
    let (items, builtins) = match modules.iter().all(|it| tree.has_record(&it.name)) {
        true => (modules.into_iter().map(item).collect(), tree.builtins()),
        false => rayon::join(
            || modules.into_par_iter().map(item).collect(),
            || tree.builtins(),
        ),
    };
    let items: Result<Vec<_>, TreeError> = items;
    let (items, builtins) = (items?, builtins?);
    let set = Set::new(&items, None, &[]);
    let rank = set
        .ranks()
        .map_err(|left| IndexError::Cycle(names(&items, &left)))?;
    let weakdep = match items.iter().any(|item| !item.record.weakdeps.is_empty()) {
        true => files::weakdep(&items),
        // Since kmod 33; older ones do not know the file, so it is only there when it says something.
        false => Vec::new(),
    };
    let files = [
        ("modules.order", order(&items), true),
        ("modules.dep", set.lines(&rank).text, true),
        ("modules.alias", files::alias(&items), true),
        ("modules.softdep", files::softdep(&items), true),
        ("modules.weakdep", weakdep, false),
        ("modules.symbols", files::symbols(&set), true),
        ("modules.devname", files::devname(&items).0, false),
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

fn item(tree: &Tree, module: &Planned, place: PathBuf) -> Result<Item<'static>, TreeError> {
    Ok(Item {
        name: module.name.as_str().as_bytes().to_vec().into(),
        place: place.into_os_string().into_encoded_bytes().into(),
        record: tree.record(&module.entry())?,
    })
}

fn names(items: &[Item<'_>], numbers: &[u32]) -> Vec<String> {
    let named = numbers.iter().filter_map(|&at| items.get(at as usize));
    named
        .map(|item| String::from_utf8_lossy(&item.name).into_owned())
        .collect()
}

fn order(items: &[Item<'_>]) -> Vec<u8> {
    let mut file = Vec::new();
    for Item { place, .. } in items {
        // modules.order speaks of plain files, however they are compressed.
        let plain = [".gz", ".xz", ".zst"]
            .iter()
            .find_map(|suffix| place.strip_suffix(suffix.as_bytes()));
        file.extend_from_slice(plain.unwrap_or(place.as_ref()));
        file.push(b'\n');
    }
    file
}
