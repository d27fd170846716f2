//! What systemd-boot shows: its entries, and the unified kernel images beside them
//! (<https://uapi-group.org/specifications/specs/boot_loader_specification/>).

use modtree::alias;

use super::files::Files;
use super::initramfs::{Found, Source};
use super::payload::Payload;
use super::uefi::program;
use super::{Report, codes};
use crate::disk::fat::read::FatError;
use crate::disk::menu::is_hidden;
use crate::disk::pe::{Machine, Program};

/// Entries in text, and images that are entries by themselves.
const ENTRIES: &str = "loader/entries";
const IMAGES: &str = "EFI/Linux";
const CONFIG: &str = "loader/loader.conf";

/// More entries of a kind than people make; those behind them are not looked at.
const ENTRIES_MAX: usize = 1000;

/// More parts of an initramfs than people make; those behind them are left out.
const PARTS_MAX: usize = 100;

/// Bytes; longer than the name of any entry.
const PATTERN_MAX: usize = 1000;

/// Checks all entries.
pub(super) fn check(files: &Files<'_>, report: &mut Report) -> Result<(), FatError> {
    let mut shown = Vec::new();
    for name in shown_names(files, ENTRIES, ".conf") {
        if text_entry(files, &format!("{ENTRIES}/{name}"), report)? {
            shown.push(name);
        }
    }
    for name in shown_names(files, IMAGES, ".efi") {
        let path = format!("{IMAGES}/{name}");
        let Some(bytes) = files.file(&path, report)?.bytes() else {
            continue;
        };
        if is_unified(&bytes) {
            program(&path, &bytes, report);
            shown.push(name);
        }
    }
    if shown.is_empty() {
        let seen = format!("neither {ENTRIES} nor {IMAGES} has one that is shown");
        report.find(&codes::NO_LOADER_ENTRIES, seen);
    } else {
        default(files, &shown, report)?;
    }
    let count = super::entries(shown.len());
    report.facts.push(format!("UEFI: systemd-boot, {count}"));
    Ok(())
}

/// What each entry boots with, without a look at it; first those that `loader.conf` names, perhaps by a pattern.
pub(super) fn sources(files: &Files<'_>) -> Result<Vec<Found>, FatError> {
    let mut unseen = Report::default();
    let mut found = Vec::new();
    for name in shown_names(files, ENTRIES, ".conf") {
        let Some(bytes) = files
            .file(&format!("{ENTRIES}/{name}"), &mut unseen)?
            .bytes()
        else {
            continue;
        };
        let entry = TextEntry::parse(&String::from_utf8_lossy(&bytes));
        let source = match entry.kernel.is_empty() {
            true => Source::Program(entry.other),
            false => Source::Files(entry.initramfs),
        };
        found.push((name, source));
    }
    for name in shown_names(files, IMAGES, ".efi") {
        let path = format!("{IMAGES}/{name}");
        found.push((name, Source::Program(path)));
    }
    let wanted = wanted(files, &mut unseen)?;
    let wanted = wanted.filter(|it| it.len() <= PATTERN_MAX);
    let wanted = wanted.unwrap_or_default();
    let is_other = |(name, _): &(String, Source)| {
        let name = without_tries(&name.to_lowercase());
        !alias::matches(wanted.as_bytes(), name.as_bytes())
    };
    found.sort_by_cached_key(is_other);
    // Of several, systemd-boot takes one by their versions, or the one that it remembers.
    let others = found.iter().filter(|it| is_other(it)).count();
    let is_known = found.len() == 1 || found.len() - others == 1;
    let found = found.into_iter().enumerate();
    let found = found.map(|(index, (_, source))| Found {
        source,
        is_default: is_known && index == 0,
    });
    Ok(found.collect())
}

/// What else is there is left out.
fn is_unified(bytes: &[u8]) -> bool {
    Program::parse(bytes)
        .is_ok_and(|it| it.machine == Machine::X86_64 && it.section(".linux").is_some())
}

