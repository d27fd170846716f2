//! Compressed streams that this program reads and the kernel does not.

use codec::Format;
use modtree::KernelConfig;

use super::codes;
use crate::finding::Report;
use crate::inspect::Segment;

/// The largest window of the kernel's zstd decoder for an initramfs (`lib/decompress_unzstd.c`), as measured: 128 MiB.
const LARGEST_WINDOW: u64 = 128 << 20;

/// Bits of a gzip header's fourth byte (RFC 1952, 2.3.1): the checksum, the field and the comment that the kernel does not pass over
/// (`lib/decompress_inflate.c`, which knows the file's name alone).
const GZIP_PARTS: [(u8, &str); 3] = [(2, "a checksum"), (4, "an extra field"), (16, "a comment")];

/// xz's filters by number (xz-file-format.txt, 5.3), with the options without which a kernel lacks them. The delta filter is in none.
const XZ_FILTERS: [(u64, &str, &str); 9] = [
    (3, "delta", ""),
    (4, "x86", "CONFIG_XZ_DEC_X86"),
    (5, "PowerPC", "CONFIG_XZ_DEC_POWERPC"),
    (6, "IA-64", "CONFIG_XZ_DEC_IA64"),
    (7, "ARM", "CONFIG_XZ_DEC_ARM"),
    (8, "ARM-Thumb", "CONFIG_XZ_DEC_ARMTHUMB"),
    (9, "SPARC", "CONFIG_XZ_DEC_SPARC"),
    (10, "ARM64", "CONFIG_XZ_DEC_ARM64"),
    (11, "RISC-V", "CONFIG_XZ_DEC_RISCV"),
];

/// `bytes` begin with the segment; the next one begins at `next` of the image.
pub(super) fn check(
    bytes: &[u8],
    segment: &Segment<'_>,
    next: Option<&Segment<'_>>,
    config: Option<&KernelConfig>,
    report: &mut Report,
) {
    let offset = segment.offset;
    match segment.format {
        Some(Format::Gzip) => {
            let flags = bytes.get(3).copied().unwrap_or_default();
            for (_, part) in GZIP_PARTS.iter().filter(|(bit, _)| flags & bit != 0) {
                report.find(
                    &codes::GZIP_HEADER,
                    format_args!("the archive at offset {offset} has {part} in its header"),
                );
            }
        }
        Some(Format::Lz4Frame) => report.find(
            &codes::LZ4_FRAME,
            format_args!("the archive at offset {offset}"),
        ),
        Some(Format::Lz4Legacy) => {
            if let Some(next) = next.filter(|next| !ends_before(segment, next)) {
                report.find(
                    &codes::LZ4_END,
                    format_args!("what begins at offset {}", next.offset),
                );
            }
        }
        Some(Format::Xz) => check_xz(bytes, offset, config, report),
        Some(Format::Zstd) => drop(check_window(bytes, offset, report)),
        _ => {}
    }
}

/// Whether the kernel sees that an lz4 stream ends before the next segment: by another stream's magic or by four zeros, where it looks
/// for the next block's length (`lib/decompress_unlz4.c`).
fn ends_before(segment: &Segment<'_>, next: &Segment<'_>) -> bool {
    let gap = next.offset - segment.offset - segment.length;
    gap >= 4 || gap == 0 && next.format == Some(Format::Lz4Legacy)
}

fn check_xz(bytes: &[u8], offset: usize, config: Option<&KernelConfig>, report: &mut Report) {
    if let Some(check) = xz_check(bytes).filter(|check| !matches!(check, 0 | 1)) {
        let name = match check {
            4 => "CRC64",
            10 => "SHA-256",
            _ => "an unknown check",
        };
        report.find(
            &codes::XZ_CHECK,
            format_args!("the archive at offset {offset} has {name}"),
        );
    }
    let is_lacking = |option: &str| {
        option.is_empty() || config.is_some_and(|config| config.get(option) != Some("y"))
    };
    for filter in xz_filters(bytes).unwrap_or_default() {
        let known = XZ_FILTERS.iter().find(|(number, _, _)| *number == filter);
        match known {
            Some((_, name, option)) if is_lacking(option) => report.find(
                &codes::XZ_FILTER,
                format_args!("the archive at offset {offset} has the filter {name}"),
            ),
            _ => {}
        }
    }
}

