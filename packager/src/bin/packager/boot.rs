//! `packager boot`: an image in QEMU, on this terminal.

use std::io::Read;
use std::path::{Path, PathBuf};

use cli::Failure;
use packager::inspect;
use packager::kernel::{Kernel, KernelChoice};
use packager::qemu::{Accelerator, BootDisk, Machine};

use crate::args::{Accel, BootArgs};
use crate::report;

/// The machine must hold it in memory, twice.
const IMAGE_LIMIT: u64 = 2 << 30;

pub(crate) fn run(args: &BootArgs) -> Result<(), Failure> {
    for file in args.usb.iter().chain([&args.image]) {
        codec::file::open(file).map_err(report::read)?;
    }
    let (mut machine, _kept) = match is_disk(&args.image)? {
        true => (Machine::from_disk(disk(args)?), None),
        false => {
            let (kernel, kept) = kernel(args)?;
            (Machine::new(kernel, &args.image), kept)
        }
    };
    machine.memory = args.memory;
    machine.controller = args.controller.into();
    machine.sticks.clone_from(&args.usb);
    machine.vnc.clone_from(&args.vnc);
    machine.accelerator = match args.accel {
        Accel::Auto => Accelerator::detect(),
        Accel::Kvm => Accelerator::Kvm,
        Accel::Tcg => Accelerator::Tcg,
    };
    if let Some(words) = &args.append {
        machine.append += " ";
        machine.append += words;
    }
    eprintln!(
        "booting in QEMU ({}); `poweroff` ends it, Ctrl-A X at once",
        machine.accelerator.argument()
    );
    let status = machine.interactive().map_err(report::qemu)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::machine(format_args!("QEMU ended with {status}")))
}

/// Whether an image is a disk's: its first sector ends with the boot signature. No archive and no compressed stream has
/// it there but by chance, and those are known by how they begin.
fn is_disk(path: &Path) -> Result<bool, Failure> {
    let mut sector = [0; 512];
    let mut file = codec::file::open(path).map_err(report::read)?;
    match file.read_exact(&mut sector) {
        Ok(()) => Ok(sector.ends_with(&[0x55, 0xaa]) && !sector.starts_with(b"07070")),
        Err(_) => Ok(false),
    }
}

fn disk(args: &BootArgs) -> Result<BootDisk, Failure> {
    if args.append.is_some() {
        return Err(Failure::usage(
            "--append cannot change the command line that is inside a disk image; give it to `packager image`",
        ));
    }
    Ok(BootDisk {
        image: args.image.clone(),
        bus: args.bus.into(),
        firmware: args.firmware.into(),
        uefi: None,
    })
}

/// The kernel's image: the one that is named, else the one whose modules are in the initramfs. The second part keeps the
/// files of a package until the machine is off.
fn kernel(args: &BootArgs) -> Result<(PathBuf, Option<Kernel>), Failure> {
    let choice = match args.kernel.choice() {
        KernelChoice::Image(path) => return Ok((path, None)),
        KernelChoice::Version(version) => KernelChoice::Version(version),
        KernelChoice::Default => match modules_version(&args.image)? {
            Some(version) => KernelChoice::Version(version),
            None => KernelChoice::Default,
        },
    };
    let kernel = Kernel::open(&args.kernel.source(), &choice).map_err(report::kernel)?;
    let image = kernel.image.clone().ok_or_else(|| {
        Failure::input(format_args!(
            "no image of kernel {} beside its modules; name one with --kernel FILE",
            kernel.version()
        ))
    })?;
    Ok((image, Some(kernel)))
}

/// The version in the first name like `lib/modules/VERSION/…`.
pub(crate) fn modules_version(path: &Path) -> Result<Option<String>, Failure> {
    let image = codec::file::read(path, IMAGE_LIMIT).map_err(report::read)?;
    let at_fault = |error| Failure::input(format_args!("`{}`: {error}", path.display()));
    for segment in inspect::segments(&image).map_err(at_fault)? {
        for entry in segment.entries() {
            let name = String::from_utf8_lossy(entry.map_err(at_fault)?.name).into_owned();
            let name = name.trim_start_matches("./").trim_start_matches("usr/");
            if let Some(rest) = name.strip_prefix("lib/modules/") {
                let version = rest.split('/').next().unwrap_or(rest);
                return Ok(Some(version.to_owned()));
            }
        }
    }
    Ok(None)
}
