//! The order of modules: kmod's table of names, sorted by `modules.order` where that lists them.

use super::walk::Found;
use super::{Compat, DepmodError, DepmodOptions, optional};
use crate::fast_hash::FastMap;
use crate::index::hash::superfast;

/// kmod's table of module names has this many buckets.
const NAME_BUCKETS: u32 = 512;

/// Sorts the modules as depmod does.
pub(super) fn sorted(
    mut found: Vec<Found>,
    options: &DepmodOptions,
    warnings: &mut Vec<String>,
) -> Result<Vec<Found>, DepmodError> {
    let bucket = |module: &Found| superfast(&module.name) & (NAME_BUCKETS - 1);
    let mut buckets: Vec<_> = found
        .drain(..)
        .map(|module| (bucket(&module), module))
        .collect();
    buckets
        .sort_unstable_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.name.cmp(&other.name)));
    let found: Vec<Found> = buckets.into_iter().map(|(_, module)| module).collect();
    let path = options.dir.join("modules.order");
    let Some(text) = optional(&path, warnings)? else {
        return Ok(found);
    };
    if text.last().is_some_and(|&last| last != b'\n') {
        // depmod gives the order up as a whole: its last line may be half a path.
        warnings.push(format!(
            "`{}` does not end with a newline, so it is not used",
            path.display()
        ));
        return Ok(found);
    }
    let positions = positions(&text, &found, options.compat);
    let mut numbered: Vec<_> = found.into_iter().enumerate().collect();
    // Modules that are not listed keep their order behind the others.
    numbered.sort_by_key(|(at, _)| positions.get(at).copied().unwrap_or(usize::MAX));
    Ok(numbered.into_iter().map(|(_, module)| module).collect())
}

/// The line of each listed module, by its number.
fn positions(text: &[u8], found: &[Found], compat: Compat) -> FastMap<usize, usize> {
    let by_place: FastMap<Vec<u8>, usize> = found
        .iter()
        .enumerate()
        .map(|(at, module)| (module.uncompressed(), at))
        .collect();
    let mut positions = FastMap::default();
    for (line, place) in text.split(|&byte| byte == b'\n').enumerate() {
        if let Some(&at) = by_place.get(place) {
            match compat {
                Compat::Kmod34 => positions.entry(at).or_insert(line),
                Compat::Kmod30 => positions.entry(at).insert_entry(line).into_mut(),
            };
        }
    }
    positions
}
