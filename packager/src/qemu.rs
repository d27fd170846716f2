//! Boots images in QEMU: to look at, and to prove that they work.
//!
//! [`Machine`] says what the emulated PC has. [`Machine::interactive`] leaves it to the user, on the terminal;
//! [`Machine::start`] gives a [`Session`], which reads the serial console, types into it, presses keys and plugs sticks.

mod accel;
mod console;
mod disk;
mod monitor;
mod session;
mod terminal;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::kernel::{Architecture, image_of};
pub use accel::{Accelerator, kvm_works};
pub use disk::{BootDisk, Bus, Firmware, UefiFirmware};
pub use monitor::MonitorError;
pub use session::{Output, PictureFormat, Session};
pub use terminal::Ending;

/// What QEMU calls a machine: its program, Debian's package of it, the machine, and the console on the serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Emulated {
    program: &'static str,
    package: &'static str,
    machine: &'static [&'static str],
    serial: &'static str,
}

const PC: Emulated = Emulated {
    program: "qemu-system-x86_64",
    package: "qemu-system-x86",
    // Not "pc": its ACPI code computes the table of interrupts anew, 0.12 s without the processor's help, whenever a PCI device
    // is turned on or off. That of q35 is a constant.
    machine: &["q35", "-vga", "std"],
    serial: "ttyS0",
};

const ARM64: Emulated = Emulated {
    program: "qemu-system-aarch64",
    package: "qemu-system-arm",
    machine: &["virt", "-cpu", "cortex-a72"],
    serial: "ttyAMA0",
};

/// A USB host controller, by the interface that the kernel's driver is named after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsbController {
    /// USB 3, as in every PC of the last ten years.
    #[default]
    Xhci,
    /// USB 2.
    Ehci,
    /// USB 1, Intel's and VIA's.
    Uhci,
    /// USB 1, everybody else's.
    Ohci,
}

impl UsbController {
    /// The names for command lines.
    pub const ALL: [(&'static str, UsbController); 4] = [
        ("xhci", UsbController::Xhci),
        ("ehci", UsbController::Ehci),
        ("uhci", UsbController::Uhci),
        ("ohci", UsbController::Ohci),
    ];

    fn device(self) -> &'static str {
        match self {
            UsbController::Xhci => "qemu-xhci",
            UsbController::Ehci => "usb-ehci",
            UsbController::Uhci => "piix3-usb-uhci",
            UsbController::Ohci => "pci-ohci",
        }
    }
}

/// An emulated PC, started with a kernel and an initramfs, or from a disk.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The kernel's command line.
    pub append: String,
    /// The disk to start from: kernel, initramfs and command line are then the disk's affair, and those above are not used.
    pub disk: Option<BootDisk>,
    /// Memory, in MiB.
    pub memory: u32,
    /// How instructions are carried out.
    pub accelerator: Accelerator,
    /// The USB host controller.
    pub controller: UsbController,
    /// Raw disk images that are plugged in as USB sticks.
    pub sticks: Vec<PathBuf>,
    /// Whether what the machine writes to the sticks is forgotten when it powers off.
    pub snapshot: bool,
    /// Whether the sticks speak UAS, as fast disks do, instead of bulk-only transport; that needs an xHCI or EHCI controller.
    pub uas: bool,
    /// A VNC display for the screen, for example `:0`; without one there is a screen that nobody sees.
    pub vnc: Option<String>,
}

impl Machine {
    /// The command line that gives a shell on the screen and on the serial port (on arm64, `ttyAMA0` is meant); the kernel's
    /// messages go to both. It ends after a panic instead of standing still. Two of the kernel's tests are left out: that of the
    /// emulated timer, which on a loaded machine fails by chance (`IO-APIC + timer doesn't work`), and those of its ciphers,
    /// which take 0.3 s of a boot where every instruction is translated. The kernel keeps its code for several processors, for
    /// which it is made: patching thousands of places for the machine's only one takes 0.15 s there.
    pub const CONSOLES: &'static str =
        "console=tty0 console=ttyS0 panic=1 no_timer_check cryptomgr.notests noreplace-smp";

