//! What UEFI starts: systemd's boot loader, or a program with kernel and initramfs in it.

use std::path::PathBuf;

use cli::Failure;
use packager::disk::Uefi;
use packager::disk::uki::{self, UkiError, find_boot_loader, find_stub};

use super::{Firmware, ImageArgs};
use crate::content::Content;
use crate::uki::failure;

impl ImageArgs {
    /// The program, and the file that it is, or is made of; `None` for a BIOS only.
    pub(super) fn uefi(
        &self,
        content: Option<&Content>,
    ) -> Result<Option<(Uefi, PathBuf)>, Failure> {
        let made = match (self.firmware, &self.efi, content) {
            (Firmware::Bios, _, _) | (_, None, None) => return Ok(None),
            (_, Some(path), _) => {
                uki::read_program(path).map(|bytes| (Uefi::Unified(bytes), path.clone()))
            }
            (_, None, Some(content)) => self.uefi_program(content),
        };
        made.map(Some).map_err(failure)
    }

    fn uefi_program(&self, content: &Content) -> Result<(Uefi, PathBuf), UkiError> {
        if !self.uki {
            let loader = find_boot_loader(self.systemd_boot.as_deref())?;
            uki::check_kernel(&content.kernel, &loader.bytes)?;
            return Ok((Uefi::BootLoader(loader.bytes), loader.path));
        }
        let stub = find_stub(self.stub.as_deref())?;
        let program = content.uki(&stub.bytes, &self.content.append, None)?;
        Ok((Uefi::Unified(program), stub.path))
    }

    /// Which kernels the image starts. The program of --efi has one of its own.
    pub(super) fn started(&self, content: Option<&Content>, uefi: Option<&Uefi>) -> String {
        let own = content.map(|content| content.version.as_str());
        let program = match (&self.efi, uefi) {
            (Some(_), Some(Uefi::Unified(program))) => uki::version_in(program),
            _ => None,
        };
        match (own, program) {
            (Some(own), Some(program)) if own != program => {
                format!("kernel {own} by BIOS, {program} by UEFI")
            }
            (None, Some(version)) => format!("kernel {version}"),
            (Some(version), _) => format!("kernel {version}"),
            (None, None) => "the program of --efi".to_owned(),
        }
    }
}
