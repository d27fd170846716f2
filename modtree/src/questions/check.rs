//! What is wrong with a tree.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::depmod::{DepmodError, DepmodOptions, depmod};
use crate::tree::{Entry, Tree, TreeError};
use crate::{Index, ModuleName};

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A module's file cannot be read or parsed.
    Damaged,
    /// Modules need each other in a circle.
    Cycle,
    /// A module needs one that is not there.
    MissingDependency,
    /// A module was built against another version of a symbol.
    Checksum,
    /// A module was built for another kernel.
    Vermagic,
    /// An index is not what depmod would write now.
    Index,
    /// Several files are the same module.
    Duplicate,
    /// A firmware file that a module names is not there.
    Firmware,
    /// A module has no signature, while others have one.
    Unsigned,
}

impl FindingKind {
    /// Whether something cannot work because of it; the others are worth knowing.
    pub fn is_error(self) -> bool {
        !matches!(
            self,
            FindingKind::Duplicate | FindingKind::Firmware | FindingKind::Unsigned
        )
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FindingKind::Damaged => "damaged module",
            FindingKind::Cycle => "dependency cycle",
            FindingKind::MissingDependency => "missing dependency",
            FindingKind::Checksum => "symbol version",
            FindingKind::Vermagic => "other kernel",
            FindingKind::Index => "index out of date",
            FindingKind::Duplicate => "duplicate name",
            FindingKind::Firmware => "missing firmware",
            FindingKind::Unsigned => "unsigned module",
        })
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Finding {
    /// What kind.
    pub kind: FindingKind,
    /// The module or the file.
    pub subject: String,
    /// What exactly, as a lower-case sentence.
    pub text: String,
}

struct Summary {
    name: ModuleName,
    depends: Vec<ModuleName>,
    firmware: Vec<String>,
    release: Option<String>,
    signed: bool,
    imports: Vec<(String, u64)>,
    exports: Vec<(String, u64)>,
}

/// Looks at every module of a tree and at its indexes. The findings are sorted by kind and subject.
///
/// `firmware` is the directory of firmware files; without it none is missed.
///
/// # Errors
/// [`TreeError`], where a listing cannot be read or the machine is at fault.
pub fn check(tree: &Tree, firmware: Option<&Path>) -> Result<Vec<Finding>, TreeError> {
    let mut findings = Vec::new();
    let mut found = |kind, subject: &dyn fmt::Display, text: String| {
        findings.push(Finding {
            kind,
            subject: subject.to_string(),
            text,
        });
    };
    let read: Vec<_> = tree
        .modules()?
        .par_iter()
        .map(|entry| summary(tree, entry))
        .collect();
    let mut modules = Vec::new();
    for (entry, read) in tree.modules()?.iter().zip(read) {
        match read {
            Ok(summary) => modules.push(summary),
            Err(error) if error.is_input() => {
                found(FindingKind::Damaged, &entry.name, error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    let exports: HashMap<&str, (&ModuleName, u64)> = modules
        .iter()
        .flat_map(|module| {
            let names = module.exports.iter();
            names.map(move |(symbol, crc)| (symbol.as_str(), (&module.name, *crc)))
        })
        .collect();
    let any_signed = modules.iter().any(|module| module.signed);
    for module in &modules {
        for needed in &module.depends {
            if tree.find(needed)?.is_none() && !tree.builtins()?.contains(needed) {
                let text = format!("needs {needed}, which is not there");
                found(FindingKind::MissingDependency, &module.name, text);
            }
        }
        for (symbol, crc) in &module.imports {
            if let Some((owner, expected)) = exports.get(symbol.as_str())
                && *crc != 0
                && *expected != 0
                && crc != expected
            {
                let text = format!(
                    "was built for {symbol} with checksum {crc:#010x}, and {owner} has {expected:#010x}"
                );
                found(FindingKind::Checksum, &module.name, text);
            }
        }
        if let Some(release) = module
            .release
            .as_deref()
            .filter(|release| *release != tree.version())
        {
            let text = format!("was built for {release}");
            found(FindingKind::Vermagic, &module.name, text);
        }
        if any_signed && !module.signed {
            found(
                FindingKind::Unsigned,
                &module.name,
                "has no signature".to_owned(),
            );
        }
        for file in firmware.map_or(&[][..], |_| &module.firmware) {
            if firmware.is_some_and(|dir| !firmware_is_there(dir, file)) {
                found(FindingKind::Firmware, &module.name, format!("names {file}"));
            }
        }
    }
    for (name, files) in duplicates(tree.dir()).map_err(|error| tree.named(error))? {
        let files: Vec<_> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        found(FindingKind::Duplicate, &name, files.join(", "));
    }
    for (kind, subject, text) in indexes(tree)? {
        found(kind, &subject, text);
    }
    findings.sort();
    Ok(findings)
}

fn summary(tree: &Tree, entry: &Entry) -> Result<Summary, TreeError> {
    let (module, record) = tree.module_with_checks(entry)?;
    let checks = record.checks.unwrap_or_default();
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let crcs = checks.imports.into_iter().map(|(crc, _)| crc);
    Ok(Summary {
        name: entry.name.clone(),
        depends: module.info.depends().map(ModuleName::new).collect(),
        firmware: module
            .info
            .all("firmware")
            .map(|name| name.into_owned())
            .collect(),
        release: module
            .vermagic_release()
            .map(|release| release.into_owned()),
        signed: module.signed,
        imports: record.imports.names().map(text).zip(crcs).collect(),
        exports: record
            .exports
            .iter()
            .map(text)
            .zip(checks.exports)
            .collect(),
    })
}

/// A file as it is, or compressed as the kernel reads it.
fn firmware_is_there(dir: &Path, name: &str) -> bool {
    ["", ".xz", ".zst"]
        .iter()
        .any(|suffix| dir.join(format!("{name}{suffix}")).exists())
}

/// The names that several files have.
fn duplicates(dir: &Path) -> Result<BTreeMap<ModuleName, Vec<PathBuf>>, TreeError> {
    let mut files: BTreeMap<ModuleName, Vec<PathBuf>> = BTreeMap::new();
    for entry in crate::tree::search::all_files(dir)? {
        files.entry(entry.name).or_default().push(entry.relative);
    }
    files.retain(|_, files| files.len() > 1);
    for files in files.values_mut() {
        files.sort();
    }
    Ok(files)
}

/// What is wrong with the index files, if there are any.
fn indexes(tree: &Tree) -> Result<Vec<(FindingKind, String, String)>, TreeError> {
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
