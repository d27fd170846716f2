//! Reading the records of all modules, in parallel.

use codec::file::ReadError;
use rayon::prelude::*;

use super::DepmodOptions;
use super::cache::{Cache, Stamp, Writer, now};
use super::walk::Found;
use crate::TreeError;
use crate::elf::{Faults, Pieces, Record};
use crate::index::set::Item;
use crate::tree::file;

/// The modules, how many were read, and the cache for the next run.
type All = (Vec<Item>, usize, Option<Vec<u8>>);

/// A record, where it came from, and what was wrong.
struct Got {
    record: Record,
    /// For the cache.
    stamp: Option<Stamp>,
    cached: bool,
    notes: Vec<String>,
}

/// Reads what depmod wants of each module. A damaged one gives what could be read and warnings.
///
/// # Errors
/// Where the machine fails to read a file.
pub(super) fn read_all(
    found: &[Found],
    options: &DepmodOptions,
    warnings: &mut Vec<String>,
) -> Result<All, TreeError> {
    let checks = options.kernel_symbols.is_some();
    // Checksums are not kept.
    let dir = options.incremental.as_deref().filter(|_| !checks);
    let cache = dir.map(Cache::open);
    let time = now();
    let got = found
        .par_iter()
        .map_init(Pieces::default, |pieces, module| {
            // The stamp is from before the reading: what changes meanwhile is seen the next time.
            let stamp = cache.as_ref().and_then(|_| Stamp::of(&module.path));
            if let (Some(cache), Some(stamp)) = (&cache, &stamp)
                && let Some(record) = cache.get(&module.place, stamp)
            {
                return Ok(Got {
                    record: record.clone(),
                    stamp: Some(*stamp),
                    cached: true,
                    notes: Vec::new(),
                });
            }
            let (record, notes) = read_one(module, checks, pieces)?;
            Ok(Got {
                record,
                stamp,
                cached: false,
                notes,
            })
        });
    let got: Vec<Result<Got, TreeError>> = got.collect();
    let mut writer = cache.is_some().then(|| Writer::new(time));
    let mut items = Vec::with_capacity(found.len());
    let mut read = 0;
    for (module, got) in found.iter().zip(got) {
        let got = got?;
        read += usize::from(!got.cached);
        if let (Some(writer), Some(stamp), true) = (&mut writer, got.stamp, got.notes.is_empty()) {
            writer.add(&module.place, &stamp, &got.record);
        }
        for note in got.notes {
            warnings.push(format!("module `{}`: {note}", module.path.display()));
        }
        items.push(Item {
            name: module.name.clone(),
            place: module.place.clone(),
            record: got.record,
        });
    }
    Ok((items, read, writer.map(Writer::finish)))
}

fn read_one(
    module: &Found,
    checks: bool,
    pieces: &mut Pieces,
) -> Result<(Record, Vec<String>), TreeError> {
    match file::record(&module.path, checks, pieces) {
        Ok(parts) => Ok((parts.record, texts(&parts.faults))),
        Err(TreeError::Elf { source, .. }) => Ok((Record::default(), texts(&vec![source]))),
        Err(TreeError::Read(error @ (ReadError::Decode { .. } | ReadError::TooLarge { .. }))) => {
            Ok((Record::default(), vec![error.to_string()]))
        }
        Err(error) => Err(error),
    }
}

fn texts(faults: &Faults) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}
