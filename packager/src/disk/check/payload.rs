//! What every boot loader loads: a kernel and an initramfs that go together.

use super::{File, Report, Volume, codes};
use crate::disk::fat::read::{FatError, Medium};
use crate::disk::pe::Program;
use crate::finding::Code;
use crate::inspect::check::{Booted, check_segments, codes as inspect_codes};
use crate::inspect::{self, Segment};
use crate::kernel::{Unpacked, length_of, version_of};

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
        let initramfs = self.initramfs.iter();
        let fresh: Vec<_> = initramfs
            .filter(|path| !volume.is_checked(format!("initramfs {path}")))
            .collect();
        let is_known = volume.is_checked(format!("kernel {}, EFI: {efi}", self.kernel));
        if is_known && fresh.is_empty() {
            return Ok(());
        }
        let image = exists(volume, self.named_in, &self.kernel, report)?;
        let kernel = image.as_deref().map(|image| LoadedKernel {
            image,
            version: check_kernel(&self.kernel, image, efi, report),
        });
        for path in fresh {
            if let Some(bytes) = exists(volume, self.named_in, path, report)? {
                check_initramfs(path, &bytes, kernel.as_ref(), report);
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
    let file = volume.file(path, report)?;
    if matches!(file, File::Missing) {
        let seen = format!("`{named_in}` names `{path}`, which is not there");
        report.find(&codes::MISSING_FILE, seen);
    }
    Ok(file.bytes())
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
        None => find_once(report, &codes::NOT_A_KERNEL, format!("`{path}`")),
    }
    if let Some(length) = length_of(bytes).filter(|length| *length > bytes.len() as u64) {
        let seen = format!("`{path}` has {} bytes of {length}", bytes.len());
        find_once(report, &codes::KERNEL_CUT_OFF, seen);
    } else if efi && version.is_some() && Program::parse(bytes).is_err() {
        find_once(report, &codes::NO_EFI_STUB, format!("`{path}`"));
    }
    version
}

/// Both boot loaders may have the same file.
fn find_once(report: &mut Report, code: &'static Code, seen: String) {
    let mut findings = report.findings.iter();
    if !findings.any(|finding| finding.code == code && finding.seen == seen) {
        report.find(code, seen);
    }
}

/// The kernel that boots with an initramfs.
pub(super) struct LoadedKernel<'a> {
    pub(super) image: &'a [u8],
    pub(super) version: Option<String>,
}

/// What `packager check` says of the initramfs, for this kernel. It is checked once, however many entries name it; its facts
/// are those of a check of the initramfs itself.
pub(super) fn check_initramfs(
    path: &str,
    bytes: &[u8],
    kernel: Option<&LoadedKernel<'_>>,
    report: &mut Report,
) {
    let fact = format!("initramfs {path}, {} bytes", bytes.len());
    if report.facts.contains(&fact) {
        return;
    }
    report.facts.push(fact);
    let (segments, end) = inspect::readable_segments(bytes);
    let booted = Booted {
        version: kernel.and_then(|kernel| kernel.version.as_deref()),
        config: None,
    };
    for finding in check_segments(bytes, &segments, end, booted).findings {
        report.find(finding.code, format_args!("`{path}`: {}", finding.seen));
    }
    if let Some(kernel) = kernel {
        check_decompressors(path, &segments, kernel.image, report);
    }
}

/// The kernel's configuration is not on the disk, but the kernel is.
fn check_decompressors(path: &str, segments: &[Segment<'_>], kernel: &[u8], report: &mut Report) {
    let Some(kernel) = Unpacked::new(kernel) else {
        return;
    };
    for segment in segments {
        if let Some(format) = segment.format
            && kernel.unpacks(format) == Some(false)
        {
            let seen = format_args!("`{path}` is {format}, and the kernel has no code for it");
            report.find(&inspect_codes::COMPRESSOR, seen);
        }
    }
}
