//! Keymaps in two images, by what their keys do.

use kmap::KeyDifference;

use super::Difference;

/// A keymap that does something else in the second image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeymapDifference {
    /// Its path, without a leading `/`.
    pub path: String,
    /// The keys, by keycode; none where only what nobody can get to differs.
    pub keys: Vec<KeyDifference>,
}

/// The difference at a path where both images have a binary keymap, compressed or not.
pub(super) fn difference(difference: &Difference<'_>) -> Option<KeymapDifference> {
    let Difference::Changed(path, old, new) = difference else {
        return None;
    };
    let (old, new) = (old.keymap()?, new.keymap()?);
    (old != new).then(|| KeymapDifference {
        path: (*path).to_owned(),
        keys: old.differences(&new),
    })
}
