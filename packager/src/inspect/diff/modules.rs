//! Modules of two images, by their names: a new kernel has the same ones in another folder.

use std::collections::{BTreeMap, BTreeSet};

use codec::Format;
use modtree::{Module, ModuleName};

use crate::inspect::{Files, ModuleFile};

/// Larger than any module.
const MODULE_LIMIT: u64 = 256 << 20;

/// A module that is not the same in both images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleDifference {
    /// Its name.
    pub name: ModuleName,
    /// What it is in the first image, where it is there.
    pub old: Option<ModuleState>,
    /// What it is in the second image, where it is there.
    pub new: Option<ModuleState>,
}

/// What is known of a module in one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleState {
    /// Its path, without a leading `/`.
    pub path: String,
    /// The size of its file, in bytes, as it stands in the image.
    pub size: usize,
    /// How the file itself is compressed.
    pub compression: Option<Format>,
    /// The kernel that it was built for, from its vermagic.
    pub kernel: Option<String>,
    /// Its own version, where it has one.
    pub version: Option<String>,
}

/// A module's name; with the kernel's version where an image has modules of several.
type Key<'a> = (ModuleName, Option<&'a str>);

/// The modules that only one image has, and those of both with other contents or at another path; sorted by name.
pub(super) fn diff(old: &Files<'_>, new: &Files<'_>) -> Vec<ModuleDifference> {
    let by_version = [old, new].map(versions).iter().any(|count| *count > 1);
    let [old, new] = [old, new].map(|files| by_name(files, by_version));
    let keys: BTreeSet<&Key<'_>> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter_map(|key| {
            let both = [old.get(key), new.get(key)];
            if let [Some(before), Some(after)] = both
                && before.path == after.path
                && before.file.data == after.file.data
            {
                return None;
            }
            let [old, new] = both.map(|module| module.map(state));
            let name = key.0.clone();
            Some(ModuleDifference { name, old, new })
        })
        .collect()
}

fn versions(files: &Files<'_>) -> usize {
    let versions: BTreeSet<&str> = files.modules().map(|module| module.version).collect();
    versions.len()
}

fn by_name<'files, 'image>(
    files: &'files Files<'image>,
    by_version: bool,
) -> BTreeMap<Key<'files>, ModuleFile<'files, 'image>> {
    let modules = files.modules();
    modules
        .map(|module| {
            let version = by_version.then_some(module.version);
            ((module.name.clone(), version), module)
        })
        .collect()
}

fn state(module: &ModuleFile<'_, '_>) -> ModuleState {
    let data = module.file.data;
    // Of a damaged module only the size is known; `packager check` says what is wrong with it.
    let parsed = codec::decode(data, MODULE_LIMIT)
        .ok()
        .and_then(|bytes| Module::parse(&bytes).ok());
    let parsed = parsed.as_ref();
    ModuleState {
        path: module.path.to_owned(),
        size: data.len(),
        compression: codec::detect(data),
        kernel: parsed
            .and_then(|module| module.info.vermagic())
            .map(|magic| magic.release().to_owned()),
        version: parsed.and_then(|module| Some(module.info.get("version")?.into_owned())),
    }
}
