//! What tells `/init`, mdev, modprobe and mount which modules to load, when, and how.

use std::collections::HashSet;

use modtree::{Closure, ModuleName, Planned, ReasonKind};

use super::Plan;
use crate::recipe::Load;

/// An option for usb_storage.
const USB_STORAGE: &str = include_str!("../../../data/init/usb-storage.conf");

/// What mdev does with a device that comes later.
const MDEV: &str = include_str!("../../../data/init/mdev.conf");

impl Plan {
    /// The files that say so; names that are not there need none.
    pub(super) fn add_module_settings(
        &mut self,
        load: Load,
        listed: &[String],
        filesystems: &[String],
    ) {
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
        for (path, names, reason) in [
            (
                "etc/modules",
                listed,
                "/init loads these modules, in this order",
            ),
            (
                "etc/filesystems",
                filesystems,
                "mount tries these, whose modules the kernel asks for then",
            ),
        ] {
            if !names.is_empty() {
                let list = names.join("\n") + "\n";
                self.file(path, 0o644, list.into(), reason);
            }
        }
        if load == Load::Devices {
            let reason = "mdev loads the driver of a device that comes later";
            self.file("etc/mdev.conf", 0o644, MDEV.into(), reason);
        }
    }
}

/// All modules in a load order that begins with the USB hosts and what they need: a host looks for its devices by itself, for a
/// third of a second, while the other modules are loaded. Of the hosts xHCI comes first: a stick is most likely on one.
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
    let mut aliases = planned.info.raw("alias");
    aliases.any(|alias| {
        alias.starts_with(b"pci:") && memchr::memmem::find(alias, class.as_bytes()).is_some()
    })
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
