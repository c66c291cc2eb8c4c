//! Logs go to the standard error, so that the standard output stays for answers.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::args::{Command, LogArgs, LogFormat};
use crate::output::warn;

/// Errors and warnings, and what our own crates have to say. PostgreSQL's notices are no news.
const USUAL: &str = "warn,sqlx::postgres::notice=error,entente=info";

/// For a command that shows what happens by itself.
const QUIET: &str = "warn,sqlx=error";

/// Begins to log, where nobody chose otherwise what `command` usually does.
pub(crate) fn start(args: &LogArgs, command: &Command) {
    let usual = if matches!(command, Command::Serve(_)) { USUAL } else { QUIET };
    let wanted = args.log.as_deref().unwrap_or(usual);
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|error| {
        warn(&format!("the log filter {wanted:?} is not understood ({error}); using {usual}"));
        EnvFilter::new(usual)
    });
    let layer = fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match args.log_format {
        LogFormat::Json => registry.with(layer.json()).init(),
        LogFormat::Text => registry.with(layer.with_ansi(io::stderr().is_terminal())).init(),
    }
}
