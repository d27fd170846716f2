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

mod corpus;

use proptest::prelude::*;

#[test]
fn every_seed() {
    corpus::replay(
        "initramfs",
        &[
            ("cpio", invariants::cpio),
            ("segments", invariants::segments),
            ("recipe", invariants::recipe),
        ],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_image_is_told_and_nothing_breaks(
        bytes in prop_oneof![corpus::damaged("initramfs", "cpio"), corpus::damaged("initramfs", "segments")]
    ) {
        invariants::cpio(&bytes);
        invariants::segments(&bytes);
    }

    #[test]
    fn a_damaged_recipe_is_told(bytes in corpus::damaged("initramfs", "recipe")) {
        invariants::recipe(&bytes);
    }
}
