//! Reading the records of all modules, in parallel.

use codec::file::ReadError;
use rayon::prelude::*;

use super::walk::Found;
use crate::TreeError;
use crate::elf::{Faults, Pieces, Record};
use crate::index::set::Item;
use crate::tree::file;

/// Reads what depmod wants of each module. A damaged one gives what could be read and warnings.
///
/// # Errors
/// Where the machine fails to read a file.
pub(super) fn read_all(
    found: &[Found],
    checks: bool,
    warnings: &mut Vec<String>,
) -> Result<Vec<Item>, TreeError> {
    let read = found
        .par_iter()
        .map_init(Pieces::default, |pieces, module| {
            read_one(module, checks, pieces)
        });
    let read: Vec<_> = read.collect();
    let mut items = Vec::with_capacity(found.len());
    for (module, read) in found.iter().zip(read) {
        let (record, notes) = read?;
        for note in notes {
            warnings.push(format!("module `{}`: {note}", module.path.display()));
        }
        items.push(Item {
            name: module.name.clone(),
            place: module.place.clone(),
            record,
        });
    }
    Ok(items)
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
