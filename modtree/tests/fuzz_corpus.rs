//! The corpora of the fuzz targets, replayed; and the same invariants on arbitrary bytes.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and the invariants are shared with the fuzz targets"
)]

#[path = "../../fuzz/modtree/invariants.rs"]
mod invariants;

use std::path::Path;

use proptest::prelude::*;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/modtree/corpus")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "no seeds for {target}");
}

#[test]
fn seeds() {
    replay("elf", invariants::elf);
    replay("modinfo", invariants::modinfo);
    replay("index", invariants::index);
}

/// Every seed, with a few bytes changed.
fn damaged(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/modtree/corpus")
        .join(target);
    let seeds = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let seeds: Vec<Vec<u8>> = seeds.filter(|seed| !seed.is_empty()).collect();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (
        prop::sample::select(seeds),
        changes,
        any::<prop::sample::Index>(),
    )
        .prop_map(|(mut seed, changes, cut)| {
            for (at, byte) in changes {
                let at = at.index(seed.len());
                seed[at] = byte;
            }
            if seed.len() % 3 == 0 {
                seed.truncate(cut.index(seed.len()));
            }
            seed
        })
}

proptest! {
    #[test]
    fn damaged_modules(bytes in damaged("elf")) {
        invariants::elf(&bytes);
    }

    #[test]
    fn damaged_indexes(bytes in damaged("index")) {
        invariants::index(&bytes);
    }

    #[test]
    fn any_modinfo(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        invariants::modinfo(&bytes);
    }
}
