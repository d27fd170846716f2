//! What an up-to-date index says about all modules is what the modules say.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::os::unix::fs::symlink;
use std::time::Duration;

use modtree::{DepmodOptions, Traces, Tree, closure, depmod, providers};
use tests::environment::kernel;
use tests::modules::{runtime, shadow};

/// Names, aliases and modaliases of all kinds; some that nobody has.
const QUERIES: [&str; 12] = [
    "vfat",
    "fs-ext4",
    "crypto-aes",
    "char-major-10-200",
    "net-pf-10",
    "symbol:usb_add_hcd",
    "symbol:none",
    "acpi:PNP0C0A:",
    "pci:v00008086d000010D3sv00sd00bc02sc00i00",
    "usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00",
    "hid:b0003g0001v0000046Dp0000C52B",
    "no-such-alias",
];

const ROOTS: [&str; 8] = [
    "usb_storage",
    "vfat",
    "btrfs",
    "nvme",
    "snd_hda_intel",
    "mac80211",
    "cifs",
    "kvm_intel",
];

const IMPORTS: [&str; 4] = [
    "usb_add_hcd",
    "scsi_add_host_with_dma",
    "register_filesystem",
    "blk_mq_alloc_tag_set",
];

#[test]
fn an_index_answers_what_the_modules_answer() {
    let Some(original) = kernel("linux-6.1") else {
        return;
    };
    let read = Tree::select(&original, None).unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = shadow(read.dir(), root.path());
    // The kernel's configuration.
    symlink(original.join("boot"), root.path().join("boot")).unwrap();
    // An index of the same tick of the clock would not be believed.
    std::thread::sleep(Duration::from_millis(50));
    let options = DepmodOptions {
        dir: dir.clone(),
        ..DepmodOptions::default()
    };
    depmod(&options).unwrap().write(&dir).unwrap();
    let indexed = Tree::open(&dir).unwrap();

    for query in QUERIES {
        assert_eq!(
            indexed.resolve(query).unwrap(),
            read.resolve(query).unwrap(),
            "{query}"
        );
    }
    // So it was the index that answered.
    assert_eq!(indexed.files_read(), 0);
    let options = runtime();
    for name in ROOTS {
        let [a, b] = [&indexed, &read].map(|tree| closure(tree, &[name], &options).unwrap());
        let modules = |closure: modtree::Closure| -> Vec<_> {
            let modules = closure.modules.into_iter();
            modules
                .map(|module| (module.name, module.reasons))
                .collect()
        };
        assert_eq!(modules(a), modules(b), "{name}");
    }
    for symbol in IMPORTS {
        let traces = Traces {
            imports: vec![symbol.to_owned()],
            ..Traces::default()
        };
        assert_eq!(
            providers(&indexed, &traces).unwrap(),
            providers(&read, &traces).unwrap(),
            "{symbol}"
        );
    }
}
