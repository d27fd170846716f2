//! What modules ask for without naming it in their symbols: code pages, the drivers of what a device hangs on.

use modtree::ModuleName;

use super::Modules;
use crate::finding::Report;
use crate::inspect::check::{Booted, codes};

/// Whatever uses `load_nls` and the string `cp%d` is a FAT driver; its defaults are in the kernel's configuration.
pub(super) fn check_code_pages(modules: &Modules<'_>, kernel: Booted<'_>, report: &mut Report) {
    let (Some(config), true) = (
        kernel.config,
        modules.modules.contains_key(&ModuleName::new("fat")),
    ) else {
        return;
    };
    let page = config.get("CONFIG_FAT_DEFAULT_CODEPAGE").map(|page| {
        (
            format!("nls_cp{page}"),
            format!("CONFIG_NLS_CODEPAGE_{page}"),
        )
    });
    let charset = config.get("CONFIG_FAT_DEFAULT_IOCHARSET").map(|charset| {
        let charset = charset.trim_matches('"');
        // As fs/nls/Kconfig spells them: ISO8859_15, KOI8_R, ASCII.
        let option = charset.to_uppercase().replace('-', "_");
        (format!("nls_{charset}"), format!("CONFIG_NLS_{option}"))
    });
    for (needed, option) in page.into_iter().chain(charset) {
        // utf8 is a mount option's word as well, and every kernel with vfat has it in nls_base.
        let is_there = modules.has(&needed) || config.get(&option) == Some("y");
        if !is_there && !needed.contains("utf8") {
            report.find(&codes::CODE_PAGE, format_args!("fat asks for {needed}"));
        }
    }
}

/// Drivers of devices without a driver of what the devices hang on: nothing says so when they are loaded, and nothing happens.
pub(super) fn check_hosts(modules: &Modules<'_>, kernel: Booted<'_>, report: &mut Report) {
    // Other machines have hosts that are on no PCI bus.
    let Some(config) = kernel.config.filter(|it| it.get("CONFIG_X86") == Some("y")) else {
        return;
    };
    let is_there = |option, is_one: fn(&[u8]) -> bool| {
        modules.with_alias(is_one).is_some() || config.get(option) == Some("y")
    };
    let usb = modules.with_alias(is_usb_driver);
    if let Some(driver) = usb
        && !is_there("CONFIG_USB_XHCI_PCI", is_xhci)
    {
        report.find(
            &codes::USB_HOST,
            format_args!(
                "{driver} is a driver of USB devices, and there is none of an xHCI controller"
            ),
        );
    }
    // Other hosts of the SCSI layer may have tapes or CDs alone.
    let storage = usb.and_then(|_| {
        let mut drivers = modules.modules.iter().rev();
        drivers.find(|(_, info)| {
            let has_scsi = info.depends().any(|name| name == "scsi_mod");
            has_scsi && info.raw("alias").any(is_usb_driver)
        })
    });
    if let Some((driver, _)) = storage
        && !is_there("CONFIG_BLK_DEV_SD", is_disk)
    {
        report.find(
            &codes::DISK_DRIVER,
            format_args!("{driver} finds SCSI disks, and there is no sd_mod, their driver"),
        );
    }
}

impl Modules<'_> {
    /// A module with such an alias. Those that are looked for are called `usb…` and `xhci…`: the way is shorter from the end.
    fn with_alias(&self, is_meant: fn(&[u8]) -> bool) -> Option<&ModuleName> {
        let mut all = self.modules.iter().rev();
        all.find_map(|(name, info)| info.raw("alias").any(is_meant).then_some(name))
    }
}

fn is_usb_driver(alias: &[u8]) -> bool {
    alias.starts_with(b"usb:")
}

/// PCI's class 0c03 is USB, and its interface 30 xHCI (PCI Code and ID Assignment Specification).
fn is_xhci(alias: &[u8]) -> bool {
    alias.starts_with(b"pci:") && alias.ends_with(b"bc0Csc03i30*")
}

/// `TYPE_DISK` (`scsi/scsi_proto.h`).
fn is_disk(alias: &[u8]) -> bool {
    alias.starts_with(b"scsi:t-0x00")
}
