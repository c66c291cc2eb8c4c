//! What people and programs read: text and tables, or JSON, on the standard output.

mod amount;
mod csv;
mod style;
mod table;
mod time;
mod word;

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde::Serialize;

pub(crate) use amount::{count, money, money_exact, points};
pub(crate) use style::{bold, dim, good, paint};
pub(crate) use table::Table;
pub(crate) use time::{date, parse as parse_time, proto as proto_time, stamp, text as time_text};
pub(crate) use word::{
    act_kind, amount_kind, break_kind, break_state, delivery_failure, delivery_state, direction,
    event_kind, funding, operation_kind, operator_role, partner_state, proposal_state, rounding,
    statement_state, window_state,
};

/// How a command prints what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: one JSON document.
    Json,
    /// For spreadsheets.
    Csv,
}

impl Format {
    /// Prints `value` as JSON, or as what `text` makes of it.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self {
            Self::Table => say(&text(value))?,
            Self::Json => say(&serde_json::to_string_pretty(value)?)?,
            Self::Csv => say(&csv::text(&serde_json::to_value(value)?)?)?,
        }
        Ok(())
    }

    /// Prints a line for people alone.
    pub(crate) fn note(self, line: &str) -> io::Result<()> {
        match self {
            Self::Table => say(line),
            Self::Json | Self::Csv => Ok(()),
        }
    }
}

/// Prints a line; color stays only on a terminal. A reader that went away is no error: `| head`.
pub(crate) fn say(line: &str) -> io::Result<()> {
    ended(writeln!(anstream::stdout().lock(), "{line}"))
}

/// Prints JSON as it is made, whatever its length: it is nowhere as a whole, and has no colors to take out.
pub(crate) fn say_json(value: &impl Serialize) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from);
    ended(written.and_then(|()| writeln!(out)).and_then(|()| out.flush()))
}

/// Prints a line to the standard error.
pub(crate) fn warn(line: &str) {
    // Nobody is left to be told.
    drop(writeln!(anstream::stderr().lock(), "{line}"));
}

fn ended(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
