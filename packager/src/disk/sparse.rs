//! An image as the few pieces of it that are not zero.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::fat::read::Medium;

/// A disk image in memory: its length, and the pieces that hold something. Everything else is zero.
///
/// ```
/// use packager::disk::SparseImage;
///
/// let mut image = SparseImage::new(1 << 40);
/// image.put(510, &[0x55, 0xaa][..]);
/// assert_eq!(image.read(509, 4), [0, 0x55, 0xaa, 0]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SparseImage<'a> {
    length: u64,
    pieces: Vec<(u64, Cow<'a, [u8]>)>,
}

impl<'a> SparseImage<'a> {
    /// An image of `length` bytes, all zero.
    pub fn new(length: u64) -> Self {
        Self {
            length,
            pieces: Vec::new(),
        }
    }

    /// The image's length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Puts bytes at an offset. What is put later lies over what was put before. The layout has reserved the place: bytes
    /// behind the image's end are cut off.
    pub fn put(&mut self, offset: u64, bytes: impl Into<Cow<'a, [u8]>>) {
        let mut bytes = bytes.into();
        let room = self.length.saturating_sub(offset);
        if (bytes.len() as u64) > room {
            bytes.to_mut().truncate(room as usize);
        }
        if !bytes.is_empty() {
            self.pieces.push((offset, bytes));
        }
    }

    /// Puts another image at an offset: its pieces. What is zero in it stays as it is here.
    pub fn put_image(&mut self, offset: u64, image: Self) {
        for (place, bytes) in image.pieces {
            self.put(offset + place, bytes);
        }
    }

    /// How many bytes the pieces hold: what is written to a file.
    pub fn stored(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.1.len() as u64).sum()
    }

    /// A part of the image. Bytes behind its end read as zero.
    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        let end = offset + length as u64;
        for (start, bytes) in &self.pieces {
            let from = offset.max(*start);
            let to = end.min(start + bytes.len() as u64);
            if from < to {
                out[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
            }
        }
        out
    }

    /// Writes the image to an empty file. What is zero stays a hole.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write_to(&self, file: &File) -> io::Result<()> {
        file.set_len(self.length)?;
        for (offset, bytes) in &self.pieces {
            file.write_all_at(bytes, *offset)?;
        }
        Ok(())
    }
}

impl Medium for SparseImage<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.copy_from_slice(&self.read(offset, buffer.len()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_pieces_lie_over_earlier_ones() {
        let mut image = SparseImage::new(8);
        image.put(0, &b"abcdefgh"[..]);
        image.put(2, &b"XY"[..]);
        image.put(7, &b"ZZ"[..]);
        assert_eq!(image.read(0, 10), b"abXYefgZ\0\0");
        assert_eq!(image.stored(), 11);
    }

    #[test]
    fn a_file_has_holes() {
        use std::os::unix::fs::MetadataExt;
        let mut image = SparseImage::new(1 << 30);
        image.put((1 << 30) - 2, &[0x55, 0xaa][..]);
        let file = tempfile::tempfile().unwrap();
        image.write_to(&file).unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.len(), 1 << 30);
        assert!(metadata.blocks() * 512 < 1 << 20);
    }
}
