//! The kernel's boot configuration, which may stand behind an image's archives
//! (`Documentation/admin-guide/bootconfig.rst`).
//!
//! It is the text with NULs behind it, its length and the sum of its bytes (`u32`, little-endian), and a line of magic. A boot
//! loader may put up to 3 bytes behind that. The kernel takes it away before it unpacks (`get_boot_config_from_initrd` in
//! `init/main.c`).

use std::ops::Range;

/// What stands at the end.
const MAGIC: &[u8] = b"#BOOTCONFIG\n";

/// How many bytes a boot loader puts behind it at most.
const PADDING: usize = 3;

/// Where the text of an image's boot configuration stands, with its NULs, if it has one; what is in front of it is unpacked.
pub fn boot_configuration(image: &[u8]) -> Option<Range<usize>> {
    let rest = (0..=PADDING).find_map(|padding| {
        let whole = image.get(..image.len().checked_sub(padding)?)?;
        whole.strip_suffix(MAGIC)
    })?;
    let (rest, sum) = rest.split_last_chunk::<4>()?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let start = rest
        .len()
        .checked_sub(u32::from_le_bytes(*length) as usize)?;
    let found = rest[start..]
        .iter()
        .fold(0u32, |sum, &byte| sum.wrapping_add(byte.into()));
    (found == u32::from_le_bytes(*sum)).then_some(start..rest.len())
}

/// An image without its boot configuration.
pub(super) fn without_configuration(image: &[u8]) -> &[u8] {
    boot_configuration(image).map_or(image, |place| &image[..place.start])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_by_its_end_its_length_and_its_sum() {
        let text = b"kernel.quiet\0\0\0\0";
        let sum: u32 = text.iter().map(|&byte| u32::from(byte)).sum();
        let image = |length: u32, sum: u32, padding: &[u8]| {
            let (length, sum) = (length.to_le_bytes(), sum.to_le_bytes());
            [b"archive", &text[..], &length, &sum, MAGIC, padding].concat()
        };
        for padding in [&b""[..], b"\0", b"\0\0\0"] {
            let image = image(16, sum, padding);
            assert_eq!(boot_configuration(&image), Some(7..23), "{padding:?}");
            assert_eq!(without_configuration(&image), b"archive");
        }
        for image in [
            image(16, sum + 1, b""),
            image(24, sum, b""),
            image(16, sum, b"\0\0\0\0"),
            MAGIC.to_vec(),
            Vec::new(),
        ] {
            assert_eq!(boot_configuration(&image), None);
            assert_eq!(without_configuration(&image), image);
        }
    }
}
