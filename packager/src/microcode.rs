//! Microcode: an uncompressed archive before all others, from which the kernel updates the processors at its very start.
//!
//! `Documentation/arch/x86/microcode.rst` of the kernel's source: `kernel/x86/microcode/GenuineIntel.bin` and
//! `AuthenticAMD.bin` hold the vendors' files one behind the other, whatever processors they are for. Distributions keep
//! these files in the firmware folders `intel-ucode` and `amd-ucode`.

use std::path::{Path, PathBuf};

use codec::file::ReadError;

use crate::cpio::{Attributes, Kind, Options, WriteError, Writer};

/// Intel's largest file has some MB.
const LIMIT: u64 = 256 << 20;

/// Where firmware is below a root.
const PLACES: [&str; 2] = ["lib/firmware", "usr/lib/firmware"];

/// The vendors: their folder, their file in the archive, and how a file of theirs begins.
///
/// Intel: header version 1 (`struct microcode_header_intel`); AMD: `UCODE_MAGIC` (`arch/x86/kernel/cpu/microcode/amd.c`).
const VENDORS: [(&str, &str, [u8; 4]); 2] = [
    ("amd-ucode", "AuthenticAMD.bin", *b"DMA\0"),
    ("intel-ucode", "GenuineIntel.bin", [1, 0, 0, 0]),
];

/// Where the kernel looks.
const FOLDER: &str = "kernel/x86/microcode";

/// The archive, and what it was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Microcode {
    /// An uncompressed archive, which begins the image.
    pub archive: Vec<u8>,
    /// The vendors' files that are in it.
    pub inputs: Vec<PathBuf>,
}

/// Why there is no such archive.
#[derive(Debug, thiserror::Error)]
pub enum MicrocodeError {
    /// No vendor's file below the root.
    #[error("there is no microcode below `{}` (looked in {} for amd-ucode and intel-ucode); install the packages amd64-microcode and intel-microcode, or take `microcode` off", root.display(), PLACES.join(", "))]
    None {
        /// The root.
        root: PathBuf,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is larger than the archive can hold.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Joins all microcode below `root`; compressed files are decompressed, and what is no microcode (a licence, a signature) is
/// left out.
///
/// # Errors
/// See [`MicrocodeError`].
pub fn collect(root: &Path, options: Options) -> Result<Microcode, MicrocodeError> {
    let mut found = Microcode::default();
    let mut writer = Writer::new(options);
    let mut folder = String::new();
    for part in FOLDER.split('/') {
        folder.push_str(part);
        writer.entry(
            folder.as_bytes(),
            Attributes::of_root(Kind::Directory, 0o755),
            b"",
        )?;
        folder.push('/');
    }
    for (vendor, name, magic) in VENDORS {
        let mut joined = Vec::new();
        for file in files(root, vendor) {
            let bytes = codec::file::read_decoded(&file, LIMIT)?;
            if bytes.starts_with(&magic) {
                joined.extend_from_slice(&bytes);
                found.inputs.push(file);
            }
        }
        if !joined.is_empty() {
            let path = format!("{FOLDER}/{name}");
            writer.entry(
                path.as_bytes(),
                Attributes::of_root(Kind::File, 0o644),
                &joined,
            )?;
        }
    }
    if found.inputs.is_empty() {
        let root = root.to_path_buf();
        return Err(MicrocodeError::None { root });
    }
    found.archive = writer.finish();
    Ok(found)
}

/// The regular files of a vendor's folder, in the order of their names; of the first place that has the folder.
fn files(root: &Path, vendor: &str) -> Vec<PathBuf> {
    let folders = PLACES.iter().map(|place| root.join(place).join(vendor));
    let Some(entries) = folders.into_iter().find_map(|it| it.read_dir().ok()) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn vendors_files_are_joined_in_order() {
        let root = tempfile::tempdir().unwrap();
        let intel = root.path().join("lib/firmware/intel-ucode");
        fs::create_dir_all(&intel).unwrap();
        let second = codec::encode(b"\x01\0\0\0second", codec::Format::Zstd, None).unwrap();
        fs::write(intel.join("06-02-00.zst"), second).unwrap();
        fs::write(intel.join("06-01-00"), b"\x01\0\0\0first").unwrap();
        fs::write(intel.join("LICENSE"), b"text").unwrap();
        let amd = root.path().join("usr/lib/firmware/amd-ucode");
        fs::create_dir_all(&amd).unwrap();
        fs::write(amd.join("microcode_amd.bin"), b"DMA\0amd").unwrap();
        let found = collect(root.path(), Options::default()).unwrap();
        let entries: Vec<_> = crate::cpio::entries(&found.archive)
            .map(|entry| entry.unwrap())
            .map(|entry| (String::from_utf8_lossy(entry.name).into_owned(), entry.data))
            .collect();
        assert_eq!(entries.len(), 5);
        assert_eq!(entries[3].0, "kernel/x86/microcode/AuthenticAMD.bin");
        assert_eq!(entries[3].1, b"DMA\0amd");
        assert_eq!(entries[4].0, "kernel/x86/microcode/GenuineIntel.bin");
        assert_eq!(entries[4].1, b"\x01\0\0\0first\x01\0\0\0second");
        assert_eq!(found.inputs.len(), 3);
    }

    #[test]
    fn none_is_told() {
        let root = tempfile::tempdir().unwrap();
        let error = collect(root.path(), Options::default()).unwrap_err();
        assert!(error.to_string().contains("amd64-microcode"), "{error}");
    }
}
