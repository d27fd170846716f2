//! Reading the records of all modules, in parallel.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use codec::file::ReadError;
use rayon::prelude::*;

use super::cache::Cache;
use super::stamp::Stamp;
use super::walk::Found;
use crate::TreeError;
use crate::elf::{Faults, Pieces, Record};
use crate::index::set::Item;
use crate::tree::file;

/// A module's file, and what it looked like before anything was read of it: what changes meanwhile is seen the next time.
pub(super) type Stamped<'a> = (Found<'a>, Option<Stamp>);

/// What was read.
pub(super) struct All<'a> {
    /// The modules, in the order that was given.
    pub(super) items: Vec<Item<'a>>,
    /// For the cache: of each module that is sound.
    pub(super) stamps: Vec<Option<Stamp>>,
    /// The number in the cache of each that was not read.
    pub(super) kept: Vec<Option<usize>>,
}

impl All<'_> {
    /// How many modules were read.
    pub(super) fn read(&self) -> usize {
        self.kept.iter().filter(|kept| kept.is_none()).count()
    }
}

/// A module's record, and what was wrong with it.
type Got<'a> = (Record<'a>, Vec<String>);

/// Gives what depmod wants of each module: from the cache, else from its file. `checks` asks for checksums too. A damaged
/// module gives what could be read and warnings.
///
/// # Errors
/// Where the machine fails to read a file.
pub(super) fn read_all<'a>(
    modules: Vec<Stamped<'a>>,
    dir: &Path,
    checks: bool,
    cache: &'a Cache<'_>,
    warnings: &mut Vec<String>,
) -> Result<All<'a>, TreeError> {
    let mut all = All {
        items: Vec::with_capacity(modules.len()),
        stamps: Vec::with_capacity(modules.len()),
        kept: Vec::with_capacity(modules.len()),
    };
    let mut unknown = Vec::new();
    for (at, (module, stamp)) in modules.into_iter().enumerate() {
        let kept = module.kept.zip(stamp);
        let record = kept.and_then(|(number, stamp)| cache.record(number, &stamp));
        if record.is_none() {
            unknown.push((at, module.path(dir)));
        }
        all.stamps.push(stamp);
        all.kept.push(record.as_ref().and(module.kept));
        all.items.push(Item {
            name: module.name,
            place: module.place,
            record: record.unwrap_or_default(),
        });
    }
    let unknown = largest_first(unknown);
    let fresh = each(&unknown, |pieces, path| read_one(path, checks, pieces));
    for (&(at, ref path), got) in fresh {
        let (record, notes) = got?;
        if !notes.is_empty() {
            all.stamps[at] = None;
        }
        for note in notes {
            warnings.push(format!("module `{}`: {note}", path.display()));
        }
        all.items[at].record = record;
    }
    Ok(all)
}

/// A module to be read: its number, and its file.
type Unknown = (usize, PathBuf);

/// Calls `work` for each file, on all cores, each thread with buffers of its own; gives the results by number.
fn each<T: Send>(
    order: &[Unknown],
    work: impl Fn(&mut Pieces, &Path) -> T + Sync,
) -> Vec<(&Unknown, T)> {
    let next = AtomicUsize::new(0);
    let work_through = || {
        let mut pieces = Pieces::default();
        let mut done = Vec::new();
        while let Some(unknown) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((unknown, work(&mut pieces, &unknown.1)));
        }
        done
    };
    let done = match order {
        // No other thread need be woken.
        [] | [_] => vec![work_through()],
        _ => rayon::broadcast(|_| work_through()),
    };
    let mut all: Vec<_> = done.into_iter().flatten().collect();
    all.sort_unstable_by_key(|((at, _), _)| *at);
    all
}

/// Compressed modules by their size: a large one that is begun last keeps one core busy and the others waiting. Plain ones
/// take about as long as each other.
fn largest_first(modules: Vec<Unknown>) -> Vec<Unknown> {
    let size = |path: &Path| match path.extension() == Some(OsStr::new("ko")) {
        true => 0,
        false => std::fs::metadata(path).map_or(0, |found| found.len()),
    };
    let mut sized: Vec<_> = modules
        .into_par_iter()
        .map(|unknown| (size(&unknown.1), unknown))
        .collect();
    sized.sort_by_key(|&(size, _)| Reverse(size));
    sized.into_iter().map(|(_, unknown)| unknown).collect()
}

fn read_one(path: &Path, checks: bool, pieces: &mut Pieces) -> Result<Got<'static>, TreeError> {
    match file::record(path, checks, pieces) {
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
