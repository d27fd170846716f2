//! What a machine writes to its serial console, collected by a thread while others wait for it.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use memchr::memmem;

/// What the kernel writes when it cannot go on (`kernel/panic.c`); the reason follows.
const PANIC: &str = "Kernel panic - not syncing: ";

/// What it writes then where it starts anew.
const REBOOT: &str = "Rebooting in ";

/// What it writes last of all where it stands still, with the reason again.
const END_OF_PANIC: &str = "---[ end Kernel panic";

/// How much of the console an error shows.
const TAIL_LINES: usize = 15;

/// What the serial console has shown so far.
#[derive(Debug, Default)]
pub(super) struct Console {
    state: Mutex<ConsoleState>,
    pub(super) changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct ConsoleState {
    pub(super) bytes: Vec<u8>,
    pub(super) ended: bool,
    /// Whether what arrives is shown on standard output as well.
    pub(super) shown: bool,
}

impl Console {
    pub(super) fn lock(&self) -> MutexGuard<'_, ConsoleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn follow(&self, mut source: impl Read) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = source.read(&mut buffer) {
            let mut state = self.lock();
            state.bytes.extend_from_slice(&buffer[..read]);
            if state.shown {
                // A terminal that is gone is no reason to stop the machine.
                let mut stdout = io::stdout().lock();
                let _ = stdout
                    .write_all(&buffer[..read])
                    .and_then(|()| stdout.flush());
            }
            self.changed.notify_all();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

/// The last lines, for an error; begins with a line break unless there is nothing.
pub(super) fn tail(bytes: &[u8]) -> String {
    let text = guest_text(bytes);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    after_line_break(&last.join("\n"))
}

/// As [`tail`], up to where the kernel says that it gives up: behind that stand registers and calls, before it what led there.
pub(super) fn tail_of_panic(bytes: &[u8]) -> String {
    let announced = memmem::find(bytes, PANIC.as_bytes()).unwrap_or(bytes.len());
    let line = memchr::memchr(b'\n', &bytes[announced..]);
    tail(&bytes[..line.map_or(bytes.len(), |length| announced + length)])
}

/// Why the kernel gave up, if it did: what it announces last, where it starts anew or stands still after it.
pub(super) fn reason_of_panic(console: &[u8]) -> Option<String> {
    let place = memmem::rfind(console, REBOOT.as_bytes())
        .or_else(|| memmem::rfind(console, END_OF_PANIC.as_bytes()))?;
    let text = guest_text(&console[..place]);
    let announced = text.lines().rev();
    announced
        .filter_map(|line| line.split_once(PANIC))
        .map(|(_, reason)| reason.trim().to_owned())
        .next()
}

/// The same, if it stands still: where it starts anew, it does not come to that.
pub(super) fn reason_of_standstill(console: &[u8]) -> Option<String> {
    memmem::find(console, END_OF_PANIC.as_bytes()).and_then(|_| reason_of_panic(console))
}

pub(super) fn after_line_break(text: &str) -> String {
    match text.trim_end() {
        "" => String::new(),
        text => text
            .lines()
            .fold(String::new(), |out, line| out + "\n    " + line),
    }
}

/// The first place of a text in what a console has shown: as it stands there, or as programs have written it, where the kernel's
/// messages have come between its bytes. (The kernel writes past the terminal's queue, at once: a message may stand
/// in the middle of a program's line.)
pub(super) fn find(console: &[u8], text: &[u8]) -> Option<Range<usize>> {
    let whole = memmem::find(console, text).map(|start| start..start + text.len());
    let before = whole
        .as_ref()
        .map_or(console, |place| &console[..place.end]);
    find_parted(before, text).or(whole)
}

/// The first place of a text that programs have written.
fn find_parted(console: &[u8], text: &[u8]) -> Option<Range<usize>> {
    let pieces = between_messages(console);
    let joined = joined(console, &pieces);
    let start = memmem::find(&joined, text)?;
    let Some(last) = (start + text.len()).checked_sub(1) else {
        return Some(0..0);
    };
    let place = |mut offset: usize| {
        for piece in &pieces {
            match offset.checked_sub(piece.len()) {
                None => return piece.start + offset,
                Some(left) => offset = left,
            }
        }
        console.len()
    };
    Some(place(start)..place(last) + 1)
}

/// What programs have written: all but the kernel's messages.
pub(super) fn without_messages(console: &[u8]) -> Vec<u8> {
    joined(console, &between_messages(console))
}

fn joined(console: &[u8], pieces: &[Range<usize>]) -> Vec<u8> {
    let pieces = pieces.iter().map(|piece| &console[piece.clone()]);
    pieces.collect::<Vec<_>>().concat()
}

/// The places of a console without the kernel's messages: from their time stamps to the ends of their lines.
fn between_messages(console: &[u8]) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut position = 0;
    while let Some(found) = memchr::memchr(b'[', &console[position..]) {
        let bracket = position + found;
        position = bracket + 1;
        if is_time_stamp(&console[bracket..]) {
            pieces.push(start..bracket);
            let rest = &console[bracket..];
            start = memchr::memchr(b'\n', rest).map_or(console.len(), |end| bracket + end + 1);
            position = start;
        }
    }
    pieces.push(start..console.len());
    pieces
}

/// Whether a text begins as a message of the kernel: `[    1.234567] ` (`print_time` in `kernel/printk/printk.c`).
fn is_time_stamp(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text[1..].trim_ascii_start();
    let seconds = digits(text);
    let Some((b'.', fraction)) = text[seconds..].split_first() else {
        return false;
    };
    seconds > 0 && digits(fraction) == 6 && fraction[6..].starts_with(b"]")
}

/// What a terminal would show as plain lines: without carriage returns and escape sequences.
pub(super) fn guest_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' => {}
            '\x1b' if characters.peek() == Some(&'[') => {
                characters.next();
                // A control sequence ends with a byte from @ to ~.
                while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_at_its_end() {
        let whole = b"[1] Kernel panic - not syncing: No init.\r\n[1] ---[ end Kernel panic - not syncing: No init. ]---\r\n";
        assert_eq!(reason_of_standstill(&whole[..60]), None);
        assert_eq!(reason_of_standstill(whole).as_deref(), Some("No init."));
        assert_eq!(reason_of_panic(whole).as_deref(), Some("No init."));
        // What a user writes about panics is none.
        assert_eq!(
            reason_of_panic(b"# echo Kernel panic - not syncing: joke\r\n"),
            None
        );
    }

    #[test]
    fn the_tail_of_a_panic_ends_with_it() {
        let mut whole =
            b"Failed to execute /init (error -2)\r\nKernel panic - not syncing: No init.\r\n"
                .to_vec();
        whole.extend(b"RAX: 0\r\n".repeat(TAIL_LINES));
        let expected =
            "\n    Failed to execute /init (error -2)\n    Kernel panic - not syncing: No init.";
        assert_eq!(tail_of_panic(&whole), expected);
        assert!(tail_of_panic(b"all is well\r\n").ends_with("all is well"));
    }

    #[test]
    fn messages_do_not_hide_what_programs_write() {
        let console =
            b"init: re[    1.250000] tsc: Refined\r\n[   12.000001] x [1]\r\nady\r\n[2] # ";
        let found = find(console, b"init: ready\r\n").unwrap();
        assert_eq!(found.start, 0);
        assert!(console[found.end..].starts_with(b"[2] # "));
        assert_eq!(without_messages(console), b"init: ready\r\n[2] # ");
        // What the kernel says is found, too.
        assert_eq!(find(console, b"tsc: Refined"), Some(23..35));
        assert_eq!(find(console, b"readyx"), None);
        assert_eq!(find(console, b""), Some(0..0));
        // The first of two is the one that is parted.
        let twice = b"o[    1.000001] x\r\nk\r\nok";
        assert_eq!(find(twice, b"ok"), Some(0..20));
        for none in [
            &b"[1.25] "[..],
            b"[ x",
            b"[",
            b"[    1.250000",
            b"[.250000]",
        ] {
            assert_eq!(without_messages(none), none);
        }
    }

    #[test]
    fn escape_sequences_and_carriage_returns_are_gone() {
        assert_eq!(guest_text(b"\r\n\x1b[6na\x1b[1;32mb\x1b[m\r\n"), "\nab\n");
    }

    #[test]
    fn the_tail_is_indented_and_short() {
        let long: String = (0..40).map(|n| format!("line {n}\r\n")).collect();
        let tail = tail(long.as_bytes());
        assert!(tail.starts_with("\n    line 25\n"), "{tail}");
        assert!(tail.ends_with("line 39"));
    }
}
