//! The corpora of the fuzz targets about disks, replayed; and the same invariants on damaged seeds.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and the invariants are shared with the fuzz targets"
)]

#[path = "../../fuzz/packager/invariants/disk.rs"]
mod invariants;

use std::path::Path;

use proptest::prelude::*;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/packager/corpus")
        .join(target);
    let entries = std::fs::read_dir(folder).unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry.unwrap().path());
    let seeds: Vec<_> = entries.map(|entry| read(entry).unwrap()).collect();
    assert!(!seeds.is_empty(), "no seeds for {target}");
    seeds
}

/// Every seed, with a few bytes changed, and perhaps cut off.
fn damaged(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let index = any::<prop::sample::Index>;
    let changes = prop::collection::vec((index(), any::<u8>()), 0..8);
    let length = prop::option::of(index());
    let seed = prop::sample::select(seeds(target));
    (seed, changes, length).prop_map(|(mut seed, changes, length)| {
        for (at, byte) in changes {
            let at = at.index(seed.len());
            seed[at] = byte;
        }
        if let Some(length) = length {
            seed.truncate(length.index(seed.len()));
        }
        seed
    })
}

#[test]
fn every_seed() {
    for (target, invariant) in [
        ("disk", invariants::disk as fn(&[u8])),
        ("fat", invariants::fat),
        ("gpt", invariants::gpt),
        ("mbr", invariants::mbr),
        ("pe", invariants::pe),
        ("syslinux", invariants::syslinux),
    ] {
        seeds(target).iter().for_each(|seed| invariant(seed));
    }
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
