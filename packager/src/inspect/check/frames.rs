//! Compressed streams that this program reads and the kernel does not.

use codec::Format;

use super::codes;
use crate::finding::Report;
use crate::inspect::Segment;

/// The largest window of the kernel's zstd decoder for an initramfs (`lib/decompress_unzstd.c`), as measured: 128 MiB.
const LARGEST_WINDOW: u64 = 128 << 20;

/// `bytes` begin with the segment.
pub(super) fn check(bytes: &[u8], segment: &Segment<'_>, report: &mut Report) {
    let offset = segment.offset;
    match segment.format {
        Some(Format::Lz4Frame) => {
            report.find(
                &codes::LZ4_FRAME,
                format_args!("the archive at offset {offset}"),
            );
        }
        Some(Format::Xz) => {
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
        }
        Some(Format::Zstd) => {
            check_window(bytes, offset, report);
        }
        _ => {}
    }
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
