//! `depmod`: the files by which modprobe finds modules, for a whole modules directory, the same bytes as kmod's.
//!
//! The phases: [`walk`] finds the module files as `depmod.d` wants them; their records are read in parallel; what follows
//! goes over the records in a fixed order, which is kmod's hash table's and then that of `modules.order`, so that the bytes
//! are the same with any number of threads. Nothing is written before all files are known ([`Depmod::write`]).
//!
//! kmod is the specification (`tools/depmod.c`, `shared/hash.c`); what differs between its versions is in [`Compat`].

mod cache;
mod check;
mod config;
mod cycle;
mod ere;
mod order;
mod record;
#[cfg(test)]
mod tests;
mod walk;
mod write;

use std::path::{Path, PathBuf};

use codec::file::{ReadError, read};

pub use config::DepmodConfig;
pub use walk::is_up_to_date;

use crate::index::files;
use crate::index::set::{Item, Set};
use crate::{BadKey, Layout, TreeError};

/// `modules.order` and the like of large kernels have some hundred KiB.
const LISTING_LIMIT: u64 = 64 << 20;

/// depmod's own limit: an index has 16 bits for the number of a module.
const MOST_MODULES: usize = 65535;

/// Whose files are to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// kmod 34's: nodes before their children in the `.bin` files, and `modules.weakdep` (since 33).
    #[default]
    Kmod34,
    /// kmod 30's: nodes behind their children, no `modules.weakdep`, and the last of equal lines in `modules.order` counts.
    Kmod30,
}

impl Compat {
    fn layout(self) -> Layout {
        match self {
            Compat::Kmod34 => Layout::PreOrder,
            Compat::Kmod30 => Layout::PostOrder,
        }
    }
}

/// What to index, and how.
#[derive(Clone, Debug, Default)]
pub struct DepmodOptions {
    /// The modules directory, such as `/lib/modules/6.1.0`. The version is its last component.
    pub dir: PathBuf,
    /// Whose files.
    pub compat: Compat,
    /// From `depmod.d`.
    pub config: DepmodConfig,
    /// A byte that symbols may begin with (`depmod -P`).
    pub symbol_prefix: Option<u8>,
    /// `Module.symvers` or `System.map` of the kernel, against which symbols are checked (`depmod -e`).
    pub kernel_symbols: Option<KernelSymbols>,
    /// Warn of symbols that nobody has (`depmod -e`).
    pub unresolved: bool,
    /// Where a cache of an earlier run may be: the output directory. With it, only modules that changed are read, and the
    /// result has a new cache. The files' bytes are the same.
    pub incremental: Option<PathBuf>,
    /// Warn of keys that have the same value twice (`depmod -w`).
    pub duplicates: bool,
}

/// Where the kernel's own symbols are listed.
#[derive(Clone, Debug)]
pub enum KernelSymbols {
    /// `Module.symvers`: with checksums (`depmod -E`).
    Symvers(PathBuf),
    /// `System.map` (`depmod -F`).
    SystemMap(PathBuf),
}

/// The files of a modules directory, complete, and not written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depmod {
    /// File names with their contents, in depmod's order.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// What depmod would warn of: lower-case sentences.
    pub warnings: Vec<String>,
    /// How many modules there are.
    pub modules: usize,
    /// How many of them were read; the others were in the cache.
    pub read: usize,
    /// The cache for the next run, where one is wanted.
    pub(crate) cache: Option<Vec<u8>>,
}

