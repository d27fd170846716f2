//! How an initramfs is compressed: by the output's suffix or by name, and whether the kernel can read it.

use std::path::Path;

use codec::{EncodeError, Format};
use modtree::KernelConfig;

/// A compressor and its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// `None` leaves the archive as it is.
    pub format: Option<Format>,
    /// The level, or the format's default.
    pub level: Option<i32>,
}

impl Default for Compression {
    /// gzip, which every kernel of the last twenty years reads.
    fn default() -> Self {
        Self {
            format: Some(Format::Gzip),
            level: None,
        }
    }
}

/// The suffixes of output files, the names for `--compress`, and the kernel's configuration option.
const KNOWN: [(&[&str], &str, Option<Format>, &str); 6] = [
    (&["igz", "gz"], "gzip", Some(Format::Gzip), "CONFIG_RD_GZIP"),
    (&["ixz", "xz"], "xz", Some(Format::Xz), "CONFIG_RD_XZ"),
    (
        &["izst", "zst"],
        "zstd",
        Some(Format::Zstd),
        "CONFIG_RD_ZSTD",
    ),
    (
        &["ilz4", "lz4"],
        "lz4",
        Some(Format::Lz4Legacy),
        "CONFIG_RD_LZ4",
    ),
    (
        &["ibz2", "bz2"],
        "bzip2",
        Some(Format::Bzip2),
        "CONFIG_RD_BZIP2",
    ),
    (&["cpio"], "none", None, "CONFIG_BLK_DEV_INITRD"),
];

impl Compression {
    /// The names that [`by_name`](Self::by_name) takes.
    pub const NAMES: [&'static str; 6] = ["gzip", "xz", "zstd", "lz4", "bzip2", "none"];

    /// What the suffix of the output file says: `.igz` gzip, `.ixz` xz, `.izst` zstd, `.ilz4` lz4, `.ibz2` bzip2, `.cpio` none;
    /// the compressors' own suffixes (`.gz` …) are known as well.
    pub fn by_suffix(output: &Path) -> Option<Option<Format>> {
        let suffix = output.extension()?.to_str()?;
        KNOWN
            .iter()
            .find(|known| known.0.contains(&suffix))
            .map(|known| known.2)
    }

    /// What a name says: one of [`NAMES`](Self::NAMES).
    pub fn by_name(name: &str) -> Option<Option<Format>> {
        KNOWN
            .iter()
            .find(|known| known.1 == name)
            .map(|known| known.2)
    }

    /// The option that a kernel's configuration must have for it to unpack this, for example `CONFIG_RD_GZIP`.
    pub fn kernel_option(&self) -> &'static str {
        match self.format {
            // Read only: there is nothing that they are better at.
            Some(Format::Lzma) => "CONFIG_RD_LZMA",
            Some(Format::Lzo) => "CONFIG_RD_LZO",
            format => KNOWN
                .iter()
                .find(|known| known.2 == format)
                .map_or("CONFIG_BLK_DEV_INITRD", |known| known.3),
        }
    }

    /// The option that a kernel's configuration lacks to unpack this; `None` where it can, or where its configuration is not
    /// known: then it is taken at its word.
    pub fn lacking(&self, config: Option<&KernelConfig>) -> Option<&'static str> {
        let option = self.kernel_option();
        (config?.get(option) != Some("y")).then_some(option)
    }

    /// The first that a kernel unpacks of zstd (smaller than gzip, and unpacked twice as fast), gzip, xz, lz4, bzip2 and none; gzip,
    /// which every kernel of the last twenty years reads, where its configuration is not known.
    pub fn best_for(config: Option<&KernelConfig>) -> Self {
        const BY_MERIT: [Option<Format>; 6] = [
            Some(Format::Zstd),
            Some(Format::Gzip),
            Some(Format::Xz),
            Some(Format::Lz4Legacy),
            Some(Format::Bzip2),
            None,
        ];
        let all = BY_MERIT.map(|format| Self {
            format,
            level: None,
        });
        let mut unpacked = all
            .into_iter()
            .filter(|it| config.is_some() && it.lacking(config).is_none());
        unpacked.next().unwrap_or_default()
    }

    /// What is wrong with the level, if it is none of the compressor's.
    ///
    /// ```
    /// use packager::compression::Compression;
    ///
    /// let plain = Compression { format: None, level: Some(3) };
    /// assert_eq!(plain.level_error().as_deref(), Some("what is not compressed has no level"));
    /// ```
    pub fn level_error(&self) -> Option<String> {
        match (self.format, self.level) {
            (None, Some(_)) => Some("what is not compressed has no level".to_owned()),
            (Some(format), level) => codec::check_level(format, level)
                .err()
                .map(|error| error.to_string()),
            (None, None) => None,
        }
    }

    /// The suffix of a file that is compressed so, without the dot: `igz`, for example.
    pub fn suffix(&self) -> &'static str {
        KNOWN
            .iter()
            .find(|known| known.2 == self.format)
            .map_or("igz", |known| known.0[0])
    }

    /// Compresses an archive.
    ///
    /// # Errors
    /// [`EncodeError`]: the level is not one of the format's.
    pub fn apply(&self, archive: Vec<u8>) -> Result<Vec<u8>, EncodeError> {
        match self.format {
            None => Ok(archive),
            Some(format) => codec::encode(&archive, format, self.level),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known() {
        for name in Compression::NAMES {
            assert!(Compression::by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_only_read_has_its_option() {
        for (format, option) in [
            (Some(Format::Lzma), "CONFIG_RD_LZMA"),
            (Some(Format::Lzo), "CONFIG_RD_LZO"),
            (Some(Format::Xz), "CONFIG_RD_XZ"),
            (None, "CONFIG_BLK_DEV_INITRD"),
        ] {
            let level = None;
            assert_eq!(Compression { format, level }.kernel_option(), option);
        }
    }

    #[test]
    fn the_suffix_decides() {
        let by = |path: &str| Compression::by_suffix(Path::new(path));
        assert_eq!(by("simple.igz"), Some(Some(Format::Gzip)));
        assert_eq!(by("/tmp/simple.ilz4"), Some(Some(Format::Lz4Legacy)));
        assert_eq!(by("simple.cpio"), Some(None));
        assert_eq!(by("simple.img"), None);
        assert_eq!(by("simple"), None);
    }
}
