//! The corpora of the fuzz targets, replayed; and the same invariants on arbitrary bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and the invariants are shared with the fuzz targets"
)]

#[path = "../../fuzz/kmap/invariants.rs"]
mod invariants;

use proptest::prelude::*;

type Invariant = fn(&[u8]);

const TARGETS: [(&str, Invariant); 3] = [
    ("parse", invariants::parse),
    ("compile", invariants::compile),
    ("decompile", invariants::decompile),
];

#[test]
fn every_input_of_the_corpora_holds() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/kmap/corpus");
    for (name, invariant) in TARGETS {
        let mut count = 0;
        for input in std::fs::read_dir(root.join(name)).unwrap() {
            invariant(&std::fs::read(input.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus of {name} is empty");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_binary_keymap_round_trips_or_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        invariants::decompile(&bytes);
    }

    /// Codes below 0x1000 and ordinary code points, which texts can give.
    #[test]
    fn ordinary_codes_round_trip(flags in any::<[u8; 8]>(), codes in prop::collection::vec(0u16..0x1000, 0..600), points in prop::collection::vec(0x1000u16..0xf000, 0..40)) {
        let codes = codes.iter().chain(&points).flat_map(|code| code.to_le_bytes());
        let bytes: Vec<u8> = flags.into_iter().chain(codes).collect();
        invariants::decompile(&bytes);
    }
}
