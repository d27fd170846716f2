//! The chain of UEFI: the program, and what that one loads.

use super::files::Files;
use super::payload::{LoadedKernel, check_initramfs, check_kernel};
use super::{Report, codes, loader_entries};
use crate::disk::build::EFI_PROGRAM;
use crate::disk::fat::read::FatError;
use crate::disk::pe::{Machine, Program};
use crate::disk::uki::Role;
use crate::kernel::version_of;

/// What a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Started {
    /// It is systemd's boot loader, which reads entries.
    BootLoader,
    /// It has kernel and initramfs in it.
    Unified,
    /// It is something else that may work.
    Unknown,
    /// It does not work; a finding says why.
    Nothing,
}

/// Gives whether there is a chain at all. Where it is not expected, its absence is no finding.
pub(super) fn check(
    files: &Files<'_>,
    expected: bool,
    report: &mut Report,
) -> Result<bool, FatError> {
    let Some(bytes) = files.file(EFI_PROGRAM, report)?.bytes() else {
        if expected {
            let seen = format!("there is no {EFI_PROGRAM}");
            report.find(&codes::NO_EFI_PROGRAM, seen);
        }
        return Ok(false);
    };
    match program(EFI_PROGRAM, &bytes, report) {
        Started::BootLoader => loader_entries::check(files, report)?,
        Started::Unknown => {
            let fact = "UEFI: a boot loader that is not known here";
            report.facts.push(fact.to_owned());
        }
        Started::Unified | Started::Nothing => {}
    }
    Ok(true)
}

/// Checks a program by itself.
pub(super) fn program(name: &str, bytes: &[u8], report: &mut Report) -> Started {
    let program = match Program::parse(bytes) {
        Ok(program) if program.machine == Machine::X86_64 => program,
        Ok(program) => {
            let seen = format!("{name} is for {}", program.machine);
            report.find(&codes::BAD_EFI_PROGRAM, seen);
            return Started::Nothing;
        }
        Err(error) => {
            report.find(&codes::BAD_EFI_PROGRAM, format_args!("{name}: {error}"));
            return Started::Nothing;
        }
    };
    match (unified(name, &program, report), Role::of(&program)) {
        (true, _) => Started::Unified,
        (false, Some(Role::BootLoader)) => Started::BootLoader,
        (false, Some(Role::Stub)) => {
            let seen = format!("{name} is systemd's stub, and has no kernel in it");
            report.find(&codes::WRONG_EFI_PROGRAM, seen);
            Started::Nothing
        }
        (false, None) if version_of(bytes).is_some() => {
            let seen = format!("{name} is a kernel");
            report.find(&codes::KERNEL_ALONE, seen);
            Started::Nothing
        }
        (false, None) => Started::Unknown,
    }
}

/// A kernel with its initramfs in one program; false where it is none.
pub(super) fn unified(name: &str, program: &Program<'_>, report: &mut Report) -> bool {
    let Some(image) = program.section(".linux") else {
        return false;
    };
    if Role::of(program) == Some(Role::BootLoader) {
        let seen = format!("{name} has a kernel in it, and is systemd's boot loader");
        report.find(&codes::WRONG_EFI_PROGRAM, seen);
    }
    if program.signature_matches() == Some(false) {
        let seen = format!("{name} has a signature of other bytes");
        report.find(&codes::SIGNATURE_BROKEN, seen);
    }
    let version = check_kernel(name, image, true, report);
    if let Some(initramfs) = program.section(".initrd") {
        let kernel = LoadedKernel { image, version };
        check_initramfs(name, initramfs, Some(&kernel), report);
    }
    let fact = "UEFI: a unified kernel image".to_owned();
    if !report.facts.contains(&fact) {
        report.facts.push(fact);
    }
    true
}
