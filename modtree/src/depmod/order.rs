//! The order of modules: kmod's table of names, sorted by `modules.order` where that lists them.

use std::borrow::Cow;

use super::walk::Found;
use super::{Compat, DepmodError, DepmodOptions, optional};
use crate::fast_hash::FastMap;
use crate::index::hash::superfast;

/// kmod's table of module names has this many buckets.
const NAME_BUCKETS: u32 = 512;

/// The numbers of the modules as depmod sorts them.
pub(super) fn order(
    found: &[Found],
    options: &DepmodOptions,
    warnings: &mut Vec<String>,
) -> Result<Vec<usize>, DepmodError> {
    let mut buckets: Vec<(u32, &[u8], usize)> = found
        .iter()
        .enumerate()
        .map(|(at, module)| {
            let name = module.name.as_slice();
            (superfast(name) & (NAME_BUCKETS - 1), name, at)
        })
        .collect();
    buckets.sort_unstable();
    let mut order: Vec<usize> = buckets.into_iter().map(|(.., at)| at).collect();
    let path = options.dir.join("modules.order");
    let Some(text) = optional(&path, warnings)? else {
        return Ok(order);
    };
    if text.last().is_some_and(|&last| last != b'\n') {
        // depmod gives the order up as a whole: its last line may be half a path.
        warnings.push(format!(
            "`{}` does not end with a newline, so it is not used",
            path.display()
        ));
        return Ok(order);
    }
    let lines = lines(&text, found, options.compat);
    // Modules that are not listed keep their order behind the others.
    order.sort_by_key(|&at| lines.get(at).copied().flatten().unwrap_or(usize::MAX));
    Ok(order)
}

/// The line of each listed module.
fn lines(text: &[u8], found: &[Found], compat: Compat) -> Vec<Option<usize>> {
    let by_place: FastMap<Cow<'_, [u8]>, usize> = found
        .iter()
        .enumerate()
        .map(|(at, module)| (module.uncompressed(), at))
        .collect();
    let mut lines = vec![None; found.len()];
    for (line, place) in text.split(|&byte| byte == b'\n').enumerate() {
        if let Some(&at) = by_place.get(place)
            && let Some(known) = lines.get_mut(at)
        {
            match compat {
                Compat::Kmod34 => known.get_or_insert(line),
                Compat::Kmod30 => known.insert(line),
            };
        }
    }
    lines
}
