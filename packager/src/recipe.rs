//! What is wanted: one type, whoever says it.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::compression::Compression;
use crate::kernel::{KernelChoice, KernelSource};

/// What an initramfs shall be made of.
///
/// ```
/// use packager::Recipe;
///
/// let recipe = Recipe { keymap: Some("es".into()), ..Recipe::default() };
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
    /// The console's keymap: a name (`es`) or a file; `None` leaves the kernel's own, which is `us`.
    pub keymap: Option<OsString>,
    /// The modules to load: names, aliases or modaliases. What they depend on comes with them.
    pub modules: Vec<String>,
    /// Whether modules that are asked for while running come along, too.
    pub runtime: bool,
    /// How the archive is compressed.
    pub compression: Compression,
    /// The modification time of every entry, in seconds since 1970: `SOURCE_DATE_EPOCH`, or 0.
    pub mtime: u32,
}

impl Default for Recipe {
    /// This machine's kernel, with what reads a FAT-formatted USB stick and a USB keyboard.
    fn default() -> Self {
        Self {
            kernel: KernelSource::Root("/".into()),
            choice: KernelChoice::Default,
            busybox: None,
            keymap: None,
            modules: ["usb_storage", "vfat", "usbhid"].map(str::to_owned).into(),
            runtime: true,
            compression: Compression::default(),
            mtime: 0,
        }
    }
}
