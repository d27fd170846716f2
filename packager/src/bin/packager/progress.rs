//! A word on the terminal while something takes longer than a second; nothing on a pipe.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

/// Shown from one second on until it is dropped.
pub(crate) struct Progress {
    done: Option<Sender<()>>,
    shower: Option<JoinHandle<()>>,
}

impl Progress {
    /// Says `text` if it is still there after a second.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        if !io::stderr().is_terminal() {
            return Self {
                done: None,
                shower: None,
            };
        }
        let text = text.into();
        let (done, waiting) = channel();
        let shower = thread::spawn(move || show(&text, &waiting));
        Self {
            done: Some(done),
            shower: Some(shower),
        }
    }
}

fn show(text: &str, done: &Receiver<()>) {
    if done.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_message(text.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    // The other end is dropped when the work is done.
    let _ = done.recv();
    bar.finish_and_clear();
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done.take();
        if let Some(shower) = self.shower.take() {
            // The line is cleared before anything else is printed.
            let _ = shower.join();
        }
    }
}
