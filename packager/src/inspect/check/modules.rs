//! Modules: whether they are this kernel's, whole, and have what they need.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use modtree::{Builtins, ModInfo, Module, ModuleName, When, alias};
use rayon::prelude::*;

use super::{Booted, codes};
use crate::finding::Report;
use crate::inspect::Files;
use crate::inspect::modules::below_modules;

/// Larger than any module.
const MODULE_LIMIT: u64 = 256 << 20;

/// The fields of the modules of one version.
struct Modules<'files> {
    modules: BTreeMap<ModuleName, ModInfo>,
    /// Seldom asked for: an image has most of what its modules need.
    builtins: LazyCell<Builtins, Box<dyn FnOnce() -> Builtins + 'files>>,
}

pub(super) fn check(files: &Files<'_>, kernel: Booted<'_>, report: &mut Report) {
    let versions: BTreeSet<&str> = files
        .iter()
        .filter_map(|(path, _)| below_modules(path)?.split_once('/'))
        .map(|(version, _)| version)
        .collect();
    if let Some(version) = kernel.version
        && !versions.is_empty()
        && !versions.contains(version)
    {
        let have = versions.iter().copied().collect::<Vec<_>>().join(", ");
        report.find(
            &codes::KERNEL_VERSION,
            format_args!("the kernel is {version}, the modules are {have}"),
        );
    }
    for version in versions {
        let modules = read(files, version, report);
        report.facts.push(format!(
            "{} modules of kernel {version}",
            modules.modules.len()
        ));
        if modules.modules.is_empty() {
            continue;
        }
        if files
            .follow(&format!("lib/modules/{version}/modules.dep"))
            .is_none()
        {
            report.find(
                &codes::NO_INDEX,
                format_args!("there is no /lib/modules/{version}/modules.dep"),
            );
        }
        check_each(&modules, version, report);
        check_list(&modules, files, report);
        check_code_pages(&modules, kernel, report);
        check_firmware(&modules, files, report);
    }
}

fn read<'files>(
    files: &'files Files<'_>,
    version: &'files str,
    report: &mut Report,
) -> Modules<'files> {
    let text = move |name: &str| {
        let found = files.follow(&format!("lib/modules/{version}/{name}"));
        found.map_or_else(Vec::new, |(_, file)| file.data.to_vec())
    };
    let builtins =
        move || Builtins::parse(text("modules.builtin"), text("modules.builtin.modinfo"));
    let mut modules = Modules {
        modules: BTreeMap::new(),
        builtins: LazyCell::new(Box::new(builtins)),
    };
    let busybox_loads = !kmod_loads(files);
    let found: Vec<_> = files
        .modules()
        .filter(|module| module.version == version)
        .collect();
    let parsed: Vec<_> = found
        .par_iter()
        .map(|module| parsed(module.file.data))
        .collect();
    for (module, parsed) in found.into_iter().zip(parsed) {
        let (path, data) = (module.path, module.file.data);
        if busybox_loads && codec::detect(data).is_some() {
            report.find(&codes::MODULE_COMPRESSED, format_args!("/{path}"));
        }
        match parsed {
            Ok(parsed) => drop(modules.modules.insert(module.name, parsed)),
            Err(error) => report.find(&codes::MODULE_DAMAGED, format_args!("/{path}: {error}")),
        }
    }
    modules
}

/// The fields of a module, compressed or not, or what is wrong with it.
fn parsed(stored: &[u8]) -> Result<ModInfo, String> {
    let bytes = codec::decode(stored, MODULE_LIMIT).map_err(|error| error.to_string())?;
    Module::checked_info(&bytes).map_err(|error| error.to_string())
}

/// Whether the image's modprobe is kmod's, which unpacks modules itself. Where there is none, busybox's insmod is left.
fn kmod_loads(files: &Files<'_>) -> bool {
    let places = [
        "sbin/modprobe",
        "usr/sbin/modprobe",
        "bin/kmod",
        "usr/bin/kmod",
    ];
    let programs = places.iter().filter_map(|place| files.follow(place));
    let names: Vec<_> = programs.map(|(path, _)| path).collect();
    !names.is_empty() && !names.iter().any(|path| path.contains("busybox"))
}

