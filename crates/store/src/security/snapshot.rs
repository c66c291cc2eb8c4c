//! All that a hub needs to check calls without asking the database: read whenever the epoch rises.

use sqlx::PgPool;

use super::{Denied, Operator, SigningKeyRow, epoch, list_operators};
use crate::StoreError;

/// What is in force: at least what was committed when the epoch was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecuritySnapshot {
    /// The epoch.
    pub epoch: i64,
    /// The operators.
    pub operators: Vec<Operator>,
    /// Owner and name of each registered key that is not revoked.
    pub keys: Vec<(String, String)>,
    /// The hubs' keys that are not revoked.
    pub signing_keys: Vec<SigningKeyRow>,
    /// What is denied.
    pub denied: Vec<Denied>,
}

/// Reads what is in force. The epoch comes first, so that nothing of it is missing.
pub async fn load_snapshot(pool: &PgPool) -> Result<SecuritySnapshot, StoreError> {
    let epoch = epoch(pool).await?;
    let operators = list_operators(pool).await?;
    let keys = sqlx::query!("SELECT owner, kid FROM keys WHERE revoked_at IS NULL");
    let keys = keys.fetch_all(pool).await?.into_iter().map(|row| (row.owner, row.kid));
    let signing_keys = sqlx::query!(
        r#"SELECT kid, jwk, not_after AS "not_after: jiff_sqlx::Timestamp"
           FROM signing_keys WHERE revoked_at IS NULL ORDER BY published_at DESC LIMIT 1000"#
    );
    let signing_keys = signing_keys.fetch_all(pool).await?.into_iter().map(|row| SigningKeyRow {
        kid: row.kid,
        jwk: row.jwk,
        not_after: row.not_after.to_jiff(),
    });
    let denied = sqlx::query!("SELECT kind, value FROM denied");
    let denied = denied.fetch_all(pool).await?;
    let denied = denied.iter().map(|row| Denied::of(row.kind, &row.value));
    Ok(SecuritySnapshot {
        epoch,
        operators,
        keys: keys.collect(),
        signing_keys: signing_keys.collect(),
        denied: denied.collect::<Result<_, _>>()?,
    })
}
