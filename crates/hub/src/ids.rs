//! The one place that makes random ids. They say nothing of what they name.

#![expect(clippy::disallowed_methods, reason = "this is the place")]

use entente_ledger::MemberId;
use uuid::Uuid;

/// A member's id, which no partner ever sees.
#[must_use]
pub(crate) fn member() -> MemberId {
    MemberId(Uuid::new_v4())
}

/// What names a member to one partner.
#[must_use]
pub(crate) fn link_token() -> Uuid {
    Uuid::new_v4()
}

/// What names a webhook.
#[must_use]
pub(crate) fn webhook() -> Uuid {
    Uuid::new_v4()
}

/// What nobody can guess, for hashing what came from outside.
#[must_use]
pub(crate) fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

/// What names a fault to the caller and in the log.
#[must_use]
pub(crate) fn fault() -> Uuid {
    Uuid::new_v4()
}
