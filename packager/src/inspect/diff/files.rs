//! What differs between two images, file by file.

use crate::cpio::Kind;
use crate::inspect::modules::below_modules;
use crate::inspect::{File, Files};

/// A difference at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference<'image> {
    /// Only the second image has it.
    Added(&'image str, File<'image>),
    /// Only the first image has it.
    Removed(&'image str, File<'image>),
    /// Both have it, and type, mode, owner or contents differ.
    Changed(&'image str, File<'image>, File<'image>),
}

impl<'image> Difference<'image> {
    /// The path, without a leading `/`.
    pub fn path(&self) -> &'image str {
        match self {
            Difference::Added(path, _)
            | Difference::Removed(path, _)
            | Difference::Changed(path, ..) => path,
        }
    }

    /// Whether only one image has it, and it is a folder for modules.
    pub(super) fn is_modules_folder(&self) -> bool {
        let (Difference::Added(path, file) | Difference::Removed(path, file)) = self else {
            return false;
        };
        file.attributes.kind == Kind::Directory && below_modules(path).is_some()
    }

    /// The contents in both images, where both have a regular file there and its contents differ.
    pub(super) fn contents(&self) -> Option<[&'image [u8]; 2]> {
        let Difference::Changed(_, old, new) = self else {
            return None;
        };
        let are_files = [old, new].map(|file| file.attributes.kind == Kind::File) == [true; 2];
        (are_files && old.data != new.data).then_some([old.data, new.data])
    }
}

/// The differences, sorted by path. Times do not count.
pub fn diff<'image>(
    old: &'image Files<'image>,
    new: &'image Files<'image>,
) -> Vec<Difference<'image>> {
    let mut differences = Vec::new();
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let difference = match (left.peek(), right.peek()) {
            (None, None) => return differences,
            (Some(&(path, file)), other) if other.is_none_or(|(name, _)| path < *name) => {
                left.next();
                Some(Difference::Removed(path, *file))
            }
            (first, Some(&(path, file))) if first.is_none_or(|(name, _)| path < *name) => {
                right.next();
                Some(Difference::Added(path, *file))
            }
            _ => match (left.next(), right.next()) {
                (Some((path, old)), Some((_, new))) => {
                    let equal = old.attributes == new.attributes && old.data == new.data;
                    (!equal).then_some(Difference::Changed(path, *old, *new))
                }
                _ => None,
            },
        };
        differences.extend(difference);
    }
}
