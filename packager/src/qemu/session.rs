//! A running machine under a program's control: its serial console, its keyboard, its USB ports.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::console::{
    Console, after_line_break, find, guest_text, reason_of_panic, reason_of_standstill, tail,
    tail_of_panic, without_messages,
};
use super::monitor::Monitor;
use super::{MonitorError, QemuError};

/// QEMU opens its monitor's socket before it starts the guest; this is for a machine under heavy load.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// How much of what was looked through is looked through again with what comes in: a text, and messages of the kernel in it.
const OVERLAP: usize = 16 << 10;

/// Stands between a command's output and its exit code; see [`Session::run`].
const END_MARK: &str = "<end ";

/// A running machine.
#[derive(Debug)]
pub struct Session {
    child: Child,
    stdin: ChildStdin,
    console: Arc<Console>,
    monitor: Monitor,
    /// How much of the console [`expect`](Self::expect) has gone past.
    position: usize,
    sticks: usize,
    stderr: PathBuf,
    folder: tempfile::TempDir,
}

/// How a picture of the screen is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFormat {
    /// Portable network graphics.
    Png,
    /// Portable pixmap: a line of text, and three bytes a pixel.
    Ppm,
}

/// What a command in the guest printed, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Standard output and error, with the line ends of the terminal made plain.
    pub text: String,
    /// The exit code.
    pub code: i32,
}

