//! The files of an image that are kernel modules, by where they lie.

use modtree::ModuleName;

use super::{File, Files};
use crate::cpio::Kind;

/// A module's file.
#[derive(Clone, Debug)]
pub struct ModuleFile<'files, 'image> {
    /// Its path, without a leading `/`.
    pub path: &'files str,
    /// The kernel in whose folder it lies, for example `6.1.0-56-amd64`.
    pub version: &'files str,
    /// Its name.
    pub name: ModuleName,
    /// The file, compressed or not.
    pub file: &'files File<'image>,
}

impl<'image> Files<'image> {
    /// The modules in `/lib/modules/VERSION` and `/usr/lib/modules/VERSION`, sorted by path: what ends with `.ko`, or with that
    /// and a compressor's suffix.
    pub fn modules(&self) -> impl Iterator<Item = ModuleFile<'_, 'image>> {
        self.iter().filter_map(|(path, file)| {
            let (version, _) = below_modules(path)?.split_once('/')?;
            let (_, name) = path.rsplit_once('/')?;
            let is_module = name.ends_with(".ko") || name.contains(".ko.");
            (is_module && file.attributes.kind == Kind::File).then(|| ModuleFile {
                path,
                version,
                name: ModuleName::of_file(name.as_ref()),
                file,
            })
        })
    }
}

/// What follows `lib/modules/` in a path.
pub(super) fn below_modules(path: &str) -> Option<&str> {
    path.strip_prefix("usr/")
        .unwrap_or(path)
        .strip_prefix("lib/modules/")
}
