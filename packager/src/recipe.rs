//! What is wanted: one type, whoever says it.

mod choice;
mod entries;
mod error;
mod file;
mod path;
mod place;
mod size;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::compression::Compression;
use crate::cpio;
use crate::kernel::{KernelChoice, KernelSource};

pub use choice::Choice;
pub use error::RecipeError;
pub use file::{TEMPLATE, schema};
pub(crate) use path::clean;
pub use place::Place;
pub use size::parse_size;

/// What files' data is aligned to where that is asked for, in bytes: the blocks of most file systems.
pub const ALIGNED: u32 = 4096;

/// What an initramfs shall be made of.
///
/// ```
/// use packager::Recipe;
///
/// let recipe = Recipe { keymaps: vec!["es".into()], ..Recipe::default() };
/// assert_eq!(recipe.modules, ["usb_storage", "vfat", "usbhid"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Where the kernel and its modules come from.
    pub kernel: KernelSource,
    /// Which of the kernels there is meant.
    pub choice: KernelChoice,
    /// The static busybox; `None` looks for one below the kernel's root, then on this machine.
    pub busybox: Option<PathBuf>,
    /// Keymaps of the console: names (`es`) or files. `/init` loads the first one, or the one that the kernel's command line
    /// names (`keymap=es`); without any, the kernel's own stays, which is `us`.
    pub keymaps: Vec<OsString>,
    /// The modules to load: names, aliases or modaliases. What they depend on comes with them.
    pub modules: Vec<String>,
    /// What the modules are for: goals of [`modtree::goal`], such as `usb-storage` or `rootfs:ext4`.
    pub goals: Vec<String>,
    /// Modules to leave out, whoever needs them, by name.
    pub exclude: Vec<String>,
    /// When the modules are loaded.
    pub load: Load,
    /// In which form the modules' files are taken.
    pub module_files: ModuleFiles,
    /// Whether signed modules may be stripped, which destroys their signatures.
    pub strip_signed: bool,
    /// Whether modules that are asked for while running come along, too.
    pub runtime: bool,
    /// How the archive is compressed; `None` lets the kernel's configuration decide
    /// ([`Compression::best_for`]).
    pub compression: Option<Compression>,
    /// Whether the image's own part is one archive or several.
    pub segments: Segments,
    /// How the archive is written.
    pub archive: cpio::Options,
    /// Whether firmware that the modules name comes along.
    pub firmware: bool,
    /// Where programs and firmware come from: `None` is the kernel's root, or this machine where the kernel is a package.
    pub sysroot: Option<PathBuf>,
    /// Programs, by absolute path below [`root`](Self::root); their loader and libraries come with them.
    pub programs: Vec<String>,
    /// Scripts that `/init` runs before one of its steps.
    pub steps: Vec<Step>,
    /// Whether the processors' microcode stands before the image, for the kernel to load at its start.
    pub microcode: bool,
    /// Files, directories and links of the recipe's own; they replace what would be there otherwise.
    pub entries: Vec<Entry>,
    /// Archives that stand before the image's own, as they are: microcode, for example.
    pub prepend: Vec<PathBuf>,
    /// Archives that stand behind the image's own, as they are.
    pub append: Vec<PathBuf>,
    /// Whether the image keeps the reasons of its plan, for `packager why`.
    pub explain: bool,
    /// The most that the image may have, in bytes.
    pub size_limit: Option<u64>,
}

impl Recipe {
    /// Where programs and firmware come from.
    pub fn root(&self) -> &Path {
        match (&self.sysroot, &self.kernel) {
            (Some(sysroot), _) => sysroot,
            (None, KernelSource::Root(root)) => root,
            (None, KernelSource::Deb(_)) => Path::new("/"),
        }
    }
}

/// When `/init` loads the modules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Load {
    /// All of them, in their order.
    #[default]
    All,
    /// Those whose devices are there, by the devices' modaliases, and the others when something asks for them: for an image
    /// with the drivers of many machines.
    Devices,
}

/// In which form modules are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModuleFiles {
    /// Decompressed: the image is compressed anyway, and busybox loads no `.ko.zst`.
    #[default]
    Plain,
    /// Decompressed, and without their debugging sections.
    Stripped,
    /// As the kernel's package has them: plain, or `.ko.gz` and `.ko.xz`, which busybox decompresses.
    Kept,
}

/// A script that `/init` runs before one of its own steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// One of [`STEPS`].
    pub before: String,
    /// The script's name; scripts before the same step run in the order of their names.
    pub name: String,
    /// The script: a [`Contents::File`] or a [`Contents::Text`].
    pub contents: Contents,
}

/// The steps of `/init` that a script or a shell (`break=STEP` on the kernel's command line) can stand before.
pub const STEPS: [&str; 7] = [
    "modules", "hotplug", "keymap", "wait", "mount", "root", "init",
];

/// How many archives a compressed image's own part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Segments {
    /// Several, compressed at the same time and cached one by one ([`Plan::segments`](crate::Plan::segments)). The kernel, and
    /// this crate, read all of them; programs that were not made for it stop at the end of the first one, as GNU cpio does.
    #[default]
    Several,
    /// One, which every program reads.
    One,
}

/// A file, directory or link that a recipe names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The absolute path in the image.
    pub path: String,
    /// What stands there.
    pub contents: Contents,
    /// The lower 12 mode bits; a file has its source's if none are given, text 0644, a directory 0755.
    pub permissions: Option<u32>,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// A copy of this file.
    File(PathBuf),
    /// A file with this text.
    Text(String),
    /// A directory.
    Directory,
    /// A symbolic link to this target.
    Symlink(String),
}

impl Default for Recipe {
    /// This machine's kernel, with what reads a FAT-formatted USB stick and a USB keyboard.
    fn default() -> Self {
        Self {
            kernel: KernelSource::Root("/".into()),
            choice: KernelChoice::Default,
            busybox: None,
            keymaps: Vec::new(),
            modules: ["usb_storage", "vfat", "usbhid"].map(str::to_owned).into(),
            goals: Vec::new(),
            exclude: Vec::new(),
            load: Load::default(),
            module_files: ModuleFiles::default(),
            strip_signed: false,
            runtime: true,
            compression: None,
            segments: Segments::default(),
            archive: cpio::Options::default(),
            firmware: true,
            sysroot: None,
            programs: Vec::new(),
            steps: Vec::new(),
            microcode: false,
            entries: Vec::new(),
            prepend: Vec::new(),
            append: Vec::new(),
            explain: true,
            size_limit: None,
        }
    }
}
