//! Goals on real kernels: what each one brings, and what modprobe would not have known.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use modtree::goal::Goals;
use modtree::{Closure, ClosureOptions, ModuleName, Tree, closure};
use tests::environment::{command, kernel};
use tests::modules::run;

fn reached(tree: &Tree, goals: &Goals, asked: &str) -> Closure {
    let options = ClosureOptions {
        goals: vec![goals.select(asked).unwrap()],
        ..ClosureOptions::default()
    };
    closure(tree, &[], &options).unwrap_or_else(|error| panic!("{asked}: {error}"))
}

/// Whether a closure has this module, or knows it as a part of the kernel.
fn has(closure: &Closure, name: &str) -> bool {
    let name = ModuleName::new(name);
    closure.get(&name).is_some() || closure.builtins.iter().any(|builtin| builtin.name == name)
}

/// What each goal must bring on any x86-64 kernel of a distribution.
const EXPECTED: [(&str, &[&str]); 21] = [
    ("cdrom", &["sr_mod", "isofs", "udf", "ahci", "usb_storage"]),
    (
        "crypt",
        &["dm_crypt", "aesni_intel", "xts", "algif_skcipher"],
    ),
    ("crypt:serpent", &["dm_crypt", "xts", "serpent_generic"]),
    (
        "disk",
        &[
            "ahci",
            "nvme",
            "sdhci_pci",
            "usb_storage",
            "uas",
            "virtio_blk",
            "hv_storvsc",
            "sd_mod",
            "mmc_block",
        ],
    ),
    (
        "filesystems",
        &[
            "ext4",
            "xfs",
            "btrfs",
            "f2fs",
            "vfat",
            "exfat",
            "isofs",
            "squashfs",
            "nls_cp437",
        ],
    ),
    ("filesystems:ext4,vfat", &["ext4", "vfat", "nls_ascii"]),
    (
        "guest",
        &[
            "virtio_blk",
            "virtio_scsi",
            "virtio_pci",
            "hv_storvsc",
            "xen_blkfront",
            "vmw_pvscsi",
            "sd_mod",
        ],
    ),
    (
        "keyboard",
        &[
            "usbhid",
            "hid_generic",
            "i8042",
            "atkbd",
            "xhci_pci",
            "ehci_pci",
            "i2c_hid_acpi",
            "intel_lpss_pci",
        ],
    ),
    ("live", &["loop", "squashfs", "overlay", "isofs"]),
    (
        "lvm",
        &[
            "dm_mod",
            "dm_snapshot",
            "dm_thin_pool",
            "dm_raid",
            "dm_cache",
        ],
    ),
    (
        "mmc",
        &["sdhci_pci", "sdhci_acpi", "rtsx_pci_sdmmc", "mmc_block"],
    ),
    (
        "network",
        &[
            "virtio_net",
            "e1000e",
            "igb",
            "r8169",
            "realtek",
            "r8152",
            "af_packet",
        ],
    ),
    (
        "network-all",
        &[
            "virtio_net",
            "mlx5_core",
            "i40e",
            "ice",
            "8139cp",
            "smsc95xx",
            "marvell",
        ],
    ),
    ("nvme", &["nvme", "nvme_core", "vmd"]),
    ("raid", &["md_mod", "raid0", "raid1", "raid10", "raid456"]),
    ("raid:1", &["md_mod", "raid1"]),
    (
        "rootfs:btrfs",
        &[
            "btrfs",
            "xxhash_generic",
            "blake2b_generic",
            "crc32c_generic",
        ],
    ),
    ("rootfs:nfs", &["nfs", "nfsv3", "nfsv4"]),
    ("sata", &["ahci", "ata_piix", "sata_nv", "sd_mod"]),
    (
        "usb-storage",
        &[
            "usb_storage",
            "uas",
            "vfat",
            "nls_cp437",
            "nls_ascii",
            "sd_mod",
            "xhci_pci",
            "uhci_hcd",
        ],
    ),
    (
        "virtio",
        &[
            "virtio_pci",
            "virtio_blk",
            "virtio_scsi",
            "virtio_net",
            "virtio_rng",
        ],
    ),
];

