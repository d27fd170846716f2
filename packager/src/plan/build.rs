//! The plan of an initramfs, part by part: skeleton, busybox, init, modules, keymap.

use std::ffi::OsStr;
use std::path::Path;

use kmap::SearchPath;
use modtree::{Closure, ClosureOptions, Module, Planned, Reason, ReasonKind};

use super::{Plan, PlanError};
use crate::busybox::{Busybox, BusyboxError};
use crate::compression::Compression;
use crate::kernel::{Kernel, KernelError, KernelSource};
use crate::recipe::Recipe;
use crate::timing::Timings;

/// Larger than any module: Debian's largest has 9 MB.
const MODULE_LIMIT: u64 = 256 << 20;

/// An option for usb_storage.
const USB_STORAGE: &str = include_str!("../../../data/init/usb-storage.conf");

/// The keymap that is loaded unless the kernel's command line names another.
const KEYMAP: &str = "etc/keymap.bmap";

/// What `/init` and its `inittab` call by name.
const NEEDED_APPLETS: &[&str] = &[
    "cat",
    "chroot",
    "cp",
    "cut",
    "echo",
    "findfs",
    "grep",
    "init",
    "killall",
    "mdev",
    "mkdir",
    "mount",
    "poweroff",
    "printf",
    "reboot",
    "setsid",
    "sh",
    "sort",
    "switch_root",
    "sync",
    "test",
    "umount",
    "usleep",
];

impl Plan {
    /// Reads what the recipe names and lays the image out.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn new(recipe: &Recipe) -> Result<Self, PlanError> {
        let mut timings = Timings::default();
        let kernel = timings.measure("kernel", || Kernel::open(&recipe.kernel, &recipe.choice))?;
        let mut plan = Plan {
            compression: compression(&kernel, recipe)?,
            version: kernel.version().to_owned(),
            kernel_image: kernel.image.clone(),
            config: kernel.tree.config().map_err(KernelError::from)?.cloned(),
            ..Plan::default()
        };
        plan.add_skeleton();
        timings.measure("modules", || plan.add_modules(&kernel, recipe))?;
        timings.measure("keymap", || plan.add_keymaps(recipe))?;
        timings.measure("busybox", || plan.add_busybox(recipe))?;
        timings.measure("files", || plan.add_extras(recipe))?;
        if recipe.explain {
            plan.add_record();
        }
        plan.add_inputs(recipe, &kernel);
        plan.timings = timings;
        Ok(plan)
    }

    fn add_busybox(&mut self, recipe: &Recipe) -> Result<(), PlanError> {
        let busybox = find_busybox(recipe)?;
        busybox.require(NEEDED_APPLETS, "for /init")?;
        if !self.modules.is_empty() {
            busybox.require(&["modprobe"], "to load modules")?;
        }
        if self.get(KEYMAP).is_some() {
            busybox.require(&["loadkmap"], "to load the keymap")?;
        }
        let from = "the programs: one file with all of them";
        for applet in busybox.applets.iter().filter(|name| *name != "busybox") {
            self.symlink(
                &format!("usr/bin/{applet}"),
                "busybox",
                "an applet of busybox",
            );
        }
        self.inputs.push(busybox.path);
        self.file("usr/bin/busybox", 0o755, busybox.bytes, from);
        Ok(())
    }

    fn add_modules(&mut self, kernel: &Kernel, recipe: &Recipe) -> Result<(), PlanError> {
        let roots: Vec<_> = recipe.modules.iter().map(String::as_str).collect();
        let options = ClosureOptions {
            runtime: recipe.runtime,
            ..ClosureOptions::default()
        };
        let closure = modtree::closure(&kernel.tree, &roots, &options)?;
        check_vermagic(kernel, &closure)?;
        let folder = format!("usr/lib/modules/{}", kernel.version());
        let path_of =
            |planned: &Planned| format!("{folder}/{}", planned.plain_relative().display());
        for planned in &closure.modules {
            let path = path_of(planned);
            self.file(
                &path,
                0o644,
                read_module(planned)?,
                &reasons(&planned.reasons),
            );
            // What was asked for by name is there for no other reason that matters.
            let is_root = planned
                .reasons
                .iter()
                .any(|reason| reason.kind == ReasonKind::Root);
            let needed_by = planned.reasons.iter().filter(|_| !is_root);
            let needed_by = needed_by.filter_map(|reason| reason.by.as_ref());
            let others = needed_by.filter_map(|name| closure.get(name)).map(path_of);
            self.because(&path, others.collect());
            self.modules.push(planned.name.to_string());
            self.inputs.push(planned.path.clone());
        }
        if recipe.firmware {
            self.add_firmware(recipe.root(), kernel, &closure)?;
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
        let list = self.modules.join("\n") + "\n";
        self.file(
            "etc/modules",
            0o644,
            list.into(),
            "/init loads these modules, in this order",
        );
        for (name, bytes) in modtree::index::text(&kernel.tree, &closure, Planned::plain_relative)?
        {
            let reason = "modprobe reads it, so that no depmod runs at boot";
            self.file(&format!("{folder}/{name}"), 0o644, bytes, reason);
        }
        Ok(())
    }

    /// The console is a UTF-8 one, so the keymaps are compiled for Unicode.
    fn add_keymaps(&mut self, recipe: &Recipe) -> Result<(), PlanError> {
        for name in &recipe.keymaps {
            let compiled =
                kmap::compile_named(name.as_ref(), &SearchPath::from_env(), kmap::Mode::Unicode)?;
            self.notes
                .extend(compiled.warnings.iter().map(ToString::to_string));
            self.inputs.extend(compiled.inputs);
            let bytes = compiled.keymap.to_bkeymap(kmap::Endian::Little);
            // Where the map lies on this machine is not the image's business: its bytes would depend on it.
            let map = keymap_name(name);
            if self.get(KEYMAP).is_none() {
                let reason = format!("the keymap {map}: /init gives it to loadkmap");
                self.file(KEYMAP, 0o644, bytes.clone(), &reason);
            }
            let reason =
                format!("/init loads it where the kernel's command line says keymap={map}");
            self.file(&format!("etc/keymaps/{map}.bmap"), 0o644, bytes, &reason);
        }
        Ok(())
    }
}

