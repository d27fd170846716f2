//! The files of an image that are kernel modules, by where they lie.

use modtree::{ModInfo, ModuleName};

use super::{File, Files, Segment};
use crate::cpio::Kind;
use crate::names;

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
    /// Its fields, if they have been read before.
    pub(super) known: Option<&'image ModInfo>,
}

impl<'image> Files<'image> {
    /// The modules in `/lib/modules/VERSION` and `/usr/lib/modules/VERSION`, sorted by path: what ends with `.ko`, or with that
    /// and a compressor's suffix.
    pub fn modules(&self) -> impl Iterator<Item = ModuleFile<'_, 'image>> {
        self.numbered().filter_map(|(path, number, file)| {
            let (version, _) = below_modules(path)?.split_once('/')?;
            let (_, name) = path.rsplit_once('/')?;
            let is_module = name.ends_with(".ko") || name.contains(".ko.");
            (is_module && file.attributes.kind == Kind::File).then(|| ModuleFile {
                path,
                version,
                name: ModuleName::of_file(name.as_ref()),
                file,
                known: self.known.get(&number).copied(),
            })
        })
    }
}

/// The kernel whose modules are in an image: the version in the first name like `lib/modules/VERSION/…`, as far as the archives can be read.
pub fn kernel_version(segments: &[Segment<'_>]) -> Option<String> {
    let entries = segments.iter().flat_map(Segment::entries);
    let mut names = entries.flatten().map(|entry| names::text(entry.name));
    names.find_map(|name| {
        let version = below_modules(name.trim_start_matches("./"))?
            .split('/')
            .next()?;
        Some(version.to_owned())
    })
}

/// What follows `lib/modules/` in a path.
pub(super) fn below_modules(path: &str) -> Option<&str> {
    path.strip_prefix("usr/")
        .unwrap_or(path)
        .strip_prefix("lib/modules/")
}
