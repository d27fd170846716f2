//! QEMU's machine protocol (QMP): one JSON object a line, over a Unix socket. `docs/interop/qmp-spec.rst` of QEMU.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// A command that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a monitor command failed.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// QEMU refuses the command.
    #[error("QEMU refuses `{command}`: {reason}")]
    Refused {
        /// The command.
        command: String,
        /// What QEMU says.
        reason: String,
    },
    /// The connection broke, or what came over it is not QMP.
    #[error("the connection to QEMU's monitor broke: {0}")]
    Connection(#[from] io::Error),
}

/// A connection to a monitor, past its greeting.
#[derive(Debug)]
pub(super) struct Monitor {
    reader: BufReader<UnixStream>,
}

impl Monitor {
    pub(super) fn connect(socket: &Path) -> Result<Self, MonitorError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut monitor = Self {
            reader: BufReader::new(stream),
        };
        monitor.read()?;
        monitor.execute("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Runs a QMP command and gives what it returns.
    pub(super) fn execute(
        &mut self,
        command: &str,
        arguments: Value,
    ) -> Result<Value, MonitorError> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        self.reader.get_mut().write_all(line.as_bytes())?;
        loop {
            let mut answer = self.read()?;
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(MonitorError::Refused {
                    command: command.to_owned(),
                    reason: error["desc"]
                        .as_str()
                        .unwrap_or("no reason given")
                        .to_owned(),
                });
            }
            // Anything else is an event, and none of them matters here.
        }
    }

    /// Runs a command of the human monitor, such as `sendkey a`, and gives what it prints.
    pub(super) fn human(&mut self, command: &str) -> Result<String, MonitorError> {
        let result = self.execute("human-monitor-command", json!({ "command-line": command }))?;
        Ok(result.as_str().unwrap_or_default().to_owned())
    }

    fn read(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_str(&line).map_err(io::Error::other)
    }
}