impl Plan {
    /// What the parts have not noted: the kernel's own files, and the archives that stand beside this one. The files of a
    /// package are gone at the end; the package stands for them.
    fn add_inputs(&mut self, recipe: &Recipe, kernel: &Kernel) {
        let dir = kernel.tree.dir();
        let listings = [
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ]
        .map(|name| dir.join(name));
        self.inputs
            .extend(listings.into_iter().filter(|path| path.is_file()));
        if let Ok(Some(config)) = kernel.tree.config() {
            self.inputs.extend(config.path().map(Path::to_path_buf));
        }
        self.inputs.extend(kernel.image.clone());
        if let Some(unpacked) = kernel.unpacked() {
            self.inputs.retain(|path| !path.starts_with(unpacked));
        }
        if let KernelSource::Deb(package) = &recipe.kernel {
            self.inputs.push(package.clone());
        }
        self.inputs
            .extend(recipe.prepend.iter().chain(&recipe.append).cloned());
        self.inputs.sort();
        self.inputs.dedup();
    }
}

/// The one that is named; else one below the kernel's root; else this machine's.
fn find_busybox(recipe: &Recipe) -> Result<Busybox, BusyboxError> {
    if let Some(path) = &recipe.busybox {
        return Busybox::open(path);
    }
    let machine = Path::new("/");
    match &recipe.kernel {
        KernelSource::Root(root) if root != machine => {
            Busybox::find(root).or_else(|_| Busybox::find(machine))
        }
        _ => Busybox::find(machine),
    }
}

/// The module's file, uncompressed: busybox cannot load `.ko.zst`. Reading all of it shows damage before the boot does.
fn read_module(planned: &Planned) -> Result<Vec<u8>, PlanError> {
    let bytes = codec::file::read_decoded(&planned.path, MODULE_LIMIT)?;
    Module::parse(&bytes).map_err(|source| PlanError::Module {
        path: planned.path.clone(),
        source,
    })?;
    Ok(bytes)
}

fn reasons(reasons: &[Reason]) -> String {
    let texts: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// The keymap's name without folder and suffixes: `es` for `/usr/share/keymaps/es.kmap.gz`.
fn keymap_name(name: &OsStr) -> String {
    let file = Path::new(name)
        .file_name()
        .unwrap_or(name)
        .to_string_lossy();
    let mut name: &str = &file;
    for suffix in [".gz", ".bz2", ".xz", ".zst", ".kmap", ".map"] {
        name = name.strip_suffix(suffix).unwrap_or(name);
    }
    name.to_owned()
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

/// A kernel whose configuration is unknown is taken at its word that it reads what was asked for.
fn compression(kernel: &Kernel, recipe: &Recipe) -> Result<Compression, PlanError> {
    let config = kernel.tree.config().map_err(KernelError::from)?;
    let Some(wanted) = recipe.compression else {
        return Ok(Compression::best_for(config));
    };
    match wanted.lacking(config) {
        None => Ok(wanted),
        Some(option) => Err(PlanError::Compression {
            version: kernel.version().to_owned(),
            option,
        }),
    }
}