/// Why there are no files.
#[derive(Debug, thiserror::Error)]
pub enum DepmodError {
    /// A directory or a listing cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Modules use each other's symbols in a circle: each as depmod says it.
    #[error("{}\nFound {count} modules in dependency cycles!", .lines.join("\n"))]
    Cycle {
        /// `Cycle detected: a -> b -> a`.
        lines: Vec<String>,
        /// The number of modules on cycles.
        count: usize,
    },
    /// An alias, a symbol or a name has a byte that the binary files cannot hold.
    #[error(transparent)]
    BadKey(#[from] BadKey),
    /// More modules than an index can number.
    #[error("{0} modules, and an index can number {MOST_MODULES} at most")]
    TooManyModules(usize),
    /// A line of `depmod.d` cannot be understood where it matters.
    #[error("{0}")]
    Config(String),
}

impl From<ReadError> for DepmodError {
    fn from(error: ReadError) -> Self {
        DepmodError::Tree(error.into())
    }
}

/// Reads every module of a directory, and gives the files that depmod would write.
///
/// # Errors
/// See [`DepmodError`]. A damaged module is a warning: it is listed, with what could be read of it.
pub fn depmod(options: &DepmodOptions) -> Result<Depmod, DepmodError> {
    let mut warnings = Vec::new();
    let found = walk::find(&options.dir, &options.config, &mut warnings)?;
    if found.len() >= MOST_MODULES {
        return Err(DepmodError::TooManyModules(found.len()));
    }
    let found = order::sorted(found, options, &mut warnings)?;
    let (items, read, cache) = record::read_all(&found, options, &mut warnings)?;
    let set = Set::new(&items, options.symbol_prefix);
    if options.unresolved || options.kernel_symbols.is_some() {
        check::symbols(&set, options, &mut warnings)?;
    }
    let rank = set.ranks().map_err(|_| cycle::error(&set))?;
    let files = all_files(&set, &rank, options, &mut warnings)?;
    Ok(Depmod {
        files,
        warnings,
        modules: items.len(),
        read,
        cache,
    })
}

type Files = Vec<(&'static str, Vec<u8>)>;

/// Makes the files, the large ones beside each other.
fn all_files(
    set: &Set<'_>,
    rank: &[u32],
    options: &DepmodOptions,
    warnings: &mut Vec<String>,
) -> Result<Files, DepmodError> {
    let layout = options.compat.layout();
    // Where the listing is missing, depmod writes an empty file.
    let of_listing = |text: &Option<Vec<u8>>, make: fn(&[u8], Layout) -> Result<_, BadKey>| {
        text.as_ref()
            .map_or(Ok(Vec::new()), |text| make(text, layout))
    };
    let items: &[Item] = set.items;
    let builtin = optional(&options.dir.join("modules.builtin"), warnings)?;
    let modinfo = optional(&options.dir.join("modules.builtin.modinfo"), warnings)?;
    let ((lines, dep_bin), ((alias_bin, unbalanced), symbols_bin)) = rayon::join(
        || {
            let lines = set.lines(rank);
            let bin = files::dep_bin(items, &lines, layout);
            (lines, bin)
        },
        || {
            rayon::join(
                || files::alias_bin(items, layout),
                || files::symbols_bin(set, layout),
            )
        },
    );
    for alias in unbalanced {
        warnings.push(format!("unmatched bracket in {}", alias.escape_ascii()));
    }
    if options.duplicates {
        check::duplicates(set, warnings);
    }
    let (devname, incomplete) = files::devname(items);
    for (module, device) in incomplete {
        warnings.push(format!(
            "module {} has devname ({}) but lacks major and minor information; it is left out",
            module.escape_ascii(),
            device.escape_ascii()
        ));
    }
    let mut all: Files = vec![
        ("modules.dep", files::dep(&lines)),
        ("modules.dep.bin", dep_bin?),
        ("modules.alias", files::alias(items)),
        ("modules.alias.bin", alias_bin?),
        ("modules.softdep", files::softdep(items)),
        ("modules.weakdep", files::weakdep(items)),
        ("modules.symbols", files::symbols(set)),
        ("modules.symbols.bin", symbols_bin?),
        (
            "modules.builtin.bin",
            of_listing(&builtin, files::builtin_bin)?,
        ),
        (
            "modules.builtin.alias.bin",
            of_listing(&modinfo, files::builtin_alias_bin)?,
        ),
        ("modules.devname", devname),
    ];
    if options.compat == Compat::Kmod30 {
        all.retain(|(name, _)| *name != "modules.weakdep");
    }
    Ok(all)
}

/// A file that the kernel's build leaves there, and that may be missing.
fn optional(path: &Path, warnings: &mut Vec<String>) -> Result<Option<Vec<u8>>, ReadError> {
    match read(path, LISTING_LIMIT) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_not_found() => {
            warnings.push(format!("there is no `{}`", path.display()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Depmod {
    /// The text files one after the other, as `depmod -n` prints them.
    pub fn text(&self) -> Vec<u8> {
        let text = |name: &str| !name.ends_with(".bin");
        let files = self.files.iter().filter(|(name, _)| text(name));
        files.flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }
}
