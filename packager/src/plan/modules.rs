//! The kernel's modules, in load order, with their indexes and their firmware.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use modtree::goal::Goals;
use modtree::{Closure, ClosureOptions, Module, ModuleName, Planned, ReasonKind};
use rayon::prelude::*;

use super::selection::Selection;
use super::{Data, Plan, PlanError};
use crate::cache::{self, Cache, Key};
use crate::kernel::Kernel;
use crate::recipe::{Load, ModuleFiles, Recipe};
use crate::strip::strip;

/// Larger than any module: Debian's largest has 9 MB.
const MODULE_LIMIT: u64 = 256 << 20;

/// An option for usb_storage.
const USB_STORAGE: &str = include_str!("../../../data/init/usb-storage.conf");

/// What mdev does with a device that comes later.
const MDEV: &str = include_str!("../../../data/init/mdev.conf");

impl Plan {
    pub(super) fn add_modules(
        &mut self,
        kernel: &Kernel,
        recipe: &Recipe,
        selection: Selection,
        cache: Option<&Cache>,
    ) -> Result<(), PlanError> {
        let folder = format!("usr/lib/modules/{}", kernel.version());
        let path_of = |place: &Path| format!("{folder}/{}", place.display());
        let files = selection
            .modules
            .par_iter()
            .map(|module| read_module(kernel, &module.path, recipe, cache));
        let files: Vec<Result<_, PlanError>> = files.collect();
        for (module, file) in selection.modules.iter().zip(files) {
            let path = path_of(&module.place);
            let (bytes, machine) = file?;
            if self.machine.is_none() {
                self.machine = machine.map(|machine| (module.path.clone(), machine));
            }
            self.shared_file(&path, 0o644, bytes, &module.reason);
            let others = module.because.iter().map(|place| path_of(place));
            self.because(&path, others.collect());
            self.modules.push(module.name.clone());
            self.inputs.push(module.path.clone());
        }
        if recipe.firmware {
            self.add_firmware(recipe.root(), kernel, &selection.modules)?;
        }
        self.notes.extend(selection.notes);
        if self.modules.is_empty() {
            return Ok(());
        }
        self.add_module_settings(recipe.load, &selection.listed, &selection.filesystems);
        for (name, bytes) in selection.indexes {
            let reason = "modprobe reads it, so that no depmod runs at boot";
            self.file(&format!("{folder}/{name}"), 0o644, bytes, reason);
        }
        Ok(())
    }

    /// What tells `/init`, mdev and modprobe which modules to load, and how.
    fn add_module_settings(&mut self, load: Load, listed: &[String], filesystems: &[String]) {
        if self.modules.iter().any(|name| name == "usb_storage") {
            let reason =
                "usb_storage waits a second for each stick to settle unless it is told not to";
            self.file(
                "etc/modprobe.d/usb-storage.conf",
                0o644,
                USB_STORAGE.into(),
                reason,
            );
        }
        if !listed.is_empty() {
            let list = listed.join("\n") + "\n";
            let reason = "/init loads these modules, in this order";
            self.file("etc/modules", 0o644, list.into(), reason);
        }
        if load == Load::Devices {
            let reason = "mdev loads the driver of a device that comes later";
            self.file("etc/mdev.conf", 0o644, MDEV.into(), reason);
            if !filesystems.is_empty() {
                let list = filesystems.join("\n") + "\n";
                let reason = "mount tries these, whose modules the kernel asks for then";
                self.file("etc/filesystems", 0o644, list.into(), reason);
            }
        }
    }
}

