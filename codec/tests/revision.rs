//! The same input gives the same bytes, whatever machine and whichever version of a compressor's crate: else
//! `codec::REVISION` says that they are others.

use std::fmt::Write as _;
use std::path::Path;

use codec::Format;

/// Text of a kind that makes compressors choose: repetitions near and far, and noise.
fn text() -> Vec<u8> {
    let mut state = 1u32;
    let mut out = Vec::new();
    while out.len() < 300_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let from = (state >> 8) as usize % (out.len() + 1);
        let length = (state >> 4) as usize % 60;
        let copy: Vec<u8> = out[from..].iter().take(length).copied().collect();
        out.extend_from_slice(&copy);
        out.extend_from_slice(&state.to_le_bytes());
    }
    out
}

#[test]
fn what_is_encoded_is_what_this_revision_gave() {
    let formats: [(Format, &[i32]); 5] = [
        (Format::Gzip, &[0, 1, 6, 9]),
        (Format::Xz, &[0, 6, 9]),
        (Format::Zstd, &[1, 3, 9, 19]),
        (Format::Bzip2, &[1, 9]),
        (Format::Lz4Legacy, &[1]),
    ];
    let text = text();
    let mut table = format!("revision {}\n", codec::REVISION);
    for (format, levels) in formats {
        for level in levels {
            let bytes = codec::encode(&text, format, Some(*level)).unwrap();
            let sum = blake3::hash(&bytes).to_hex();
            writeln!(table, "{format} {level} {} {}", bytes.len(), &sum[..16]).unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/revision.txt");
    if std::env::var_os("REVISE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        table, expected,
        "the bytes have changed: raise codec::REVISION, then run this test with REVISE=1"
    );
}
