//! The order in which `/init` loads modules, on Debian's kernels: dependencies first, then the hosts that a stick is waited for on.

use std::collections::HashMap;
use std::path::Path;

use modtree::ModuleName;
use packager::kernel::KernelSource;
use packager::recipe::Load;
use packager::{Plan, Recipe};
use tests::environment::kernel;

/// The plan for a kernel of the corpus; `None` without it, or without busybox.
fn plan(name: &str, load: Load, goals: &[&str]) -> Option<Plan> {
    let (root, busybox) = (kernel(name)?, kernel("busybox")?);
    let mut recipe = Recipe {
        kernel: KernelSource::Root(root),
        busybox: Some(busybox.join("bin/busybox")),
        load,
        ..Recipe::default()
    };
    if !goals.is_empty() {
        recipe.modules = Vec::new();
        recipe.goals = goals.iter().map(ToString::to_string).collect();
    }
    Some(Plan::new(&recipe).unwrap())
}

fn lines(plan: &Plan, path: &str) -> Vec<String> {
    let bytes = plan.get(path).unwrap().data.to_vec();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// `kernel/drivers/usb/host/xhci-pci.ko` -> `xhci_pci`.
fn name(path: &str) -> ModuleName {
    ModuleName::of_file(Path::new(path).file_name().unwrap())
}

#[test]
fn dependencies_come_first_and_xhci_before_the_other_hosts() {
    for kernel in ["linux-6.1", "linux-6.12"] {
        let Some(plan) = plan(kernel, Load::All, &[]) else {
            return;
        };
        let listed = lines(&plan, "etc/modules");
        let place: HashMap<_, _> = listed.iter().map(String::as_str).zip(0..).collect();
        assert_eq!(place.len(), plan.modules.len(), "{listed:?}");
        let needs = format!("usr/lib/modules/{}/modules.dep", plan.version);
        for line in lines(&plan, &needs) {
            let (module, needed) = line.split_once(':').unwrap();
            let module = name(module);
            for needed in needed.split_whitespace().map(name) {
                assert!(
                    place[needed.as_str()] < place[module.as_str()],
                    "{needed} behind {module} in {listed:?}"
                );
            }
        }
        for other in ["ehci_hcd", "ohci_pci", "uhci_hcd", "scsi_mod", "vfat"] {
            assert!(place["xhci_pci"] < place[other], "{other} in {listed:?}");
        }
        for rest in ["scsi_mod", "usb_storage", "vfat"] {
            assert!(place["uhci_hcd"] < place[rest], "{rest} in {listed:?}");
        }
    }
}

/// Nobody has loaded a file system's module when `mount` is not told which it is.
#[test]
fn mount_tries_the_file_systems_of_an_image_that_loads_by_devices() {
    let goals = ["usb-storage", "rootfs:ext4"];
    let Some(plan) = plan("linux-6.1", Load::Devices, &goals) else {
        return;
    };
    let tried = lines(&plan, "etc/filesystems");
    let place = |name: &str| tried.iter().position(|tried| tried == name).unwrap();
    assert!(place("ext4") < place("ext2"), "{tried:?}");
    assert!(tried.iter().any(|name| name == "vfat"), "{tried:?}");
}
