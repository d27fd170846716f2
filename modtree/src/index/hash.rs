//! The hash function of kmod's tables, since `modules.symbols` is in their order.
//!
//! It is Paul Hsieh's SuperFastHash, as kmod's `shared/hash.c` uses it on little-endian machines.

/// Hashes a key. All arithmetic wraps at 32 bits.
pub(crate) fn superfast(key: &[u8]) -> u32 {
    let half = |bytes: &[u8]| u32::from(bytes[0]) | u32::from(bytes[1]) << 8;
    let mut hash = key.len() as u32;
    let mut fours = key.chunks_exact(4);
    for four in &mut fours {
        hash = hash.wrapping_add(half(four));
        let mixed = (half(&four[2..]) << 11) ^ hash;
        hash = (hash << 16) ^ mixed;
        hash = hash.wrapping_add(hash >> 11);
    }
    match fours.remainder() {
        tail @ [_, _, last] => {
            hash = hash.wrapping_add(half(tail));
            hash ^= hash << 16;
            hash ^= u32::from(*last) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        tail @ [_, _] => {
            hash = hash.wrapping_add(half(tail));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        // The only byte is taken as a signed one.
        [last] => {
            hash = hash.wrapping_add(*last as i8 as u32);
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}
