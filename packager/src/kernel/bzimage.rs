//! The boot header of an x86 kernel image, as `Documentation/arch/x86/boot.rst` of the kernel's source gives it.

use std::io::{self, Read, Seek, SeekFrom};

use super::UNPACKED_LIMIT;

/// `HdrS`, at offset 0x202, says that the header is there.
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");

/// Offset of a `u16`: where the version's text stands, less 0x200.
const VERSION_POINTER: usize = 0x20e;

/// Offset of a `u32`: units of 16 bytes of the code behind the real-mode code (boot protocol 2.04, Linux 2.6.14).
const SYSTEM_SIZE: usize = 0x1f4;

/// Sectors of the real-mode code behind the first one; and where the compressed kernel begins behind that code, and its length.
const SETUP_SECTORS: usize = 0x1f1;
const PAYLOAD: [usize; 2] = [0x248, 0x24c];

/// The version is the text's first word; a longer one is damage.
const VERSION_MAX: usize = 128;

/// The kernel's version (`uname -r`), or `None` where this is no such image.
pub(super) fn version(image: &[u8]) -> Option<String> {
    first_word(image.get(version_start(image)?..)?)
}

/// As [`version`], of a file of which only the places that count are read.
pub(super) fn version_in(image: &mut (impl Read + Seek)) -> io::Result<Option<String>> {
    let head = part(image, 0, VERSION_POINTER + 2)?;
    let Some(start) = version_start(&head) else {
        return Ok(None);
    };
    Ok(first_word(&part(image, start, VERSION_MAX)?))
}

fn part(file: &mut (impl Read + Seek), start: usize, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    file.seek(SeekFrom::Start(start as u64))?;
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn version_start(image: &[u8]) -> Option<usize> {
    if !image.get(MAGIC.0..)?.starts_with(MAGIC.1) {
        return None;
    }
    let pointer = image.get(VERSION_POINTER..)?.first_chunk::<2>()?;
    Some(usize::from(u16::from_le_bytes(*pointer)) + 0x200)
}

fn first_word(text: &[u8]) -> Option<String> {
    let end = text
        .iter()
        .take(VERSION_MAX)
        .position(|byte| matches!(byte, b' ' | 0))?;
    let version = std::str::from_utf8(&text[..end]).ok()?;
    (!version.is_empty()).then(|| version.to_owned())
}

/// The kernel without its compression; `None` where it is packed in an unknown way.
pub(super) fn unpacked(image: &[u8]) -> Option<Vec<u8>> {
    let mut kernel = Vec::new();
    // The size behind the stream is the image's affair.
    codec::Member::new(payload(image)?)?
        .read_into(&mut kernel, UNPACKED_LIMIT)
        .ok()?;
    Some(kernel)
}

/// The compressed kernel (boot protocol 2.08, Linux 2.6.26).
fn payload(image: &[u8]) -> Option<&[u8]> {
    if !image.get(MAGIC.0..)?.starts_with(MAGIC.1) {
        return None;
    }
    let [offset, length] = PAYLOAD.map(|place| {
        let field = image.get(place..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*field)).ok()
    });
    let start = usize::try_from(code_start(image)?).ok()?;
    let start = start.checked_add(offset?)?;
    image.get(start..)?.get(..length?)
}

/// How many bytes the image has at least; a signature may follow. `None` where this is no such image.
pub(super) fn length(image: &[u8]) -> Option<u64> {
    if !image.get(MAGIC.0..)?.starts_with(MAGIC.1) {
        return None;
    }
    let units = u32::from_le_bytes(*image.get(SYSTEM_SIZE..)?.first_chunk()?);
    Some(code_start(image)? + u64::from(units) * 16)
}

/// Where the real-mode code ends. 0 sectors mean 4, as in the oldest images.
fn code_start(image: &[u8]) -> Option<u64> {
    let sectors = match *image.get(SETUP_SECTORS)? {
        0 => 4,
        sectors => u64::from(sectors),
    };
    Some((sectors + 1) * 512)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{length, version, version_in};

    fn image(text: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100u16.to_le_bytes());
        image[0x300..0x300 + text.len()].copy_from_slice(text);
        image
    }

    #[test]
    fn the_version_is_the_first_word() {
        let image = image(b"6.1.0-56-amd64 (builder@example) #1 SMP\0");
        assert_eq!(version(&image).as_deref(), Some("6.1.0-56-amd64"));
        for length in 0..image.len() {
            let cut = &image[..length];
            let read = version_in(&mut Cursor::new(cut)).unwrap();
            assert_eq!(read, version(cut), "{length} bytes");
        }
    }

    #[test]
    fn the_length_is_that_of_both_parts() {
        let mut image = image(b"");
        image[0x1f1] = 3;
        image[0x1f4..0x1f8].copy_from_slice(&0x10_0001_u32.to_le_bytes());
        assert_eq!(length(&image), Some(4 * 512 + (16 << 20) + 16));
        image[0x1f1] = 0;
        assert_eq!(length(&image), Some(5 * 512 + (16 << 20) + 16));
        assert_eq!(length(&[0; 0x400]), None);
    }

    #[test]
    fn other_files_have_none() {
        assert_eq!(version(b""), None);
        assert_eq!(version(&[0; 0x400]), None);
        assert_eq!(version(&image(b"")), None);
        let mut beyond = image(b"6.1");
        beyond[0x20e..0x210].copy_from_slice(&0xffffu16.to_le_bytes());
        assert_eq!(version(&beyond), None);
        assert_eq!(version(&image(&[b'x'; 0x100])), None);
    }
}
