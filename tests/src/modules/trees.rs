//! Whole trees for depmod: real ones of the corpus, the same in other forms of compression, and synthetic ones.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use codec::Format;

use super::synthetic::Synthetic;
use super::{Kmod, compare_depmod, shadow};
use crate::environment::kernel;

/// How the modules of a tree are compressed: each module in turn takes the next of the forms.
pub type Forms = &'static [Option<Format>];

/// The forms of Debian's 6.1 kernel that are in the corpus as `linux-6.1-NAME`, beside the plain one.
pub const FORMS: [(&str, Forms); 4] = [
    ("zstd", &[Some(Format::Zstd)]),
    ("gzip", &[Some(Format::Gzip)]),
    ("xz", &[Some(Format::Xz)]),
    ("mixed", &[Some(Format::Zstd), None, Some(Format::Xz)]),
];

/// What a kernel's build leaves in a modules directory, and depmod reads.
pub const LISTINGS: [&str; 3] = [
    "modules.order",
    "modules.builtin",
    "modules.builtin.modinfo",
];

/// The only modules directory of an unpacked kernel package.
pub fn modules_dir(kernel: &Path) -> Option<PathBuf> {
    ["lib/modules", "usr/lib/modules"]
        .iter()
        .filter_map(|place| std::fs::read_dir(kernel.join(place)).ok())
        .flatten()
        .find_map(|entry| entry.ok()?.path().canonicalize().ok())
}

/// A kernel of the corpus as `lib/modules/VERSION` of a root of its own, in which depmod can write; with that directory.
///
/// # Panics
/// Where the file system refuses.
pub fn shadowed(name: &str) -> Option<(tempfile::TempDir, PathBuf)> {
    let original = modules_dir(&kernel(name)?).expect("a modules directory");
    let root = tempfile::tempdir().expect("a temporary directory");
    let dir = shadow(&original, root.path());
    Some((root, dir))
}

/// Writes the modules that `modules.order` of the directory `from` lists into the directory `to`, compressed, with the
/// listings. Uses all cores.
///
/// # Errors
/// What the operating system says.
pub fn recompress(from: &Path, to: &Path, forms: Forms) -> std::io::Result<()> {
    let order = std::fs::read_to_string(from.join("modules.order"))?;
    let lines: Vec<&str> = order.lines().collect();
    let next = AtomicUsize::new(0);
    let work = || -> std::io::Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(line) = lines.get(at) else {
                return Ok(());
            };
            recompress_one(from, to, line, forms[at % forms.len()])?;
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("no panic"))
    })?;
    for file in LISTINGS {
        std::fs::copy(from.join(file), to.join(file))?;
    }
    Ok(())
}

fn recompress_one(
    from: &Path,
    to: &Path,
    module: &str,
    format: Option<Format>,
) -> std::io::Result<()> {
    let suffix = match format {
        Some(Format::Zstd) => ".zst",
        Some(Format::Gzip) => ".gz",
        Some(Format::Xz) => ".xz",
        _ => "",
    };
    let mut bytes = std::fs::read(from.join(module))?;
    if let Some(format) = format {
        // The fastest level: what is compared comes out again.
        bytes = codec::encode(&bytes, format, Some(1)).map_err(std::io::Error::other)?;
    }
    let to = to.join(format!("{module}{suffix}"));
    std::fs::create_dir_all(to.parent().unwrap_or(&to))?;
    std::fs::write(to, bytes)
}

/// Compares `modtree depmod` with every kmod that is there, on `root/lib/modules/VERSION`; `more` goes to both.
///
/// # Panics
/// Where a file differs.
pub fn assert_same(root: &Path, version: &str, more: &[&str], what: &str) {
    for kmod in Kmod::all() {
        let different = compare_depmod(&kmod, root, version, more);
        assert!(
            different.is_empty(),
            "{what}, {}: {different:?} differ",
            kmod.name
        );
        println!("{what}, {}: the same", kmod.name);
    }
}

/// A root with synthetic modules, of kernel 1.2.3.
pub struct Synthetics {
    /// The root, which goes with this value.
    pub root: tempfile::TempDir,
    /// `lib/modules/1.2.3` below it.
    pub dir: PathBuf,
}

impl Default for Synthetics {
    fn default() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let dir = root.path().join("lib/modules/1.2.3");
        std::fs::create_dir_all(&dir).expect("create");
        Self { root, dir }
    }
}

impl Synthetics {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a file below the modules directory.
    ///
    /// # Panics
    /// Where the file system refuses.
    pub fn file(&self, relative: &str, bytes: &[u8]) -> &Self {
        let path = self.dir.join(relative);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        std::fs::write(path, bytes).expect("write");
        self
    }

    /// Writes a module: see [`Synthetic::new`].
    pub fn module(
        &self,
        relative: &str,
        modinfo: &str,
        imports: &[&str],
        exports: &[&str],
    ) -> &Self {
        self.file(relative, &Synthetic::new(modinfo, imports, exports).bytes())
    }

    /// See [`assert_same`].
    pub fn assert_same(&self, more: &[&str], what: &str) {
        assert_same(self.root.path(), "1.2.3", more, what);
    }
}

/// A small tree in which everything occurs once.
pub fn small() -> Synthetics {
    let tree = Synthetics::new();
    tree.module(
        "kernel/a-b.ko",
        "alias=fs-a\nsoftdep=pre: x post: y\nsoftdep=z\nweakdep=w\n",
        &["c1", "d1"],
        &["ab"],
    )
    .module(
        "kernel/c.d.ko",
        "alias=usb:v*p[0-9a-f]*-x\nalias=a]b\nalias=a[b\nalias=\n",
        &["d1"],
        &["c1", "shared"],
    )
    .module(
        "kernel/x/d.ko",
        "alias=devname:net/tun\nalias=char-major-10-200\nalias=char-major-9-*\n",
        &[],
        &["d1", "shared"],
    )
    .module(
        "kernel/x/e.ko",
        "alias=devname:only\nalias=block-major-7\n",
        &["shared", "c1", "c1"],
        &[],
    )
    .module(
        "updates/late.ko",
        "alias=block-major-8-0x\nalias=devname:b\n",
        &["ab"],
        &[],
    )
    .module(
        "updates/odd-number.ko",
        "alias=char-major-10 -1\nalias=char-major- +10--1\nalias=devname:odd\n",
        &[],
        &[],
    )
    .module(
        "updates/large-number.ko",
        "alias=devname:large\nalias=block-major-4294967297-99999999999999999999\n",
        &[],
        &[],
    )
    .module(
        "extra/alone.ko",
        "alias\n=x\nalias=fs-a\nalias=fs-a\n",
        &["nowhere"],
        &["fs"],
    )
    .file(
        "modules.order",
        b"kernel/x/d.ko\nkernel/gone.ko\nkernel/a-b.ko\n",
    )
    .file(
        "modules.builtin",
        b"kernel/fs/nls/nls_base.ko\n/odd.ko\nkernel/some-thing.ko\nkernel/nodot\n",
    )
    .file(
        "modules.builtin.modinfo",
        b"a-b.alias=x-y\0a-b.license=GPL\0c.alias=x[0\0d.alias=\0a-b.alias=z*\0a-b.alias=x-y\0",
    );
    tree
}
