//! What can go wrong between the ledger and its database. Refusals are not here: they are values.

use jiff::SignedDuration;

/// A fault of the database, or of what is in it. Its text never leaves the hub.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database answered an error, or none.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the schema could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Another transaction gave the request id its outcome first: run again, and answer that.
    #[error("another transaction claimed the request id")]
    Claimed,
    /// The calendar closes the open window before anything else is posted: close it, and run again.
    #[error("the open window is past its cut-off")]
    CutOffDue,
    /// The database's clock and that of whoever asks are too far apart: one of them is wrong, and nobody
    /// knows which.
    #[error("the database's clock and this machine's are {} s apart", apart.as_secs())]
    ClocksApart {
        /// How far the database's is ahead.
        apart: SignedDuration,
    },
    /// Some of the operations that would be read are archived: an answer without them would be wrong.
    #[error("operations before {before} are archived")]
    Archived {
        /// The earliest time from which all of them are there.
        before: jiff::Timestamp,
    },
    /// A row says something that the ledger never writes.
    #[error("{table}.{column} of {row} is inconsistent")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row, by its key, or what was found.
        row: String,
    },
    /// The database holds no ledger, or one that was created otherwise.
    #[error("{0}")]
    Ledger(String),
}

/// What to do about a failed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cure {
    /// The same batch may succeed when run again.
    Rerun,
    /// One of its commands poisons it: run them one at a time.
    OneByOne,
    /// The database is out of reach or at fault.
    GiveUp,
}

impl StoreError {
    /// An inconsistency of one column.
    #[expect(clippy::needless_pass_by_value, reason = "it is given literals and ids")]
    pub fn inconsistent(table: &'static str, column: &'static str, row: impl ToString) -> Self {
        Self::Inconsistent { table, column, row: row.to_string() }
    }

    /// SQLSTATE class 40 and claimed ids run again as they are; class 22 and 23 run again one
    /// command at a time, so that a poisoned row harms only itself.
    #[must_use]
    pub fn cure(&self) -> Cure {
        match self {
            Self::Claimed | Self::CutOffDue => Cure::Rerun,
            Self::Database(error) => match sqlstate_class(error).as_deref() {
                Some("40") => Cure::Rerun,
                Some("22" | "23") => Cure::OneByOne,
                Some(_) | None => Cure::GiveUp,
            },
            // One command made it, or met it: its neighbors are not to suffer.
            Self::Inconsistent { .. } => Cure::OneByOne,
            Self::ClocksApart { .. }
            | Self::Archived { .. }
            | Self::Migrate(_)
            | Self::Ledger(_) => Cure::GiveUp,
        }
    }

    /// Whether the same transaction may succeed when it runs again: a deadlock, a serialization
    /// failure, a request id that was claimed meanwhile, or a window to be closed first.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.cure() == Cure::Rerun
    }
}

/// The first two characters of an error's SQLSTATE, if the database gave one.
#[must_use]
pub fn sqlstate_class(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    code.get(..2).map(str::to_owned)
}
