//! Machines that start from a disk image, by their own firmware.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{QemuError, escaped, joined};
use crate::disk::ImageFormat;

/// How the disk is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bus {
    /// As a USB stick.
    #[default]
    Usb,
    /// As an IDE disk; with UEFI, as a SATA disk.
    Ide,
    /// As a CD in a drive on IDE; with UEFI, on SATA.
    Cd,
}

/// What starts the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS, which is part of QEMU.
    #[default]
    Bios,
    /// OVMF, which is a package of its own.
    Uefi,
}

/// The disk that a machine starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootDisk {
    /// The image. What the machine writes to it is forgotten when it powers off.
    pub image: PathBuf,
    /// The image's format. QEMU is told, and does not guess: a guest could write what makes a raw image look like another.
    pub format: ImageFormat,
    /// How it is attached.
    pub bus: Bus,
    /// What starts it.
    pub firmware: Firmware,
    /// Another UEFI firmware than the installed one, for example one that insists on signatures.
    pub uefi: Option<UefiFirmware>,
}

/// The files of a UEFI firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UefiFirmware {
    /// The code.
    pub code: PathBuf,
    /// The variables as they are at first: boot order, keys. What the machine changes is forgotten.
    pub variables: PathBuf,
}

/// Where distributions put OVMF: its code, and its variables as they are at first.
const OVMF: [(&str, &str); 5] = [
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    (
        "/usr/share/qemu/ovmf-x86_64-code.bin",
        "/usr/share/qemu/ovmf-x86_64-vars.bin",
    ),
];

impl BootDisk {
    /// The name to pull the stick out by ([`super::Session::unplug`]).
    pub const STICK: &'static str = "usb-boot";

    /// What QEMU calls the machine.
    pub(super) fn machine(&self) -> &'static str {
        match self.firmware {
            Firmware::Bios => "pc",
            Firmware::Uefi => "q35",
        }
    }

    /// The options for firmware and disk. The USB controller must stand in front of them.
    pub(super) fn arguments(&self) -> Result<Vec<OsString>, QemuError> {
        let mut arguments = Vec::new();
        if self.firmware == Firmware::Uefi {
            let found = self.uefi.clone().map_or_else(find_ovmf, Ok)?;
            arguments.extend(drive(
                "if=pflash,unit=0,format=raw,readonly=on,file=",
                &found.code,
            ));
            arguments.extend(drive(
                "if=pflash,unit=1,format=raw,snapshot=on,file=",
                &found.variables,
            ));
        }
        let kind = match self.bus {
            Bus::Cd => "media=cdrom,readonly=on",
            Bus::Usb | Bus::Ide => "snapshot=on",
        };
        let format = self.format.name();
        arguments.extend(drive(
            &format!("if=none,id=boot,format={format},{kind},file="),
            &self.image,
        ));
        arguments.push("-device".into());
        arguments.push(match self.bus {
            Bus::Usb => format!(
                "usb-storage,bus=usb.0,id={},drive=boot,bootindex=0,removable=on",
                Self::STICK
            )
            .into(),
            Bus::Cd => "ide-cd,bus=ide.0,drive=boot,bootindex=0".into(),
            Bus::Ide => "ide-hd,bus=ide.0,drive=boot,bootindex=0".into(),
        });
        Ok(arguments)
    }
}

fn drive(options: &str, file: &Path) -> [OsString; 2] {
    ["-drive".into(), joined(&[&options.into(), &escaped(file)])]
}

fn find_ovmf() -> Result<UefiFirmware, QemuError> {
    let pairs = OVMF.iter().map(|(code, variables)| UefiFirmware {
        code: code.into(),
        variables: variables.into(),
    });
    pairs
        .into_iter()
        .find(|it| it.code.is_file() && it.variables.is_file())
        .ok_or(QemuError::NoUefi)
}
