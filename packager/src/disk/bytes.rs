//! Little-endian numbers at their places in a sector or a header; 0 where there are not so many bytes.

/// Two bytes.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    let chunk = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    chunk.map_or(0, |chunk| u16::from_le_bytes(*chunk))
}

/// Four bytes.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let chunk = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    chunk.map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// Eight bytes.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let chunk = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    chunk.map_or(0, |chunk| u64::from_le_bytes(*chunk))
}
