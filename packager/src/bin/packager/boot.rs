//! `packager boot`: an image in QEMU, on this terminal, or watched by this program.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use cli::Failure;
use packager::disk::ImageFormat;
use packager::inspect;
use packager::kernel::{Kernel, KernelChoice};
use packager::qemu::{Accelerator, BootDisk, Bus, Firmware, Machine, UsbController};

use crate::args::KernelArgs;
use crate::content::check_whole;
use crate::convert::unreadable;
use crate::watch::{WatchArgs, watch};
use crate::{input, report};

/// The heading of the options about the emulated machine.
const MACHINE: &str = "The machine";

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  packager boot simple.igz                      with the kernel whose modules are inside
  packager boot simple.igz --usb stick.img      with a USB stick plugged in
  packager boot simple.igz --usb stick.img --snapshot
                                                and what is written to it is forgotten
  packager boot simple.igz --vnc :0             with the screen on VNC port 5900
  packager boot simple.img --vnc :0             a disk image, as a USB stick, by BIOS
  packager boot simple.img --firmware uefi --bus ide
  packager boot simple.iso                      a CD; with --bus usb the same file as a stick
  packager boot simple.igz --expect 'init: ready' --type 'ls /sys/firmware' --expect acpi
  packager boot simple.img --wait 20 --keys 'l s ret' --screenshot screen.png")]
pub(crate) struct BootArgs {
    /// The image
    image: PathBuf,

    /// Plug in a USB stick: a raw disk image, which the machine may write to (--snapshot)
    #[arg(long, value_name = "STICK.img", help_heading = MACHINE)]
    usb: Vec<PathBuf>,

    /// Forget at the end what the machine has written to the sticks, as always to a disk image that it boots from
    #[arg(long, requires = "usb", help_heading = MACHINE)]
    snapshot: bool,

    /// The USB host controller
    #[arg(long, value_name = "KIND", value_enum, default_value = "xhci", help_heading = MACHINE)]
    controller: Controller,

    /// What starts a disk image
    #[arg(long, value_name = "KIND", value_enum, default_value = "bios", help_heading = MACHINE)]
    firmware: BootFirmware,

    /// What a disk image is plugged into [default: usb; for an ISO cd]
    #[arg(long, value_name = "KIND", value_enum, help_heading = MACHINE)]
    bus: Option<BootBus>,

    /// More words for the kernel's command line
    #[arg(long, value_name = "WORDS", help_heading = "An initramfs's kernel")]
    append: Option<String>,

    /// Show the screen on this VNC display, for example :0 (port 5900)
    #[arg(long, value_name = "DISPLAY", help_heading = MACHINE)]
    vnc: Option<String>,

    /// Memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, help_heading = MACHINE, value_parser = clap::value_parser!(u32).range(16..))]
    memory: u32,

    /// How instructions are carried out; auto takes KVM where a short probe shows that it runs
    #[arg(long, value_name = "KIND", value_enum, default_value = "auto", help_heading = MACHINE)]
    accel: Accel,

    #[command(flatten)]
    quiet: cli::Quiet,

    #[command(flatten)]
    watch: WatchArgs,

    #[command(flatten, next_help_heading = "An initramfs's kernel")]
    kernel: KernelArgs,
}

/// The values of `--controller`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Controller {
    Xhci,
    Ehci,
    Uhci,
    Ohci,
}

impl From<Controller> for UsbController {
    fn from(controller: Controller) -> Self {
        match controller {
            Controller::Xhci => UsbController::Xhci,
            Controller::Ehci => UsbController::Ehci,
            Controller::Uhci => UsbController::Uhci,
            Controller::Ohci => UsbController::Ohci,
        }
    }
}

/// The values of `--firmware`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BootFirmware {
    Bios,
    Uefi,
}

impl From<BootFirmware> for Firmware {
    fn from(firmware: BootFirmware) -> Self {
        match firmware {
            BootFirmware::Bios => Firmware::Bios,
            BootFirmware::Uefi => Firmware::Uefi,
        }
    }
}

/// The values of `--bus`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BootBus {
    Usb,
    Ide,
    Cd,
}

impl From<BootBus> for Bus {
    fn from(bus: BootBus) -> Self {
        match bus {
            BootBus::Usb => Bus::Usb,
            BootBus::Ide => Bus::Ide,
            BootBus::Cd => Bus::Cd,
        }
    }
}

