//! Booted machines: their shells.

use std::time::Duration;

use packager::qemu::{Machine, Session};

/// Translated, on a loaded machine of two processors, a boot takes up to a minute; this is only there to end a hang.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Starts the machine and waits until init has done its work and a shell is there. The kernel is silent from then on: its
/// messages about devices that come late would stand in what commands print.
///
/// # Panics
/// Where that does not come.
pub fn boot(machine: &Machine) -> Session {
    let mut session = machine.start().unwrap();
    session.expect("init: ready", PATIENCE).unwrap();
    session.expect("# ", PATIENCE).unwrap();
    // A busybox of one's own may be without dmesg.
    session.run("dmesg -n 1", PATIENCE).unwrap();
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

/// Presses keys, named as QEMU's monitor names them, and gives the bytes that a program on the screen reads, in hexadecimal.
///
/// # Panics
/// Where they cannot be pressed.
pub fn typed(session: &mut Session, keys: &[&str], bytes: usize) -> String {
    // A terminal of its own, in the foreground, raw, and held open: its settings go when nobody has it open.
    run(session, "chvt 9");
    let read = format!(
        "( stty raw -echo; : >/tmp/open; dd bs=1 count={bytes} 2>/dev/null | hexdump -ve '1/1 \"%02x\"' >/tmp/typed ) </dev/tty9 & true"
    );
    run(session, &read);
    run(
        session,
        "until [ -e /tmp/open ]; do usleep 50000; done; sleep 1",
    );
    for key in keys {
        session.press(key).unwrap();
    }
    let wait = format!(
        "until [ $(wc -c </tmp/typed) -ge {} ]; do usleep 50000; done",
        2 * bytes
    );
    run(session, &wait);
    run(session, "cat /tmp/typed").trim().to_owned()
}
