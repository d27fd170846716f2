//! The chain of UEFI: the program, and what that one loads.

use super::payload::{LoadedKernel, Payload, check_initramfs, check_kernel};
use super::{Report, Volume, codes};
use crate::disk::build::EFI_PROGRAM;
use crate::disk::fat::read::{FatError, Medium};
use crate::disk::pe::{Machine, Program};

const ENTRIES: &str = "loader/entries";

/// Gives whether there is a chain at all. Where it is not expected, its absence is no finding.
pub(super) fn check<M: Medium + ?Sized>(
    volume: &Volume<'_, '_, M>,
    expected: bool,
    report: &mut Report,
) -> Result<bool, FatError> {
    let Some(bytes) = volume.file(EFI_PROGRAM, report)?.bytes() else {
        if expected {
            let seen = format!("there is no {EFI_PROGRAM}");
            report.find(&codes::NO_EFI_PROGRAM, seen);
        }
        return Ok(false);
    };
    let program = match Program::parse(&bytes) {
        Ok(program) if program.machine == Machine::X86_64 => program,
        Ok(program) => {
            let seen = format!("{EFI_PROGRAM} is for {}", program.machine);
            report.find(&codes::BAD_EFI_PROGRAM, seen);
            return Ok(true);
        }
        Err(error) => {
            report.find(
                &codes::BAD_EFI_PROGRAM,
                format_args!("{EFI_PROGRAM}: {error}"),
            );
            return Ok(true);
        }
    };
    if unified(EFI_PROGRAM, &program, report) {
        return Ok(true);
    }
    if program.section(".sdmagic").is_some() {
        entries(volume, report)?;
    } else {
        report
            .facts
            .push("UEFI: a boot loader that is not known here".to_owned());
    }
    Ok(true)
}

/// A kernel with its initramfs in one program; false where it is none.
pub(super) fn unified(name: &str, program: &Program<'_>, report: &mut Report) -> bool {
    let Some(image) = program.section(".linux") else {
        return false;
    };
    let version = check_kernel(name, image, true, report);
    if let Some(initramfs) = program.section(".initrd") {
        let kernel = LoadedKernel { image, version };
        check_initramfs(name, initramfs, Some(&kernel), report);
    }
    report.facts.push("UEFI: a unified kernel image".to_owned());
    true
}

/// The entries of systemd-boot (<https://uapi-group.org/specifications/specs/boot_loader_specification/>).
fn entries<M: Medium + ?Sized>(
    volume: &Volume<'_, '_, M>,
    report: &mut Report,
) -> Result<(), FatError> {
    let files = volume
        .reader
        .list(ENTRIES)
        .ok()
        .flatten()
        .unwrap_or_default();
    let is_entry = |name: &str| name.to_lowercase().ends_with(".conf");
    let mut count = 0;
    for file in files.iter().filter(|file| is_entry(&file.name)) {
        let path = format!("{ENTRIES}/{}", file.name);
        let Some(bytes) = volume.file(&path, report)?.bytes() else {
            continue;
        };
        count += 1;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text
            .lines()
            .filter_map(|line| line.trim().split_once(char::is_whitespace));
        let mut payload = Payload {
            named_in: &path,
            kernel: String::new(),
            initramfs: Vec::new(),
        };
        for (key, value) in lines {
            let value = value.trim().trim_start_matches('/').to_owned();
            match key {
                "linux" => payload.kernel = value,
                "initrd" => payload.initramfs.push(value),
                _ => {}
            }
        }
        if !payload.kernel.is_empty() {
            payload.check(volume, true, report)?;
        }
    }
    if count == 0 {
        report.find(
            &codes::NO_LOADER_ENTRIES,
            format_args!("{ENTRIES} has none"),
        );
    }
    let count = super::entries(count);
    report.facts.push(format!("UEFI: systemd-boot, {count}"));
    Ok(())
}
