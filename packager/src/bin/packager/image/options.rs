//! Options that go together, and those that would do nothing.

use cli::Failure;

use super::{Firmware, ImageArgs, Table};
use crate::content::{KERNEL, PACKING};

/// Options about kernel and initramfs, beside those that [say what they are](PACKING).
const CONTENT: [&str; 4] = ["initramfs", "no_check", "cache_limit", "append"];

/// Options about a menu that do not say what is in it.
const MENU: [&str; 2] = ["timeout", "prompt"];

/// Options about a FAT file system.
const FILE_SYSTEM: [&str; 2] = ["fat", "serial"];

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
            _ if self.isolinux.is_some() && !is_cd => {
                "--isolinux is about an ISO: name the output FILE.iso, or say --format iso"
            }
            _ if self.syslinux.is_some() && is_cd => {
                "an ISO starts by isolinux: say --isolinux DIR"
            }
            _ if has_signature && !is_mbr => {
                "--disk-signature and --partition-type are about an MBR, and --table asks for another one"
            }
            _ => return self.check_given(is_cd),
        };
        Err(Failure::usage(problem))
    }

    /// Options with a value that may be the usual one, or that are many.
    fn check_given(&self, is_cd: bool) -> Result<(), Failure> {
        let is_alone = self.is_program_alone();
        let of_content = [&KERNEL[..], &PACKING, &CONTENT, &MENU].concat();
        let is_program = self.firmware == Firmware::Uefi && self.uki;
        let is_bios = self.firmware == Firmware::Bios;
        let has_config = is_bios && self.menu.has_own_config();
        let rules = [
            (
                is_alone,
                of_content.as_slice(),
                "UEFI starts the program of --efi, which has its own command line, kernel and initramfs, and no menu: `packager uki` makes one with others",
            ),
            (
                is_program,
                &MENU,
                "the program of --uki has no menu, and --firmware uefi leaves out the one of a BIOS",
            ),
            (
                has_config,
                &["append"],
                "--syslinux-config has its own command lines (APPEND), and --firmware bios leaves out UEFI",
            ),
            (
                is_cd && is_bios,
                &FILE_SYSTEM,
                "an ISO has a FAT file system for UEFI, which --firmware bios leaves out",
            ),
        ];
        let useless = rules.into_iter().filter(|(holds, ..)| *holds);
        let mut useless = useless.filter_map(|(_, options, why)| {
            let option = self.given.first_of(options)?;
            Some(format!("{option} would do nothing: {why}"))
        });
        match useless.next() {
            Some(problem) => Err(Failure::usage(problem)),
            None => Ok(()),
        }
    }
}
