//! Which archives a kernel can unpack, where its configuration is not known: told by the words that each of its
//! decompressors has for damage (`lib/decompress_*.c` in the kernel's source). They are in the kernel only with the code.

use codec::Format;
use memchr::memmem;

/// What the code for a format has, since Linux 3.9 or since there is such code. The words of the others have changed.
const WORDS: [(Format, &[u8]); 5] = [
    (Format::Gzip, b"Not a gzip file"),
    (Format::Xz, b"XZ-compressed data is corrupt"),
    (Format::Zstd, b"ZSTD-compressed data is corrupt"),
    (Format::Lz4Legacy, b"Decoding failed"),
    (Format::Bzip2, b"Data integrity error when decompressing."),
];

/// A kernel without its compression.
#[derive(Debug)]
pub struct Unpacked(Vec<u8>);

impl Unpacked {
    /// Unpacks a kernel's image; `None` where it is packed in an unknown way.
    pub fn new(image: &[u8]) -> Option<Self> {
        let out = super::bzimage::unpacked(image)?;
        // A kernel of another kind than is known here has none of the words.
        let known = WORDS.iter().any(|(_, words)| has(&out, words));
        known.then_some(Self(out))
    }

    /// Whether the kernel can unpack an archive of this format; `None` where that cannot be told.
    pub fn unpacks(&self, format: Format) -> Option<bool> {
        let (_, words) = WORDS.iter().find(|(known, _)| *known == format)?;
        Some(has(&self.0, words))
    }
}

fn has(bytes: &[u8], words: &[u8]) -> bool {
    memmem::find(bytes, words).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image whose kernel has these words.
    fn image(text: &[u8]) -> Vec<u8> {
        let payload = codec::encode(text, Format::Gzip, None).unwrap();
        let mut image = vec![0; 0x400];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend(payload);
        image
    }

    #[test]
    fn a_decompressor_is_known_by_its_words() {
        let kernel = Unpacked::new(&image(b"\0Not a gzip file\0Decoding failed\0")).unwrap();
        assert_eq!(kernel.unpacks(Format::Gzip), Some(true));
        assert_eq!(kernel.unpacks(Format::Zstd), Some(false));
        assert_eq!(kernel.unpacks(Format::Bzip2), Some(false));
        assert_eq!(kernel.unpacks(Format::Lz4Frame), None);
    }

    #[test]
    fn of_what_is_not_known_nothing_is_said() {
        assert!(Unpacked::new(b"").is_none());
        assert!(Unpacked::new(&image(b"something else")).is_none());
        let mut cut = image(b"\0Not a gzip file\0");
        cut.truncate(0x410);
        assert!(Unpacked::new(&cut).is_none());
    }
}
