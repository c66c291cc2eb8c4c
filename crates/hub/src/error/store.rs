//! Errors of the store: a database out of reach is an overload, anything else a fault.

use entente_store::{StoreError, sqlstate_class};
use sqlx::Error;

use super::{Refused, RpcError, chain};

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        if is_unreachable(&error) || error.is_transient() {
            tracing::warn!(error = chain(&error), "the database failed");
            return Refused::overloaded().into();
        }
        Self::internal(error)
    }
}

/// Whether the same statement may succeed once the database is back, or has room again.
#[must_use]
pub(crate) fn is_unreachable(error: &StoreError) -> bool {
    match error {
        StoreError::Database(error) => match error {
            Error::PoolTimedOut | Error::PoolClosed | Error::Io(_) | Error::WorkerCrashed => true,
            // Connections, a database that is read-only, resources, a lock timeout, an operator.
            other => {
                matches!(sqlstate_class(other).as_deref(), Some("08" | "25" | "53" | "55" | "57"))
            }
        },
        StoreError::Claimed => true,
        StoreError::Migrate(_) | StoreError::Inconsistent { .. } | StoreError::Ledger(_) => false,
    }
}
