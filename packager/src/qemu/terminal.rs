//! A machine on the user's own terminal: what it writes is shown as it comes, and the last of it is kept, to see how it ended.

use std::io::{self, ErrorKind, Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::console::reason_of_panic;

/// How much of the end is kept, in bytes: a panic's trace of calls has a few KB, and is followed by nothing.
const KEPT: usize = 64 << 10;

/// How long QEMU may take to end when it is asked to.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// How a machine ended that was left to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// QEMU's own end.
    pub status: ExitStatus,
    /// Why the kernel gave up, if it did.
    pub panic: Option<String>,
    /// Whether it ran until its time was over.
    pub timed_out: bool,
}

/// Shows what a machine writes until it ends, or its time is over.
pub(super) fn follow(
    mut child: Child,
    out: impl Write + Send + 'static,
    longest: Option<Duration>,
) -> io::Result<Ending> {
    let (sender, receiver) = channel();
    if let Some(console) = child.stdout.take() {
        // Nobody listens any more where the time is over.
        thread::spawn(move || sender.send(show(console, out)));
    }
    let shown = match longest {
        Some(longest) => receiver.recv_timeout(longest),
        None => receiver.recv().map_err(RecvTimeoutError::from),
    };
    let timed_out = shown == Err(RecvTimeoutError::Timeout);
    let status = match timed_out {
        true => end(&mut child)?,
        false => child.wait()?,
    };
    Ok(Ending {
        status,
        panic: shown.ok().flatten(),
        timed_out,
    })
}

/// Asks QEMU to end, which sets up the terminal as it was, and ends it where it does not.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::TERM)?;
    }
    let start = Instant::now();
    while start.elapsed() < END_PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()
}

/// Shows everything that comes from `source`, on what has no buffer of its own, and gives the reason of the panic at its end.
fn show(mut source: impl Read, mut out: impl Write) -> Option<String> {
    let mut buffer = [0; 4096];
    let mut kept = Vec::new();
    while let Ok(read @ 1..) = source.read(&mut buffer) {
        // A terminal that is gone is no reason to stop the machine.
        let _gone = write_all(&mut out, &buffer[..read]);
        kept.extend_from_slice(&buffer[..read]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    reason_of_panic(&kept)
}

/// As [`Write::write_all`], also where there is no room at the moment: QEMU makes the terminal non-blocking, which is this
/// program's, too.
fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "\
[    1.1] Run /init as init process\r
[    1.2] Kernel panic - not syncing: No working init found.\r
[    1.3] Call Trace:\r
[    1.4] Rebooting in 1 seconds..\r
";

    #[test]
    fn a_panic_is_found_at_the_end_of_a_long_session() {
        let mut long = b"~ # yes\r\n".repeat(40_000);
        long.extend_from_slice(CONSOLE.as_bytes());
        let mut shown = Vec::new();
        let panic = show(long.as_slice(), &mut shown);
        assert_eq!(panic.as_deref(), Some("No working init found."));
        assert_eq!(shown, long);
        assert_eq!(show(&b"reboot: Power down\r\n"[..], &mut shown), None);
    }

    /// Takes a few bytes at a time, and now and then none.
    struct Slow(Vec<u8>, bool);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let some = bytes.len().min(7);
            self.0.extend_from_slice(&bytes[..some]);
            Ok(some)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_machine_whose_time_is_over_is_ended() {
        let run = |script: &str, longest| {
            let mut command = std::process::Command::new("sh");
            command
                .args(["-c", script])
                .stdout(std::process::Stdio::piped());
            follow(command.spawn().unwrap(), io::sink(), longest).unwrap()
        };
        let ended = run("exec sleep 1000", Some(Duration::from_millis(50)));
        assert!(ended.timed_out && !ended.status.success(), "{ended:?}");
        for longest in [None, Some(Duration::from_secs(1000))] {
            let ended = run(
                "echo 'Kernel panic - not syncing: Why?'; echo 'Rebooting in 1 s'",
                longest,
            );
            assert!(!ended.timed_out && ended.status.success(), "{ended:?}");
            assert_eq!(ended.panic.as_deref(), Some("Why?"));
        }
    }

    #[test]
    fn a_terminal_without_room_is_waited_for() {
        let mut slow = Slow(Vec::new(), false);
        show(CONSOLE.as_bytes(), &mut slow);
        assert_eq!(slow.0, CONSOLE.as_bytes());
    }
}