    /// A PC with 512 MiB, an xHCI controller and nothing plugged in.
    pub fn new(kernel: impl Into<PathBuf>, initramfs: impl Into<PathBuf>) -> Self {
        Self {
            kernel: kernel.into(),
            initramfs: initramfs.into(),
            append: Self::CONSOLES.to_owned(),
            disk: None,
            memory: 512,
            accelerator: Accelerator::Tcg,
            controller: UsbController::default(),
            sticks: Vec::new(),
            snapshot: false,
            uas: false,
            vnc: None,
        }
    }

    /// A PC that starts from a disk.
    pub fn from_disk(disk: BootDisk) -> Self {
        Self {
            disk: Some(disk),
            ..Self::new("", "")
        }
    }

    /// Runs the machine on this terminal until it powers off, or for so long. Ctrl-A X ends it at once.
    ///
    /// # Errors
    /// [`QemuError::Missing`], [`QemuError::NoUefi`], [`QemuError::Start`], [`QemuError::Connection`].
    pub fn interactive(&self, longest: Option<Duration>) -> Result<Ending, QemuError> {
        let mut command = self.command()?;
        // QEMU reads the terminal itself, and sets it up; what it writes comes through here.
        command
            .args(["-serial", "mon:stdio"])
            .stdout(Stdio::piped());
        // Without a buffer: a part of a line is a prompt.
        let terminal = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let child = command
            .spawn()
            .map_err(|error| self.emulated().error(error))?;
        Ok(terminal::follow(child, terminal, longest)?)
    }

