//! Logs go to the standard error, so that the standard output stays for answers.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::args::{LogArgs, LogFormat};
use crate::output::warn;

/// Errors and warnings, and what our own crates have to say.
const USUAL: &str = "warn,entente=info";

/// Begins to log.
pub(crate) fn start(args: &LogArgs) {
    let wanted = args.log.as_deref().unwrap_or(USUAL);
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|error| {
        warn(&format!("the log filter {wanted:?} is not understood ({error}); using {USUAL}"));
        EnvFilter::new(USUAL)
    });
    let layer = fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match args.log_format {
        LogFormat::Json => registry.with(layer.json()).init(),
        LogFormat::Text => registry.with(layer.with_ansi(io::stderr().is_terminal())).init(),
    }
}
