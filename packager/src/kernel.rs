//! Where a kernel comes from: this machine, an unpacked root, or a Debian package; and that its parts belong together.

mod arm64;
mod bzimage;
mod configuration;
mod decompressors;

use std::path::{Path, PathBuf};

use codec::file::ReadError;
use modtree::{Package, PackageError, Tree, TreeError};

pub use configuration::configuration;
pub use decompressors::Unpacked;

/// Larger than any kernel image.
const IMAGE_LIMIT: u64 = 512 << 20;

/// Larger than any kernel unpacked.
const UNPACKED_LIMIT: u64 = 512 << 20;

/// Where to take the kernel and its modules from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelSource {
    /// A directory that holds `boot/` and `lib/modules/` (or `usr/lib/modules/`): `/` for this machine; or a modules directory.
    Root(PathBuf),
    /// A Debian package of a kernel (`linux-image-…_amd64.deb`).
    Deb(PathBuf),
}

/// Which of the kernels there is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KernelChoice {
    /// The running one if its modules are there, else the only one.
    #[default]
    Default,
    /// The one of this version, as in `lib/modules/VERSION`.
    Version(String),
    /// The one that this image file holds.
    Image(PathBuf),
}

/// A kernel's modules, and its image where there is one.
#[derive(Debug)]
pub struct Kernel {
    /// The modules.
    pub tree: Tree,
    /// The bootable image, for example `boot/vmlinuz-6.1.0-56-amd64`. It is absent on machines that only build images.
    pub image: Option<PathBuf>,
}

/// Why there is no kernel to use.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The modules cannot be selected.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The package cannot be unpacked.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The image cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A kernel image was given that is none, or of a kind whose version cannot be read.
    #[error("`{}` is not a kernel image of x86 (bzImage: `HdrS` at offset 0x202) or arm64 (Image: `ARMd` at offset 0x38)", path.display())]
    NotAnImage {
        /// The file.
        path: PathBuf,
    },
    /// Image and modules are of different kernels: the modules would not load.
    #[error("the kernel image `{}` is version {image}, and the modules are version {modules}: take both from one kernel", path.display())]
    VersionMismatch {
        /// The image.
        path: PathBuf,
        /// The version in the image's header.
        image: String,
        /// The version of the modules.
        modules: String,
    },
}

impl Kernel {
    /// Finds the kernel's modules and image, and checks that they belong together. No module is read.
    ///
    /// # Errors
    /// See [`KernelError`].
    pub fn open(source: &KernelSource, choice: &KernelChoice) -> Result<Self, KernelError> {
        match source {
            KernelSource::Root(root) => Self::below(root, None, choice),
            KernelSource::Deb(package) => Self::of_package(Package::unpack(package)?, choice),
        }
    }

    /// As [`open`](Self::open), of a package that is unpacked.
    ///
    /// # Errors
    /// See [`KernelError`].
    pub fn of_package(package: Package, choice: &KernelChoice) -> Result<Self, KernelError> {
        let root = package.root().to_path_buf();
        Self::below(&root, Some(package), choice)
    }

    fn below(
        root: &Path,
        package: Option<Package>,
        choice: &KernelChoice,
    ) -> Result<Self, KernelError> {
        let found = match choice {
            KernelChoice::Default => Self::of_tree(root, None),
            KernelChoice::Version(version) => Self::of_tree(root, Some(version)),
            KernelChoice::Image(path) => Self::of_image(root, path),
        };
        let (tree, image) = match (found, package) {
            (Ok((tree, image)), Some(package)) => (tree.with_package(package), image),
            (Err(KernelError::Tree(error)), Some(package)) => {
                return Err(error.renamed(|path| package.shown(path)).into());
            }
            (found, _) => found?,
        };
        let tree = tree.keeping_files();
        // Where it is there, it is not read yet: others have work that does not wait for it.
        let found = image.as_ref().filter(|_| !tree.has_config());
        let tree = match found.and_then(|image| configuration(image, tree.version())) {
            Some(config) => tree.with_config(config),
            None => tree,
        };
        Ok(Self { tree, image })
    }

    /// The same kernel, of whose indexes is supposed that they are current; see [`Tree::supposing_current`].
    #[must_use]
    pub(crate) fn supposing_current(self) -> Self {
        let tree = self.tree.supposing_current();
        Self { tree, ..self }
    }

    /// The modules' version, for example `6.1.0-56-amd64`.
    pub fn version(&self) -> &str {
        self.tree.version()
    }

    /// The private directory of a package's files, which goes away with this.
    pub fn unpacked(&self) -> Option<&Path> {
        self.tree.package().map(Package::root)
    }

    fn of_tree(root: &Path, version: Option<&str>) -> Result<(Tree, Option<PathBuf>), KernelError> {
        let tree = Tree::select(root, version)?;
        let in_boot = |root: &Path| root.join(format!("boot/vmlinuz-{}", tree.version()));
        // Where a modules directory was named, lib/modules and usr/lib/modules are above it.
        let above = tree.dir().ancestors().skip(3).take(2);
        let image = [in_boot(root), tree.dir().join("vmlinuz")]
            .into_iter()
            .chain(above.map(in_boot))
            .find(|path| path.is_file());
        if let Some(path) = &image
            && let Some((_, version)) = image_of(path)?
        {
            check_version(path, version, tree.version())?;
        }
        Ok((tree, image))
    }

    fn of_image(root: &Path, path: &Path) -> Result<(Tree, Option<PathBuf>), KernelError> {
        let (_, version) = image_of(path)?.ok_or_else(|| KernelError::NotAnImage {
            path: path.to_path_buf(),
        })?;
        let tree = match Tree::select(root, Some(&version)) {
            Ok(tree) => tree,
            // The image's modules are not there: if others are, say that the two do not match.
            Err(error) => match Tree::select(root, None) {
                Ok(other) => {
                    check_version(path, version, other.version())?;
                    other
                }
                Err(_) => return Err(error.into()),
            },
        };
        Ok((tree, Some(path.to_path_buf())))
    }
}

/// The machines whose kernel images are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// A PC: bzImage.
    X86,
    /// `Image`, plain, compressed, or in an EFI program.
    Arm64,
}

/// The version that a kernel image says it is (`uname -r`), and for which machine; `None` where it is of a kind that does not
/// say.
///
/// # Errors
/// [`ReadError`].
pub fn image_of(path: &Path) -> Result<Option<(Architecture, String)>, ReadError> {
    let (mut image, _) = codec::file::open_within(path, IMAGE_LIMIT)?;
    if let Some(version) = bzimage::version_in(&mut image).map_err(ReadError::io(path))? {
        return Ok(Some((Architecture::X86, version)));
    }
    // The others say it somewhere inside.
    let image = codec::map(path, IMAGE_LIMIT)?;
    Ok(arm64::version(&image).map(|version| (Architecture::Arm64, version)))
}

/// The version that the bytes of an x86 kernel's image say it is.
pub fn version_of(image: &[u8]) -> Option<String> {
    bzimage::version(image)
}

/// How many bytes an x86 kernel's image has at least, by its own header; one that is shorter has been cut off. `None` for other
/// files.
pub fn length_of(image: &[u8]) -> Option<u64> {
    bzimage::length(image)
}

fn check_version(path: &Path, image: String, modules: &str) -> Result<(), KernelError> {
    if image == modules {
        return Ok(());
    }
    Err(KernelError::VersionMismatch {
        path: path.to_path_buf(),
        image,
        modules: modules.to_owned(),
    })
}
