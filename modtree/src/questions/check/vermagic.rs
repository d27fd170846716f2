//! Modules that were built for another kernel than the others.
//!
//! `vermagic=` is the kernel's release and then what it was configured to (`SMP preempt mod_unload modversions`). The kernel
//! compares all of it; with `modversions`, the symbols' checksums stand for the release (`kernel/module/version.c`,
//! `same_magic`).

use std::collections::HashMap;

use super::{FindingKind, Found, Summary};

/// Release and configuration.
fn parts(vermagic: &str) -> (&str, &str) {
    vermagic.split_once(' ').unwrap_or((vermagic, ""))
}

pub(super) fn compare(modules: &[Summary], version: &str, found: &mut Vec<Found>) {
    let most = most_common(modules);
    for module in modules.iter().filter(|module| !module.vermagic.is_empty()) {
        let (release, configuration) = parts(&module.vermagic);
        let name = module.entry.name.to_string();
        if configuration != most {
            let text = format!(
                "was built for a kernel with `{configuration}`, and most here for `{most}`"
            );
            found.push((FindingKind::Vermagic, name, text));
            continue;
        }
        let has_checksums = module.imports.iter().any(|(_, crc, _)| *crc != 0);
        let is_loaded = has_checksums && configuration.split(' ').any(|word| word == "modversions");
        if release != version {
            let kind = match is_loaded {
                true => FindingKind::Release,
                false => FindingKind::Vermagic,
            };
            found.push((kind, name, format!("was built for {release}")));
        }
    }
}

/// The configuration that most modules were built for; of equal ones, the first by name.
fn most_common(modules: &[Summary]) -> &str {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for module in modules.iter().filter(|module| !module.vermagic.is_empty()) {
        *counts.entry(parts(&module.vermagic).1).or_default() += 1;
    }
    let most = counts
        .into_iter()
        .max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
    most.map_or("", |(configuration, _)| configuration)
}
