//! Running other programs, with errors that show the command.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command, its output on this terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let text = text(command);
    let status = command
        .status()
        .with_context(|| format!("cannot run `{text}`"))?;
    if !status.success() {
        bail!("`{text}` failed ({status})");
    }
    Ok(())
}

/// Runs a command and gives what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let text = text(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{text}`"))?;
    if !output.status.success() {
        bail!(
            "`{text}` failed ({})\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn text(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(
        command
            .get_args()
            .map(|argument| argument.to_string_lossy()),
    );
    words.join(" ")
}
