//! What can go wrong between the ledger and its database. Refusals are not here: they are values.

/// A fault of the database, or of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database answered an error, or none.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Another transaction gave the request id its outcome first: run again, and answer that.
    #[error("another transaction claimed the request id")]
    Claimed,
    /// A row says something that the ledger never writes.
    #[error("{table}.{column} of {row} is inconsistent")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row, by its key.
        row: String,
    },
}

impl StoreError {
    /// An inconsistency of one column.
    pub fn inconsistent(table: &'static str, column: &'static str, row: impl ToString) -> Self {
        Self::Inconsistent { table, column, row: row.to_string() }
    }

    /// Whether the same transaction may succeed when it runs again: a deadlock, a serialization
    /// failure, or a request id that was claimed meanwhile.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Claimed => true,
            Self::Database(error) => sqlstate_class(error).as_deref() == Some("40"),
            Self::Inconsistent { .. } => false,
        }
    }
}

/// The first two characters of an error's SQLSTATE, if the database gave one.
#[must_use]
pub fn sqlstate_class(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    code.get(..2).map(str::to_owned)
}
