//! Booted machines: their shells.

use std::time::Duration;

use packager::qemu::{Machine, Session};

/// Translated, on a loaded machine of two processors, a boot takes up to a minute; this is only there to end a hang.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Starts the machine and waits until init has done its work and a shell is there.
///
/// # Panics
/// Where that does not come.
pub fn boot(machine: &Machine) -> Session {
    let mut session = machine.start().unwrap();
    session.expect("init: ready", PATIENCE).unwrap();
    session.expect("# ", PATIENCE).unwrap();
    session
}

/// Runs a command that must succeed; gives what it prints.
///
/// # Panics
/// Where it fails.
pub fn run(session: &mut Session, command: &str) -> String {
    let output = session.run(command, PATIENCE).unwrap();
    assert_eq!(output.code, 0, "`{command}` in the guest:\n{}", output.text);
    output.text
}

/// Powers the machine off, cleanly.
///
/// # Panics
/// Where it does not, or the kernel has panicked.
pub fn power_off(mut session: Session) {
    session.send(b"poweroff\n").unwrap();
    session.wait(PATIENCE).unwrap();
    let transcript = session.transcript();
    assert!(!transcript.contains("Kernel panic"), "{transcript}");
}
