//! The firmware that modules name, where the kernel looks for it (`drivers/base/firmware_loader/main.c`).

use std::cell::LazyCell;
use std::collections::BTreeSet;

use modtree::KernelConfig;

use super::Modules;
use crate::finding::Report;
use crate::inspect::Files;
use crate::inspect::check::{Booted, codes};

/// Suffixes of compressed files, with the options without which the kernel does not look for them: today's name, and the one before
/// Linux 5.19.
const COMPRESSED: [(&str, &[&str]); 2] = [
    (
        ".xz",
        &["CONFIG_FW_LOADER_COMPRESS_XZ", "CONFIG_FW_LOADER_COMPRESS"],
    ),
    (".zst", &["CONFIG_FW_LOADER_COMPRESS_ZSTD"]),
];

pub(super) fn check(
    modules: &Modules<'_>,
    files: &Files<'_>,
    version: &str,
    kernel: Booted<'_>,
    report: &mut Report,
) {
    let suffixes = LazyCell::new(|| suffixes(kernel.config));
    let names = modules.modules.values();
    let names = names.flat_map(|info| info.all("firmware"));
    let missing: BTreeSet<String> = names
        .filter(|name| !is_there(files, name, version, &suffixes))
        .map(|name| name.into_owned())
        .collect();
    if let Some(first) = missing.first() {
        let count = missing.len();
        report.find(
            &codes::FIRMWARE,
            format_args!("{count} of the files that modules name, for example {first}"),
        );
    }
}

/// What may follow a file's name: nothing, and what this kernel unpacks.
fn suffixes(config: Option<&KernelConfig>) -> Vec<&'static str> {
    let is_read = |options: &[&str]| {
        let is_set = |config: &KernelConfig| options.iter().any(|it| config.get(it) == Some("y"));
        config.is_none_or(is_set)
    };
    let compressed = COMPRESSED.iter().filter(|(_, options)| is_read(options));
    let compressed = compressed.map(|(suffix, _)| *suffix);
    [""].into_iter().chain(compressed).collect()
}

/// Whether a firmware file is there, compressed or not. A name with `*` stands for those of many devices, and none may be meant.
fn is_there(files: &Files<'_>, name: &str, version: &str, suffixes: &[&str]) -> bool {
    let folders = [
        format!("updates/{version}/"),
        "updates/".to_owned(),
        format!("{version}/"),
        String::new(),
    ];
    let there = |folder: &String| {
        let mut paths = suffixes
            .iter()
            .map(|suffix| format!("lib/firmware/{folder}{name}{suffix}"));
        paths.any(|path| files.follow(&path).is_some())
    };
    name.contains('*') || folders.iter().any(there)
}
