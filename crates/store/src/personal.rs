//! Personal data as the database knows it: references by what they are looked up by, and whatever can
//! be read only by a member's key, which is here wrapped by another that is not in the database.

use std::fmt;

use entente_ledger::{Cell, MemberId};
use sqlx::PgExecutor;

use crate::StoreError;

/// What a partner's reference is looked up by: an HMAC of it, by a key that is not in the database.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup(pub [u8; 32]);

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup(..)")
    }
}

/// A reference that was sealed by a member's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedReference {
    /// What it is looked up by.
    pub lookup: Lookup,
    /// The reference, sealed.
    pub sealed: Vec<u8>,
    /// By whose key.
    pub sealed_for: MemberId,
}

/// What a member agreed to, sealed by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedConsent {
    /// HMAC of the wording's version.
    pub mark: [u8; 32],
    /// When, to which wording, and by which assertion.
    pub sealed: Vec<u8>,
    /// By whose key.
    pub sealed_for: MemberId,
}

/// Any member's key, wrapped, to see whether it can be unwrapped.
pub async fn some_key(
    executor: impl PgExecutor<'_>,
) -> Result<Option<(MemberId, Vec<u8>)>, StoreError> {
    let row = sqlx::query!("SELECT member_id, wrapped FROM member_keys LIMIT 1");
    let row = row.fetch_optional(executor).await?;
    Ok(row.map(|row| (MemberId(row.member_id), row.wrapped)))
}

/// A member's key, wrapped; an erased member has none.
pub async fn wrapped_key(
    executor: impl PgExecutor<'_>,
    cell: Cell,
    member: MemberId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let wrapped = sqlx::query_scalar!(
        "SELECT wrapped FROM member_keys WHERE cell = $1 AND member_id = $2",
        cell.0,
        member.0
    );
    Ok(wrapped.fetch_optional(executor).await?)
}