/// The numbers of the first block's filters (xz-file-format.txt, 3.1).
fn xz_filters(bytes: &[u8]) -> Option<Vec<u64>> {
    let header = bytes.get(12..)?;
    let flags = *header.get(1)?;
    let mut rest = header.get(2..)?;
    for size in [0x40, 0x80] {
        if flags & size != 0 {
            multibyte(&mut rest)?;
        }
    }
    let mut filters = Vec::new();
    for _ in 0..=flags & 3 {
        filters.push(multibyte(&mut rest)?);
        let properties = multibyte(&mut rest)?;
        rest = rest.get(usize::try_from(properties).ok()?..)?;
    }
    Some(filters)
}

/// An integer of xz: seven bits a byte, the lowest first (xz-file-format.txt, 1.2).
fn multibyte(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Whether `bytes`, which stand at `offset`, are a zstd frame with a window that is too large; if so, it is reported.
pub(super) fn check_window(bytes: &[u8], offset: usize, report: &mut Report) -> bool {
    let is_zstd = codec::detect(bytes) == Some(Format::Zstd);
    let window = is_zstd.then(|| zstd_window(bytes)).flatten();
    let Some(window) = window.filter(|window| *window > LARGEST_WINDOW) else {
        return false;
    };
    let window = window >> 20;
    report.find(
        &codes::ZSTD_WINDOW,
        format_args!("the archive at offset {offset} has a window of {window} MiB"),
    );
    true
}

/// The check's number: the low half of the second byte of the stream flags (xz-file-format.txt, 2.1.1.2).
fn xz_check(bytes: &[u8]) -> Option<u8> {
    Some(bytes.get(7)? & 0x0f)
}

/// The window that a zstd frame's header asks for, in bytes (RFC 8878, 3.1.1.1).
fn zstd_window(bytes: &[u8]) -> Option<u64> {
    let descriptor = *bytes.get(4)?;
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let window = *bytes.get(5)?;
        let base = 1u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The whole content is the window; its size stands behind the dictionary's number.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let field = bytes.get(5 + dictionary..5 + dictionary + length)?;
    let size = field
        .iter()
        .rev()
        .fold(0u64, |size, &byte| size << 8 | u64::from(byte));
    Some(if length == 2 { size + 256 } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_of_a_block_are_read() {
        let mut stream = vec![0; 12];
        // Two filters and a compressed size of two bytes: ARM without properties, LZMA2 with one.
        stream.extend([5, 0x41, 0x80, 1, 7, 0, 0x21, 1, 0x16]);
        assert_eq!(xz_filters(&stream), Some(vec![7, 0x21]));
        for length in 0..stream.len() - 1 {
            assert_eq!(xz_filters(&stream[..length]), None);
        }
        stream.truncate(14);
        stream.extend([0xff; 20]);
        assert_eq!(xz_filters(&stream), None);
    }

    #[test]
    fn the_window_of_a_frame_is_read() {
        // Window descriptor 0x88: exponent 17, mantissa 0.
        assert_eq!(
            zstd_window(&[0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x88]),
            Some(1 << 27)
        );
        assert_eq!(
            zstd_window(&[0x28, 0xb5, 0x2f, 0xfd, 0x04, 0xa8]),
            Some(1 << 31)
        );
        // Single segment, one byte of size.
        assert_eq!(zstd_window(&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 100]), Some(100));
        assert_eq!(zstd_window(&[0x28, 0xb5, 0x2f, 0xfd]), None);
    }
}
