//! What is wrong with a tree.

mod firmware;
mod indexes;
mod symbols;
mod vermagic;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::tree::{Entry, Tree, TreeError};
use crate::{KernelSymbols, ModuleName, Vermagic};

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
    /// A module uses a symbol that neither the kernel nor a module has.
    Unresolved,
    /// A module was built for another kernel, which does not load it.
    Vermagic,
    /// An index is not what depmod would write now.
    Index,
    /// What a module names in `depends=` is not what its symbols show.
    Undeclared,
    /// A module was built for another release of the kernel, which loads it because the symbols' versions are compared.
    Release,
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
            FindingKind::Undeclared
                | FindingKind::Release
                | FindingKind::Duplicate
                | FindingKind::Firmware
                | FindingKind::Unsigned
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
            FindingKind::Unresolved => "unknown symbol",
            FindingKind::Vermagic => "other kernel",
            FindingKind::Index => "index out of date",
            FindingKind::Undeclared => "depends= differs",
            FindingKind::Release => "other release",
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

/// What to look at beside the modules themselves.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// The directory of firmware files; without it none is missed.
    pub firmware: Option<PathBuf>,
    /// The kernel's own symbols; without them, `boot/System.map-VERSION` of the root that the modules are in.
    pub kernel_symbols: Option<KernelSymbols>,
}

/// What there is to be said of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Sorted by kind and subject.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and what is worth knowing of the tree as a whole: lower-case sentences.
    pub notes: Vec<String>,
}

/// A finding without its kind's name: what [`Finding`] has.
type Found = (FindingKind, String, String);

/// What is kept of a module.
struct Summary {
    entry: Entry,
    depends: Vec<ModuleName>,
    firmware: Vec<String>,
    vermagic: Option<Vermagic>,
    is_signed: bool,
    /// With the checksum that the module was built for, or 0, and whether the symbol may be missing.
    imports: Vec<(String, u64, bool)>,
    exports: Vec<(String, u64)>,
}

/// Looks at every module of a tree and at its indexes.
///
/// # Errors
/// [`TreeError`], where a listing cannot be read or the machine is at fault.
pub fn check(tree: &Tree, options: &CheckOptions) -> Result<Checked, TreeError> {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let modules = summaries(tree, &mut found)?;
    let kernel = symbols::of_kernel(tree, options, &mut notes)?;
    symbols::compare(tree, &modules, kernel.as_ref(), &mut found)?;
    vermagic::compare(&modules, tree.version(), &mut found);
    let any_signed = modules.iter().any(|module| module.is_signed);
    for module in &modules {
        let name = &module.entry.name;
        if any_signed && !module.is_signed {
            found.push((
                FindingKind::Unsigned,
                name.to_string(),
                "has no signature".to_owned(),
            ));
        }
        let firmware = options.firmware.iter();
        for (dir, file) in
            firmware.flat_map(|dir| module.firmware.iter().map(move |file| (dir, file)))
        {
            if !firmware::is_there(dir, file) {
                found.push((
                    FindingKind::Firmware,
                    name.to_string(),
                    format!("names {file}"),
                ));
            }
        }
    }
    for (name, files) in duplicates(tree.dir()).map_err(|error| tree.named(error))? {
        let files = files.iter().map(|file| file.display().to_string());
        let files: Vec<_> = files.collect();
        found.push((FindingKind::Duplicate, name.to_string(), files.join(", ")));
    }
    found.extend(indexes::compare(tree, &mut notes)?);
    let findings = found.into_iter().map(|(kind, subject, text)| Finding {
        kind,
        subject,
        text,
    });
    let mut findings: Vec<_> = findings.collect();
    findings.sort();
    Ok(Checked { findings, notes })
}

/// Reads all modules; those that are damaged are findings.
fn summaries(tree: &Tree, found: &mut Vec<Found>) -> Result<Vec<Summary>, TreeError> {
    let entries = tree.modules()?;
    let read: Vec<_> = entries
        .par_iter()
        .map(|entry| summary(tree, entry))
        .collect();
    let mut modules = Vec::new();
    for (entry, read) in entries.iter().zip(read) {
        match read {
            Ok(summary) => modules.push(summary),
            Err(error) if error.is_input() => {
                found.push((
                    FindingKind::Damaged,
                    entry.name.to_string(),
                    error.to_string(),
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(modules)
}

fn summary(tree: &Tree, entry: &Entry) -> Result<Summary, TreeError> {
    let (module, record) = tree.module_with_checks(entry)?;
    let checks = record.checks.unwrap_or_default();
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let imports = record.imports.names().map(text).zip(checks.imports);
    let exports = record.exports.iter().map(text).zip(checks.exports);
    let firmware = module.info.all("firmware");
    Ok(Summary {
        entry: entry.clone(),
        depends: module.info.depends().map(ModuleName::new).collect(),
        firmware: firmware.map(|name| name.into_owned()).collect(),
        vermagic: module.info.vermagic(),
        is_signed: module.signed,
        imports: imports
            .map(|(name, (crc, is_weak))| (name, crc, is_weak))
            .collect(),
        exports: exports.collect(),
    })
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