/// The module's file, in the form that the recipe wants, and the machine that it is for. That it is a whole module was seen
/// when its part of the indexes was made.
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
    let relative = path.strip_prefix(kernel.tree.dir());
    let mapped = relative.ok().and_then(|path| kernel.tree.mapped(path));
    match mapped.filter(|file| file.len() as u64 <= MODULE_LIMIT) {
        Some(file) => Ok(file.into()),
        None => Ok(Data::read(path, MODULE_LIMIT)?),
    }
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
        ..ClosureOptions::default()
    };
    if !recipe.goals.is_empty() {
        let goals = Goals::embedded()?;
        let wanted = recipe.goals.iter().map(|name| goals.select(name));
        options.goals = wanted.collect::<Result<_, _>>()?;
    }
    Ok(modtree::closure(&kernel.tree, &roots, &options)?)
}

/// All modules in a load order that begins with the USB hosts and what they need: a host looks for its devices by itself, for a
/// third of a second, while the other modules are loaded. Of the hosts xHCI comes first: a stick is most likely on one. EHCI then
/// comes before its companions, as the kernel wants it.
pub(super) fn hosts_first(closure: &Closure) -> Vec<&str> {
    let mut order: Vec<&Planned> = closure.modules.iter().collect();
    for interface in [USB_HOST, XHCI] {
        order = first(&order, |planned| drives(planned, interface));
    }
    order.iter().map(|planned| planned.name.as_str()).collect()
}

/// The class of USB hosts in a PCI device's modalias: serial bus (0C), USB (03).
const USB_HOST: &str = "bc0Csc03";

/// The class with xHCI's programming interface (30).
const XHCI: &str = "bc0Csc03i30";

/// Whether a module drives a PCI device of the class.
fn drives(planned: &Planned, class: &str) -> bool {
    let mut aliases = planned.info.all("alias");
    aliases.any(|alias| alias.starts_with("pci:") && alias.contains(class))
}

/// A load order that begins with the wanted modules, and with what they need; else as before.
fn first<'a>(order: &[&'a Planned], is_wanted: impl Fn(&Planned) -> bool) -> Vec<&'a Planned> {
    let mut early: HashSet<&ModuleName> = HashSet::new();
    // Backwards, what needs something comes before it.
    for planned in order.iter().rev() {
        let mut needed_by = planned.reasons.iter().filter(|reason| {
            // What comes behind a module because of `softdep=post:` drags that module along.
            matches!(reason.kind, ReasonKind::Hard | ReasonKind::SoftPre)
        });
        let is_needed =
            needed_by.any(|reason| reason.by.as_ref().is_some_and(|by| early.contains(by)));
        if is_needed || early.contains(&planned.name) || is_wanted(planned) {
            early.insert(&planned.name);
            let behind = planned.reasons.iter();
            let behind = behind.filter(|reason| reason.kind == ReasonKind::SoftPost);
            early.extend(behind.filter_map(|reason| reason.by.as_ref()));
        }
    }
    let is_early = |planned: &&&Planned| early.contains(&planned.name);
    let (mut first, rest): (Vec<_>, Vec<_>) = order.iter().partition(is_early);
    first.extend(rest);
    first
}

/// What other modules want to be there before them (`softdep=pre:`). busybox's modprobe does not know of it, so that `/init`
/// loads these first.
pub(super) fn soft_dependencies(closure: &Closure) -> Vec<&str> {
    let is_soft = |planned: &&Planned| {
        let mut reasons = planned.reasons.iter();
        reasons.any(|reason| reason.kind == ReasonKind::SoftPre)
    };
    let soft = closure.modules.iter().filter(is_soft);
    soft.map(|planned| planned.name.as_str()).collect()
}

/// What the kernel asks for when a file system is mounted whose module is not loaded: `fs-NAME`. For an ext4 module that is ext4
/// first, then what else it drives.
pub(super) fn filesystems(closure: &Closure) -> Vec<String> {
    let mut names = Vec::new();
    for planned in &closure.modules {
        let aliases = planned.info.all("alias");
        let mut of_module: Vec<_> = aliases
            .filter_map(|alias| alias.strip_prefix("fs-").map(str::to_owned))
            .collect();
        of_module.sort_by_key(|name| name != planned.name.as_str());
        names.append(&mut of_module);
    }
    names
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
