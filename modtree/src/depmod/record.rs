//! Reading the records of all modules, in parallel.

use std::cmp::Reverse;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    let got = each(&largest_first(found), |pieces, at| {
        read_or_reuse(&found[at], checks, cache.as_ref(), pieces)
    });
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

/// Calls `work` for each number in `order`, on all cores, each thread with buffers of its own; gives the results by number.
fn each<T: Send>(order: &[usize], work: impl Fn(&mut Pieces, usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = rayon::broadcast(|_| {
        let mut pieces = Pieces::default();
        let mut done = Vec::new();
        while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((at, work(&mut pieces, at)));
        }
        done
    });
    let mut all: Vec<_> = done.into_iter().flatten().collect();
    all.sort_unstable_by_key(|&(at, _)| at);
    all.into_iter().map(|(_, result)| result).collect()
}

/// The numbers of the modules, compressed ones by their size: a large one that is begun last keeps one core busy and the
/// others waiting. Plain ones take about as long as each other.
fn largest_first(found: &[Found]) -> Vec<usize> {
    let size = |module: &Found| match module.place.ends_with(b".ko") {
        true => 0,
        false => std::fs::metadata(&module.path).map_or(0, |found| found.len()),
    };
    let mut sizes: Vec<_> = found.par_iter().map(size).enumerate().collect();
    sizes.sort_by_key(|&(_, size)| Reverse(size));
    sizes.into_iter().map(|(at, _)| at).collect()
}

fn read_or_reuse(
    module: &Found,
    checks: bool,
    cache: Option<&Cache>,
    pieces: &mut Pieces,
) -> Result<Got, TreeError> {
    // The stamp is from before the reading: what changes meanwhile is seen the next time.
    let stamp = cache.and_then(|_| Stamp::of(&module.path));
    if let (Some(cache), Some(stamp)) = (cache, &stamp)
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
        Err(TreeError::Read(error)) if changed_meanwhile(&error) => Ok((
            Record::default(),
            vec![format!("{error}; was it changed just now?")],
        )),
        Err(error) => Err(error),
    }
}

/// Whether a file has gone, has become something else, or has become shorter since it was found.
fn changed_meanwhile(error: &ReadError) -> bool {
    match error {
        ReadError::Io { source, .. } => {
            matches!(
                source.kind(),
                ErrorKind::NotFound | ErrorKind::UnexpectedEof
            )
        }
        ReadError::NotRegular { .. } => true,
        _ => false,
    }
}

fn texts(faults: &Faults) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}
