//! The kernel's modules, in load order, with their indexes and their firmware.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use codec::Mapped;
use modtree::goal::Goals;
use modtree::{Closure, ClosureOptions, ModInfo, Module, ModuleName, Planned};
use rayon::prelude::*;

use super::selection::{Chosen, Selection};
use super::{Data, Plan, PlanError};
use crate::cache::{self, Cache, Key};
use crate::kernel::Kernel;
use crate::recipe::{ModuleFiles, Recipe};
use crate::strip::strip;

/// Larger than any module: Debian's largest has 9 MB.
const MODULE_LIMIT: u64 = 256 << 20;

impl Plan {
    pub(super) fn add_modules(
        &mut self,
        kernel: &Kernel,
        recipe: &Recipe,
        selection: &Selection,
        cache: Option<&Cache>,
    ) -> Result<(), PlanError> {
        let folder = self.modules_folder();
        let path_of = |place: &Path| format!("{folder}/{}", place.display());
        let modules = &selection.modules;
        let read = |module: &Chosen| read_module(kernel, &module.path, recipe, cache);
        let is_open = |module: &Chosen| mapped(kernel, &module.path).is_some();
        // No thread is woken up for what is open and goes in as it is.
        let files: Vec<Result<_, PlanError>> =
            match recipe.module_files == ModuleFiles::Plain && modules.iter().all(is_open) {
                true => modules.iter().map(read).collect(),
                false => modules.par_iter().map(read).collect(),
            };
        for (module, file) in modules.iter().zip(files) {
            let path = path_of(&module.place);
            let (bytes, machine) = file?;
            if self.machine.is_none() {
                self.machine = machine.map(|machine| (module.path.clone(), machine));
            }
            self.shared_file(&path, 0o644, bytes, &module.reason);
            let others = module.because.iter().map(|place| path_of(place));
            let info = match recipe.module_files {
                ModuleFiles::Plain => known(kernel, &module.path),
                ModuleFiles::Stripped | ModuleFiles::Kept => None,
            };
            self.because(&path, others.collect(), info);
            self.modules.push(module.name.clone());
            self.inputs.push(module.path.clone());
        }
        if recipe.firmware {
            self.add_firmware(recipe.root(), kernel, &selection.modules)?;
        }
        self.notes.extend_from_slice(&selection.notes);
        if !self.modules.is_empty() {
            self.add_module_settings(recipe.load, &selection.listed, &selection.filesystems);
        }
        Ok(())
    }

    /// Adds what depmod would write for the modules.
    pub(super) fn add_indexes(&mut self, indexes: Vec<(String, Vec<u8>)>) {
        let folder = self.modules_folder();
        for (name, bytes) in indexes {
            let reason = "modprobe reads it, so that no depmod runs at boot";
            self.file(&format!("{folder}/{name}"), 0o644, bytes, reason);
        }
    }

    fn modules_folder(&self) -> String {
        format!("usr/lib/modules/{}", self.version)
    }
}

/// The module's file, in the form that the recipe wants, and the machine that it is for. Whether it is a whole module is seen
/// where its part of the indexes is made.
fn read_module(
    kernel: &Kernel,
    path: &Path,
    recipe: &Recipe,
    cache: Option<&Cache>,
) -> Result<(Data, Option<u16>), PlanError> {
    let refuse = |reason: String| PlanError::ModuleForm {
        path: path.to_path_buf(),
        reason,
    };
    let stored = stored(kernel, path)?;
    let bytes = decoded(&stored, path, cache)?;
    let machine = crate::elf::machine(&bytes);
    let file = match recipe.module_files {
        ModuleFiles::Plain => bytes,
        ModuleFiles::Stripped => {
            let module = Module::parse(&bytes).map_err(|source| PlanError::Module {
                path: path.to_path_buf(),
                source,
            })?;
            if module.signed && !recipe.strip_signed {
                return Err(refuse(
                    "it is signed, and stripping destroys the signature: a kernel that insists on signatures would refuse it, others say so in their log; allow it with `strip-signed`, or store modules plain".to_owned(),
                ));
            }
            if module.signed && kernel_insists(kernel)? {
                return Err(refuse(format!(
                    "kernel {} loads signed modules only (CONFIG_MODULE_SIG_FORCE), and stripping destroys the signature; store modules plain",
                    kernel.version()
                )));
            }
            strip(&bytes).map_err(refuse)?.into()
        }
        ModuleFiles::Kept => match codec::detect(&stored) {
            None | Some(codec::Format::Gzip | codec::Format::Xz) => stored,
            Some(other) => {
                return Err(refuse(format!(
                    "it is compressed with {other}, which busybox cannot load; store modules plain"
                )));
            }
        },
    };
    Ok((file, machine))
}

