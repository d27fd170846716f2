//! Whether this machine can run guests on its own processor (KVM), found out by running one.
//!
//! The device `/dev/kvm` can be there and yet refuse, or hang, at once or after a while: in containers, and in virtual machines
//! without nesting. So the probe is a guest of one sector, which the BIOS loads, and which does what hangs there before it tells QEMU
//! to exit; and it must do so twice.

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

    /// Runs the probe: whether a guest gets through it.
    pub fn works(self) -> bool {
        probe(self).is_ok_and(|status| status.and_then(|status| status.code()) == Some(EXIT_CODE))
    }

    /// The value of QEMU's option `-accel`, and the name for people.
    pub fn argument(self) -> &'static str {
        match self {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        }
    }
}

/// A guest that works is done in 0.3 s, with translation in 0.5 s or, on a busy machine, later; one that hangs never is.
fn patience(accelerator: Accelerator) -> Duration {
    match accelerator {
        Accelerator::Kvm => Duration::from_secs(5),
        Accelerator::Tcg => Duration::from_secs(60),
    }
}

/// In 16-bit mode it has QEMU called 65,536 times by writes to port 0x80, where a PC's BIOS shows its progress; in 32-bit mode it
/// writes 64 MiB of memory, as a kernel does that unpacks itself; QEMU's debug-exit device ends with `value << 1 | 1`.
///
/// ```text
///         cli
///         xor cx, cx
/// again:  out 0x80, al
///         loop again
///         lgdt cs:[gdtr]
///         mov eax, cr0
///         or al, 1
///         mov cr0, eax
///         jmp 8:flat
/// flat:   mov ax, 16
///         mov ds, ax
///         mov es, ax
///         mov edi, 0x100000
///         mov ecx, 0x1000000
///         cld
///         rep stosd
///         mov dx, 0x501
///         mov al, 0x10
///         out dx, al
/// end:    hlt
///         jmp end
/// gdtr:   dw 23
///         dd gdt
/// gdt:    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
/// ```
const CODE: [u8; 87] = [
    0xfa, 0x31, 0xc9, 0xe6, 0x80, 0xe2, 0xfc, 0x2e, 0x0f, 0x01, 0x16, 0x39, 0x7c, 0x0f, 0x20, 0xc0,
    0x0c, 0x01, 0x0f, 0x22, 0xc0, 0xea, 0x1a, 0x7c, 0x08, 0x00, 0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8,
    0x8e, 0xc0, 0xbf, 0x00, 0x00, 0x10, 0x00, 0xb9, 0x00, 0x00, 0x00, 0x01, 0xfc, 0xf3, 0xab, 0x66,
    0xba, 0x01, 0x05, 0xb0, 0x10, 0xee, 0xf4, 0xeb, 0xfd, 0x17, 0x00, 0x3f, 0x7c, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xcf, 0x00, 0xff,
    0xff, 0x00, 0x00, 0x00, 0x92, 0xcf, 0x00,
];
const EXIT_CODE: i32 = 0x10 << 1 | 1;

/// Runs the probe. Takes 10 s at most, and usually less than one.
pub fn kvm_works() -> bool {
    let usable = Access::READ_OK | Access::WRITE_OK;
    rustix::fs::access("/dev/kvm", usable).is_ok() && (0..2).all(|_| Accelerator::Kvm.works())
}

fn probe(accelerator: Accelerator) -> io::Result<Option<ExitStatus>> {
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
            accelerator.argument(),
            "-m",
            "128",
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
    wait(child, patience(accelerator))
}

/// Waits as long as a guest that works may take; `None` where it was killed.
fn wait(mut child: Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    while start.elapsed() < patience {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(10));
    }
    // A process that hangs in the kernel cannot be waited for, so it is left to die on its own.
    child.kill()?;
    Ok(None)
}