impl Session {
    pub(super) fn attach(
        mut child: Child,
        folder: tempfile::TempDir,
        socket: &Path,
        stderr: PathBuf,
    ) -> Result<Self, QemuError> {
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(QemuError::Start(io::Error::other(
                "its console is not connected",
            )));
        };
        let console = Arc::new(Console::default());
        let follower = Arc::clone(&console);
        thread::spawn(move || follower.follow(stdout));
        let start = Instant::now();
        loop {
            match Monitor::connect(socket) {
                Ok(monitor) => {
                    return Ok(Self {
                        child,
                        stdin,
                        console,
                        monitor,
                        position: 0,
                        sticks: 0,
                        stderr,
                        folder,
                    });
                }
                Err(error) => {
                    if let Some(status) = child.try_wait()? {
                        return Err(QemuError::Ended {
                            status: status.to_string(),
                            expected: "QEMU to start".to_owned(),
                            stderr: after_line_break(&read_text(&stderr)),
                            tail: String::new(),
                        });
                    }
                    if start.elapsed() > START_PATIENCE {
                        let _ = child.kill();
                        return Err(error.into());
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    /// Shows the console on standard output while it comes in.
    pub fn show(&mut self) {
        self.console.lock().shown = true;
    }

    /// All that the console has shown so far.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.console.lock().bytes).into_owned()
    }

    /// The same without the kernel's messages, which may come in the middle of a program's line.
    pub fn written_by_programs(&self) -> String {
        let text = without_messages(&self.console.lock().bytes);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Why the kernel gave up, if it did.
    pub fn panic(&self) -> Option<String> {
        reason_of_panic(&self.console.lock().bytes)
    }

    /// Waits until `text` is on the console, after what was expected before. Messages of the kernel between its bytes do not
    /// matter.
    ///
    /// # Errors
    /// [`QemuError::Timeout`] where it does not come; [`QemuError::Ended`] where the machine ends before, [`QemuError::Panicked`]
    /// where its kernel gives up.
    pub fn expect(&mut self, text: &str, timeout: Duration) -> Result<(), QemuError> {
        self.expect_any(&[text], timeout).map(|_| ())
    }

    /// Waits until one of `texts` is on the console; tells which one came first.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn expect_any(&mut self, texts: &[&str], timeout: Duration) -> Result<usize, QemuError> {
        self.find_any(texts, timeout).map(|(which, _)| which)
    }

    /// As [`expect_any`](Self::expect_any); tells where on the console it stands.
    fn find_any(
        &mut self,
        texts: &[&str],
        timeout: Duration,
    ) -> Result<(usize, Range<usize>), QemuError> {
        let deadline = Instant::now() + timeout;
        let expected = || match texts {
            [] => "the given time to pass".to_owned(),
            texts => {
                let quoted: Vec<_> = texts.iter().map(|text| format!("`{text}`")).collect();
                quoted.join(" or ")
            }
        };
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut from = self.position;
        let mut state = self.console.lock();
        loop {
            let found = texts
                .iter()
                .enumerate()
                .filter_map(|(which, text)| {
                    let place = find(&state.bytes[from..], text.as_bytes())?;
                    Some((place.end, place.start, which))
                })
                .min();
            if let Some((end, start, which)) = found {
                self.position = from + end;
                return Ok((which, from + start..from + end));
            }
            let new = &state.bytes[self.position..];
            // A machine that starts anew after a panic ends here.
            let panic = match state.ended {
                true => reason_of_panic(&state.bytes),
                false => reason_of_standstill(new),
            };
            if let Some(reason) = panic {
                return Err(QemuError::Panicked {
                    expected: expected(),
                    reason,
                    tail: tail_of_panic(&state.bytes),
                });
            }
            if state.ended {
                let tail = tail(&state.bytes);
                drop(state);
                return Err(self.ended(expected(), tail));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(QemuError::Timeout {
                    expected: expected(),
                    seconds: timeout.as_secs(),
                    tail: or_hint(tail(&state.bytes)),
                });
            }
            from = from.max(state.bytes.len().saturating_sub(longest + OVERLAP));
            state = self
                .console
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Types text into the serial console.
    ///
    /// # Errors
    /// [`QemuError::Connection`].
    pub fn send(&mut self, text: &[u8]) -> Result<(), QemuError> {
        self.stdin.write_all(text)?;
        self.stdin.flush()?;
        Ok(())
    }

    /// Runs a command in the shell on the serial console and waits for its end.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn run(&mut self, command: &str, timeout: Duration) -> Result<Output, QemuError> {
        // The quotes keep the shell's echo of this line from looking like the marks themselves.
        self.send(format!("echo '<be''gin>'; {{ {command}; }}; echo '<en''d' $?'>'\n").as_bytes())?;
        self.expect("<begin>", timeout)?;
        let start = self.position;
        let (_, mark) = self.find_any(&[END_MARK], timeout)?;
        // One in a message of the kernel is not it.
        let code = loop {
            self.expect(">", timeout)?;
            let code = without_messages(&self.console.lock().bytes[mark.end..self.position]);
            if let Some(code) = code.strip_suffix(b">") {
                break code.to_vec();
            }
        };
        let state = self.console.lock();
        let text = &state.bytes[start..mark.start];
        Ok(Output {
            text: guest_text(text).trim_start_matches('\n').to_owned(),
            code: String::from_utf8_lossy(&code).trim().parse().unwrap_or(-1),
        })
    }

    /// Presses a key or a chord of the PC's keyboard, by QEMU's names: `semicolon`, `shift-2`, `alt_r-2`.
    ///
    /// # Errors
    /// [`QemuError::Monitor`], also where QEMU knows no such key.
    pub fn press(&mut self, keys: &str) -> Result<(), QemuError> {
        let printed = self.monitor.human(&format!("sendkey {keys}"))?;
        self.refused_if(!printed.trim().is_empty(), "sendkey", &printed)?;
        // The emulated controller drops keys that come faster than the guest reads them.
        thread::sleep(Duration::from_millis(150));
        Ok(())
    }

    /// Plugs a raw disk image in as a USB stick; gives the name to [`unplug`](Self::unplug) it by.
    ///
    /// # Errors
    /// [`QemuError::Monitor`].
    pub fn plug(&mut self, image: &Path) -> Result<String, QemuError> {
        self.plug_drive(&format!("file={}", super::escaped(image).display()))
    }

    /// As [`plug`](Self::plug), with QEMU's own options for the drive: `file=stick.img,bps_wr=500000` makes a slow stick.
    ///
    /// # Errors
    /// [`QemuError::Monitor`].
    pub fn plug_drive(&mut self, options: &str) -> Result<String, QemuError> {
        self.sticks += 1;
        let drive = format!("plugged{}", self.sticks);
        let id = format!("usb-{drive}");
        let printed = self.monitor.human(&format!(
            "drive_add 0 if=none,id={drive},format=raw,{options}"
        ))?;
        self.refused_if(printed.trim() != "OK", "drive_add", &printed)?;
        self.monitor.execute(
            "device_add",
            json!({ "driver": "usb-storage", "bus": "usb.0", "id": id, "drive": drive, "removable": true }),
        )?;
        Ok(id)
    }

    /// Pulls out what [`plug`](Self::plug) has plugged in.
    ///
    /// # Errors
    /// [`QemuError::Monitor`].
    pub fn unplug(&mut self, id: &str) -> Result<(), QemuError> {
        self.monitor.execute("device_del", json!({ "id": id }))?;
        Ok(())
    }

    /// What is on the screen, as a picture.
    ///
    /// # Errors
    /// [`QemuError::Monitor`]: QEMU makes PNG from version 7.1 on. [`QemuError::Connection`].
    pub fn screenshot(&mut self, format: PictureFormat) -> Result<Vec<u8>, QemuError> {
        let path = self.folder.path().join("screen");
        let mut arguments = json!({ "filename": path });
        if format == PictureFormat::Png {
            arguments["format"] = "png".into();
        }
        self.monitor.execute("screendump", arguments)?;
        Ok(std::fs::read(path)?)
    }

    /// Lets the machine run on for a while.
    ///
    /// # Errors
    /// [`QemuError::Ended`] where it ends before, [`QemuError::Panicked`] where its kernel gives up.
    pub fn run_on(&mut self, time: Duration) -> Result<(), QemuError> {
        match self.expect_any(&[], time) {
            Err(QemuError::Timeout { .. }) => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// Waits for the machine to power off.
    ///
    /// # Errors
    /// [`QemuError::Timeout`].
    pub fn wait(&mut self, timeout: Duration) -> Result<(), QemuError> {
        let deadline = Instant::now() + timeout;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(QemuError::Timeout {
                    expected: "the machine's end".to_owned(),
                    seconds: timeout.as_secs(),
                    tail: tail(&self.console.lock().bytes),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Connects the console to this process's standard input and output until the machine powers off.
    ///
    /// # Errors
    /// [`QemuError::Connection`].
    pub fn interact(mut self) -> Result<(), QemuError> {
        self.show();
        let mut keyboard = self.stdin.try_clone_for_forwarding()?;
        thread::spawn(move || {
            let mut buffer = [0; 256];
            while let Ok(read @ 1..) = io::stdin().read(&mut buffer) {
                if keyboard.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
        });
        self.child.wait()?;
        Ok(())
    }

    fn refused_if(&self, refused: bool, command: &str, reason: &str) -> Result<(), QemuError> {
        if !refused {
            return Ok(());
        }
        Err(MonitorError::Refused {
            command: command.to_owned(),
            reason: reason.trim().to_owned(),
        }
        .into())
    }

    fn ended(&mut self, expected: String, tail: String) -> QemuError {
        let status = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        QemuError::Ended {
            status,
            expected,
            stderr: after_line_break(&read_text(&self.stderr)),
            tail,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A second handle on a pipe's write end, for a thread of its own.
trait TryCloneForForwarding {
    fn try_clone_for_forwarding(&self) -> io::Result<std::fs::File>;
}

impl TryCloneForForwarding for ChildStdin {
    fn try_clone_for_forwarding(&self) -> io::Result<std::fs::File> {
        use std::os::fd::AsFd;
        Ok(self.as_fd().try_clone_to_owned()?.into())
    }
}

fn read_text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
/// What may be wrong where a console has shown nothing.
fn or_hint(tail: String) -> String {
    match tail.is_empty() {
        true => "; it has shown nothing at all: a kernel writes to it where its command line says console=ttyS0, which --append adds to an initramfs's or, in `packager image`, to an image's".to_owned(),
        false => tail,
    }
}
