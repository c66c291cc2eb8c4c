//! Versions of rows: PostgreSQL tells of each row which transaction wrote it.

use jiff::Timestamp;
use sqlx::{
    Decode, Postgres, Type,
    error::BoxDynError,
    postgres::{PgTypeInfo, PgValueRef},
};

/// Who wrote a wallet's row. Two reads of a wallet that tell the same saw the same wallet and the same open
/// lots, since whoever changes an open lot writes its wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    transaction: Xid,
    /// Since when the server runs: another one, such as a standby that missed a commit, gives the same
    /// numbers to other transactions.
    server: Timestamp,
}

impl Version {
    /// A transaction of the server that runs since `server`.
    #[must_use]
    pub const fn new(transaction: Xid, server: Timestamp) -> Self {
        Self { transaction, server }
    }
}

/// The number of a transaction (`xid`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xid(pub u32);

impl Type<Postgres> for Xid {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("xid")
    }
}

impl<'r> Decode<'r, Postgres> for Xid {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(u32::from_be_bytes(value.as_bytes()?.try_into()?)))
    }
}
