//! What differs between two images, file by file.

use super::files::{File, Files};

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
