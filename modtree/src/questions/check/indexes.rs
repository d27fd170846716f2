//! Whether the index files are what depmod would write.

use super::{FindingKind, Found};
use crate::Index;
use crate::depmod::{DepmodError, DepmodOptions, depmod};
use crate::tree::{Tree, TreeError};

/// What is wrong with the index files, if there are any.
pub(super) fn compare(tree: &Tree, notes: &mut Vec<String>) -> Result<Vec<Found>, TreeError> {
    let options = DepmodOptions {
        dir: tree.dir().to_path_buf(),
        ..DepmodOptions::default()
    };
    let expected = match depmod(&options) {
        Ok(made) => made.files,
        Err(DepmodError::Tree(error)) => return Err(tree.named(error)),
        Err(error @ DepmodError::Cycle { .. }) => {
            let text = error.to_string().replace('\n', "; ");
            return Ok(vec![(FindingKind::Cycle, "modules.dep".to_owned(), text)]);
        }
        Err(error) => {
            return Ok(vec![(
                FindingKind::Index,
                "modules.dep".to_owned(),
                error.to_string(),
            )]);
        }
    };
    let is_there = |name: &str| tree.dir().join(name).exists();
    if is_there("modules.dep") && !is_there("modules.softdep") {
        notes.push(
            "modules.softdep is missing beside modules.dep: modprobe loads no soft dependency"
                .to_owned(),
        );
    }
    let mut found = Vec::new();
    for (name, expected) in expected {
        let Ok(bytes) = codec::file::read(&tree.dir().join(name), 1 << 30) else {
            continue;
        };
        let same = match name.ends_with(".bin") && !bytes.is_empty() && !expected.is_empty() {
            // Either order of nodes will do.
            true => match (Index::new(&bytes), Index::new(&expected)) {
                (Ok(found), Ok(expected)) => found.entries() == expected.entries(),
                _ => false,
            },
            false => *bytes == *expected,
        };
        if !same {
            let text = "is not what depmod would write now".to_owned();
            found.push((FindingKind::Index, name.to_owned(), text));
        }
    }
    Ok(found)
}
