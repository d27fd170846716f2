//! What goes into a volume: files and directories under checked names.

use std::borrow::Cow;

use super::name::{Name, NameError};

/// The attribute bits of a directory entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub u8);

impl Attributes {
    /// May not be changed.
    pub const READ_ONLY: Self = Self(0x01);
    /// Not shown.
    pub const HIDDEN: Self = Self(0x02);
    /// Belongs to the system.
    pub const SYSTEM: Self = Self(0x04);
    /// Changed since the last backup: what every new file has.
    pub const ARCHIVE: Self = Self(0x20);
    pub(super) const LABEL: Self = Self(0x08);
    pub(super) const DIRECTORY: Self = Self(0x10);
    pub(super) const LONG_NAME: Self = Self(0x0f);

    /// Both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all bits of `other` are there.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The files of a volume, in the order in which they are added, which is also their order on the disk.
///
/// ```
/// use packager::disk::fat::Tree;
///
/// let mut tree = Tree::default();
/// tree.file("EFI/BOOT/BOOTX64.EFI", &b"MZ"[..])?;
/// assert!(tree.file("efi/boot/bootx64.efi", &b"MZ"[..]).is_err());
/// # Ok::<(), packager::disk::fat::TreeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tree<'a> {
    pub(super) nodes: Vec<Node<'a>>,
}

#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) name: Name,
    pub(super) content: Content<'a>,
}

#[derive(Clone, Debug)]
pub(super) enum Content<'a> {
    File(Cow<'a, [u8]>, Attributes),
    Directory(Vec<Node<'a>>),
}

/// Why a file cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A part of the path is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The path is there already, perhaps in other letters.
    #[error("`{0}` is there already (FAT does not tell large letters from small ones)")]
    Duplicate(String),
    /// A directory of the path is a file.
    #[error("`{0}` cannot be added: a part of its path is a file")]
    NotADirectory(String),
    /// FAT has 32 bits for a file's size.
    #[error("`{0}` is larger than 4 GiB, which FAT cannot hold")]
    TooLarge(String),
}

impl<'a> Tree<'a> {
    /// Adds a file, and its directories.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn file(&mut self, path: &str, data: impl Into<Cow<'a, [u8]>>) -> Result<(), TreeError> {
        self.file_with(path, data, Attributes::ARCHIVE)
    }

    /// Adds a file with attributes, and its directories.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn file_with(
        &mut self,
        path: &str,
        data: impl Into<Cow<'a, [u8]>>,
        attributes: Attributes,
    ) -> Result<(), TreeError> {
        let data = data.into();
        if u32::try_from(data.len()).is_err() {
            return Err(TreeError::TooLarge(path.to_owned()));
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let name = Name::new(name)?;
        let nodes = self.descend(parent)?;
        if nodes.iter().any(|node| node.name.key() == name.key()) {
            return Err(TreeError::Duplicate(path.to_owned()));
        }
        nodes.push(Node {
            name,
            content: Content::File(data, attributes),
        });
        Ok(())
    }

    /// Adds a directory, and those that it lies in. One that is there stays.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn directory(&mut self, path: &str) -> Result<(), TreeError> {
        self.descend(path).map(|_| ())
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        let mut sum = 0;
        self.visit("", &mut |_, data| sum += data.len() as u64);
        sum
    }

    /// Shows every file, in the order of the tree.
    pub(crate) fn visit(&self, prefix: &str, see: &mut impl FnMut(&str, &[u8])) {
        visit(&self.nodes, prefix, see);
    }

    fn descend(&mut self, path: &str) -> Result<&mut Vec<Node<'a>>, TreeError> {
        let mut nodes = &mut self.nodes;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let name = Name::new(part)?;
            let place = nodes.iter().position(|node| node.name.key() == name.key());
            let index = place.unwrap_or(nodes.len());
            if place.is_none() {
                let content = Content::Directory(Vec::new());
                nodes.push(Node { name, content });
            }
            nodes = match &mut nodes[index].content {
                Content::Directory(nodes) => nodes,
                Content::File(..) => return Err(TreeError::NotADirectory(path.to_owned())),
            };
        }
        Ok(nodes)
    }
}

fn visit(nodes: &[Node<'_>], prefix: &str, see: &mut impl FnMut(&str, &[u8])) {
    for node in nodes {
        let path = format!("{prefix}/{}", node.name);
        match &node.content {
            Content::File(data, _) => see(&path, data),
            Content::Directory(nodes) => visit(nodes, &path, see),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_cannot_be_are_refused() {
        let mut tree = Tree::default();
        tree.file("a/b", &b""[..]).unwrap();
        assert!(matches!(
            tree.file("A/B", &b""[..]),
            Err(TreeError::Duplicate(_))
        ));
        assert!(matches!(
            tree.file("a/b/c", &b""[..]),
            Err(TreeError::NotADirectory(_))
        ));
        assert!(matches!(
            tree.file("a/con", &b""[..]),
            Err(TreeError::Name(_))
        ));
        tree.directory("a/B2").unwrap();
        tree.directory("A/b2").unwrap();
        assert_eq!(tree.nodes.len(), 1);
    }
}
