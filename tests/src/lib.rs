//! The three commands against their oracles, and in QEMU: see `tests/tests`.

pub mod modules;