fn check_each(modules: &Modules<'_>, version: &str, report: &mut Report) {
    for (name, info) in &modules.modules {
        if let Some(release) = info
            .vermagic_release()
            .filter(|release| release.as_ref() != version)
        {
            report.find(
                &codes::VERMAGIC,
                format_args!("{name} was built for {release}, and is in the folder of {version}"),
            );
        }
        for needed in info.depends().map(ModuleName::new) {
            if !modules.modules.contains_key(&needed) && !modules.builtins.contains(&needed) {
                report.find(
                    &codes::MODULE_DEPENDENCY,
                    format_args!("{name} needs {needed}"),
                );
            }
        }
        for (when, asked) in info.softdeps().flatten() {
            if when == When::Pre && !modules.has(&asked) {
                report.find(&codes::SOFTDEP, format_args!("{name} asks for {asked}"));
            }
        }
    }
}

/// What packager's `/init` loads; others' images have no such file, or mean the same by it (modules(5)).
fn check_list(modules: &Modules<'_>, files: &Files<'_>, report: &mut Report) {
    let Some((_, list)) = files.follow("etc/modules") else {
        return;
    };
    for line in String::from_utf8_lossy(list.data).lines() {
        let name = line.split_whitespace().next().unwrap_or("#");
        if !name.starts_with('#') && !modules.has(name) {
            report.find(&codes::LISTED, format_args!("/etc/modules lists {name}"));
        }
    }
}

impl Modules<'_> {
    /// Whether a name or an alias is one of the modules, or built in.
    fn has(&self, asked: &str) -> bool {
        let name = ModuleName::new(asked);
        if self.modules.contains_key(&name) || !self.builtins.lookup(asked).is_empty() {
            return true;
        }
        let Some(wanted) = alias::normalize(asked.as_bytes()) else {
            return false;
        };
        self.modules.values().any(|info| {
            let patterns = info.raw("alias").filter_map(alias::normalize);
            patterns
                .into_iter()
                .any(|pattern| alias::matches(&pattern, &wanted))
        })
    }
}

/// Whatever uses `load_nls` and the string `cp%d` is a FAT driver; its defaults are in the kernel's configuration.
fn check_code_pages(modules: &Modules<'_>, kernel: Booted<'_>, report: &mut Report) {
    let (Some(config), true) = (
        kernel.config,
        modules.modules.contains_key(&ModuleName::new("fat")),
    ) else {
        return;
    };
    let page = config
        .get("CONFIG_FAT_DEFAULT_CODEPAGE")
        .map(|page| format!("nls_cp{page}"));
    let charset = config
        .get("CONFIG_FAT_DEFAULT_IOCHARSET")
        .map(|charset| format!("nls_{}", charset.trim_matches('"')));
    for needed in page.into_iter().chain(charset) {
        // utf8 is a mount option's word as well, and every kernel with vfat has it in nls_base.
        if !modules.has(&needed) && !needed.contains("utf8") {
            report.find(&codes::CODE_PAGE, format_args!("fat asks for {needed}"));
        }
    }
}

/// Whether a firmware file is there, compressed or not. A name with `*` stands for those of many devices, and none may be meant.
fn has_firmware(files: &Files<'_>, name: &str) -> bool {
    let suffixes = ["", ".xz", ".zst"];
    let there = |suffix: &&str| {
        files
            .follow(&format!("lib/firmware/{name}{suffix}"))
            .is_some()
    };
    name.contains('*') || suffixes.iter().any(there)
}

fn check_firmware(modules: &Modules<'_>, files: &Files<'_>, report: &mut Report) {
    let missing: BTreeSet<String> = modules
        .modules
        .values()
        .flat_map(|info| info.all("firmware"))
        .filter(|name| !has_firmware(files, name))
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
