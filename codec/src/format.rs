//! The formats and the magic bytes that tell them apart.

use std::fmt;

/// A compressed format that the Linux kernel or the kbd and kmod tools read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 1952, magic `1f 8b`.
    Gzip,
    /// The .xz container, magic `fd 37 7a 58 5a 00`.
    Xz,
    /// RFC 8878, magic `28 b5 2f fd`.
    Zstd,
    /// bzip2, magic `BZh`.
    Bzip2,
    /// The lz4 frame format, magic `04 22 4d 18`. The kernel cannot read it as an initramfs.
    Lz4Frame,
    /// The legacy lz4 container (`lz4 -l`), magic `02 21 4c 18`: the one that the kernel reads.
    Lz4Legacy,
    /// The .lzma file of before xz, magic `5d 00 00`: the usual properties, and a dictionary of whole 64 KiB.
    Lzma,
    /// The container of `lzop`, magic `89 4c 5a 4f 00 0d 0a 1a 0a`.
    Lzo,
}

impl Format {
    /// Every format, in the order in which magic bytes are compared.
    pub const ALL: [Format; 8] = [
        Format::Gzip,
        Format::Xz,
        Format::Zstd,
        Format::Bzip2,
        Format::Lz4Frame,
        Format::Lz4Legacy,
        Format::Lzma,
        Format::Lzo,
    ];

    /// The bytes that every stream of this format begins with.
    pub const fn magic(self) -> &'static [u8] {
        match self {
            Format::Gzip => &[0x1f, 0x8b],
            Format::Xz => &[0xfd, b'7', b'z', b'X', b'Z', 0],
            Format::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
            Format::Bzip2 => b"BZh",
            Format::Lz4Frame => &[0x04, 0x22, 0x4d, 0x18],
            Format::Lz4Legacy => &[0x02, 0x21, 0x4c, 0x18],
            Format::Lzma => &[0x5d, 0, 0],
            Format::Lzo => b"\x89LZO\0\r\n\x1a\n",
        }
    }

    /// The name that users know: `gzip`, `xz`, `zstd`, `bzip2`, `lz4` (frame), `lz4-legacy`, `lzma` or `lzo`.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Gzip => "gzip",
            Format::Xz => "xz",
            Format::Zstd => "zstd",
            Format::Bzip2 => "bzip2",
            Format::Lz4Frame => "lz4",
            Format::Lz4Legacy => "lz4-legacy",
            Format::Lzma => "lzma",
            Format::Lzo => "lzo",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The format that `bytes` begin with, or `None` where they are not compressed in a known way.
pub fn detect(bytes: &[u8]) -> Option<Format> {
    Format::ALL
        .into_iter()
        .find(|format| bytes.starts_with(format.magic()))
}
