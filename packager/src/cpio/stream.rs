//! The reader of archives that are not in memory: what comes out of a decoder is looked at and forgotten.

use std::io::{self, BufRead, BufReader, Read};

use super::read::{Header, name};
use super::{Entry, FIRST, HEADER, NAME_MAX, Problem, ReadError};

/// What archives are read from.
pub(crate) trait Source: BufRead {
    /// Goes past as many as `length` bytes, and gives how many: none only at the end.
    fn leap(&mut self, length: usize) -> io::Result<usize> {
        let there = self.fill_buf()?.len().min(length);
        self.consume(there);
        Ok(there)
    }
}

/// What comes out of a decoder must be decoded to go past it.
impl<R: Read> Source for BufReader<R> {}

/// The archives of a stream, one behind the other, with NULs between them.
pub(crate) struct Stream<S> {
    source: S,
    /// How many bytes have been read.
    offset: usize,
    /// Where the archive begins that is being read.
    start: usize,
    name: Vec<u8>,
    target: Vec<u8>,
    /// Whether the last header was the trailer's.
    has_trailer: bool,
}

/// Why there are no more entries.
pub(crate) enum Stop {
    /// The archive is damaged.
    Damage(ReadError),
    /// The stream cannot be read.
    Source(io::Error),
}

/// An entry, with a symbolic link's target but without a file's bytes; and how many these are.
pub(crate) type Skimmed<'a> = (Entry<'a>, usize);

/// Why a step failed.
enum Failed {
    Damage(Problem),
    Source(io::Error),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Damage(problem)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Source(error)
    }
}

impl<S: Source> Stream<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            offset: 0,
            start: 0,
            name: Vec::new(),
            target: Vec::new(),
            has_trailer: false,
        }
    }

    /// Whether a trailer was the last that has been read.
    pub(crate) fn has_trailer(&self) -> bool {
        self.has_trailer
    }

    /// How many bytes have been read so far.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn into_source(self) -> S {
        self.source
    }

    /// The next entry; `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> Result<Option<Skimmed<'_>>, Stop> {
        loop {
            if !self.is_over()? {
                if let Some(header) = self.header()? {
                    return Ok(Some(self.skimmed(&header)));
                }
                self.skip_zeros().map_err(Stop::Source)?;
            }
            // Behind the end of an archive may stand another one.
            self.start = self.offset;
            if self.is_at_end().map_err(Stop::Source)? {
                return Ok(None);
            }
        }
    }

    /// The next entry; `None` at the end of its archive.
    pub(crate) fn next_of_archive(&mut self) -> Result<Option<Skimmed<'_>>, Stop> {
        if self.is_over()? {
            return Ok(None);
        }
        let header = self.header()?;
        Ok(header.map(|header| self.skimmed(&header)))
    }

    /// Whether an archive without a trailer ends here: with its bytes, or with what can be no header, but may be a compressed
    /// archive. Skips zeros between two entries, as the kernel does (`do_reset` in `init/initramfs.c`).
    fn is_over(&mut self) -> Result<bool, Stop> {
        if self.offset == self.start {
            return Ok(false);
        }
        self.skip_zeros().map_err(Stop::Source)?;
        let next = self.source.fill_buf().map_err(Stop::Source)?.first();
        Ok(next != Some(&FIRST))
    }

    /// Reads past an entry; `None` where it is the trailer.
    fn header(&mut self) -> Result<Option<Header>, Stop> {
        let offset = self.offset;
        let header = self.step().map_err(|failed| match failed {
            Failed::Damage(problem) => Stop::Damage(ReadError { offset, problem }),
            Failed::Source(error) => Stop::Source(error),
        })?;
        self.has_trailer = header.is_none();
        Ok(header)
    }

    /// The entry that has been read past.
    fn skimmed(&self, header: &Header) -> Skimmed<'_> {
        let name = name(&self.name).ok().flatten().unwrap_or_default();
        let entry = header.entry(name, &self.target);
        let length = match header.is_symlink() && header.length <= NAME_MAX {
            true => entry.data.len(),
            false => header.length,
        };
        (entry, length)
    }

    fn step(&mut self) -> Result<Option<Header>, Failed> {
        // Names and data are padded: only zeros lead to such a place.
        if !(self.offset - self.start).is_multiple_of(4) {
            return Err(Problem::Padding.into());
        }
        let mut bytes = [0; HEADER];
        self.fill(&mut bytes)?;
        let header = Header::parse(&bytes)?;
        let mut padded = std::mem::take(&mut self.name);
        padded.clear();
        if header.has_name() {
            padded.resize(header.name_length, 0);
            self.fill(&mut padded)?;
        } else {
            self.skip(header.name_length)?;
        }
        self.name = padded;
        self.align()?;
        if header.has_name() && name(&self.name)?.is_none() {
            return Ok(None);
        }
        self.target.clear();
        // The kernel takes no longer target.
        let kept = header.length.min(NAME_MAX);
        if header.is_symlink() {
            let mut target = vec![0; kept];
            self.fill(&mut target)?;
            self.target = target;
        }
        self.skip(header.length - self.target.len())?;
        self.align()?;
        Ok(Some(header))
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), Failed> {
        while !buffer.is_empty() {
            let there = self.source.fill_buf()?;
            let length = there.len().min(buffer.len());
            if length == 0 {
                return Err(Problem::Truncated.into());
            }
            let (head, rest) = buffer.split_at_mut(length);
            head.copy_from_slice(&there[..length]);
            buffer = rest;
            self.source.consume(length);
            self.offset += length;
        }
        Ok(())
    }

    /// Skips to a multiple of 4 bytes of the archive; the end of the stream is as good.
    fn align(&mut self) -> Result<(), Failed> {
        let length = self.offset - self.start;
        for _ in length..length.next_multiple_of(4) {
            if !self.is_at_end()? {
                self.skip(1)?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, mut length: usize) -> Result<(), Failed> {
        while length > 0 {
            let there = self.source.leap(length)?;
            if there == 0 {
                return Err(Problem::Truncated.into());
            }
            self.offset += there;
            length -= there;
        }
        Ok(())
    }

    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let there = self.source.fill_buf()?;
            let zeros = there.iter().take_while(|&&byte| byte == 0).count();
            let is_all = zeros == there.len();
            self.source.consume(zeros);
            self.offset += zeros;
            if zeros == 0 || !is_all {
                return Ok(());
            }
        }
    }

    fn is_at_end(&mut self) -> io::Result<bool> {
        self.source.fill_buf().map(<[u8]>::is_empty)
    }
}
