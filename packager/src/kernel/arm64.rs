//! Kernel images of arm64: `Image`, as `Documentation/arch/arm64/booting.rst` of the kernel's source gives it, plain or
//! compressed as a whole, and inside an EFI program that unpacks itself (`drivers/firmware/efi/libstub/zboot-header.S`).
//!
//! The header has no version, but the kernel has: in the banner that it prints first.

use std::borrow::Cow;

use memchr::memmem;

use super::UNPACKED_LIMIT;

/// `ARM\x64`, at offset 0x38.
const MAGIC: (usize, &[u8]) = (0x38, b"ARM\x64");

/// `zimg`, at offset 4 of the EFI program; the compressed image's offset and length stand at 8 and 12.
const ZBOOT: (usize, &[u8]) = (4, b"zimg");

/// Before the version in the banner (`init/version-timestamp.c`).
const BANNER: &[u8] = b"Linux version ";

/// A longer version is damage.
const VERSION_MAX: usize = 128;

/// The kernel's version (`uname -r`), or `None` where this is no such image.
pub(super) fn version(image: &[u8]) -> Option<String> {
    banner(&unpacked(image)?)
}

/// The kernel without its compression, or `None` where this is no such image.
pub(super) fn unpacked(image: &[u8]) -> Option<Cow<'_, [u8]>> {
    let image = match codec::detect(image) {
        None => Cow::Borrowed(image),
        Some(_) => codec::decode(image, UNPACKED_LIMIT).ok()?,
    };
    if image.get(MAGIC.0..)?.starts_with(MAGIC.1) {
        return Some(image);
    }
    if !image.get(ZBOOT.0..)?.starts_with(ZBOOT.1) {
        return None;
    }
    let [offset, length] = [8, 12].map(|place| {
        let field = image.get(place..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*field)).ok()
    });
    let payload = image.get(offset?..)?.get(..length?)?;
    let mut kernel = Vec::new();
    codec::Member::new(payload)?
        .read_into(&mut kernel, UNPACKED_LIMIT)
        .ok()?;
    let is_arm64 = kernel.get(MAGIC.0..)?.starts_with(MAGIC.1);
    is_arm64.then_some(Cow::Owned(kernel))
}

/// The first banner with a version; the kernel has the words in formats, too.
fn banner(kernel: &[u8]) -> Option<String> {
    memmem::find_iter(kernel, BANNER).find_map(|at| {
        let text = kernel.get(at + BANNER.len()..)?;
        let end = text
            .iter()
            .take(VERSION_MAX)
            .position(|byte| *byte == b' ')?;
        let version = std::str::from_utf8(&text[..end]).ok()?;
        let begins_with_digit = version.starts_with(|first: char| first.is_ascii_digit());
        begins_with_digit.then(|| version.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use codec::Format;

    use super::*;

    fn image() -> Vec<u8> {
        let mut image = vec![0; 0x100];
        image[0x38..0x3c].copy_from_slice(b"ARM\x64");
        image.extend_from_slice(
            b"Linux version %s\0Linux version 6.1.0-56-arm64 (builder@example)\0",
        );
        image
    }

    #[test]
    fn the_version_is_in_the_banner() {
        assert_eq!(version(&image()).as_deref(), Some("6.1.0-56-arm64"));
        let packed = codec::encode(&image(), Format::Gzip, None).unwrap();
        assert_eq!(version(&packed).as_deref(), Some("6.1.0-56-arm64"));
    }

    #[test]
    fn a_program_that_unpacks_itself_is_unpacked() {
        let payload = codec::encode(&image(), Format::Zstd, None).unwrap();
        let mut program = b"MZ\0\0zimg".to_vec();
        program.extend_from_slice(&0x40u32.to_le_bytes());
        program.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        program.resize(0x40, 0);
        program.extend_from_slice(&payload);
        assert_eq!(version(&program).as_deref(), Some("6.1.0-56-arm64"));
        for length in 0..program.len() {
            assert_eq!(version(&program[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn other_files_have_none() {
        assert_eq!(version(b""), None);
        assert_eq!(version(&[0; 0x400]), None);
        assert_eq!(version(&image()[..0x100]), None);
    }
}
