//! Modules: whether they are this kernel's, whole, and have what they need.

mod firmware;
mod hardware;
mod index;

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use codec::Format;
use modtree::{
    Builtins, KernelConfig, ModInfo, Module, ModuleName, Vermagic, VermagicMismatch, When, alias,
};
use rayon::prelude::*;

use super::{Booted, codes};
use crate::busybox;
use crate::finding::{Code, Report};
use crate::inspect::Files;
use crate::inspect::modules::{ModuleFile, below_modules};

/// Larger than any module.
const MODULE_LIMIT: u64 = 256 << 20;

/// The fields of the modules of one version.
struct Modules<'files> {
    modules: BTreeMap<ModuleName, Cow<'files, ModInfo>>,
    /// Where each of them is; of several of one name, the last one.
    paths: BTreeMap<ModuleName, &'files str>,
    /// Whether anything in the image loads modules by name, and not from their files alone.
    are_probed: bool,
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
        let modules = read(files, version, kernel, report);
        report.facts.push(format!(
            "{} modules of kernel {version}",
            modules.modules.len()
        ));
        if modules.modules.is_empty() {
            continue;
        }
        index::check(&modules, files, version, report);
        check_each(&modules, report);
        check_vermagic(&modules, version, report);
        check_list(&modules, files, report);
        hardware::check_code_pages(&modules, kernel, report);
        hardware::check_hosts(&modules, kernel, report);
        firmware::check(&modules, files, version, kernel, report);
    }
}

fn read<'files>(
    files: &'files Files<'_>,
    version: &'files str,
    kernel: Booted<'_>,
    report: &mut Report,
) -> Modules<'files> {
    let text = move |name: &str| {
        let found = files.follow(&format!("lib/modules/{version}/{name}"));
        found.map_or_else(Vec::new, |(_, file)| file.data.to_vec())
    };
    let builtins =
        move || Builtins::parse(text("modules.builtin"), text("modules.builtin.modinfo"));
    let busybox_loads = !kmod_loads(files);
    let mut modules = Modules {
        modules: BTreeMap::new(),
        paths: BTreeMap::new(),
        are_probed: !busybox_loads || calls_modprobe(files),
        builtins: LazyCell::new(Box::new(builtins)),
    };
    let found: Vec<_> = files
        .modules()
        .filter(|module| module.version == version)
        .collect();
    let fields = |module: &ModuleFile<'files, '_>| match module.known {
        Some(info) => Ok(Cow::Borrowed(info)),
        None => parsed(module.file.data).map(Cow::Owned),
    };
    // No thread is woken up where nothing has to be read.
    let parsed: Vec<_> = match found.iter().all(|module| module.known.is_some()) {
        true => found.iter().map(fields).collect(),
        false => found.par_iter().map(fields).collect(),
    };
    for (module, parsed) in found.into_iter().zip(parsed) {
        let (path, data) = (module.path, module.file.data);
        if busybox_loads && let Some(format) = codec::detect(data) {
            let code = unpacking(format, files, kernel);
            report.find(code, format_args!("/{path}"));
        }
        match parsed {
            Ok(parsed) => {
                modules.paths.insert(module.name.clone(), path);
                modules.modules.insert(module.name, parsed);
            }
            Err(error) => report.find(&codes::MODULE_DAMAGED, format_args!("/{path}: {error}")),
        }
    }
    modules
}

/// The first busybox that lets a kernel unpack modules (`MODULE_INIT_COMPRESSED_FILE`).
const UNPACKING_BUSYBOX: (u32, u32) = (1, 37);

/// What it means that a module is compressed, for a busybox.
fn unpacking(format: Format, files: &Files<'_>, kernel: Booted<'_>) -> &'static Code {
    let option = match format {
        Format::Zstd => "CONFIG_MODULE_COMPRESS_ZSTD",
        Format::Gzip | Format::Xz | Format::Bzip2 => return &codes::MODULE_COMPRESSED,
        _ => return &codes::MODULE_PACKED,
    };
    let unpacks = |config: &KernelConfig| {
        let all = ["CONFIG_MODULE_DECOMPRESS", option];
        all.iter().all(|option| config.get(option) == Some("y"))
    };
    let busybox = files.follow("bin/busybox");
    let version = busybox.and_then(|(_, file)| busybox::version(file.data));
    let asks = version.is_none_or(|version| version >= UNPACKING_BUSYBOX);
    match asks && kernel.config.is_none_or(unpacks) {
        true => &codes::MODULE_COMPRESSED,
        false => &codes::MODULE_PACKED,
    }
}

/// Whether a script, or a rule of mdev or init, calls modprobe.
fn calls_modprobe(files: &Files<'_>) -> bool {
    let is_text = |path: &str| path == "init" || path.starts_with("etc/") || path.ends_with(".sh");
    let calls = |data: &[u8]| memchr::memmem::find(data, b"modprobe").is_some();
    let init = files
        .follow("init")
        .is_some_and(|(_, init)| calls(init.data));
    init || files
        .iter()
        .any(|(path, file)| is_text(path) && calls(file.data))
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

fn check_each(modules: &Modules<'_>, report: &mut Report) {
    for (name, info) in &modules.modules {
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

fn check_vermagic(modules: &Modules<'_>, version: &str, report: &mut Report) {
    let magics = modules.modules.iter();
    let magics = magics.filter_map(|(name, info)| Some((name, info.vermagic()?)));
    let magics: Vec<_> = magics.collect();
    let most = Vermagic::most_common_options(magics.iter().map(|(_, magic)| magic));
    for (name, magic) in &magics {
        let Some(mismatch) = magic.mismatch(version, most) else {
            continue;
        };
        match mismatch {
            VermagicMismatch::Release { .. } => report.find(
                match magic.has_modversions() {
                    true => &codes::RELEASE,
                    false => &codes::VERMAGIC,
                },
                format_args!("{name} {mismatch}, and is in the folder of {version}"),
            ),
            _ => report.find(&codes::VERMAGIC, format_args!("{name} {mismatch}")),
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
        // The builtins are read last: nobody asks for one in most images.
        self.modules.contains_key(&name)
            || self.has_alias(asked)
            || !self.builtins.lookup(asked).is_empty()
    }

    fn has_alias(&self, asked: &str) -> bool {
        let Some(wanted) = alias::normalize(asked.as_bytes()) else {
            return false;
        };
        // Most aliases begin otherwise.
        let first = asked.as_bytes().first();
        let may_match = |pattern: &&[u8]| match pattern.first() {
            Some(letter) if letter.is_ascii_alphanumeric() => Some(letter) == first,
            _ => true,
        };
        self.modules.values().any(|info| {
            let patterns = info.raw("alias").filter(may_match);
            let mut patterns = patterns.filter_map(alias::normalize);
            patterns.any(|pattern| alias::matches(&pattern, &wanted))
        })
    }
}
