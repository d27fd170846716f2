#![no_main]

#[path = "../invariants/disk.rs"]
#[allow(dead_code)]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::mbr(bytes));
