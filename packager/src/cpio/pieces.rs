//! An archive in pieces: the headers in memory, the files' data where it is.
//!
//! Most of an image is modules and programs that lie mapped in the page cache. In pieces they go into the compressor, or by one
//! system call into the output, without a copy.

use std::io::{self, IoSlice, Write};

use super::{Attributes, Options, WriteError, Writer};

/// Data of a page and more stays where it is. What is shorter is cheaper to copy than to keep an account of.
const APART: usize = 4096;

/// As [`Writer`], without copies of the data, which is whatever stands for bytes.
///
/// ```
/// use packager::cpio::{Attributes, Kind, Options, PieceWriter, Writer};
///
/// let (data, file) = (vec![7; 10_000], Attributes::of_root(Kind::File, 0o644));
/// let mut pieces = PieceWriter::new(Options::default());
/// pieces.entry(b"seven", file, &data)?;
/// let mut whole = Writer::new(Options::default());
/// whole.entry(b"seven", file, &data)?;
/// assert_eq!(pieces.finish().pieces().concat(), whole.finish());
/// # Ok::<(), packager::cpio::WriteError>(())
/// ```
#[derive(Debug)]
pub struct PieceWriter<D> {
    writer: Writer,
    data: Vec<D>,
}

impl<D: AsRef<[u8]>> PieceWriter<D> {
    /// An empty archive.
    pub fn new(options: Options) -> Self {
        Self {
            writer: Writer::leaving_out(options, APART),
            data: Vec::new(),
        }
    }

    /// See [`Writer::entry`].
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn entry(
        &mut self,
        name: &[u8],
        attributes: Attributes,
        data: D,
    ) -> Result<(), WriteError> {
        self.writer.entry(name, attributes, data.as_ref())?;
        self.keep(data);
        Ok(())
    }

    /// See [`Writer::hard_links`].
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn hard_links(
        &mut self,
        names: &[&[u8]],
        attributes: Attributes,
        data: D,
    ) -> Result<(), WriteError> {
        self.writer.hard_links(names, attributes, data.as_ref())?;
        self.keep(data);
        Ok(())
    }

    /// Ends the archive.
    pub fn finish(self) -> Archive<D> {
        let (headers, gaps) = self.writer.finish_with_gaps();
        Archive {
            headers,
            data: gaps.into_iter().zip(self.data).collect(),
        }
    }

    fn keep(&mut self, data: D) {
        if data.as_ref().len() >= APART {
            self.data.push(data);
        }
    }
}

/// An archive in pieces.
#[derive(Clone, Debug)]
pub struct Archive<D> {
    /// Headers, names, short data and padding.
    headers: Vec<u8>,
    /// What belongs at these offsets of `headers`, in ascending order.
    data: Vec<(usize, D)>,
}

/// A part of an archive.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'archive, D> {
    /// Headers, names, short data and padding.
    Headers(&'archive [u8]),
    /// The data of a file.
    Data(&'archive D),
}

impl<D: AsRef<[u8]>> Archive<D> {
    /// The pieces, in their order.
    pub fn parts(&self) -> Vec<Piece<'_, D>> {
        let mut parts = Vec::with_capacity(2 * self.data.len() + 1);
        let mut start = 0;
        for (end, data) in &self.data {
            parts.push(Piece::Headers(&self.headers[start..*end]));
            parts.push(Piece::Data(data));
            start = *end;
        }
        parts.push(Piece::Headers(&self.headers[start..]));
        parts
    }

    /// The bytes of the pieces.
    pub fn pieces(&self) -> Vec<&[u8]> {
        let bytes = self.parts().into_iter().map(|part| match part {
            Piece::Headers(headers) => headers,
            Piece::Data(data) => data.as_ref(),
        });
        bytes.collect()
    }

    /// The length of the archive, in bytes.
    pub fn length(&self) -> usize {
        let data = self.data.iter().map(|(_, data)| data.as_ref().len());
        self.headers.len() + data.sum::<usize>()
    }
}

/// Writes pieces one after another, as many at a time as the system takes.
pub(crate) fn write_all(mut out: impl Write, pieces: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = &mut slices[..];
    // Empty ones in front would look like a target that takes nothing.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match out.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as much as it wants, and is interrupted every other time.
    struct Slow {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(2) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = bytes.len().min(self.calls % 5);
            self.taken.extend_from_slice(&bytes[..length]);
            match length {
                0 => Err(io::ErrorKind::Interrupted.into()),
                length => Ok(length),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_pieces_arrive_in_their_order() {
        let pieces: [&[u8]; 6] = [b"", b"one, ", b"", b"two and ", b"three", b""];
        let mut slow = Slow {
            taken: Vec::new(),
            calls: 0,
        };
        write_all(&mut slow, &pieces).unwrap();
        assert_eq!(slow.taken, pieces.concat());
        assert!(
            write_all(&mut [0; 3][..], &pieces).is_err(),
            "a full target"
        );
        assert!(write_all(&mut [0; 0][..], &[b""]).is_ok());
    }
}
