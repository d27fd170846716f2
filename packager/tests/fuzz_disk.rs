//! The corpora of the fuzz targets about disks, replayed; and the same invariants on damaged seeds.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and the invariants are shared with the fuzz targets"
)]

#[path = "../../fuzz/packager/invariants/disk.rs"]
mod invariants;

mod corpus;

use proptest::prelude::*;

fn damaged(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    corpus::damaged("packager", target)
}

#[test]
fn every_seed() {
    corpus::replay(
        "packager",
        &[
            ("disk", invariants::disk),
            ("fat", invariants::fat),
            ("gpt", invariants::gpt),
            ("mbr", invariants::mbr),
            ("pe", invariants::pe),
            ("syslinux", invariants::syslinux),
        ],
    );
}

proptest! {
    #[test]
    fn damaged_disks(bytes in damaged("disk")) {
        invariants::disk(&bytes);
    }

    #[test]
    fn damaged_volumes(bytes in damaged("fat")) {
        invariants::fat(&bytes);
    }

    #[test]
    fn damaged_tables(gpt in damaged("gpt"), mbr in damaged("mbr")) {
        invariants::gpt(&gpt);
        invariants::mbr(&mbr);
    }

    #[test]
    fn damaged_programs(bytes in damaged("pe")) {
        invariants::pe(&bytes);
    }

    #[test]
    fn damaged_loaders(bytes in damaged("syslinux")) {
        invariants::syslinux(&bytes);
    }
}