/// The values of `--accel`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Accel {
    Auto,
    Kvm,
    Tcg,
}

pub(crate) fn run(args: &BootArgs) -> Result<(), Failure> {
    args.quiet.heed();
    for file in &args.usb {
        codec::file::open(file).map_err(report::read)?;
    }
    args.watch.check()?;
    args.check_outputs()?;
    let image = codec::file::open(&args.image).map_err(report::read)?;
    let (mut machine, _kept) =
        match ImageFormat::detect(&image).map_err(|error| unreadable(&args.image, &error))? {
            Some(format) => (Machine::from_disk(disk(args, format)?), None),
            None => {
                refuse_program(&args.image, &image)?;
                let (kernel, kept) = kernel(args)?;
                check_whole(&kernel, &input::read(&kernel)?)?;
                (Machine::new(kernel, &args.image), kept)
            }
        };
    machine.memory = args.memory;
    machine.controller = args.controller.into();
    machine.sticks.clone_from(&args.usb);
    machine.snapshot = args.snapshot;
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
    match args.watch.is_wanted() {
        true => watch(&machine, &args.watch),
        false => interact(&machine, args.watch.longest()),
    }
}

/// UEFI starts programs from a disk.
fn refuse_program(path: &Path, image: &File) -> Result<(), Failure> {
    match input::is_program(image) {
        false => Ok(()),
        true => Err(Failure::input(format_args!(
            "`{0}` is a program for UEFI; put it onto a disk, and boot that: `packager image --efi {0} --firmware uefi -o uki.img`",
            path.display()
        ))),
    }
}

impl BootArgs {
    /// Nothing that is written about the machine takes the place of what it is made from.
    fn check_outputs(&self) -> Result<(), Failure> {
        let choice = self.kernel.choice();
        let kernel = match &choice {
            KernelChoice::Image(path) => Some(path),
            _ => None,
        };
        let inputs = || [&self.image].into_iter().chain(&self.usb).chain(kernel);
        let mut outputs = self.watch.outputs();
        outputs.try_for_each(|it| report::check_output(it, inputs().map(PathBuf::as_path)))
    }
}

fn interact(machine: &Machine, longest: Option<Duration>) -> Result<(), Failure> {
    if cli::is_talkative() {
        cli::tell!(
            "booting in QEMU ({}); `poweroff` ends it, Ctrl-A X at once",
            machine.accelerator.argument()
        );
    }
    let ending = machine.interactive(longest).map_err(report::qemu)?;
    match ending.panic {
        _ if ending.timed_out => Err(Failure::input(format_args!(
            "the machine was still running after the {} s of --timeout, and was ended",
            longest.unwrap_or_default().as_secs()
        ))),
        _ if !ending.status.success() => Err(Failure::machine(format_args!(
            "QEMU ended with {}",
            ending.status
        ))),
        Some(reason) => Err(Failure::input(format_args!(
            "the kernel gave up: {reason}; `packager check` says what an image lacks"
        ))),
        None => Ok(()),
    }
}

fn disk(args: &BootArgs, format: ImageFormat) -> Result<BootDisk, Failure> {
    if args.append.is_some() {
        return Err(Failure::usage(
            "--append cannot change the command line that is inside a disk image; give it to `packager image`",
        ));
    }
    let bus = args.bus.map(Bus::from).unwrap_or(match format {
        ImageFormat::Iso => Bus::Cd,
        _ => Bus::Usb,
    });
    Ok(BootDisk {
        image: args.image.clone(),
        format,
        bus,
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
        KernelChoice::Default => {
            let image = input::read(&args.image)?;
            let (segments, end) = inspect::readable_segments(&image);
            let version = inspect::kernel_version(&segments);
            let mut entries = segments.iter().flat_map(inspect::Segment::entries);
            let mut damage = || entries.find_map(Result::err);
            // Whether the kernel takes it is what is to be seen.
            if version.is_none()
                && let Some(damage) = damage().or(end.filter(|end| !end.is_junk()))
            {
                cli::note!(
                    "`{}`: {damage}; the kernel is chosen without its modules",
                    args.image.display()
                );
            }
            version.map_or(KernelChoice::Default, KernelChoice::Version)
        }
    };
    let kernel = Kernel::open(&args.kernel.source(), &choice).map_err(report::kernel)?;
    let image = kernel.image.clone();
    let image = image.ok_or_else(|| report::no_image(kernel.version()))?;
    Ok((image, Some(kernel)))
}
