//! Running PostgreSQL's programs, each with a bound on how long it may take.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use crate::Error;

/// Runs `command` to its end; a failure carries what it said.
pub(crate) async fn run(command: Command, limit: Duration) -> Result<Output, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |detail: String| Error::Program { program: program.clone(), detail };
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(limit, command.output())
        .await
        .map_err(|_| failed(format!("no end after {} s", limit.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(failed(said(&output)))
}

/// The status and the end of what a program wrote.
pub(crate) fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}: {}", output.status, tail(&String::from_utf8_lossy(&text)))
}

/// The last lines of `text`, at most about 2,000 bytes, on one line.
pub(crate) fn tail(text: &str) -> String {
    let start = text.len().saturating_sub(2_000);
    let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[start..]
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" | ")
}
