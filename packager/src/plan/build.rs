//! The plan of an initramfs, part by part: skeleton, busybox, init, modules, keymap.

use std::path::{Path, PathBuf};

use codec::file::ReadError;
use kmap::SearchPath;
use modtree::index::IndexError;
use modtree::{Closure, ClosureError, ClosureOptions, ElfError, Module, Planned, Reason};

use super::Plan;
use crate::busybox::{Busybox, BusyboxError};
use crate::kernel::{Kernel, KernelError};
use crate::recipe::Recipe;
use crate::timing::Timings;

/// Larger than any module: Debian's largest has 9 MB.
const MODULE_LIMIT: u64 = 256 << 20;

/// What `/init` and its `inittab` call by name.
const NEEDED_APPLETS: &[&str] = &[
    "cat", "cp", "cut", "echo", "grep", "init", "mdev", "mkdir", "mount", "poweroff", "printf",
    "reboot", "sh", "sort", "sync", "test", "umount",
];

/// The files of `data/init/` that go into every image: path, permissions, contents, reason.
const INIT_FILES: [(&str, u32, &str, &str); 6] = [
    (
        "init",
        0o755,
        include_str!("../../../data/init/init.sh"),
        "the kernel starts it as the first process",
    ),
    (
        "etc/inittab.head",
        0o644,
        include_str!("../../../data/init/inittab.head"),
        "/init makes /etc/inittab of it, which /sbin/init reads",
    ),
    (
        "etc/shutdown",
        0o755,
        include_str!("../../../data/init/shutdown.sh"),
        "/sbin/init runs it before power-off and reboot",
    ),
    (
        "etc/passwd",
        0o644,
        include_str!("../../../data/init/passwd"),
        "gives user 0 the name root",
    ),
    (
        "etc/group",
        0o644,
        include_str!("../../../data/init/group"),
        "gives group 0 the name root",
    ),
    (
        "etc/profile",
        0o644,
        include_str!("../../../data/init/profile"),
        "search path and prompt of the shells",
    ),
];

/// Directories of every image: path, permissions, reason.
const DIRECTORIES: [(&str, u32, &str); 11] = [
    ("bin", 0o755, "busybox and its applets"),
    ("dev", 0o755, "devtmpfs is mounted here"),
    ("etc", 0o755, "configuration"),
    ("mnt", 0o755, "where a stick is mounted"),
    ("proc", 0o555, "procfs is mounted here"),
    ("root", 0o700, "home of the user root"),
    ("run", 0o755, "logs of /init"),
    ("sys", 0o555, "sysfs is mounted here"),
    ("tmp", 0o1777, "temporary files"),
    ("usr", 0o755, "holds links to /bin"),
    ("var/lock", 0o755, "lock files of programs"),
];

/// Device nodes that programs expect before devtmpfs is mounted: path, permissions, major, minor
/// (`Documentation/admin-guide/devices.txt` of the kernel's source).
const DEVICES: [(&str, u32, u32, u32); 7] = [
    ("dev/console", 0o600, 5, 1),
    ("dev/null", 0o666, 1, 3),
    ("dev/ptmx", 0o666, 5, 2),
    ("dev/tty", 0o666, 5, 0),
    ("dev/tty0", 0o620, 4, 0),
    ("dev/tty1", 0o620, 4, 1),
    ("dev/zero", 0o666, 1, 5),
];

/// Why no plan could be made of a recipe.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is no kernel to use.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The modules cannot be found, or a module file is damaged.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// The indexes for modprobe cannot be made.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A module file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A module file is damaged.
    #[error("`{}` is damaged: {source}", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ElfError,
    },
    /// There is no busybox to use.
    #[error(transparent)]
    Busybox(#[from] BusyboxError),
    /// The keymap cannot be compiled.
    #[error(transparent)]
    Keymap(#[from] kmap::Report),
    /// A module was built for another kernel, and would be refused.
    #[error("the module `{}` was built for kernel {built_for}, not for {version}: take it from the kernel's own package", path.display())]
    Vermagic {
        /// The module's file.
        path: PathBuf,
        /// The release in its vermagic.
        built_for: String,
        /// The version of the modules directory.
        version: String,
    },
    /// The kernel cannot unpack an archive that is compressed so.
    #[error(
        "kernel {version} cannot unpack this image: its configuration does not set {option}; choose another --compress"
    )]
    Compression {
        /// The kernel's version.
        version: String,
        /// The option that is not set.
        option: &'static str,
    },
}