#[test]
fn every_goal_brings_what_it_is_for_on_both_kernels() {
    let goals = Goals::embedded().unwrap();
    for goal in goals.iter() {
        let asked = EXPECTED
            .iter()
            .any(|(asked, _)| asked.split(':').next() == Some(&goal.name));
        assert!(asked, "{} is not tested", goal.name);
    }
    for corpus in ["linux-6.1", "linux-6.12"] {
        let Some(root) = kernel(corpus) else { return };
        let tree = Tree::select(&root, None).unwrap();
        for (asked, expected) in EXPECTED {
            let closure = reached(&tree, &goals, asked);
            for name in expected {
                assert!(has(&closure, name), "{corpus} {asked}: {name}");
            }
        }
    }
}

#[test]
fn a_goal_takes_no_more_than_it_names() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let tree = Tree::select(&root, None).unwrap();
    let goals = Goals::embedded().unwrap();
    let names = |asked: &str| -> Vec<String> {
        let closure = reached(&tree, &goals, asked);
        closure
            .modules
            .iter()
            .map(|module| module.name.to_string())
            .collect()
    };
    assert!(!names("raid:1").contains(&"raid456".to_owned()));
    assert_eq!(
        names("rootfs:ext4"),
        [
            "crc16",
            "crc32c_intel",
            "crc32c_generic",
            "jbd2",
            "mbcache",
            "ext4"
        ]
    );
    assert!(!names("mmc").contains(&"libertas_sdio".to_owned()));
}

#[test]
fn the_command_lists_shows_and_refuses() {
    let output = command("modtree").arg("goals").output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    assert!(
        list.contains("\nrootfs:FS           mounting a root file system\n"),
        "{list}"
    );
    assert!(
        list.contains("\nraid[:LEVEL]        software RAID\n"),
        "{list}"
    );
    let shown = command("modtree").args(["goals", "nvme"]).output().unwrap();
    assert_eq!(shown.stdout, include_bytes!("../../data/goals/nvme.toml"));
    let own = tempfile::tempdir().unwrap();
    std::fs::write(own.path().join("broken.toml"), "summary = 1\n").unwrap();
    let dir = own.path().to_str().unwrap();
    for (arguments, code, message) in [
        (
            vec!["--for", "nvm"],
            1,
            "error: no goal `nvm`; did you mean `lvm` or `nvme`?\n",
        ),
        (
            vec!["--for", "nvme", "--goals-dir", "gone"],
            1,
            "error: cannot read `gone`: ",
        ),
        (
            vec!["--for", "nvme", "--goals-dir", dir],
            1,
            "/broken.toml: TOML parse error at line 1",
        ),
    ] {
        let output = command("modtree")
            .arg("closure")
            .args(&arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}

/// The record in an image leads every module back to the goal.
#[test]
fn an_image_tells_the_goal_of_each_module() {
    let Some(root) = kernel("linux-6.1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("stick.igz");
    let packed = tests::root::pack(
        &root,
        &["--for", "usb-storage", "-o", image.to_str().unwrap()],
    );
    assert!(packed.status.success(), "{packed:?}");
    let packager = |words: &[&str]| run(command("packager").args(words));
    let image = image.to_str().unwrap();
    let names = packager(&["list", "--names", image]);
    let modules: Vec<&str> = names.lines().filter(|it| it.ends_with(".ko")).collect();
    assert!(modules.len() > 20, "{names}");
    for module in modules {
        let chain = packager(&["why", image, module]);
        assert!(chain.starts_with(&format!("/{module}: ")), "{chain}");
        let last = chain.lines().last().unwrap();
        assert!(last.contains(".ko: goal usb-storage: "), "{chain}");
    }
    let chain = packager(&["why", image, "xhci-hcd"]);
    let reasons: Vec<&str> = chain
        .lines()
        .filter_map(|it| it.split(".ko: ").nth(1))
        .collect();
    assert!(
        reasons[0].starts_with("xhci_pci uses its symbols"),
        "{chain}"
    );
    assert!(
        reasons[1]
            .starts_with("usb_storage: a USB driver is of no use without the host controllers"),
        "{chain}"
    );
    assert!(reasons[2].starts_with("goal usb-storage: "), "{chain}");
}
