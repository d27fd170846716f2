//! The kernel's modules, in load order, with their indexes and their firmware.

use std::collections::HashSet;
use std::path::PathBuf;

use modtree::goal::Goals;
use modtree::{Closure, ClosureOptions, Module, ModuleName, Planned, Reason, ReasonKind};
use rayon::prelude::*;

use super::{Data, Plan, PlanError};
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
        closure: &Closure,
    ) -> Result<(), PlanError> {
        check_vermagic(kernel, closure)?;
        let folder = format!("usr/lib/modules/{}", kernel.version());
        let form = recipe.module_files;
        let path_of = |planned: &Planned| format!("{folder}/{}", place(form, planned).display());
        let files = closure
            .modules
            .par_iter()
            .map(|planned| read_module(kernel, planned, recipe));
        let files: Vec<Result<_, PlanError>> = files.collect();
        for (planned, file) in closure.modules.iter().zip(files) {
            let path = path_of(planned);
            let (bytes, machine) = file?;
            if self.machine.is_none() {
                self.machine = machine.map(|machine| (planned.path.clone(), machine));
            }
            self.shared_file(&path, 0o644, bytes, &reasons(&planned.reasons));
            // What was asked for, by its name or as part of a goal, is there for no other reason that matters.
            let is_asked = planned
                .reasons
                .iter()
                .any(|reason| matches!(reason.kind, ReasonKind::Root | ReasonKind::Goal));
            let needed_by = planned.reasons.iter().filter(|_| !is_asked);
            let needed_by = needed_by.filter_map(|reason| reason.by.as_ref());
            let others = needed_by.filter_map(|name| closure.get(name)).map(path_of);
            self.because(&path, others.collect());
            self.modules.push(planned.name.to_string());
            self.inputs.push(planned.path.clone());
        }
        if recipe.firmware {
            self.add_firmware(recipe.root(), kernel, closure)?;
        }
        for builtin in &closure.builtins {
            self.notes.push(format!(
                "{} is built into the kernel ({})",
                builtin.name,
                reasons(&builtin.reasons)
            ));
        }
        self.notes.extend(closure.notes.iter().cloned());
        if self.modules.is_empty() {
            return Ok(());
        }
        self.add_module_settings(recipe.load, closure);
        let indexes = modtree::index::text(&kernel.tree, closure, |planned| place(form, planned))?;
        for (name, bytes) in indexes {
            let reason = "modprobe reads it, so that no depmod runs at boot";
            self.file(&format!("{folder}/{name}"), 0o644, bytes, reason);
        }
        Ok(())
    }

    /// What tells `/init`, mdev and modprobe which modules to load, and how.
    fn add_module_settings(&mut self, load: Load, closure: &Closure) {
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
        let listed: Vec<_> = match load {
            Load::All => hosts_first(closure),
            Load::Devices => soft_dependencies(closure),
        };
        if !listed.is_empty() {
            let list = listed.join("\n") + "\n";
            let reason = "/init loads these modules, in this order";
            self.file("etc/modules", 0o644, list.into(), reason);
        }
        if load == Load::Devices {
            let reason = "mdev loads the driver of a device that comes later";
            self.file("etc/mdev.conf", 0o644, MDEV.into(), reason);
        }
    }
}

/// The module's file, in the form that the recipe wants, and the machine that it is for. Reading all of it shows damage before
/// the boot does.
fn read_module(
    kernel: &Kernel,
    planned: &Planned,
    recipe: &Recipe,
) -> Result<(Data, Option<u16>), PlanError> {
    let path = &planned.path;
    let refuse = |reason: String| PlanError::ModuleForm {
        path: path.clone(),
        reason,
    };
    let bytes = Data::read_decoded(path, MODULE_LIMIT)?;
    let module = Module::parse(&bytes).map_err(|source| PlanError::Module {
        path: path.clone(),
        source,
    })?;
    let machine = crate::elf::machine(&bytes);
    let file = match recipe.module_files {
        ModuleFiles::Plain => bytes,
        ModuleFiles::Stripped => {
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
        ModuleFiles::Kept => {
            let file = Data::read(path, MODULE_LIMIT)?;
            match codec::detect(&file) {
                None | Some(codec::Format::Gzip | codec::Format::Xz) => file,
                Some(other) => {
                    return Err(refuse(format!(
                        "it is compressed with {other}, which busybox cannot load; store modules plain"
                    )));
                }
            }
        }
    };
    Ok((file, machine))
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
/// third of a second, while the other modules are loaded.
fn hosts_first(closure: &Closure) -> Vec<&str> {
    let mut early: HashSet<&ModuleName> = HashSet::new();
    // Backwards, what needs something comes before it.
    for planned in closure.modules.iter().rev() {
        let mut needed_by = planned.reasons.iter().filter(|reason| {
            // What comes behind a module because of `softdep=post:` drags that module along.
            matches!(reason.kind, ReasonKind::Hard | ReasonKind::SoftPre)
        });
        let is_needed =
            needed_by.any(|reason| reason.by.as_ref().is_some_and(|by| early.contains(by)));
        if is_needed || early.contains(&planned.name) || is_usb_host(planned) {
            early.insert(&planned.name);
            let behind = planned.reasons.iter();
            let behind = behind.filter(|reason| reason.kind == ReasonKind::SoftPost);
            early.extend(behind.filter_map(|reason| reason.by.as_ref()));
        }
    }
    let (first, rest): (Vec<_>, Vec<_>) = closure
        .modules
        .iter()
        .map(|planned| &planned.name)
        .partition(|name| early.contains(name));
    let all = first.into_iter().chain(rest);
    all.map(ModuleName::as_str).collect()
}

/// Whether a module drives a PCI device of the class for USB hosts: serial bus (0C), USB (03).
fn is_usb_host(planned: &Planned) -> bool {
    let mut aliases = planned.info.all("alias");
    aliases.any(|alias| alias.starts_with("pci:") && alias.contains("bc0Csc03"))
}

/// What other modules want to be there before them (`softdep=pre:`). busybox's modprobe does not know of it, so that `/init`
/// loads these first.
fn soft_dependencies(closure: &Closure) -> Vec<&str> {
    let is_soft = |planned: &&Planned| {
        let mut reasons = planned.reasons.iter();
        reasons.any(|reason| reason.kind == ReasonKind::SoftPre)
    };
    let soft = closure.modules.iter().filter(is_soft);
    soft.map(|planned| planned.name.as_str()).collect()
}

/// Where the module's file is, below the image's modules directory.
fn place(form: ModuleFiles, planned: &Planned) -> PathBuf {
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

fn reasons(reasons: &[Reason]) -> String {
    let texts: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn check_vermagic(kernel: &Kernel, closure: &Closure) -> Result<(), PlanError> {
    match closure.foreign(kernel.version()).next() {
        None => Ok(()),
        Some((planned, built_for)) => Err(PlanError::Vermagic {
            path: planned.path.clone(),
            built_for,
            version: kernel.version().to_owned(),
        }),
    }
}