impl Plan {
    /// Reads what the recipe names and lays the image out.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn new(recipe: &Recipe) -> Result<Self, PlanError> {
        let mut timings = Timings::default();
        let kernel = timings.measure("kernel", || Kernel::open(&recipe.kernel, &recipe.choice))?;
        check_compression(&kernel, recipe)?;
        let mut plan = Plan {
            version: kernel.version().to_owned(),
            kernel_image: kernel.image.clone(),
            ..Plan::default()
        };
        plan.add_skeleton();
        timings.measure("modules", || plan.add_modules(&kernel, recipe))?;
        timings.measure("keymap", || plan.add_keymap(recipe))?;
        timings.measure("busybox", || plan.add_busybox(recipe))?;
        plan.timings = timings;
        Ok(plan)
    }

    fn add_skeleton(&mut self) {
        for (path, permissions, reason) in DIRECTORIES {
            self.directory(path, permissions, reason);
        }
        for (path, permissions, major, minor) in DEVICES {
            self.device(
                path,
                permissions,
                major,
                minor,
                "programs expect it before devtmpfs is mounted",
            );
        }
        for (path, permissions, contents, reason) in INIT_FILES {
            self.file(path, permissions, contents.into(), reason);
        }
        let merged = "one folder holds all programs, whatever path they are called by";
        self.symlink("sbin", "bin", merged);
        self.symlink("usr/bin", "../bin", merged);
        self.symlink("usr/sbin", "../bin", merged);
    }

    fn add_busybox(&mut self, recipe: &Recipe) -> Result<(), PlanError> {
        let busybox = find_busybox(recipe)?;
        busybox.require(NEEDED_APPLETS, "for /init")?;
        if !self.modules.is_empty() {
            busybox.require(&["modprobe"], "to load modules")?;
        }
        if self.get("etc/keymap.bmap").is_some() {
            busybox.require(&["loadkmap"], "to load the keymap")?;
        }
        let from = format!("the programs, from {}", busybox.path.display());
        for applet in busybox.applets.iter().filter(|name| *name != "busybox") {
            self.symlink(&format!("bin/{applet}"), "busybox", "an applet of busybox");
        }
        self.file("bin/busybox", 0o755, busybox.bytes, &from);
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
        let folder = format!("lib/modules/{}", kernel.version());
        for planned in &closure.modules {
            let path = format!("{folder}/{}", planned.plain_relative().display());
            self.file(
                &path,
                0o644,
                read_module(planned)?,
                &reasons(&planned.reasons),
            );
            self.modules.push(planned.name.to_string());
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

    /// The console is a UTF-8 one, so the keymap is compiled for Unicode.
    fn add_keymap(&mut self, recipe: &Recipe) -> Result<(), PlanError> {
        let Some(name) = &recipe.keymap else {
            return Ok(());
        };
        let compiled =
            kmap::compile_named(name.as_ref(), &SearchPath::from_env(), kmap::Mode::Unicode)?;
        self.notes
            .extend(compiled.warnings.iter().map(|warning| warning.to_string()));
        let bytes = compiled.keymap.to_bkeymap(kmap::Endian::Little);
        let reason = format!(
            "the keymap {}: /init gives it to loadkmap",
            Path::new(name).display()
        );
        self.file("etc/keymap.bmap", 0o644, bytes, &reason);
        Ok(())
    }
}

/// The one that is named; else one below the kernel's root; else this machine's.
fn find_busybox(recipe: &Recipe) -> Result<Busybox, BusyboxError> {
    if let Some(path) = &recipe.busybox {
        return Busybox::open(path);
    }
    let machine = Path::new("/");
    match &recipe.kernel {
        crate::kernel::KernelSource::Root(root) if root != machine => {
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
fn check_compression(kernel: &Kernel, recipe: &Recipe) -> Result<(), PlanError> {
    let option = recipe.compression.kernel_option();
    match kernel.tree.config().map_err(KernelError::from)? {
        Some(config) if config.get(option) != Some("y") => Err(PlanError::Compression {
            version: kernel.version().to_owned(),
            option,
        }),
        _ => Ok(()),
    }
}
