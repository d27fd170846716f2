//! The order of modules: kmod's table of names, sorted by `modules.order` where that lists them.

use std::borrow::Cow;

use super::cache::Cache;
use super::fingerprint::Fingerprint;
use super::walk::Found;
use super::{Compat, DepmodError, DepmodOptions, optional};
use crate::fast_hash::FastMap;
use crate::index::hash::superfast;

/// kmod's table of module names has this many buckets.
const NAME_BUCKETS: u32 = 512;

/// A module that `modules.order` does not list comes behind all that it lists.
const NOT_LISTED: u32 = u32::MAX;

/// The order of some modules.
pub(super) struct Order {
    /// Their numbers, as depmod sorts them.
    pub(super) numbers: Vec<usize>,
    /// The line of each in `modules.order`.
    pub(super) lines: Vec<u32>,
    /// What these lines follow from.
    pub(super) basis: Fingerprint,
}

/// Finds the order of modules. Lines are taken from the cache where it has them from the same `modules.order`.
pub(super) fn order(
    found: &[Found<'_>],
    options: &DepmodOptions,
    cache: &Cache<'_>,
    warnings: &mut Vec<String>,
) -> Result<Order, DepmodError> {
    let text = listing(options, warnings)?;
    let basis = Fingerprint::of(&text).with(options.meaning());
    let known = |module: &Found<'_>| match basis == cache.basis.order {
        true => cache.line(module.kept?),
        false => None,
    };
    let known: Vec<Option<u32>> = found.iter().map(known).collect();
    let lines = lines(&text, found, &known, options.compat);
    let keys = found.iter().zip(&lines).enumerate();
    let mut keys: Vec<(u32, u32, &[u8], usize)> = keys
        .map(|(at, (module, line))| {
            let bucket = superfast(&module.name) & (NAME_BUCKETS - 1);
            (*line, bucket, module.name.as_ref(), at)
        })
        .collect();
    keys.sort_unstable();
    Ok(Order {
        numbers: keys.iter().map(|&(.., at)| at).collect(),
        lines: keys.iter().map(|&(line, ..)| line).collect(),
        basis,
    })
}

/// The text of `modules.order`; none where it is not used.
fn listing(options: &DepmodOptions, warnings: &mut Vec<String>) -> Result<Vec<u8>, DepmodError> {
    let path = options.dir.join("modules.order");
    let text = optional(&path, warnings)?.unwrap_or_default();
    if text.last().is_some_and(|&last| last != b'\n') {
        // depmod gives the order up as a whole: its last line may be half a path.
        warnings.push(format!(
            "`{}` does not end with a newline, so it is not used",
            path.display()
        ));
        return Ok(Vec::new());
    }
    Ok(text)
}

/// The line of each module.
fn lines(text: &[u8], found: &[Found<'_>], known: &[Option<u32>], compat: Compat) -> Vec<u32> {
    let mut lines = known.to_vec();
    let unknown = found.iter().zip(known).enumerate();
    let unknown = unknown.filter(|(_, (_, known))| known.is_none());
    let by_place: FastMap<Cow<'_, [u8]>, usize> = unknown
        .map(|(at, (module, _))| (module.uncompressed(), at))
        .collect();
    if !by_place.is_empty() {
        for (line, place) in (0..).zip(text.split(|&byte| byte == b'\n')) {
            if let Some(&at) = by_place.get(place) {
                match compat {
                    Compat::Kmod34 => lines[at].get_or_insert(line),
                    Compat::Kmod30 => lines[at].insert(line),
                };
            }
        }
    }
    lines
        .into_iter()
        .map(|line| line.unwrap_or(NOT_LISTED))
        .collect()
}
