//! What an image needs of a kernel's package, and which modules these are: kept, so that a rebuild with the same request for modules
//! unpacks nothing.
//!
//! Unpacking a kernel takes seconds, and finding modules in it some more where they are compressed. The cache has, by what is known
//! of the package's file without a look into it, the selection and an archive of the files: the modules, the kernel, its
//! configuration, and what its build says of it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use super::selection::{Selection, has_names_only, length, measured, wanted};
use crate::cache::fingerprint::Fingerprint;
use crate::cache::{Cache, Key, Kind};
use crate::cpio::{self, Attributes, Options, PieceWriter};
use crate::kernel::{Kernel, KernelChoice, KernelSource};
use crate::plan::Data;
use crate::recipe::Recipe;

/// Larger than any kernel's image.
const FILE_LIMIT: u64 = 512 << 20;

/// Files of the modules directory that are no modules.
const OF_BUILD: [&str; 3] = [
    "modules.builtin",
    "modules.builtin.modinfo",
    "modules.order",
];

/// The place of a package's kernel in the cache.
pub(super) struct Kept<'a> {
    cache: &'a Cache,
    key: Key,
    package: &'a Path,
    choice: &'a KernelChoice,
    file: Fingerprint,
    program: Fingerprint,
}

impl<'a> Kept<'a> {
    /// `None` where the kernel is in no package, or files elsewhere count as well.
    pub(super) fn new(cache: Option<&'a Cache>, recipe: &'a Recipe) -> Option<Self> {
        let (KernelSource::Deb(package), choice) = (&recipe.kernel, &recipe.choice) else {
            return None;
        };
        if matches!(choice, KernelChoice::Image(_)) || !has_names_only(recipe) {
            return None;
        }
        let file = Fingerprint::of_files([package.as_path()])?;
        let program = Fingerprint::of_files([&*std::env::current_exe().ok()?])?;
        // Of several kernels, the running one is meant.
        let running = rustix::system::uname();
        let running = (*choice == KernelChoice::Default).then(|| running.release());
        // Messages have the package's name.
        let wanted = format!("{} {choice:?} {running:?} {package:?}", wanted(recipe));
        let from = [
            file.hash.as_bytes(),
            program.hash.as_bytes(),
            wanted.as_bytes(),
        ];
        Some(Self {
            cache: cache?,
            key: Key::new(Kind::Package, &from),
            package,
            choice,
            file,
            program,
        })
    }

    /// The kernel and the selection, if they are kept.
    pub(super) fn open(&self) -> Option<(Kernel, Selection)> {
        let bytes = self.cache.get(&self.key)?;
        let (selection, archive) = measured(&bytes)?;
        let mut selection = Selection::parse(selection)?;
        let entries: Vec<_> = cpio::entries(archive).collect::<Result<_, _>>().ok()?;
        let files = entries.iter().map(|entry| {
            let name = Path::new(OsStr::from_bytes(entry.name));
            (name, entry.data)
        });
        let package = modtree::Package::restore(self.package, files).ok()?;
        selection.place(|path| Some(package.root().join(path)))?;
        let kernel = Kernel::of_package(package, self.choice).ok()?;
        Some((kernel, selection))
    }

    /// Keeps them, if what was opened after `begun` is the package that the key is for, and has certainly not changed since. It is no
    /// fault if that cannot be done.
    pub(super) fn keep(&self, kernel: &Kernel, selection: &Selection, begun: SystemTime) {
        let opened = kernel.tree.package().and_then(|package| package.metadata());
        let is_same = opened.is_some_and(|found| Fingerprint::of_open([found]) == self.file);
        if is_same
            && self.file.is_settled_at(begun)
            && self.program.is_settled_at(begun)
            && let Some(bytes) = to_bytes(kernel, selection)
        {
            self.cache.put(&self.key, &bytes);
        }
    }
}

/// The selection, with its length before it in four bytes and paths below the package's root; the archive.
fn to_bytes(kernel: &Kernel, selection: &Selection) -> Option<Vec<u8>> {
    let root = kernel.unpacked()?;
    let below = |path: &Path| path.strip_prefix(root).map(Path::to_path_buf).ok();
    let mut selection = selection.clone();
    selection.place(below)?;
    let modules = selection.modules.iter().map(|module| module.path.clone());
    let dir = below(kernel.tree.dir())?;
    let config = kernel.tree.config().ok()?.and_then(|config| config.path());
    let others = config.into_iter().chain(kernel.image.as_deref());
    let others = others.map(below).collect::<Option<Vec<_>>>()?;
    let of_build = OF_BUILD.map(|name| dir.join(name));
    let of_build = of_build.into_iter().filter(|path| root.join(path).exists());
    let names: Vec<_> = of_build.chain(others).chain(modules).collect();
    let files = names
        .iter()
        .map(|name| Data::read(&root.join(name), FILE_LIMIT));
    let files: Vec<_> = files.collect::<Result<_, _>>().ok()?;
    let mut archive = PieceWriter::new(Options::default());
    let attributes = Attributes::of_root(cpio::Kind::File, 0o644);
    for (name, data) in names.iter().zip(&files) {
        archive
            .entry(name.as_os_str().as_bytes(), attributes, data)
            .ok()?;
    }
    let selection = selection.own_bytes()?;
    let mut bytes = length(&selection)?.to_vec();
    bytes.extend(selection);
    archive
        .finish()
        .pieces()
        .iter()
        .for_each(|piece| bytes.extend_from_slice(piece));
    Some(bytes)
}