    /// Starts the machine under the caller's control. It is killed when the session is dropped.
    ///
    /// # Errors
    /// [`QemuError::Missing`], [`QemuError::NoUefi`], [`QemuError::Start`], [`QemuError::Ended`], [`QemuError::Monitor`].
    pub fn start(&self) -> Result<Session, QemuError> {
        let folder = tempfile::Builder::new()
            .prefix("packager-qemu-")
            .tempdir()
            .map_err(QemuError::Start)?;
        let socket = folder.path().join("monitor");
        let stderr_path = folder.path().join("stderr");
        let stderr = std::fs::File::create(&stderr_path).map_err(QemuError::Start)?;
        let mut command = self.command()?;
        command
            .args(["-serial", "stdio", "-qmp"])
            .arg(joined(&[
                &"unix:".into(),
                &escaped(&socket),
                &",server=on,wait=off".into(),
            ]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let child = command
            .spawn()
            .map_err(|error| self.emulated().error(error))?;
        Session::attach(child, folder, &socket, stderr_path)
    }

    /// A disk is a PC's; otherwise the kernel says which machine it is for. What cannot be read is QEMU's to complain about.
    fn emulated(&self) -> Emulated {
        match image_of(&self.kernel) {
            Ok(Some((Architecture::Arm64, _))) if self.disk.is_none() => ARM64,
            _ => PC,
        }
    }

    fn command(&self) -> Result<Command, QemuError> {
        let emulated = self.emulated();
        let mut command = Command::new(emulated.program);
        command.args(["-no-user-config", "-nodefaults", "-no-reboot", "-machine"]);
        match &self.disk {
            Some(disk) => command.args([disk.machine(), "-vga", "std"]),
            None => command.args(emulated.machine),
        };
        command
            .args(["-accel", emulated.accelerator(self.accelerator).argument()])
            .arg("-m")
            .arg(self.memory.to_string())
            .arg("-device")
            .arg(format!("{},id=usb", self.controller.device()))
            .arg("-display")
            .arg(match &self.vnc {
                Some(display) => format!("vnc={display}"),
                None => "none".to_owned(),
            });
        match &self.disk {
            Some(disk) => command.args(disk.arguments()?),
            None => command
                .arg("-kernel")
                .arg(&self.kernel)
                .arg("-initrd")
                .arg(&self.initramfs)
                .arg("-append")
                .arg(self.append.replace(PC.serial, emulated.serial)),
        };
        let snapshot = if self.snapshot { "on" } else { "off" };
        for (number, stick) in self.sticks.iter().enumerate() {
            command.arg("-drive").arg(joined(&[
                &format!("if=none,id=stick{number},format=raw,snapshot={snapshot},file=").into(),
                &escaped(stick),
            ]));
            if self.uas {
                command.args(["-device", &format!("usb-uas,bus=usb.0,id=uas{number}")]);
                let disk = format!("scsi-hd,bus=uas{number}.0,drive=stick{number}");
                command.args(["-device", &disk]);
                continue;
            }
            command.arg("-device").arg(format!(
                "usb-storage,bus=usb.0,id=usb-stick{number},drive=stick{number},removable=on"
            ));
        }
        Ok(command)
    }
}

/// QEMU's option lists end at a comma; a doubled one stands for itself. A name in front of a colon would be a protocol.
fn escaped(path: &std::path::Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut out = match path.is_absolute() {
        true => Vec::new(),
        false => b"./".to_vec(),
    };
    for &byte in path.as_os_str().as_bytes() {
        out.push(byte);
        if byte == b',' {
            out.push(byte);
        }
    }
    OsString::from_vec(out)
}

fn joined(parts: &[&OsString]) -> OsString {
    parts.iter().map(|part| part.as_os_str()).collect()
}

/// Why a machine does not run, or does not do what was expected of it.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// QEMU is not installed.
    #[error("{program} is not on PATH; install the package {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// Debian's package of it.
        package: &'static str,
    },
    /// The firmware for UEFI is not installed.
    #[error("no UEFI firmware for QEMU found; install the package ovmf")]
    NoUefi,
    /// QEMU, or what it needs, cannot be started.
    #[error("cannot start QEMU: {0}")]
    Start(#[source] io::Error),
    /// QEMU ended, or the machine powered off, when something else was expected.
    #[error("the machine ended ({status}) while waiting for {expected}{stderr}{tail}")]
    Ended {
        /// How QEMU ended.
        status: String,
        /// What was waited for.
        expected: String,
        /// What QEMU wrote to its standard error, after a line break.
        stderr: String,
        /// The last lines of the console, after a line break.
        tail: String,
    },
    /// The kernel gave up: it stands still, or has started the machine anew, which ends it.
    #[error("the kernel gave up ({reason}) while waiting for {expected}{tail}")]
    Panicked {
        /// What was waited for.
        expected: String,
        /// What it says of the reason.
        reason: String,
        /// The last lines of the console up to there, after a line break.
        tail: String,
    },
    /// What was expected did not come in time.
    #[error("nothing like {expected} within {seconds} s on the console{tail}")]
    Timeout {
        /// What was waited for.
        expected: String,
        /// For how long, in seconds.
        seconds: u64,
        /// The last lines of the console, after a line break.
        tail: String,
    },
    /// The console cannot be read or written.
    #[error("the connection to the machine broke: {0}")]
    Connection(#[from] io::Error),
    /// The monitor refused a command.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
}

impl Emulated {
    /// The processor can only run guests of its own kind.
    fn accelerator(self, wanted: Accelerator) -> Accelerator {
        match self == PC {
            true => wanted,
            false => Accelerator::Tcg,
        }
    }

    fn error(self, error: io::Error) -> QemuError {
        match error.kind() {
            io::ErrorKind::NotFound => QemuError::Missing {
                program: self.program,
                package: self.package,
            },
            _ => QemuError::Start(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_neither_a_list_nor_a_protocol() {
        assert_eq!(escaped("a:b.img".as_ref()), "./a:b.img");
        assert_eq!(escaped("/a,b.img".as_ref()), "/a,,b.img");
    }

    #[test]
    fn every_stick_is_a_device_on_the_controller() {
        let mut machine = Machine::new("vmlinuz", "simple.igz");
        machine.controller = UsbController::Ehci;
        machine.sticks = vec!["one.img".into(), "two.img".into()];
        for (is_forgotten, snapshot) in [(false, "off"), (true, "on")] {
            machine.snapshot = is_forgotten;
            let command = machine.command().unwrap();
            let arguments = command.get_args().map(|it| it.to_string_lossy());
            let arguments: Vec<_> = arguments.collect();
            assert!(arguments.contains(&"usb-ehci,id=usb".into()));
            let drive = format!("if=none,id=stick1,format=raw,snapshot={snapshot},file=./two.img");
            assert!(arguments.contains(&drive.into()));
        }
    }
}
