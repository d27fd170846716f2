//! `cargo xtask demo`: from a kernel package to a machine that boots, speaks Spanish and reads a USB stick.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use packager::qemu::{Accelerator, Machine, Session};
use rustix::termios;
use tests::environment::workspace;
use tests::stick::Stick;

use crate::{corpus, release, setup, shell};

/// What the stick's file says; ASCII, so that every terminal shows it.
const MESSAGE: &str = "Hola! This file was read from the USB stick.";

/// A machine without KVM, busy with something else, needs this long for what usually takes 10 s.
const PATIENCE: Duration = Duration::from_secs(180);

/// Under KVM, the kernel's first word comes within a second.
const FIRST_WORD: Duration = Duration::from_secs(20);

pub(crate) fn run(keep: bool) -> Result<()> {
    setup::install(setup::DEMO)?;
    let root = kernel_root()?;
    step("building the three commands (cargo build --release)");
    release::build(&["kmap", "modtree", "packager"])?;
    let folder = workspace().join("target/demo");
    fs::create_dir_all(&folder)?;
    let mut made = Vec::new();

    let keymap = folder.join("es.bmap");
    let time = timed(|| show_and_run(command("kmapc").arg("es").arg("-o").arg(&keymap)))?;
    made.push((keymap, "the Spanish keymap", time));

    let time = timed(|| {
        show_and_run(
            command("modtree")
                .args(["closure", "usb_storage", "vfat", "--runtime", "-b"])
                .arg(&root),
        )
    })?;
    println!("    (found in {time:.0?})");

    let image = folder.join("simple.igz");
    let mut pack = command("packager");
    pack.args([
        "initramfs",
        "--keymap",
        "es",
        "--modules",
        "usb_storage,vfat,usbhid",
        "--root",
    ]);
    let time = timed(|| show_and_run(pack.arg(&root).arg("-o").arg(&image)))?;
    made.push((image.clone(), "the initramfs", time));

    let stick = Stick::create(&folder.join("stick.img"))?;
    stick.write("HELLO.TXT", format!("{MESSAGE}\n").as_bytes())?;

    step("looking whether KVM works");
    let mut machine = Machine::new(kernel_image(&root)?, image);
    machine.sticks = vec![stick.path().to_owned()];
    machine.accelerator = Accelerator::detect();
    let (mut session, start) = boot(&mut machine)?;
    read_the_stick(&mut session)?;
    summary(&made, start.elapsed())?;
    if keep {
        return stay(session);
    }
    session.send(b"poweroff\n")?;
    session.wait(PATIENCE)?;
    Ok(())
}

/// Starts the machine and waits for the kernel's first word. KVM that passes its probe and hangs all the same is given up.
fn boot(machine: &mut Machine) -> Result<(Session, Instant)> {
    step(&format!(
        "booting it in QEMU ({}), with the stick plugged in",
        machine.accelerator.argument()
    ));
    let start = Instant::now();
    let mut session = machine.start()?;
    session.show();
    let patience = match machine.accelerator {
        Accelerator::Kvm => FIRST_WORD,
        Accelerator::Tcg => PATIENCE,
    };
    match session.expect("Linux version", patience) {
        Err(_) if machine.accelerator == Accelerator::Kvm => {
            drop(session);
            step("nothing happens; KVM does not work here");
            machine.accelerator = Accelerator::Tcg;
            boot(machine)
        }
        result => Ok(result.map(|()| (session, start))?),
    }
}

/// Waits for the shell, then does what a user would do.
fn read_the_stick(session: &mut Session) -> Result<()> {
    session.expect("init: ready", PATIENCE)?;
    session.expect("# ", PATIENCE)?;
    session.send(b"until [ -b /dev/sda1 ]; do usleep 50000; done; mount -t vfat /dev/sda1 /mnt; ls -l /mnt; cat /mnt/HELLO.TXT\n")?;
    session.expect(MESSAGE, PATIENCE)?;
    session.expect("# ", PATIENCE)?;
    Ok(())
}

fn summary(made: &[(PathBuf, &str, Duration)], boot: Duration) -> Result<()> {
    println!("\n");
    step("summary");
    for (path, what, time) in made {
        let length = fs::metadata(path)?.len();
        println!(
            "    {what}: {} ({length} bytes, made in {time:.0?})",
            path.display()
        );
    }
    println!("    from power-on to the stick's file: {boot:.1?}");
    println!("    the stick's file was read: \"{MESSAGE}\"");
    Ok(())
}

/// Hands the running machine over to the user.
fn stay(session: Session) -> Result<()> {
    step("the machine is yours; `poweroff` ends it");
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(session.interact()?);
    }
    let before = termios::tcgetattr(&stdin)?;
    let mut raw = before.clone();
    raw.make_raw();
    termios::tcsetattr(&stdin, termios::OptionalActions::Now, &raw)?;
    let mut session = session;
    // A new prompt, since the last one is above the summary.
    let result = session.send(b"\n").and_then(|()| session.interact());
    termios::tcsetattr(&stdin, termios::OptionalActions::Now, &before)?;
    Ok(result?)
}

/// `/` where this machine has a kernel that this user can read; otherwise the kernel of a package.
fn kernel_root() -> Result<PathBuf> {
    let machine = Path::new("/");
    if kernel_image(machine).is_ok() {
        return Ok(machine.to_owned());
    }
    step("this machine has no kernel to read; a package's will do, without installing it");
    corpus::any_kernel()
}

fn kernel_image(root: &Path) -> Result<PathBuf> {
    use packager::kernel::{Kernel, KernelChoice, KernelSource};
    let kernel = Kernel::open(&KernelSource::Root(root.to_owned()), &KernelChoice::Default)?;
    kernel
        .image
        .context("the kernel's modules have no image beside them")
}

fn command(name: &str) -> Command {
    Command::new(release::program(name))
}

fn show_and_run(command: &mut Command) -> Result<()> {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    step(&format!("{name} {}", words.join(" ")));
    shell::run(command)
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn step(text: &str) {
    println!("==> {text}");
    // Order matters where the next line comes from another program; a closed terminal does not.
    let _ = io::stdout().flush();
}
