//! What every boot loader loads: a kernel and an initramfs that go together.

use super::files::Files;
use super::{Report, codes};
use crate::disk::fat::read::FatError;
use crate::disk::pe::Program;
use crate::inspect::check::{Booted, check_segments, codes as inspect_codes};
use crate::inspect::{self, Segment};
use crate::kernel::{Unpacked, length_of, version_of};

/// What calls itself a kernel and boots an image of a disk, which is its initramfs.
const MEMDISK: &str = "MEMDISK";

/// Parts of an initramfs begin at multiples of this.
const ALIGNMENT: usize = 4;

/// The files of one entry of a configuration.
pub(super) struct Payload<'a> {
    /// The configuration.
    pub(super) named_in: &'a str,
    pub(super) kernel: String,
    pub(super) initramfs: Vec<String>,
}

impl Payload<'_> {
    pub(super) fn check(
        &self,
        files: &Files<'_>,
        efi: bool,
        report: &mut Report,
    ) -> Result<(), FatError> {
        let parts = self.initramfs.join(", ");
        let is_fresh = !parts.is_empty() && !files.is_checked(format!("initramfs {parts}"));
        let is_known = files.is_checked(format!("kernel {}, EFI: {efi}", self.kernel));
        if is_known && !is_fresh {
            return Ok(());
        }
        let image = files.named(self.named_in, &self.kernel, report)?;
        let kernel = image.as_deref().map(|image| LoadedKernel {
            image,
            version: check_kernel(&self.kernel, image, efi, report),
        });
        if !is_fresh {
            return Ok(());
        }
        let version = kernel.as_ref().and_then(|it| it.version.as_deref());
        let is_disk = version == Some(MEMDISK);
        if let Some(bytes) = self.loaded(files, report)?.filter(|_| !is_disk) {
            check_initramfs(&parts, &bytes, kernel.as_ref(), report);
        }
        Ok(())
    }

    /// The initramfs as it is in memory: its parts one behind the other. `None` where one of them is missing.
    fn loaded(&self, files: &Files<'_>, report: &mut Report) -> Result<Option<Vec<u8>>, FatError> {
        let mut out = Some(Vec::new());
        for path in &self.initramfs {
            let part = files.named(self.named_in, path, report)?;
            out = out.zip(part).map(|(out, part)| joined(out, part));
        }
        Ok(out)
    }
}

/// The parts of an initramfs that are loaded so far, and one more, as they are in memory.
pub(super) fn joined(mut loaded: Vec<u8>, part: Vec<u8>) -> Vec<u8> {
    if loaded.is_empty() {
        return part;
    }
    loaded.resize(loaded.len().next_multiple_of(ALIGNMENT), 0);
    loaded.extend(part);
    loaded
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
        // Both boot loaders may have the same file.
        None => report.find_once(&codes::NOT_A_KERNEL, format!("`{path}`")),
    }
    if let Some(length) = length_of(bytes).filter(|length| *length > bytes.len() as u64) {
        let seen = format!("`{path}` has {} bytes of {length}", bytes.len());
        report.find_once(&codes::KERNEL_CUT_OFF, seen);
    } else if efi && version.is_some() && Program::parse(bytes).is_err() {
        report.find_once(&codes::NO_EFI_STUB, format!("`{path}`"));
    }
    version
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
