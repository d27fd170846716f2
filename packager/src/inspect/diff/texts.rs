//! Scripts and settings in two images, line by line: what `/init` does, and in which order modules are loaded.

use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::Difference;
use crate::plan::RECORD;

/// A larger file is no script and no setting.
const LIMIT: usize = 256 << 10;

/// The folders of settings: everybody's, and those of initramfs-tools' and dracut's scripts, which their `/init` reads.
const FOLDERS: [&str; 5] = [
    "etc/",
    "conf/",
    "scripts/",
    "lib/dracut/",
    "usr/lib/dracut/",
];

/// A text that is another one in the second image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDifference<'image> {
    /// Its path, without a leading `/`.
    pub path: &'image str,
    /// Whether the lines are the same ones in another order.
    pub reordered: bool,
    /// The lines that differ, in their order.
    pub lines: Vec<Line<'image>>,
}

/// A line of a text that differs, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'image> {
    /// Only the first image has it here.
    Removed(&'image str),
    /// Only the second image has it here.
    Added(&'image str),
}

/// The difference at a path where both images have a script or a setting.
pub(super) fn difference<'image>(
    difference: &Difference<'image>,
) -> Option<TextDifference<'image>> {
    let path = difference.path();
    let contents = difference.contents()?;
    let is_setting = path != RECORD && FOLDERS.iter().any(|folder| path.starts_with(folder));
    let are_scripts = contents.iter().all(|data| data.starts_with(b"#!"));
    if !is_setting && !are_scripts {
        return None;
    }
    let [old, new] = contents.map(text);
    let (old, new) = (old?, new?);
    Some(TextDifference {
        path,
        reordered: sorted(&old) == sorted(&new),
        lines: lines(&old, &new),
    })
}

fn lines<'image>(old: &[&'image str], new: &[&'image str]) -> Vec<Line<'image>> {
    let mut lines = Vec::new();
    for change in capture_diff_slices(Algorithm::Myers, old, new) {
        if change.tag() == DiffTag::Equal {
            continue;
        }
        let removed = old[change.old_range()].iter();
        lines.extend(removed.map(|line| Line::Removed(line)));
        let added = new[change.new_range()].iter();
        lines.extend(added.map(|line| Line::Added(line)));
    }
    lines
}

fn text(data: &[u8]) -> Option<Vec<&str>> {
    let text = std::str::from_utf8(data).ok()?;
    (data.len() <= LIMIT && !text.contains('\0')).then(|| text.lines().collect())
}

fn sorted<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut lines = lines.to_vec();
    lines.sort_unstable();
    lines
}
