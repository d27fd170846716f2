//! What differs between two images: how they are compressed, and by meaning where there is one: modules by their names, keymaps
//! key by key, scripts and settings line by line; everything else file by file.

mod files;
mod keymaps;
mod modules;
mod texts;

use std::collections::BTreeSet;

use codec::Format;

use super::{Files, Segment};

pub use files::{Difference, diff};
pub use keymaps::KeymapDifference;
pub use modules::{ModuleDifference, ModuleState};
pub use texts::{Line, TextDifference};

/// An image that has been read.
#[derive(Clone, Copy, Debug)]
pub struct Image<'image> {
    /// Its segments.
    pub segments: &'image [Segment<'image>],
    /// Its file tree.
    pub files: &'image Files<'image>,
}

/// All that differs between two images; every part is empty where they are the same.
#[derive(Clone, Debug, Default)]
pub struct Comparison<'image> {
    /// How the segments of both are compressed (`None`: not at all), where that differs.
    pub segments: Option<[Vec<Option<Format>>; 2]>,
    /// Modules, by name.
    pub modules: Vec<ModuleDifference>,
    /// Keymaps that both have at the same path.
    pub keymaps: Vec<KeymapDifference>,
    /// Scripts and settings that both have at the same path.
    pub texts: Vec<TextDifference<'image>>,
    /// Files, by path; without the modules, which have their own list.
    pub files: Vec<Difference<'image>>,
}

impl Comparison<'_> {
    /// Whether the images say the same in the same way.
    pub fn is_empty(&self) -> bool {
        // Keymaps and texts that differ are files that differ.
        self.segments.is_none() && self.modules.is_empty() && self.files.is_empty()
    }
}

/// Compares two images. Times do not count, and neither does the order of files.
pub fn compare<'image>(old: Image<'image>, new: Image<'image>) -> Comparison<'image> {
    let formats = |image: Image<'_>| -> Vec<_> {
        let formats = image.segments.iter().map(|segment| segment.format);
        formats.collect()
    };
    let segments = [formats(old), formats(new)];
    let modules = modules::diff(old.files, new.files);
    let mut files = diff(old.files, new.files);
    let keymaps = files.iter().filter_map(keymaps::difference).collect();
    let texts = files.iter().filter_map(texts::difference).collect();
    let told: BTreeSet<&str> = modules
        .iter()
        .flat_map(|module| module.old.iter().chain(&module.new))
        .map(|state| state.path.as_str())
        .collect();
    // The folders of another kernel's modules come and go with the modules.
    let is_told = |difference: &Difference<'_>| {
        told.contains(difference.path()) || !told.is_empty() && difference.is_modules_folder()
    };
    files.retain(|difference| !is_told(difference));
    Comparison {
        segments: (segments[0] != segments[1]).then_some(segments),
        modules,
        keymaps,
        texts,
        files,
    }
}
