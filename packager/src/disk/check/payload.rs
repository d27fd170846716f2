//! What every boot loader loads: a kernel and an initramfs that go together.

use super::{Report, Volume, codes};
use crate::disk::fat::read::{FatError, Medium};
use crate::disk::pe::Program;
use crate::inspect;
use crate::kernel::version_of;

/// The files of one entry of a configuration.
pub(super) struct Payload<'a> {
    /// The configuration.
    pub(super) named_in: &'a str,
    pub(super) kernel: String,
    pub(super) initramfs: Vec<String>,
}

impl Payload<'_> {
    pub(super) fn check<M: Medium + ?Sized>(
        &self,
        volume: &Volume<'_, '_, M>,
        efi: bool,
        report: &mut Report,
    ) -> Result<(), FatError> {
        let mut version = None;
        if let Some(kernel) = exists(volume, self.named_in, &self.kernel, report)? {
            version = check_kernel(&self.kernel, &kernel, efi, report);
        }
        for path in &self.initramfs {
            if let Some(bytes) = exists(volume, self.named_in, path, report)? {
                check_initramfs(path, &bytes, version.as_deref(), report);
            }
        }
        Ok(())
    }
}

/// The bytes of a file that a configuration names; a finding where there is none.
pub(super) fn exists<M: Medium + ?Sized>(
    volume: &Volume<'_, '_, M>,
    named_in: &str,
    path: &str,
    report: &mut Report,
) -> Result<Option<Vec<u8>>, FatError> {
    let bytes = volume.file(path, report)?;
    if bytes.is_none() {
        let seen = format!("`{named_in}` names `{path}`, which is not there");
        report.find(&codes::MISSING_FILE, seen);
    }
    Ok(bytes)
}

/// Gives the kernel's version.
pub(super) fn check_kernel(
    path: &str,
    bytes: &[u8],
    efi: bool,
    report: &mut Report,
) -> Option<String> {
    let version = version_of(bytes);
    match &version {
        Some(version) => {
            let fact = format!("kernel {version}");
            if !report.facts.contains(&fact) {
                report.facts.push(fact);
            }
        }
        None => report.find(&codes::NOT_A_KERNEL, format_args!("`{path}`")),
    }
    if efi && version.is_some() && Program::parse(bytes).is_err() {
        report.find(&codes::NO_EFI_STUB, format_args!("`{path}`"));
    }
    version
}

/// The segments can be read, and the modules are this kernel's. An initramfs is checked once, however many name it.
pub(super) fn check_initramfs(path: &str, bytes: &[u8], kernel: Option<&str>, report: &mut Report) {
    let fact = format!("initramfs {path}, {} bytes", bytes.len());
    if report.facts.contains(&fact) {
        return;
    }
    report.facts.push(fact);
    let segments = match inspect::segments(bytes) {
        Ok(segments) => segments,
        Err(error) => {
            report.find(&codes::BAD_INITRAMFS, format_args!("`{path}`: {error}"));
            return;
        }
    };
    for entry in segments.iter().flat_map(inspect::Segment::entries) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                report.find(&codes::BAD_INITRAMFS, format_args!("`{path}`: {error}"));
                return;
            }
        };
        let name = String::from_utf8_lossy(entry.name);
        let name = name.trim_start_matches("./").trim_start_matches("usr/");
        let rest = name.strip_prefix("lib/modules/");
        let modules = rest.and_then(|rest| rest.split('/').next());
        if let (Some(kernel), Some(modules)) = (kernel, modules)
            && kernel != modules
        {
            let seen = format!("the kernel is {kernel}, and `{path}` has modules of {modules}");
            report.find(&codes::VERSIONS_DIFFER, seen);
            return;
        }
    }
    // What is inside matters as much; its facts are those of `packager check` on the initramfs itself.
    let booted = inspect::check::Booted {
        version: kernel,
        config: None,
    };
    report
        .findings
        .extend(inspect::check::check(bytes, booted).findings);
}
