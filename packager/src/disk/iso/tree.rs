//! The files of a CD, and where each of them lies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::name::Name;
use super::{BLOCK, Blocks};
use crate::disk::SparseImage;

/// Directories within directories, the root counted (ECMA-119, section 6.8.2.1).
const DEPTH_MAX: usize = 8;

/// Why there is no ISO.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IsoError {
    /// A name that a directory cannot hold.
    #[error("the name `{}` cannot be on an ISO: {reason}", name.escape_debug())]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// ISO 9660 has 32 bits for a file's size.
    #[error(
        "`{0}` is larger than 4 GiB, which a file of ISO 9660 cannot be; make a disk image with --format raw"
    )]
    TooLarge(String),
    /// Too many directories in one another.
    #[error("`{0}` lies deeper than the 8 directories that ISO 9660 allows")]
    TooDeep(String),
    /// A path is there twice, or one of its directories is a file.
    #[error("`{0}` is on the ISO already")]
    Duplicate(String),
    /// The path tables count directories in 16 bits.
    #[error("{0} directories are more than the 65535 that ISO 9660 allows")]
    Directories(usize),
}

/// The whole tree.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    pub(super) root: Folder,
    files: Vec<File<'a>>,
    /// How many directories there are, without the root.
    directories: usize,
}

/// A directory, by its names.
pub(super) type Folder = BTreeMap<Name, Node>;

#[derive(Debug)]
pub(super) enum Node {
    /// The number of a file.
    File(usize),
    Folder(Folder),
}

#[derive(Debug)]
struct File<'a> {
    path: String,
    place: Place,
    source: Source<'a>,
}

/// Where a file or directory lies.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) block: u32,
    pub(super) bytes: u32,
}

#[derive(Debug)]
enum Source<'a> {
    /// Bytes that are written here.
    Own(Cow<'a, [u8]>),
    /// Bytes of the FAT file system, from one of its blocks.
    Shared(u32),
}

impl<'a> Tree<'a> {
    /// Adds a file.
    pub(super) fn file(
        &mut self,
        path: &str,
        bytes: impl Into<Cow<'a, [u8]>>,
    ) -> Result<(), IsoError> {
        let bytes = bytes.into();
        let size = size(path, bytes.len() as u64)?;
        self.insert(path, size, Source::Own(bytes))
    }

    /// Adds a file that lies in the FAT file system, from its `block` on.
    pub(super) fn shared(&mut self, path: &str, block: u32, bytes: u32) -> Result<(), IsoError> {
        self.insert(path, bytes, Source::Shared(block))
    }

    fn insert(&mut self, path: &str, bytes: u32, source: Source<'a>) -> Result<(), IsoError> {
        let mut parts = path
            .split('/')
            .map(Name::new)
            .collect::<Result<Vec<_>, _>>()?;
        if parts.len() > DEPTH_MAX {
            return Err(IsoError::TooDeep(path.to_owned()));
        }
        let duplicate = || IsoError::Duplicate(path.to_owned());
        let name = parts.pop().ok_or_else(duplicate)?;
        let mut folder = &mut self.root;
        for part in parts {
            let node = folder.entry(part).or_insert_with(|| {
                self.directories += 1;
                Node::Folder(Folder::new())
            });
            folder = match node {
                Node::Folder(inner) => inner,
                Node::File(_) => return Err(duplicate()),
            };
        }
        if self.directories >= usize::from(u16::MAX) {
            return Err(IsoError::Directories(self.directories + 1));
        }
        if folder.insert(name, Node::File(self.files.len())).is_some() {
            return Err(duplicate());
        }
        let path = path.to_owned();
        let place = Place { block: 0, bytes };
        self.files.push(File {
            path,
            place,
            source,
        });
        Ok(())
    }

    /// Gives the files that have bytes of their own their blocks.
    pub(super) fn reserve(&mut self, blocks: &mut Blocks) {
        for file in &mut self.files {
            if matches!(file.source, Source::Own(_)) {
                file.place.block = blocks.take(file.place.bytes.into());
            }
        }
    }

    /// Says where the FAT file system begins.
    pub(super) fn reserve_shared(&mut self, start: u32) {
        for file in &mut self.files {
            if let Source::Shared(block) = file.source {
                file.place.block = start + block;
            }
        }
    }

    pub(super) fn place(&self, file: usize) -> Place {
        self.files
            .get(file)
            .map(|file| file.place)
            .unwrap_or_default()
    }

    /// Where a file lies.
    pub(super) fn find(&self, path: &str) -> Option<Place> {
        let mut files = self.files.iter();
        files.find(|file| file.path == path).map(|file| file.place)
    }

    /// Replaces the bytes of a file by as many others.
    pub(super) fn replace(&mut self, path: &str, bytes: Vec<u8>) {
        let file = self.files.iter_mut().find(|file| file.path == path);
        if let Some(file) = file.filter(|file| file.place.bytes as usize == bytes.len()) {
            file.source = Source::Own(Cow::Owned(bytes));
        }
    }

    /// Shows the files that have bytes of their own.
    pub(super) fn visit_own(&self, mut see: impl FnMut(&str, &[u8])) {
        for file in &self.files {
            if let Source::Own(bytes) = &file.source {
                see(&file.path, bytes);
            }
        }
    }

    /// Puts the files that have bytes of their own into their places.
    pub(super) fn write(self, image: &mut SparseImage<'a>) {
        for file in self.files {
            if let Source::Own(bytes) = file.source {
                image.put(u64::from(file.place.block) * BLOCK, bytes);
            }
        }
    }
}

fn size(path: &str, bytes: u64) -> Result<u32, IsoError> {
    u32::try_from(bytes).map_err(|_| IsoError::TooLarge(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_iso_cannot_hold_is_refused() {
        let mut tree = Tree::default();
        tree.file("a/b", &b""[..]).unwrap();
        let mut error = |path: &str| tree.file(path, &b""[..]).unwrap_err().to_string();
        assert_eq!(error("a/b"), "`a/b` is on the ISO already");
        assert_eq!(error("a/b/c"), "`a/b/c` is on the ISO already");
        assert!(error("1/2/3/4/5/6/7/8/9").contains("deeper than the 8 directories"));
        assert!(error("a//b").contains("it is no name"));
        assert!(tree.file("1/2/3/4/5/6/7/8", &b""[..]).is_ok());
        assert_eq!(size("x", u32::MAX.into()), Ok(u32::MAX));
        assert_eq!(size("x", 1 << 32), Err(IsoError::TooLarge("x".to_owned())));
    }

    #[test]
    fn directories_are_counted_in_16_bits() {
        let mut tree = Tree::default();
        for number in 0..65_534 {
            tree.shared(&format!("{number}/x"), 0, 0).unwrap();
        }
        let error = tree.shared("one more/x", 0, 0).unwrap_err();
        assert_eq!(error, IsoError::Directories(65_536));
    }
}
