//! A modules directory (`/lib/modules/VERSION`), read as little as possible.
//!
//! Opening a tree reads nothing. A module that is asked for by name is found through `modules.order`, and only where that
//! does not help by a walk; its file is opened when its fields are wanted, and then only the sections that hold them are
//! read (a compressed file is decoded as a whole, since its section headers are at its end). Only a question about all
//! modules (an alias, a rule that looks for providers) reads all of them, in parallel.
//!
//! A tree needs no index of depmod's. One that is certainly up to date answers questions about all aliases ([`listed`]), and
//! tells what single modules need ([`indexed`]).

mod error;
pub(crate) mod file;
mod glance;
mod indexed;
mod kept;
mod listed;
mod locate;
mod order;
mod prefetch;
mod read;
pub(crate) mod search;
mod select;
#[cfg(test)]
mod tests;
mod unchanged;
mod undeclared;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use codec::Mapped;

use crate::elf::Record;
use crate::fast_hash::{FastMap, FastSet};
use crate::text::Text;
use crate::{Builtins, KernelConfig, ModInfo, ModuleName, Package, Symbols};
pub use error::TreeError;
use locate::AliasIndex;
pub use locate::Resolution;
pub use walk::Entry;
pub(crate) use walk::has_suffix;

/// `modules.order` of a large kernel is 200 KiB.
const ORDER_LIMIT: u64 = 64 << 20;

/// The modules of one kernel.
///
/// Shared between threads freely; what has been read once is kept.
///
/// ```no_run
/// use modtree::{Resolution, Tree};
///
/// let tree = Tree::select("/".as_ref(), None)?;
/// println!("{} modules of {}", tree.modules()?.len(), tree.version());
/// // What the kernel asks udev for when a device with this modalias appears.
/// if let Resolution::Aliases(entries) = tree.resolve("pci:v00008086d000010D3sv00sd00bc02sc00i00")? {
///     for entry in entries {
///         println!("{}: {:?}", entry.name, tree.modinfo(&entry)?.get("description"));
///     }
/// }
/// # Ok::<(), modtree::TreeError>(())
/// ```
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    version: String,
    package: Option<Package>,
    order: OnceLock<order::Order>,
    outside: OnceLock<Vec<Entry>>,
    all: OnceLock<All>,
    aliases: OnceLock<AliasIndex>,
    listed: OnceLock<Option<listed::Listed>>,
    /// Whether that is newer than all directories with modules, where that is known before it is used.
    current: OnceLock<bool>,
    /// The same where it was supposed, and found out later.
    supposition: OnceLock<bool>,
    /// Whether it knows all modules outside `kernel` as they are.
    knows_outside: OnceLock<bool>,
    supposes: bool,
    indexed: OnceLock<Option<indexed::Indexed>>,
    found: Mutex<FastMap<ModuleName, Entry>>,
    exporters: OnceLock<FastMap<String, ModuleName>>,
    builtins: OnceLock<Builtins>,
    config: OnceLock<Option<KernelConfig>>,
    infos: Mutex<FastMap<ModuleName, Arc<ModInfo>>>,
    symbols: Mutex<FastMap<ModuleName, Arc<Symbols>>>,
    /// Those that were read before they were asked for.
    records: Mutex<FastMap<ModuleName, Record<'static>>>,
    keeps_files: bool,
    kept: Mutex<FastMap<PathBuf, Arc<Mapped>>>,
    files_read: AtomicUsize,
    looked_at: Mutex<FastSet<PathBuf>>,
}

#[derive(Debug)]
struct All {
    entries: Vec<Entry>,
    by_name: FastMap<ModuleName, usize>,
}

/// A module with its fields, or with the reason why it has none.
pub type ReadModInfo<'a> = (&'a Entry, Result<Arc<ModInfo>, TreeError>);

impl Tree {
    /// Opens a modules directory, such as `/lib/modules/6.1.0-56-amd64`. Its last component is the kernel's version.
    ///
    /// # Errors
    /// [`TreeError::Directory`] where it is not a directory.
    pub fn open(dir: &Path) -> Result<Self, TreeError> {
        let failed = |source| TreeError::Directory {
            path: dir.to_path_buf(),
            source,
        };
        if !std::fs::metadata(dir).map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        let name = match dir.file_name() {
            Some(name) => name.to_owned(),
            None => dir
                .canonicalize()
                .map_err(failed)?
                .file_name()
                .unwrap_or_default()
                .to_owned(),
        };
        Ok(Self::at(
            dir.to_path_buf(),
            name.to_string_lossy().into_owned(),
        ))
    }

    /// Opens the modules of a kernel below `basedir` (`/` for this machine), in `lib/modules` or `usr/lib/modules`.
    ///
    /// Without a version: the running kernel, if its modules are there, else the only version present. `basedir` may be a modules
    /// directory itself.
    ///
    /// # Errors
    /// [`TreeError::NoKernel`], [`TreeError::NoSuchKernel`], [`TreeError::SeveralKernels`], [`TreeError::BadVersion`],
    /// [`TreeError::Directory`].
    pub fn select(basedir: &Path, kernel: Option<&str>) -> Result<Self, TreeError> {
        let (dir, version) = select::select(basedir, kernel)?;
        Ok(Self::at(dir, version))
    }

