//! Modules that were built for another kernel than the others.

use super::{FindingKind, Found, Summary};
use crate::{Vermagic, VermagicMismatch};

pub(super) fn compare(modules: &[Summary], version: &str, found: &mut Vec<Found>) {
    let magics = modules.iter().filter_map(|module| module.vermagic.as_ref());
    let most = Vermagic::most_common_options(magics);
    for module in modules {
        let Some(magic) = &module.vermagic else {
            continue;
        };
        let Some(mismatch) = magic.mismatch(version, most) else {
            continue;
        };
        let has_checksums = module.imports.iter().any(|(_, crc, _)| *crc != 0);
        let kind = match mismatch {
            VermagicMismatch::Release { .. } if has_checksums && magic.has_modversions() => {
                FindingKind::Release
            }
            _ => FindingKind::Vermagic,
        };
        found.push((kind, module.entry.name.to_string(), mismatch.to_string()));
    }
}
