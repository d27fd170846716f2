//! The corpora of the fuzz targets: their inputs, and the same ones damaged.

use std::path::Path;

use proptest::prelude::*;

/// The inputs of a target, in the order of their names; `fuzz` is the folder of its crate below `fuzz/`.
pub fn seeds(fuzz: &str, target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let entries = std::fs::read_dir(root.join(fuzz).join("corpus").join(target)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no seeds for {target}");
    let read = |path| std::fs::read(path).unwrap();
    paths.into_iter().map(read).collect()
}

/// What holds for any bytes.
pub type Invariant = fn(&[u8]);

/// Runs each target's invariant on all its inputs.
pub fn replay(fuzz: &str, targets: &[(&str, Invariant)]) {
    for (target, invariant) in targets {
        seeds(fuzz, target).iter().for_each(|seed| invariant(seed));
    }
}

/// Every input of a target, with a few bytes changed, and perhaps cut off.
pub fn damaged(fuzz: &str, target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let index = any::<prop::sample::Index>;
    let changes = prop::collection::vec((index(), any::<u8>()), 0..8);
    let length = prop::option::of(index());
    let seed = prop::sample::select(seeds(fuzz, target));
    (seed, changes, length).prop_map(|(mut seed, changes, length)| {
        for (at, byte) in changes {
            if !seed.is_empty() {
                let at = at.index(seed.len());
                seed[at] = byte;
            }
        }
        if let Some(length) = length {
            seed.truncate(length.index(seed.len() + 1));
        }
        seed
    })
}
