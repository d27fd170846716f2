//! Whether this machine can run guests on its own processor (KVM), found out by running one.
//!
//! The device `/dev/kvm` can be there and yet refuse, or hang, at once or after a while: in containers, and in virtual machines
//! without nesting. So the probe is a guest of one sector, which the BIOS loads, and which has QEMU called 65,536 times before it
//! tells it to exit; and it must do so twice.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Access;

/// How instructions are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// By translation: slow, and everywhere.
    #[default]
    Tcg,
    /// By the processor itself.
    Kvm,
}

impl Accelerator {
    /// KVM where a short probe shows that it runs, else translation.
    pub fn detect() -> Self {
        if kvm_works() {
            Accelerator::Kvm
        } else {
            Accelerator::Tcg
        }
    }

    /// The value of QEMU's option `-accel`, and the name for people.
    pub fn argument(self) -> &'static str {
        match self {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        }
    }
}

/// A guest that works is done in 0.3 s; one that hangs never is.
const PATIENCE: Duration = Duration::from_secs(5);

/// `mov cx, 0; again: out 0x80, al; loop again; mov dx, 0x501; mov al, 0x10; out dx, al; cli; hlt`. Port 0x80 is where a PC's
/// BIOS writes its progress, and does nothing; QEMU's debug-exit device ends with `value << 1 | 1`.
const CODE: [u8; 15] = [
    0xb9, 0x00, 0x00, 0xe6, 0x80, 0xe2, 0xfc, 0xba, 0x01, 0x05, 0xb0, 0x10, 0xee, 0xfa, 0xf4,
];
const EXIT_CODE: i32 = 0x10 << 1 | 1;

/// Runs the probe. Takes 10 s at most, and usually less than one.
pub fn kvm_works() -> bool {
    let usable = Access::READ_OK | Access::WRITE_OK;
    rustix::fs::access("/dev/kvm", usable).is_ok() && (0..2).all(|_| passes())
}

fn passes() -> bool {
    probe().is_ok_and(|status| status.and_then(|status| status.code()) == Some(EXIT_CODE))
}

fn probe() -> io::Result<Option<ExitStatus>> {
    let mut sector = [0; 512];
    sector[..CODE.len()].copy_from_slice(&CODE);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    let disk = tempfile::NamedTempFile::new()?;
    std::fs::write(disk.path(), sector)?;
    let drive = format!("if=floppy,format=raw,file={}", disk.path().display());
    let child = Command::new(super::PC.program)
        .args([
            "-no-user-config",
            "-nodefaults",
            "-accel",
            "kvm",
            "-display",
            "none",
        ])
        .args([
            "-device",
            "isa-debug-exit,iobase=0x501,iosize=1",
            "-boot",
            "a",
            "-drive",
            &drive,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    wait(child)
}

/// Waits as long as a guest that works may take; `None` where it was killed.
fn wait(mut child: Child) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(10));
    }
    // A process that hangs in the kernel cannot be waited for, so it is left to die on its own.
    child.kill()?;
    Ok(None)
}
