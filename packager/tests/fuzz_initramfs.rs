//! The corpora of the fuzz targets for images and recipes, replayed; and the same invariants on damaged images.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and the invariants are shared with the fuzz targets"
)]

#[path = "../../fuzz/initramfs/invariants.rs"]
mod invariants;

use std::path::{Path, PathBuf};

use proptest::prelude::*;

type Invariant = fn(&[u8]);

const TARGETS: [(&str, Invariant); 3] = [
    ("cpio", invariants::cpio),
    ("segments", invariants::segments),
    ("recipe", invariants::recipe),
];

fn corpus(name: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/initramfs/corpus");
    let inputs = std::fs::read_dir(root.join(name)).unwrap();
    let mut inputs: Vec<_> = inputs.map(|input| input.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "the corpus of {name} is empty");
    inputs
}

#[test]
fn every_input_of_the_corpora_holds() {
    for (name, invariant) in TARGETS {
        for input in corpus(name) {
            invariant(&std::fs::read(input).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    /// Every seed with some bytes exchanged, and cut off.
    #[test]
    fn a_damaged_image_is_told_and_nothing_breaks(
        seed in any::<prop::sample::Index>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let seeds = [corpus("cpio"), corpus("segments")].concat();
        let mut bytes = std::fs::read(seed.get(&seeds)).unwrap();
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + bytes.len() / 2);
        invariants::cpio(&bytes);
        invariants::segments(&bytes);
    }
}
