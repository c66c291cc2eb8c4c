//! Errors of the store: a database out of reach is an overload, anything else a fault.

use entente_store::{StoreError, sqlstate_class};
use sqlx::Error;

use super::{Refused, RpcError, chain};

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        if let StoreError::ClocksApart { apart } = error {
            tracing::warn!(error = chain(&error), "nothing is done while clocks disagree");
            return Refused::clocks_apart(apart).into();
        }
        if let StoreError::Archived { before } = error {
            return Refused::archived(before).into();
        }
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
        StoreError::Database(error) => match sqlstate_class(error).as_deref() {
            // Connections, a database that is read-only, resources, a lock timeout, an operator.
            Some(class) => matches!(class, "08" | "25" | "53" | "55" | "57"),
            // No answer at all, unless it is one that cannot be read.
            None => {
                !matches!(error, Error::ColumnDecode { .. } | Error::Decode(_) | Error::Encode(_))
            }
        },
        StoreError::Claimed | StoreError::CutOffDue => true,
        StoreError::ClocksApart { .. }
        | StoreError::Archived { .. }
        | StoreError::Migrate(_)
        | StoreError::Inconsistent { .. }
        | StoreError::Ledger(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use entente_api::error::ErrorReason;
    use jiff::SignedDuration;

    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    #[test]
    fn a_database_out_of_reach_is_an_overload_and_a_bad_row_a_fault() {
        for (error, expected) in [
            (StoreError::from(Error::PoolTimedOut), Some(ErrorReason::Overloaded)),
            (StoreError::from(Error::PoolClosed), Some(ErrorReason::Overloaded)),
            (StoreError::Claimed, Some(ErrorReason::Overloaded)),
            (StoreError::Archived { before: jiff::Timestamp::MAX }, Some(ErrorReason::Archived)),
            (StoreError::CutOffDue, Some(ErrorReason::Overloaded)),
            (StoreError::ClocksApart { apart: HOUR }, Some(ErrorReason::ClocksApart)),
            (StoreError::from(Error::Decode("a bad row".into())), None),
            (StoreError::inconsistent("cells", "seq", 3), None),
        ] {
            let reason = match RpcError::from(error) {
                RpcError::Refused(refused) => Some(refused.reason()),
                RpcError::Replayed(_) | RpcError::Fault(_) => None,
            };
            assert_eq!(reason, expected);
        }
    }
}
