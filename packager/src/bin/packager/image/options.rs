//! Options that go together, and those that would do nothing.

use cli::Failure;

use super::{Firmware, ImageArgs, Table};

/// What `--append` is where nobody says it.
const APPEND: &str = "quiet";

impl ImageArgs {
    /// Whether nothing but the program of --efi is started: kernel and initramfs are in it.
    pub(super) fn is_program_alone(&self) -> bool {
        self.efi.is_some() && self.firmware == Firmware::Uefi
    }

    /// Options about what is not made.
    pub(super) fn check_options(&self, is_cd: bool) -> Result<(), Failure> {
        let about_disks =
            self.size.is_some() || self.table.is_some() || self.partition_type.is_some();
        let has_signature = self.disk_signature.is_some() || self.partition_type.is_some();
        let is_mbr = matches!(self.table, None | Some(Table::Mbr));
        let for_uefi = self.uki || self.efi.is_some() || self.systemd_boot.is_some();
        let for_bios =
            self.syslinux.is_some() || self.isolinux.is_some() || self.menu.is_about_bios();
        let problem = match self.firmware {
            _ if is_cd && about_disks => {
                "--size, --table and --partition-type are about disks; an ISO has a layout of its own"
            }
            Firmware::Bios if for_uefi => {
                "--uki, --efi and --systemd-boot are about UEFI, and --firmware bios leaves it out"
            }
            Firmware::Uefi if for_bios => {
                "--syslinux, --isolinux, --syslinux-config and --serial-console are about a BIOS, and --firmware uefi leaves it out"
            }
            Firmware::Uefi if self.is_program_alone() && self.content.append != APPEND => {
                "--append is no part of the program of --efi, which has its own command line: `packager uki --append` makes one with another"
            }
            _ if self.isolinux.is_some() && !is_cd => {
                "--isolinux is about an ISO: name the output FILE.iso, or say --format iso"
            }
            _ if self.syslinux.is_some() && is_cd => {
                "an ISO starts by isolinux: say --isolinux DIR"
            }
            _ if has_signature && !is_mbr => {
                "--disk-signature and --partition-type are about an MBR, and --table asks for another one"
            }
            _ => return Ok(()),
        };
        Err(Failure::usage(problem))
    }
}