    /// The versions of the kernels whose modules are below `basedir`, sorted.
    ///
    /// # Errors
    /// [`TreeError::Directory`].
    pub fn versions(basedir: &Path) -> Result<Vec<String>, TreeError> {
        select::present(basedir)
    }

    /// The names of a kernel's modules, for a list to choose from; where no kernel is named and there are several, those of any.
    ///
    /// # Errors
    /// As [`select`](Self::select) and [`modules`](Self::modules).
    pub fn names_below(basedir: &Path, kernel: Option<&str>) -> Result<Vec<ModuleName>, TreeError> {
        let tree = match Self::select(basedir, kernel) {
            Err(TreeError::SeveralKernels { present, .. }) => {
                Self::select(basedir, present.last().map(String::as_str))
            }
            tree => tree,
        }?;
        let modules = tree.modules()?.iter();
        Ok(modules.map(|entry| entry.name.clone()).collect())
    }

    /// Opens the modules of a kernel in its package, as [`select`](Self::select) does. The package's files stay as long as the
    /// tree does.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub fn in_package(package: Package, kernel: Option<&str>) -> Result<Self, TreeError> {
        match Self::select(package.root(), kernel) {
            Ok(tree) => Ok(tree.with_package(package)),
            Err(error) => Err(error.renamed(|path| package.shown(path))),
        }
    }

    /// The same tree, whose files are those of a package: they stay as long as the tree does, and messages have their names in the
    /// package.
    #[must_use]
    pub fn with_package(self, package: Package) -> Self {
        let package = Some(package);
        Self { package, ..self }
    }

    /// Whether a configuration is where distributions put it; it is not read.
    pub fn has_config(&self) -> bool {
        let places = select::config_places(&self.dir, &self.version);
        places.iter().any(|path| path.exists())
    }

    /// Where a file of the kernel that is not a module may be: `boot/WHAT-VERSION` of the root that the directory is in.
    pub(crate) fn boot_files(&self, what: &str) -> Vec<PathBuf> {
        select::boot_files(&self.dir, &self.version, what)
    }

    /// The root that the modules directory is in, if it is `lib/modules/VERSION` or `usr/lib/modules/VERSION` there.
    pub fn root(&self) -> Option<&Path> {
        select::roots(&self.dir).last()
    }

    /// Where firmware files are: `lib/firmware` of the root, if it is there.
    pub fn firmware_dir(&self) -> Option<PathBuf> {
        let dirs = select::roots(&self.dir).map(|root| root.join("lib/firmware"));
        dirs.into_iter().find(|dir| dir.is_dir())
    }

    /// The same tree, with a configuration that was found elsewhere.
    #[must_use]
    pub fn with_config(self, config: KernelConfig) -> Self {
        let config = OnceLock::from(Some(config));
        Self { config, ..self }
    }

    /// The package whose files these are.
    pub fn package(&self) -> Option<&Package> {
        self.package.as_ref()
    }

    fn at(dir: PathBuf, version: String) -> Self {
        Self {
            dir,
            version,
            package: None,
            order: OnceLock::new(),
            outside: OnceLock::new(),
            all: OnceLock::new(),
            aliases: OnceLock::new(),
            listed: OnceLock::new(),
            knows_outside: OnceLock::new(),
            current: OnceLock::new(),
            supposition: OnceLock::new(),
            supposes: false,
            indexed: OnceLock::new(),
            found: Mutex::default(),
            exporters: OnceLock::new(),
            builtins: OnceLock::new(),
            config: OnceLock::new(),
            infos: Mutex::default(),
            symbols: Mutex::default(),
            records: Mutex::default(),
            keeps_files: false,
            kept: Mutex::default(),
            files_read: AtomicUsize::new(0),
            looked_at: Mutex::default(),
        }
    }

    /// The kernel's version, for example `6.1.0-56-amd64`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The modules directory, as it was given or found.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path of this tree for messages and listings: a file in a package shows as [`Package::shown`] has it.
    pub fn shown(&self, path: &Path) -> PathBuf {
        match &self.package {
            Some(package) => package.shown(path),
            None => path.to_path_buf(),
        }
    }

    /// An error about files of this tree, with its paths as [`shown`](Self::shown) has them.
    pub fn named(&self, error: impl Into<TreeError>) -> TreeError {
        error.into().renamed(|path| self.shown(path))
    }

    /// How many module files have been opened so far: what a test of laziness looks at.
    pub fn files_read(&self) -> usize {
        self.files_read.load(Ordering::Relaxed)
    }

    /// The module files on which the answers so far rest, below the modules directory: those that were read, and those of which
    /// it counted that they are older than an index. An answer also rests on the names in all directories, and on the files
    /// in the modules directory itself.
    pub fn looked_at(&self) -> Vec<PathBuf> {
        lock(&self.looked_at).iter().cloned().collect()
    }

    fn looks_at(&self, entry: &Entry) {
        lock(&self.looked_at).insert(entry.relative.clone());
    }

    fn reads(&self, entry: &Entry) {
        self.looks_at(entry);
        self.files_read.fetch_add(1, Ordering::Relaxed);
    }

    /// The configuration that the kernel was built with: `config` in the modules directory, else `boot/config-VERSION` of
    /// the root that the directory is in. `None` where there is neither.
    ///
    /// # Errors
    /// [`TreeError::Read`].
    pub fn config(&self) -> Result<Option<&KernelConfig>, TreeError> {
        let config = try_once(&self.config, || {
            select::config(&self.dir, &self.version).map_err(|error| self.named(error))
        })?;
        Ok(config.as_ref())
    }

    /// The modules that are linked into the kernel.
    ///
    /// # Errors
    /// [`TreeError::Read`].
    pub fn builtins(&self) -> Result<&Builtins, TreeError> {
        try_once(&self.builtins, || {
            Builtins::read(&self.dir).map_err(|error| self.named(error))
        })
    }

    /// The file of a module, `None` where the tree has none of that name.
    ///
    /// # Errors
    /// [`TreeError::Directory`], [`TreeError::Read`] (of `modules.order`).
    pub fn find(&self, name: &ModuleName) -> Result<Option<Entry>, TreeError> {
        if self.all.get().is_none() {
            if let Some(entry) = self.find_in_order(name)? {
                return Ok(Some(entry));
            }
            // Not where modules.order says, or that does not list it: only an index or a walk can tell.
            if let Some(listed) = self.listed()?
                && let Ok(found) = listed.entry(name)
            {
                return Ok(found);
            }
        }
        let all = self.all_by_name()?;
        Ok(all
            .by_name
            .get(name)
            .and_then(|&at| all.entries.get(at))
            .cloned())
    }

    /// As [`find`](Self::find), but finds those only that are where `modules.order` says, or in `updates`.
    pub(crate) fn find_in_order(&self, name: &ModuleName) -> Result<Option<Entry>, TreeError> {
        let mut outside = self.outside_kernel()?.iter();
        let outside = outside.find(|entry| entry.name == *name);
        if let Some(update) = outside.filter(|entry| walk::is_update(entry)) {
            return Ok(Some(update.clone()));
        }
        if let Some(entry) = lock(&self.found).get(name) {
            return Ok(Some(entry.clone()));
        }
        let found = self.order()?.find(&self.dir, name);
        if let Some(entry) = &found {
            lock(&self.found).insert(name.clone(), entry.clone());
        }
        Ok(found)
    }

    /// Every module of the tree, each name once, in the order of `modules.order`; others follow by path. Walks the tree.
    ///
    /// # Errors
    /// [`TreeError::Directory`], [`TreeError::Read`] (of `modules.order`).
    pub fn modules(&self) -> Result<&[Entry], TreeError> {
        Ok(&self.all_by_name()?.entries)
    }

    fn order(&self) -> Result<&order::Order, TreeError> {
        try_once(&self.order, || {
            match Text::open(&self.dir.join("modules.order"), ORDER_LIMIT) {
                Ok(text) => Ok(order::Order::new(text)),
                Err(error) if error.is_not_found() => Ok(order::Order::default()),
                Err(error) => Err(self.named(error)),
            }
        })
    }

    /// Reads what every lookup of a name needs, before several threads do. What goes wrong will be told by these.
    pub(crate) fn open_order(&self) {
        let _told_later = self.outside_kernel();
    }

    fn outside_kernel(&self) -> Result<&Vec<Entry>, TreeError> {
        let order = self.order()?;
        try_once(&self.outside, || {
            walk::outside_kernel(&self.dir, order).map_err(|source| self.directory_error(source))
        })
    }

    fn all_by_name(&self) -> Result<&All, TreeError> {
        let order = self.order()?;
        try_once(&self.all, || {
            let entries =
                walk::all(&self.dir, order).map_err(|source| self.directory_error(source))?;
            let names = entries.iter().enumerate();
            let by_name = names.map(|(at, entry)| (entry.name.clone(), at)).collect();
            Ok(All { entries, by_name })
        })
    }

    fn directory_error(&self, source: io::Error) -> TreeError {
        TreeError::Directory {
            path: self.shown(&self.dir),
            source,
        }
    }
}

/// `OnceLock::get_or_try_init`, which is not stable yet. Two threads may both do the work; one result is kept.
fn try_once<T>(
    cell: &OnceLock<T>,
    make: impl FnOnce() -> Result<T, TreeError>,
) -> Result<&T, TreeError> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

/// A panic elsewhere leaves these maps whole: every change is one insertion.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
