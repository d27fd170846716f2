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
mod listing;
mod order;
mod record;
mod stamp;
#[cfg(test)]
mod tests;
mod walk;
mod write;

use std::path::{Path, PathBuf};

use codec::file::{ReadError, read};
use rayon::prelude::*;

pub use config::DepmodConfig;
pub use walk::is_up_to_date;

use cache::Cache;
use listing::Listings;
use record::Stamped;

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
    /// Make the text files only, which hold what the binary ones cannot (`depmod -n`).
    pub text_only: bool,
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
    let time = stamp::now();
    // Checksums are not kept.
    let cached = options.incremental.as_deref();
    let cached = cached.filter(|_| options.kernel_symbols.is_none());
    let bytes = cached.map(cache::load).unwrap_or_default();
    let cache = Cache::new(&bytes);
    let mut listings = cached.map(|_| Listings::new(&cache));
    let modules = find(options, &cache, listings.as_mut(), &mut warnings)?;
    let checks = options.kernel_symbols.is_some();
    let all = record::read_all(modules, &options.dir, checks, &cache, &mut warnings)?;
    let (files, cache) = rayon::join(
        || all_files(&all.items, cache.names(), options, &mut warnings),
        || listings.map(|listings| cache::write(time, &cache, &listings, &all)),
    );
    Ok(Depmod {
        files: files?,
        warnings,
        modules: all.items.len(),
        read: all.read,
        cache,
    })
}

/// The modules in depmod's order, with stamps where listings are wanted.
fn find(
    options: &DepmodOptions,
    cache: &Cache<'_>,
    listings: Option<&mut Listings<'_>>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Stamped>, DepmodError> {
    let stamped = listings.is_some();
    let dir = &options.dir;
    let (found, looks) = rayon::join(
        || walk::find(dir, &options.config, listings, warnings),
        || cache.look(dir),
    );
    let mut found = found?;
    if found.len() >= MOST_MODULES {
        return Err(DepmodError::TooManyModules(found.len()));
    }
    let (order, stamps) = rayon::join(
        || order::order(&found, options, warnings),
        || match stamped {
            true => record::stamps(&found, dir, cache, &looks),
            false => vec![None; found.len()],
        },
    );
    let take = |at: usize| (std::mem::take(&mut found[at]), stamps[at]);
    Ok(order?.into_iter().map(take).collect())
}

type Files = Vec<(&'static str, Vec<u8>)>;

/// Makes the files of these modules. `names` is what numbers of imports mean.
fn all_files(
    items: &[Item<'_>],
    names: &[&[u8]],
    options: &DepmodOptions,
    warnings: &mut Vec<String>,
) -> Result<Files, DepmodError> {
    let set = Set::new(items, options.symbol_prefix, names);
    if options.unresolved || options.kernel_symbols.is_some() {
        check::symbols(&set, options, warnings)?;
    }
    let rank = set.ranks().map_err(|_| cycle::error(&set))?;
    if options.duplicates {
        check::duplicates(&set, warnings);
    }
    let inputs = Inputs {
        lines: set.lines(&rank),
        set: &set,
        builtin: optional(&options.dir.join("modules.builtin"), warnings)?,
        modinfo: optional(&options.dir.join("modules.builtin.modinfo"), warnings)?,
        layout: options.compat.layout(),
    };
    let wanted = MAKERS.iter().filter(|(name, _)| {
        !(options.text_only && name.ends_with(".bin")
            || options.compat == Compat::Kmod30 && *name == "modules.weakdep")
    });
    let wanted: Vec<_> = wanted.collect();
    // Each is a task of its own: modules.alias.bin takes nearly as long as all others together.
    let made: Vec<Made> = wanted
        .par_iter()
        .with_max_len(1)
        .map(|(_, make)| make(&inputs))
        .collect();
    let mut files = Files::new();
    for ((name, _), made) in wanted.into_iter().zip(made) {
        let (bytes, notes) = made?;
        files.push((name, bytes));
        warnings.extend(notes);
    }
    Ok(files)
}

/// What the files are made of.
struct Inputs<'a> {
    set: &'a Set<'a>,
    lines: Vec<Vec<u8>>,
    builtin: Option<Vec<u8>>,
    modinfo: Option<Vec<u8>>,
    layout: Layout,
}

/// A file's bytes and warnings.
type Made = Result<(Vec<u8>, Vec<String>), BadKey>;

type Maker = fn(&Inputs<'_>) -> Made;

/// The files, in depmod's order.
const MAKERS: [(&str, Maker); 11] = [
    ("modules.dep", |of| quiet(Ok(files::dep(&of.lines)))),
    ("modules.dep.bin", |of| {
        quiet(files::dep_bin(of.set.items, &of.lines, of.layout))
    }),
    ("modules.alias", |of| quiet(Ok(files::alias(of.set.items)))),
    ("modules.alias.bin", |of| {
        let (bytes, unbalanced) = files::alias_bin(of.set.items, of.layout);
        let note = |alias: &Vec<u8>| format!("unmatched bracket in {}", alias.escape_ascii());
        Ok((bytes?, unbalanced.iter().map(note).collect()))
    }),
    ("modules.softdep", |of| {
        quiet(Ok(files::softdep(of.set.items)))
    }),
    ("modules.weakdep", |of| {
        quiet(Ok(files::weakdep(of.set.items)))
    }),
    ("modules.symbols", |of| quiet(Ok(files::symbols(of.set)))),
    ("modules.symbols.bin", |of| {
        quiet(files::symbols_bin(of.set, of.layout))
    }),
    ("modules.builtin.bin", |of| {
        quiet(of_listing(&of.builtin, of.layout, files::builtin_bin))
    }),
    ("modules.builtin.alias.bin", |of| {
        quiet(of_listing(&of.modinfo, of.layout, files::builtin_alias_bin))
    }),
    ("modules.devname", |of| {
        let (bytes, incomplete) = files::devname(of.set.items);
        Ok((bytes, incomplete.iter().map(without_numbers).collect()))
    }),
];

fn quiet(made: Result<Vec<u8>, BadKey>) -> Made {
    made.map(|bytes| (bytes, Vec::new()))
}

fn without_numbers((module, device): &files::Incomplete) -> String {
    format!(
        "module {} has devname ({}) but lacks major and minor information; it is left out",
        module.escape_ascii(),
        device.escape_ascii()
    )
}

/// Where the listing is missing, depmod writes an empty file.
fn of_listing(
    text: &Option<Vec<u8>>,
    layout: Layout,
    make: fn(&[u8], Layout) -> Result<Vec<u8>, BadKey>,
) -> Result<Vec<u8>, BadKey> {
    text.as_ref()
        .map_or(Ok(Vec::new()), |text| make(text, layout))
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
        let files: Vec<&[u8]> = files.map(|(_, bytes)| bytes.as_slice()).collect();
        files.concat()
    }
}