/// Files that systemd-boot does not leave out because of their names.
fn shown_names(files: &Files<'_>, folder: &str, suffix: &str) -> Vec<String> {
    let mut names = files.names(folder);
    names.retain(|name| name.to_lowercase().ends_with(suffix) && !is_hidden(name));
    names.truncate(ENTRIES_MAX);
    names
}

/// An entry's paths, from the root, without a leading `/`; empty where it has none.
#[derive(Default)]
struct TextEntry {
    kernel: String,
    initramfs: Vec<String>,
    /// What is started instead of a kernel.
    other: String,
}

impl TextEntry {
    fn parse(text: &str) -> Self {
        let mut out = Self::default();
        for (key, value) in lines(text) {
            let value = value.replace('\\', "/").trim_start_matches('/').to_owned();
            match key {
                "linux" => out.kernel = value,
                "initrd" if out.initramfs.len() == PARTS_MAX => {}
                "initrd" => out.initramfs.push(value),
                "efi" | "uki" => out.other = value,
                _ => {}
            }
        }
        out
    }
}

/// Checks an entry; gives whether it is shown.
fn text_entry(files: &Files<'_>, path: &str, report: &mut Report) -> Result<bool, FatError> {
    let Some(bytes) = files.file(path, report)?.bytes() else {
        return Ok(false);
    };
    let TextEntry {
        kernel,
        initramfs,
        other,
    } = TextEntry::parse(&String::from_utf8_lossy(&bytes));
    if !kernel.is_empty() {
        let payload = Payload {
            named_in: path,
            kernel,
            initramfs,
        };
        payload.check(files, true, report)?;
    } else if other.is_empty() {
        let seen = format!("`{path}` has none of linux, efi and uki");
        report.find(&codes::INCOMPLETE_ENTRY, seen);
        return Ok(false);
    } else if let Some(bytes) = files.named(path, &other, report)? {
        program(&other, &bytes, report);
    }
    Ok(true)
}

/// Whether `loader.conf` names an entry that is there. It may have a pattern.
fn default(files: &Files<'_>, shown: &[String], report: &mut Report) -> Result<(), FatError> {
    let Some(wanted) = wanted(files, report)? else {
        return Ok(());
    };
    // What is remembered, and what systemd-boot finds by itself, is not on the disk.
    let is_known = wanted.starts_with('@')
        || wanted.starts_with("auto-")
        || wanted.contains(['*', '?', '['])
        || shown
            .iter()
            .any(|name| without_tries(&name.to_lowercase()) == wanted);
    if !is_known {
        let seen = format!(
            "`{CONFIG}` names `{wanted}`, and there is {}",
            shown.join(", ")
        );
        report.find(&codes::NO_DEFAULT_ENTRY, seen);
    }
    Ok(())
}

/// What `loader.conf` names, in small letters.
fn wanted(files: &Files<'_>, report: &mut Report) -> Result<Option<String>, FatError> {
    let Some(bytes) = files.file(CONFIG, report)?.bytes() else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    let named = lines(&text).filter(|(key, _)| *key == "default").last();
    Ok(named.map(|(_, wanted)| wanted.to_owned()))
}

/// The name of an entry without the tries that are left and done: `linux.conf` for `linux+3-1.conf` (Automatic Boot Assessment).
fn without_tries(name: &str) -> String {
    let Some((stem, suffix)) = name.rsplit_once('.') else {
        return name.to_owned();
    };
    let is_counter = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let is_tries = |text: &str| text.split('-').count() <= 2 && text.split('-').all(is_counter);
    match stem.rsplit_once('+') {
        Some((name, tries)) if is_tries(tries) => format!("{name}.{suffix}"),
        _ => name.to_owned(),
    }
}

/// Keys and their values.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(char::is_whitespace));
    pairs.map(|(key, value)| (key, value.trim()))
}