/// A module's file as it is; one that the closure has opened is not opened again.
fn stored(kernel: &Kernel, path: &Path) -> Result<Data, PlanError> {
    match mapped(kernel, path).filter(|file| file.len() as u64 <= MODULE_LIMIT) {
        Some(file) => Ok(file.into()),
        None => Ok(Data::read(path, MODULE_LIMIT)?),
    }
}

fn mapped(kernel: &Kernel, path: &Path) -> Option<Arc<Mapped>> {
    let relative = path.strip_prefix(kernel.tree.dir()).ok()?;
    kernel.tree.mapped(relative)
}

/// What the closure has read of a module whose file goes in as it is.
fn known(kernel: &Kernel, path: &Path) -> Option<Arc<ModInfo>> {
    let relative = path.strip_prefix(kernel.tree.dir()).ok()?;
    kernel.tree.known_modinfo(relative)
}

/// A module's file without its compression: what the cache has, or the decoder's work, which the cache keeps, with its hash before
/// it.
fn decoded(stored: &Data, path: &Path, cache: Option<&Cache>) -> Result<Data, PlanError> {
    let cache = cache.filter(|_| codec::detect(stored).is_some());
    let known = cache.map(|cache| (cache, Key::new(cache::Kind::Module, &[stored])));
    if let Some((cache, key)) = &known
        && let Some(kept) = cache.get(key)
        && let Some((hash, _)) = kept.split_first_chunk()
    {
        let hash = blake3::Hash::from_bytes(*hash);
        let bytes = kept.behind(blake3::OUT_LEN);
        bytes.set_hash(hash);
        return Ok(bytes);
    }
    let bytes = stored.decoded(path, MODULE_LIMIT)?;
    if let Some((cache, key)) = known {
        cache.put(&key, &[bytes.hash().as_bytes(), &*bytes].concat());
    }
    Ok(bytes)
}

/// The modules that the recipe asks for, with all that they need.
pub(super) fn closure(kernel: &Kernel, recipe: &Recipe) -> Result<Closure, PlanError> {
    let roots: Vec<_> = recipe.modules.iter().map(String::as_str).collect();
    let mut options = ClosureOptions {
        runtime: recipe.runtime,
        exclude: recipe
            .exclude
            .iter()
            .map(|it| ModuleName::new(it))
            .collect(),
        ..ClosureOptions::default()
    };
    if !recipe.goals.is_empty() {
        let goals = Goals::embedded()?;
        let wanted = recipe.goals.iter().map(|name| goals.select(name));
        options.goals = wanted.collect::<Result<_, _>>()?;
    }
    Ok(modtree::closure(&kernel.tree, &roots, &options)?)
}

/// Where the module's file is, below the image's modules directory.
pub(super) fn place(form: ModuleFiles, planned: &Planned) -> PathBuf {
    match form {
        ModuleFiles::Plain | ModuleFiles::Stripped => planned.plain_relative(),
        ModuleFiles::Kept => planned.relative.clone(),
    }
}

/// Whether the kernel refuses modules without a valid signature.
fn kernel_insists(kernel: &Kernel) -> Result<bool, PlanError> {
    let config = kernel
        .tree
        .config()
        .map_err(crate::kernel::KernelError::from)?;
    Ok(config.is_some_and(|config| config.get("CONFIG_MODULE_SIG_FORCE") == Some("y")))
}

pub(super) fn check_vermagic(kernel: &Kernel, closure: &Closure) -> Result<(), PlanError> {
    match closure.foreign(kernel.version()).next() {
        None => Ok(()),
        Some((planned, built_for)) => Err(PlanError::Vermagic {
            path: planned.path.clone(),
            built_for,
            version: kernel.version().to_owned(),
        }),
    }
}
