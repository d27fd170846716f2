//! Numbers and directory records as ECMA-119 has them: what is longer than a byte stands in both byte orders.

use super::time::Clock;
use super::tree::Place;

/// Bits of a record's flags.
const DIRECTORY: u8 = 0x02;

/// The identifiers of a directory itself and of the one that it lies in.
pub(super) const SELF: &[u8] = &[0];
pub(super) const PARENT: &[u8] = &[1];

/// Section 7.2.3.
pub(super) fn both_16(number: u16) -> [u8; 4] {
    let mut out = [0; 4];
    out[..2].copy_from_slice(&number.to_le_bytes());
    out[2..].copy_from_slice(&number.to_be_bytes());
    out
}

/// Section 7.3.3.
pub(super) fn both_32(number: u32) -> [u8; 8] {
    let mut out = [0; 8];
    out[..4].copy_from_slice(&number.to_le_bytes());
    out[4..].copy_from_slice(&number.to_be_bytes());
    out
}

/// A directory record (section 9.1), with what Rock Ridge adds. Its length is even.
pub(super) fn record(
    identifier: &[u8],
    place: Place,
    is_directory: bool,
    clock: Clock,
    system_use: &[u8],
) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend(both_32(place.block));
    out.extend(both_32(place.bytes));
    out.extend(clock.short());
    // Flags, and two numbers about files in pieces.
    out.extend([if is_directory { DIRECTORY } else { 0 }, 0, 0]);
    out.extend(both_16(1));
    out.push(identifier.len() as u8);
    out.extend(identifier);
    pad(&mut out);
    out.extend(system_use);
    pad(&mut out);
    out[0] = out.len() as u8;
    out
}

fn pad(out: &mut Vec<u8>) {
    if out.len() % 2 == 1 {
        out.push(0);
    }
}
