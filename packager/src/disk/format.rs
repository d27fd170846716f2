//! In which format a file holds a disk, told by its first bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A format of disk images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageFormat {
    /// Byte for byte as on the disk.
    #[default]
    Raw,
    /// ISO 9660: a CD, which may be a disk as well.
    Iso,
    /// QEMU's.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// VirtualBox's.
    Vdi,
}

/// Where a file has which bytes: the boot signature, `doc/interop/qcow2.rst` of QEMU, VMware's "Virtual Disk Format 5.0" (a
/// sparse extent), VirtualBox's `VDICore.h`, and ECMA-119, section 8.1.2. An ISO comes before the boot signature, which a
/// hybrid one has as well.
const SIGNATURES: [(ImageFormat, u64, &[u8]); 5] = [
    (ImageFormat::Qcow2, 0, b"QFI\xfb"),
    (ImageFormat::Vmdk, 0, b"KDMV"),
    (ImageFormat::Vdi, 0x40, b"\x7f\x10\xda\xbe"),
    (ImageFormat::Iso, 0x8001, b"CD001"),
    (ImageFormat::Raw, 510, b"\x55\xaa"),
];

/// What an archive begins with. One has the boot signature only by chance.
const ARCHIVE: &[u8] = b"07070";

impl ImageFormat {
    /// The name that qemu-img and QEMU know; an ISO is a raw one.
    pub fn name(self) -> &'static str {
        match self {
            ImageFormat::Raw | ImageFormat::Iso => "raw",
            ImageFormat::Qcow2 => "qcow2",
            ImageFormat::Vmdk => "vmdk",
            ImageFormat::Vdi => "vdi",
        }
    }

    /// Whether the file has the disk's bytes as they are.
    pub fn is_plain(self) -> bool {
        matches!(self, ImageFormat::Raw | ImageFormat::Iso)
    }

    /// The format of a file; `None` for what is no disk image, for example an initramfs.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn detect(file: &File) -> io::Result<Option<Self>> {
        if has(file, 0, ARCHIVE)? {
            return Ok(None);
        }
        for (format, offset, signature) in SIGNATURES {
            if has(file, offset, signature)? {
                return Ok(Some(format));
            }
        }
        Ok(None)
    }
}

fn has(file: &File, offset: u64, signature: &[u8]) -> io::Result<bool> {
    let mut bytes = vec![0; signature.len()];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes == signature),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_by_its_signature() {
        for (format, offset, signature) in SIGNATURES {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(signature, offset).unwrap();
            assert_eq!(ImageFormat::detect(&file).unwrap(), Some(format));
        }
    }

    #[test]
    fn what_is_short_or_an_archive_is_none() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(ImageFormat::detect(&file).unwrap(), None);
        file.write_all_at(b"\x55\xaa", 510).unwrap();
        file.write_all_at(b"070701", 0).unwrap();
        assert_eq!(ImageFormat::detect(&file).unwrap(), None);
    }
}
