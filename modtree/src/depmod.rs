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
mod fingerprint;
mod kernel;
mod listing;
mod order;
mod outputs;
mod record;
mod reuse;
mod stamp;
#[cfg(test)]
mod tests;
mod walk;
mod write;

use std::ops::Deref;
use std::path::{Path, PathBuf};

use codec::Mapped;
use codec::file::{ReadError, read};

pub use config::DepmodConfig;
pub use kernel::KernelSymbols;
pub(crate) use kernel::Known;
pub use walk::is_up_to_date;

use cache::{Cache, Draft, Run, Update};
use listing::Listings;
use order::Order;
use record::Stamped;
use reuse::Reuse;
use stamp::Stamp;

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
    /// `Module.symvers` or `System.map` of the kernel, against which symbols are checked (`depmod -e`): with checksums in the former.
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

impl DepmodOptions {
    /// A number for the options by which the same modules have other outputs.
    fn meaning(&self) -> u64 {
        let prefix = self.symbol_prefix.map_or(0x100, u64::from);
        prefix << 8 | self.compat as u64
    }

    /// Where the cache is, if there is to be one.
    fn cache_dir(&self) -> Option<&Path> {
        // Checksums are not kept.
        let may_keep = self.kernel_symbols.is_none();
        self.incremental.as_deref().filter(|_| may_keep)
    }
}

/// The files of a modules directory, complete, and not written yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Depmod {
    /// File names with their contents, in depmod's order.
    pub files: Vec<(&'static str, Contents)>,
    /// What depmod would warn of: lower-case sentences.
    pub warnings: Vec<String>,
    /// How many modules there are.
    pub modules: usize,
    /// How many of them were read; the others were in the cache.
    pub read: usize,
    /// What becomes of the cache, where one is wanted.
    pub(crate) cache: Option<Update>,
    /// Where the files are that are kept, and the cache.
    kept_in: Option<PathBuf>,
}

/// The bytes of a file.
#[derive(Debug)]
pub enum Contents {
    /// They were made in this run.
    Made(Vec<u8>),
    /// The file is there, and has just the bytes that it should have ([`DepmodOptions::incremental`]).
    Kept(Mapped),
}

impl Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Contents::Made(bytes) => bytes,
            Contents::Kept(bytes) => bytes,
        }
    }
}

impl PartialEq for Contents {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Contents {}

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
    depmod_at(options, stamp::now())
}

/// As [`depmod`], at a time.
fn depmod_at(options: &DepmodOptions, time: i64) -> Result<Depmod, DepmodError> {
    let mut warnings = Vec::new();
    let earlier = options.cache_dir().and_then(cache::load);
    let cache = Cache::new(earlier.as_deref().unwrap_or_default());
    let looks = cache.look_at_directories(&options.dir);
    let listings = options.cache_dir();
    let mut listings = listings.map(|_| Listings::new(&cache, &looks));
    let (modules, order) = find(options, &cache, listings.as_mut(), &mut warnings)?;
    let checks = options.kernel_symbols.is_some();
    let all = record::read_all(modules, &options.dir, checks, &cache, &mut warnings)?;
    let reuse = Reuse::new(options, order.basis, &cache, &all);
    let set = reuse.set();
    let draft = |listings: &Listings<'_>| {
        let run = Run {
            time,
            reuse: &reuse,
            lines: &order.lines,
            needs: &set.needs,
            listings,
        };
        Draft::new(&cache, &run)
    };
    let (made, draft) = rayon::join(
        || outputs::make(&set, &reuse, options, &mut warnings),
        || listings.as_ref().map(draft),
    );
    let (files, outputs) = made?;
    Ok(Depmod {
        files,
        warnings,
        modules: all.items.len(),
        read: all.read(),
        cache: draft.map(|draft| draft.finish(&cache, &reuse.basis, &outputs)),
        kept_in: options.cache_dir().map(Path::to_path_buf),
    })
}

/// The modules in depmod's order, with stamps where listings are wanted.
fn find<'a>(
    options: &DepmodOptions,
    cache: &Cache<'_>,
    listings: Option<&mut Listings<'a>>,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Stamped<'a>>, Order), DepmodError> {
    let stamped = listings.is_some();
    let dir = &options.dir;
    let (found, looks) = rayon::join(
        || walk::find(dir, &options.config, listings, warnings),
        || cache.look_at_modules(dir),
    );
    let mut found = found?;
    if found.len() >= MOST_MODULES {
        return Err(DepmodError::TooManyModules(found.len()));
    }
    let order = order::order(&found, options, cache, warnings)?;
    let take = |&at: &usize| {
        let found = std::mem::take(&mut found[at]);
        let look = found.kept.and_then(|number| *looks.get(number)?);
        let stamp = || look.or_else(|| Stamp::of(&found.path(dir)));
        // The cache's places are below the modules directory.
        let stamp = (stamped && !found.is_external).then(stamp).flatten();
        (found, stamp)
    };
    let modules = order.numbers.iter().map(take).collect();
    Ok((modules, order))
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
        let files: Vec<&[u8]> = files.map(|(_, bytes)| &**bytes).collect();
        files.concat()
    }
}
