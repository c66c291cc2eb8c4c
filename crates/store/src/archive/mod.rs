//! Old months out of the ledger, and back: their operations and transfers are detached, written to
//! files, and dropped, while what they carry into balances stays.
//!
//! Each step is a transaction of the owner's, and finds what is done. A month is detached when all
//! before it are, so what remains of a cell is its numbers behind one.

mod attach;
mod carry;
mod copy;
mod detach;
mod drop;
mod kept;
mod standing;

use std::path::Path;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::StoreError;

pub use attach::{Source, attach};
pub use copy::{Copied, Sink};
pub use detach::detach;
pub use drop::{drop_tables, write};
pub use kept::{kept_from, look_back, look_up, numbers_before, whole_window};
pub use standing::{ArchivedMonth, ArchivedTable, Standing, months, obstacles};

/// The two tables of a month.
pub const TABLES: [&str; 2] = ["operations", "transfers"];

/// A connection of the database's owner.
pub type OwnerConnection = PgConnection;

/// A UTC month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(Date);

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotArchived {
    /// Something is in the way.
    #[error("{0}")]
    Refused(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file failed.
    #[error("{path}: {error}")]
    File {
        /// Which file.
        path: String,
        /// How.
        error: std::io::Error,
    },
}

impl From<sqlx::Error> for NotArchived {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Month {
    /// The month of a day.
    #[must_use]
    pub fn of(day: Date) -> Self {
        Self(day.first_of_month())
    }

    /// When it begins.
    #[must_use]
    pub fn start(self) -> Timestamp {
        let start = self.0.to_zoned(TimeZone::UTC).map(|start| start.timestamp());
        start.unwrap_or(Timestamp::MIN)
    }

    /// When the next begins.
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.next().start()
    }

    /// The month after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self::of(self.0.last_of_month().saturating_add(jiff::Span::new().days(1)))
    }

    /// The name that a table has of it.
    #[must_use]
    pub fn table(self, parent: &str) -> String {
        format!("{parent}_{:04}_{:02}", self.0.year(), self.0.month())
    }

    /// The name of the file that holds a table of it.
    #[must_use]
    pub fn file(self, parent: &str) -> String {
        format!("{}.csv", self.table(parent))
    }

    pub(crate) fn sql(self) -> jiff_sqlx::Date {
        self.0.to_sqlx()
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl std::str::FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a month is written 2026-03".to_owned();
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
            return Err(wrong());
        }
        let (year, month) =
            (year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?);
        Date::new(year, month, 1).map(Self).map_err(|_| wrong())
    }
}

/// Connects as the owner, whom no timeout cuts short.
pub async fn connect(owner_url: &str) -> Result<OwnerConnection, StoreError> {
    Ok(PgConnection::connect(owner_url).await?)
}

fn refused(why: impl Into<String>) -> NotArchived {
    NotArchived::Refused(why.into())
}

fn not_the_file(path: &Path) -> NotArchived {
    refused(format!("{} is not the file that was archived: its digest differs", path.display()))
}

/// Runs a statement that names a month's table: nothing of it comes from outside.
async fn run(connection: &mut PgConnection, statement: String) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// One archive command at a time, and values written the same whatever the server's settings.
async fn alone(connection: &mut PgConnection) -> Result<(), NotArchived> {
    let alone = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtext('entente.archive')) AS "alone!""#
    );
    if !alone.fetch_one(&mut *connection).await? {
        return Err(refused("another archive command is at work on this ledger"));
    }
    let settings = "SET LOCAL statement_timeout = 0; SET LOCAL TimeZone = 'UTC'; \
                    SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL bytea_output = 'hex'";
    Ok(run(connection, settings.to_owned()).await?)
}

/// Whether a table is there, be it part of the ledger or detached.
async fn exists(connection: &mut PgConnection, table: &str) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(r#"SELECT to_regclass($1) IS NOT NULL AS "found!""#, table);
    Ok(found.fetch_one(connection).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_as_it_is_written() {
        let month: Month = "2026-12".parse().expect("a month");
        assert_eq!(month.to_string(), "2026-12");
        assert_eq!(month.next().to_string(), "2027-01");
        assert_eq!(month.table("operations"), "operations_2026_12");
        assert_eq!(month.start().to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(month.end(), month.next().start());
        for wrong in ["2026", "2026-13", "2026-1", "26-01", "2026-01-01", "+026-01", "2026-+1"] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }
}
