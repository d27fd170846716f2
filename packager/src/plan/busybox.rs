//! Busybox and its applets; with its loader and libraries where it is not static.

use std::path::{Path, PathBuf};

use super::build::KEYMAP;
use super::{Data, Plan, PlanError};
use crate::busybox::{Busybox, BusyboxError};
use crate::cpio::{Attributes, Kind};
use crate::kernel::KernelSource;
use crate::libraries::Collector;
use crate::recipe::Recipe;

/// What `/init` and its `inittab` call by name.
const NEEDED_APPLETS: &[&str] = &[
    "basename",
    "cat",
    "chroot",
    "cp",
    "cut",
    "echo",
    "find",
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
    "xargs",
];

/// What does not depend on the kernel: the skeleton, and the programs.
pub(super) struct System {
    pub(super) plan: Plan,
    pub(super) busybox: Busybox,
}

impl System {
    pub(super) fn new(recipe: &Recipe) -> Result<Self, PlanError> {
        let mut plan = Plan::default();
        plan.add_skeleton();
        let (busybox, root) = find_busybox(recipe)?;
        plan.add_busybox(&busybox, &root)?;
        Ok(Self { plan, busybox })
    }
}

impl Plan {
    /// Whether busybox is what the other parts of the plan need.
    pub(super) fn fits(&self, busybox: &Busybox) -> Result<(), PlanError> {
        if !self.modules.is_empty() {
            busybox.require(&["modprobe"], "to load modules")?;
        }
        if self.get(KEYMAP).is_some() {
            busybox.require(&["loadkmap"], "to load the keymap")?;
        }
        if let Some((module, machine)) = &self.machine
            && *machine != busybox.machine
        {
            return Err(PlanError::Machine {
                path: busybox.path.clone(),
                machine: busybox.machine,
                module: module.clone(),
                modules: *machine,
            });
        }
        Ok(())
    }

    fn add_busybox(&mut self, busybox: &Busybox, root: &Path) -> Result<(), PlanError> {
        busybox.require(NEEDED_APPLETS, "for /init")?;
        let from = "the programs: one file with all of them";
        let link = Attributes::of_root(Kind::Symlink, 0o777);
        let target = Data::from(b"busybox".to_vec());
        for applet in busybox.applets.iter().filter(|name| *name != "busybox") {
            let path = format!("usr/bin/{applet}");
            self.insert_shared(&path, link, target.clone(), "an applet of busybox");
        }
        if busybox.is_dynamic {
            let mut collector = Collector::new(root);
            collector.add_needs_of("/usr/bin/busybox", &busybox.bytes)?;
            self.add_libraries(collector.finish(), root);
        }
        self.inputs.push(busybox.path.clone());
        self.shared_file("usr/bin/busybox", 0o755, busybox.bytes.clone(), from);
        Ok(())
    }
}

/// A busybox, and the root where its libraries are.
type Found = (Busybox, PathBuf);

/// The one that is named; else one below the kernel's root; else this machine's. With it comes the root where its libraries
/// are, if it needs any.
fn find_busybox(recipe: &Recipe) -> Result<Found, BusyboxError> {
    let machine = Path::new("/");
    let of_machine = || Ok((Busybox::find(machine)?, machine.to_path_buf()));
    if let Some(path) = &recipe.busybox {
        // Its libraries are beside it, or where those of all programs are.
        let is_there = |root: &&Path| path.starts_with(root) || recipe.sysroot.is_some();
        let root = Some(recipe.root()).filter(is_there);
        return Ok((Busybox::open(path)?, root.unwrap_or(machine).to_path_buf()));
    }
    match &recipe.kernel {
        KernelSource::Root(root) if root != machine => match Busybox::find(root) {
            Ok(busybox) => Ok((busybox, root.clone())),
            Err(_) => of_machine(),
        },
        _ => of_machine(),
    }
}
